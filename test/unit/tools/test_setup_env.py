"""What a person meets on a machine that lacks something: one line that says what to install."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ('bash', 'python3', 'cmake', 'cc', 'c++', 'make', 'readlink', 'dirname', 'env', 'ld', 'as')


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout in which nothing has been set up yet, of what setting up reads."""
    copy = tmp_path / 'checkout'
    for name in ('gen', 'tools', 'msg', 'CMakeLists.txt', 'package.xml', 'requirements.lock'):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, ensured(copy) / name)
    for name in ('requirements.txt', 'requirements-dev.txt', 'requirements-ros.txt'):
        (copy / name).write_text('gen-stack-nothing-of-this-name==1.0\n')
    return copy


def ensured(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def setup_of(checkout: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location('setup_env', checkout / 'tools' / 'setup_env.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment(tmp_path: Path, *missing: str, **changes: str) -> dict[str, str]:
    """A bare machine's environment whose PATH holds TOOLS without `missing`; pip finds no index."""
    folder = ensured(tmp_path / 'bin')
    for name in TOOLS:
        found = sys._base_executable if name == 'python3' else shutil.which(name)
        if found and name not in missing:
            (folder / name).symlink_to(Path(found).resolve())
    return {
        'PATH': str(folder),
        'HOME': str(tmp_path),
        'PIP_CONFIG_FILE': os.devnull,
        'PIP_INDEX_URL': 'http://127.0.0.1:9/simple',
        **changes,
    }


def set_up(checkout: Path, environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        [checkout / 'gen', 'exec', 'true'],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_refused(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 1 and done.stderr.count('\n') == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize(
    ('missing', 'words'),
    [
        (('c++',), ('C++ compiler', 'apt install g++')),
        (('cmake',), ('cmake', 'apt install cmake')),
        (('cc', 'c++', 'cmake', 'make'), ('C compiler, C++ compiler, cmake', 'gcc g++ cmake make')),
        (('python3',), ('no Python found', 'apt install python3')),
    ],
)
def test_a_missing_tool_is_named_with_its_package_and_nothing_is_made(
    checkout, tmp_path, missing, words
):
    assert_refused(set_up(checkout, environment(tmp_path, *missing)), *words)
    assert not (checkout / '.venv').exists()


def test_an_old_python_is_refused(checkout, tmp_path):
    old = next(filter(None, (shutil.which(f'python3.{minor}') for minor in (10, 9, 8))), None)
    works = old and subprocess.run([old, '-c', ''], capture_output=True).returncode == 0
    if not works:
        pytest.skip('no older Python on this machine')
    done = subprocess.run(
        [old, checkout / 'tools/setup_env.py'],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert_refused(done, 'too old', 'apt install python3.11')


def test_another_ros_or_one_not_sourced_is_refused(checkout, tmp_path):
    assert_refused(set_up(checkout, environment(tmp_path, ROS_DISTRO='humble')), 'Jazzy is needed')
    shutil.rmtree(tmp_path / 'bin')
    assert_refused(set_up(checkout, environment(tmp_path, ROS_DISTRO='jazzy')), 'not sourced')


def test_too_little_disk_space_says_how_much_is_needed(checkout):
    setup = setup_of(checkout)
    with pytest.raises(setup.SetupError, match=r'1\.5 GB free, 4 GB are needed'):
        setup.check_room(1_500_000_000)
    setup.check_room(setup.NEEDED_BYTES)
    assert 'disk is full' in setup.explain('OSError: [Errno 28] No space left on device', ['pip'])


def test_no_network_is_said_and_what_is_half_made_is_made_anew(checkout, tmp_path):
    bare = environment(tmp_path)
    done = set_up(checkout, bare)
    assert done.returncode == 1 and 'cannot reach its package index' in done.stderr
    assert (checkout / '.venv/gen_stack.incomplete').exists()
    (checkout / '.venv/debris').touch()
    again = set_up(checkout, bare)
    assert 'making it anew' in again.stderr and not (checkout / '.venv/debris').exists()


def test_a_second_call_waits_for_the_first(checkout, tmp_path):
    directory = os.open(checkout, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    waiting = subprocess.Popen(
        [sys.executable, checkout / 'tools/setup_env.py'],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert 'another call is setting up' in waiting.stderr.readline()
        assert not (checkout / '.venv').exists()
    finally:
        waiting.kill()
        waiting.communicate()
        os.close(directory)


def test_only_what_is_installed_or_built_from_is_watched(checkout):
    setup = setup_of(checkout)
    packages, build = setup.packages_print(), setup.build_print()
    ensured(checkout / 'gen_nodes')
    (checkout / 'gen_nodes/new.py').write_text('')
    assert (setup.packages_print(), setup.build_print()) == (packages, build)
    with open(checkout / 'msg/Episode.msg', 'a') as file:
        file.write('# more\n')
    assert setup.packages_print() == packages and setup.build_print() != build
    (checkout / 'requirements.txt').write_text('numpy==2.0\n')
    assert setup.packages_print() != packages


def test_the_wheels_cmake_files_name_this_python_afterwards(checkout):
    setup = setup_of(checkout)
    major, minor = sys.version_info[:2]
    builder = f'/opt/python/cp{major}{minor}-cp{major}{minor}'
    path = checkout / '.venv/share/a/export.cmake'
    path.parent.mkdir(parents=True)
    path.write_text(f'"{builder}/include/python{major}.{minor};{builder}/lib/numpy/include"')
    setup.correct_cmake_files()
    include = setup.sysconfig.get_paths()['include']
    assert path.read_text() == f'"{include};{checkout}/.venv/lib/numpy/include"'


def test_a_second_call_here_does_nothing():
    stamp = ROOT / '.venv/gen_stack.json'
    if os.environ.get('VIRTUAL_ENV') != str(ROOT / '.venv') or not stamp.exists():
        pytest.skip('not run through ./gen')
    before = (stamp.read_text(), stamp.stat().st_mtime_ns)
    done = subprocess.run([ROOT / 'gen', 'exec', 'true'], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
    assert (stamp.read_text(), stamp.stat().st_mtime_ns) == before
    assert set(json.loads(before[0])) == {'place', 'packages', 'build'}


def test_every_requirement_is_pinned_and_locked_to_the_same_version():
    locked = {line.lower() for line in (ROOT / 'requirements.lock').read_text().splitlines()}
    for path in ROOT.glob('requirements*.txt'):
        for line in path.read_text().splitlines():
            pin = line.split('#')[0].strip().lower()
            if pin:
                name, version = pin.split('==')
                assert f'{name.split("[")[0]}=={version}' in locked, f'{path.name}: {pin}'
