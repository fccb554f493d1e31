"""Makes what the stack needs beside a compiler: `.venv` and the built messages.

Standard library only. On a machine with ROS 2 sourced (ROS_DISTRO set) `.venv` sees the system's
packages and gets what apt has not; on a bare machine it also gets ROS 2 itself as wheels. Then
`colcon build` makes the messages in `install/`.

What was made from what is kept in `.venv/gen_stack.json`: a second call does nothing, changed
requirements run pip again, a changed message or CMakeLists.txt builds again, changed Python code
does nothing (it is used from here). `.venv/gen_stack.incomplete` marks an environment under way:
whoever finds it starts afresh.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
STAMP = VENV / 'gen_stack.json'
INCOMPLETE = VENV / 'gen_stack.incomplete'
LOG = ROOT / 'log' / 'setup.log'
NEEDED_BYTES = 4_000_000_000  # 2.1 GB of .venv and what pip unpacks meanwhile; with torch for CPU
OLDEST_PYTHON = (3, 11)
PIP = ['-m', 'pip', '--disable-pip-version-check', 'install', '--no-input', '--retries', '2']
SYSTEM_ROS_PROVIDES = (
    'numpy',
    'opencv-python-headless',
    'PyYAML',
)  # its messages are built against its own numpy


class SetupError(Exception):
    """One line for a person: what is missing and what to install."""


def main() -> int:
    try:
        ensure()
    except SetupError as error:
        print(f'gen setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('gen setup: interrupted; the next call mends what is half done.', file=sys.stderr)
        return 130
    return 0


def ensure() -> None:
    """Bring `.venv` and `install/` up to date; returns at once when they are."""
    if fresh():
        return
    check_tools()
    with lock():
        if fresh():  # another call made it while we waited
            return
        stamp = read_stamp()
        if stamp.get('place') != place() or stamp.get('packages') != packages_print():
            make_packages(stamp)
        build_messages()


def fresh() -> bool:
    stamp = read_stamp()
    wanted = {'place': place(), 'packages': packages_print(), 'build': build_print()}
    return stamp == wanted and PYTHON.exists() and (ROOT / 'install' / 'gen_stack').is_dir()


# What was made from what --------------------------------------------------------------------------


def read_stamp() -> dict:
    if INCOMPLETE.exists():
        return {}
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def write_stamp(**entries: str) -> None:
    partial = STAMP.with_suffix('.partial')
    partial.write_text(json.dumps(entries))
    os.replace(partial, STAMP)


def place() -> str:
    """Where and for which ROS: a virtual environment works only where it was made."""
    return f'{ROOT} {ros_distro()}'


def ros_distro() -> str:
    return os.environ.get('ROS_DISTRO', '')


def packages_print() -> str:
    return digest([*requirement_files(), ROOT / 'requirements.lock'])


def build_print() -> str:
    """Contents of what is compiled; of what is only linked, the names."""
    sources = [*sorted((ROOT / 'msg').glob('*.msg')), ROOT / 'CMakeLists.txt', ROOT / 'package.xml']
    linked = sorted(
        str(path.relative_to(ROOT))
        for folder in ('checkpoints', 'config', 'launch', 'urdf')
        for path in (ROOT / folder).rglob('*.*')
        if '__pycache__' not in path.parts
    )
    return digest([*sources, ROOT / 'tools' / 'node.in'], *linked)


def digest(paths: list, *names: str) -> str:
    total = hashlib.sha256('\n'.join(names).encode())
    for path in paths:
        total.update(path.name.encode() + b'\0' + path.read_bytes() + b'\0')
    return total.hexdigest()


def requirement_files() -> list:
    names = ['requirements.txt', 'requirements-dev.txt']
    return [ROOT / name for name in (names if ros_distro() else [*names, 'requirements-ros.txt'])]


# What must be there before ------------------------------------------------------------------------


def check_tools() -> None:
    """Raise with everything that is missing at once."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            f'Python {sys.version.split()[0]} is too old, 3.11 or newer is needed. '
            'Install: sudo apt install python3.11 python3.11-venv python3.11-dev '
            '(or set GEN_PYTHON=/path/to/it).'
        )
    if ros_distro() not in ('', 'jazzy'):
        raise SetupError(
            f"ROS 2 '{ros_distro()}' is sourced, Jazzy is needed. Source "
            '/opt/ros/jazzy/setup.bash, or start from a shell without ROS to use the wheels.'
        )
    if ros_distro() and not os.environ.get('AMENT_PREFIX_PATH'):
        raise SetupError(
            'ROS_DISTRO is set but ROS is not sourced: source /opt/ros/jazzy/setup.bash, '
            'or unset ROS_DISTRO to use the wheels.'
        )
    missing = missing_tools()
    if missing:
        names, packages = zip(*missing, strict=True)
        raise SetupError(
            f'missing: {", ".join(names)}. Install: sudo apt install {" ".join(packages)}'
        )


def missing_tools() -> list:
    """(what, apt package) for every build tool that this machine lacks."""
    missing = []
    for name, commands, package in (
        ('C compiler', ('cc', 'gcc', 'clang'), 'gcc'),
        ('C++ compiler', ('c++', 'g++', 'clang++'), 'g++'),
        ('cmake', ('cmake',), 'cmake'),
        ('make', ('make', 'ninja'), 'make'),
    ):
        if not any(shutil.which(command) for command in commands):
            missing.append((name, package))
    if ros_distro() and not shutil.which('colcon'):
        missing.append(('colcon', 'python3-colcon-common-extensions'))
    version = f'python{sys.version_info[0]}.{sys.version_info[1]}'
    if not Path(sysconfig.get_paths()['include'], 'Python.h').exists():
        missing.append((f'Python.h of {version}', f'{version}-dev'))
    try:
        import ensurepip  # noqa: F401 (Debian takes it out of the standard library)
    except ImportError:
        missing.append((f'venv of {version}', f'{version}-venv'))
    return missing


def check_room(free_bytes: int) -> None:
    if free_bytes < NEEDED_BYTES:
        raise SetupError(
            f'{ROOT} has {free_bytes / 1e9:.1f} GB free, {NEEDED_BYTES / 1e9:.0f} GB are needed '
            '(8 GB where torch comes with CUDA). Free some, or clone onto a larger disk.'
        )


@contextlib.contextmanager
def lock():
    """One setup at a time: a second caller waits and then finds the work done."""
    directory = os.open(ROOT, os.O_RDONLY)  # the directory is the lock: no file is left behind
    os.set_inheritable(directory, True)  # and pip holds it on, should we be killed before it ends
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            step('another call is setting up, waiting for it ...')
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


# Python packages ----------------------------------------------------------------------------------


def make_packages(stamp: dict) -> None:
    """Create or update `.venv`; an interrupted or moved one is made anew."""
    moved = stamp and stamp.get('place') != place()
    if INCOMPLETE.exists() or moved or (VENV.exists() and not usable(PYTHON)):
        step('.venv is unfinished, was made elsewhere or for another ROS: making it anew')
        shutil.rmtree(VENV, ignore_errors=True)
    check_room(shutil.disk_usage(ROOT).free + tree_bytes(VENV))
    VENV.mkdir(exist_ok=True)
    INCOMPLETE.touch()
    if not PYTHON.exists():
        step('creating .venv')
        run(
            [
                base_python(),
                '-m',
                'venv',
                *(['--system-site-packages'] if ros_distro() else []),
                str(VENV),
            ]
        )
    step(
        'installing Python packages'
        + ('' if ros_distro() else ' and ROS 2 Jazzy')
        + ' (about 2 minutes)'
    )
    run([str(PYTHON), *PIP, *requirement_arguments()])
    if not ros_distro():
        correct_cmake_files()
    shutil.rmtree(ROOT / 'build', ignore_errors=True)
    shutil.rmtree(ROOT / 'install', ignore_errors=True)
    write_stamp(place=place(), packages=packages_print())
    INCOMPLETE.unlink()


def base_python() -> str:
    """The interpreter outside any virtual environment: ours may be activated, and is about to be
    replaced.
    """
    return getattr(sys, '_base_executable', None) or sys.executable


def usable(python: Path) -> bool:
    try:
        return (
            subprocess.run([str(python), '-m', 'pip', '--version'], capture_output=True).returncode
            == 0
        )
    except OSError:
        return False


def tree_bytes(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob('*')) if path.exists() else 0


def requirement_arguments() -> list:
    """pip's -r and -c. A machine with ROS keeps its own numpy and OpenCV, against which its
    packages are built.
    """
    files, constraints = requirement_files(), ROOT / 'requirements.lock'
    if ros_distro():
        files = [without(path, SYSTEM_ROS_PROVIDES) for path in files]
        constraints = without(constraints, SYSTEM_ROS_PROVIDES)
        with open(constraints, 'a') as file:
            file.write(f'numpy=={system_version("numpy", "python3-numpy")}\n')
        system_version('cv2', 'python3-opencv')
        system_version('rclpy', 'ros-jazzy-rclpy')
    return [word for path in files for word in ('-r', str(path))] + ['-c', str(constraints)]


def without(path: Path, names: tuple) -> Path:
    """A copy of a requirements file inside `.venv` that leaves out `names`."""
    lines = [
        line
        for line in path.read_text().splitlines(keepends=True)
        if re.split(r'[=\s\[]', line.lower())[0] not in {name.lower() for name in names}
    ]
    copy = VENV / path.name
    copy.write_text(''.join(lines))
    return copy


def system_version(module: str, package: str) -> str:
    """Version of a module that the system's Python must have; raises with the apt package of it."""
    code = f"import {module}; print(getattr({module}, '__version__', ''))"
    done = subprocess.run([base_python(), '-c', code], capture_output=True, text=True)
    if done.returncode:
        raise SetupError(
            f'{base_python()} cannot import {module}. Install: sudo apt install {package} '
            '(or set GEN_PYTHON to the Python that ROS is made for, usually /usr/bin/python3).'
        )
    return done.stdout.strip()


def correct_cmake_files() -> None:
    """The wheels' CMake exports name the Python of the machine that built them: put ours in their
    place.
    """
    major, minor = sys.version_info[:2]
    builder = rf'/opt/python/cp{major}{minor}-cp{major}{minor}t?'
    include = re.compile(rf'{builder}/include/python{major}\.{minor}t?')
    for path in (VENV / 'share').rglob('*'):
        if not path.is_file() or path.is_symlink():
            continue
        content = path.read_bytes()
        if b'/opt/python/cp' not in content:
            continue
        text = include.sub(lambda _: sysconfig.get_paths()['include'], content.decode())
        path.write_text(re.sub(builder, lambda _: str(VENV), text))


# Messages -----------------------------------------------------------------------------------------


def build_messages() -> None:
    """`colcon build`; a build that fails on top of an older one is tried once more from nothing."""
    step('building the ROS messages (about 30 seconds)')
    wanted = build_print()
    again = (ROOT / 'build').exists()
    try:
        run(build_command(), environment=build_environment())
    except SetupError:
        if not again:
            raise
        shutil.rmtree(ROOT / 'build', ignore_errors=True)
        shutil.rmtree(ROOT / 'install', ignore_errors=True)
        run(build_command(), environment=build_environment())
    write_stamp(place=place(), packages=packages_print(), build=wanted)
    step('ready')


def build_command() -> list:
    colcon = shutil.which('colcon') if ros_distro() else str(VENV / 'bin' / 'colcon')
    return [
        colcon,
        '--log-base',
        'log',
        'build',
        '--base-paths',
        '.',
        '--packages-select',
        'gen_stack',
        '--symlink-install',
        '--cmake-args',
        f'-DPython3_EXECUTABLE={PYTHON}',
        '-DBUILD_TESTING=OFF',
        '-DCMAKE_BUILD_TYPE=Release',
        '--no-warn-unused-cli',
    ]


def build_environment() -> dict:
    """No other workspace may be seen, nor the make or the Python that called us."""
    strange = (
        'MAKEFLAGS',
        'MFLAGS',
        'MAKELEVEL',
        'PYTHONHOME',
        'COLCON_PREFIX_PATH',
        '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
    )
    environment = {key: value for key, value in os.environ.items() if key not in strange}
    environment['VIRTUAL_ENV'] = str(VENV)
    environment['PATH'] = f'{VENV}/bin:{environment.get("PATH", os.defpath)}'
    if not ros_distro():
        for key in ('PYTHONPATH', 'LD_LIBRARY_PATH'):
            environment.pop(key, None)
        environment['CMAKE_PREFIX_PATH'] = environment['AMENT_PREFIX_PATH'] = str(VENV)
    return environment


# Running and telling ------------------------------------------------------------------------------


def step(text: str) -> None:
    print(f'gen setup: {text}', file=sys.stderr, flush=True)


def run(command: list, environment: 'dict | None' = None) -> None:
    """Run with all output in the log; raise with the line of it that explains a failure."""
    LOG.parent.mkdir(exist_ok=True)
    with open(LOG, 'a') as log:
        log.write(f'\n{time.strftime("%F %T")} {" ".join(command)}\n')
        log.flush()
        start = log.tell()
        if environment is None:
            environment = {
                k: v for k, v in os.environ.items() if k != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'
            }
        try:
            status = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                close_fds=False,  # see lock()
            ).returncode
        except OSError as error:
            raise SetupError(f'cannot run {command[0]}: {error.strerror}') from error
    if status:
        with open(LOG) as log:
            log.seek(start)
            raise SetupError(explain(log.read(), command) + f' All output: {LOG}')


def explain(output: str, command: list) -> str:
    """The cause of a failed command, from its output, with what to do about it."""
    if 'No space left on device' in output or 'Disk quota exceeded' in output:
        return (
            f'the disk is full; {NEEDED_BYTES / 1e9:.0f} GB are needed in {ROOT} '
            'and room for pip in TMPDIR and its cache.'
        )
    if re.search(r'NewConnection|NameResolution|ConnectTimeout|Temporary failure|Proxy', output):
        return (
            'pip cannot reach its package index. Check the network, the proxy and '
            'the index in pip.conf, then try again.'
        )
    errors = [line for line in output.splitlines() if re.search(r'\berror\b', line, re.IGNORECASE)]
    last = (errors or output.splitlines() or ['no output'])[-1].strip()
    return f"'{' '.join(Path(word).name for word in command[:4])} ...' failed: {last}"


if __name__ == '__main__':
    sys.exit(main())
