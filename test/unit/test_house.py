"""The house's borders: who may import what, and rules that hold for every file."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted((ROOT / 'gen_nodes').rglob('*.py'))
ROS_NAMES = re.compile(
    r'^(rclpy|rcl_interfaces|launch\w*|rosidl\w*|gen_stack|cv_bridge|\w+_msgs|std_srvs)(\.|$)'
)
MAY_IMPORT_ROS = ('nodes', 'ros', 'cli')
ROS_FREE = (
    'ros.convert',
    'ros.routes',
)  # duck-typed over messages, so that data/ uses the live nodes' own code
WITHOUT_TORCH = (
    'streams',
    'embodiment',
    'ros',
    'robot',
    'nodes.embodiment_controller',
    'nodes.sensor_aggregator',
    'nodes.data_recorder',
    'nodes.robot_emulator',
)
MAY_IMPORT = {
    'streams': (),
    'embodiment': (),
    'model': ('streams',),
    'policy': ('streams', 'model'),
    'data': ('streams', *ROS_FREE),
    'train': ('streams', 'model', 'policy', 'data', 'science'),
    'science': ('data', *ROS_FREE),
    'hil': ('streams', 'embodiment', 'policy', 'data', 'science', 'ros'),
    'ros': ('streams',),
    'nodes': ('streams', 'embodiment', 'policy', 'data', 'hil', 'ros'),
    'cli': ('streams', 'embodiment', 'model', 'policy', 'data', 'train', 'science', 'hil', 'ros'),
}


def name_of(path: Path) -> str:
    """Module name inside gen_nodes: 'ros.graph'; a package's __init__ has the package's name."""
    parts = path.relative_to(ROOT / 'gen_nodes').with_suffix('').parts
    return '.'.join(part for part in parts if part != '__init__')


FILES = {name_of(path): path for path in CODE if path.name != '__init__.py'}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """(full name, runs on import) of every import in a file; `from a import b` gives a and a.b."""
    late = {
        id(node)
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef) or is_type_checking(function)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            names = [node.module, *(f'{node.module}.{alias.name}' for alias in node.names)]
        else:
            continue
        found += [(name, id(node) not in late) for name in names]
    return tuple(found)


def is_type_checking(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == 'TYPE_CHECKING'
    )


@cache
def ours(path: Path, *, on_import: bool = False) -> frozenset[str]:
    """Modules of gen_nodes that a file imports, as name_of gives them."""
    early = {
        name.removeprefix('gen_nodes.') for name, early in imports(path) if early or not on_import
    }
    return frozenset(early & FILES.keys())


def reached(start: str) -> dict[str, str]:
    """Every module that importing `start` imports, with the one that pulled it in."""
    reasons, todo = {start: ''}, [start]
    while todo:
        module = todo.pop()
        for other in ours(FILES[module], on_import=True) - reasons.keys():
            reasons[other] = module
            todo.append(other)
    return reasons


@pytest.mark.parametrize('path', CODE, ids=name_of)
def test_only_nodes_ros_and_cli_import_ros(path):
    if name_of(path).split('.')[0] in MAY_IMPORT_ROS and name_of(path) not in ROS_FREE:
        return
    foreign = {
        name
        for name, early in imports(path)
        if ROS_NAMES.match(name) and (early or not name.startswith('cv_bridge'))
    }  # that one only where an image needs it
    assert not foreign, f'{path.relative_to(ROOT)} must not import {sorted(foreign)}'


@pytest.mark.parametrize(
    'path', [path for name, path in FILES.items() if name.startswith(WITHOUT_TORCH)], ids=name_of
)
def test_what_must_be_free_of_torch_never_reaches_it(path):
    for module, because in reached(name_of(path)).items():
        names = {name.split('.')[0] for name, early in imports(FILES[module]) if early}
        assert 'torch' not in names, (
            f'{name_of(path)} reaches torch through {module} (imported by {because})'
        )


@pytest.mark.parametrize('path', [path for name, path in FILES.items() if '.' in name], ids=name_of)
def test_imports_inside_the_house_point_down_only(path):
    package = name_of(path).split('.')[0]
    allowed = (package, *MAY_IMPORT[package])
    for module in ours(path):
        at_the_top = '.' not in module and module not in MAY_IMPORT
        inside = any(module == name or module.startswith(f'{name}.') for name in allowed)
        assert at_the_top or inside, f'{name_of(path)} must not import {module}'


@pytest.mark.parametrize('path', sorted(ROOT.glob('gen_nodes/*.py')), ids=name_of)
def test_files_at_the_top_import_no_package(path):
    assert not {module for module in ours(path) if '.' in module}


@pytest.mark.parametrize('path', [p for p in CODE if p.name == '__init__.py'], ids=name_of)
def test_every_init_is_empty(path):
    assert path.read_text() == ''


def test_every_package_has_an_init():
    assert {path.parent for path in CODE} == {
        path.parent for path in CODE if path.name == '__init__.py'
    }


@pytest.mark.parametrize('path', CODE, ids=name_of)
def test_nothing_that_runs_code_from_a_file_is_used(path):
    """pickle, torch.load, numpy with pickles, yaml other than safe, eval and exec."""
    text_names = {name.split('.')[0] for name, _ in imports(path)}
    assert not text_names & {
        'pickle',
        'cPickle',
        'dill',
        'cloudpickle',
        'marshal',
        'shelve',
        'joblib',
    }
    for call in (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        words = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert called not in (
            'torch.load',
            'torch.save',
            'yaml.unsafe_load',
            'yaml.full_load',
            'eval',
            'exec',
        )
        assert words.get('allow_pickle', 'False') == 'False'
        if called in ('yaml.load', 'yaml.load_all'):
            assert words.get('Loader', '') in safe_loaders(path), (
                f'{path}: {called} needs a safe loader'
            )


def safe_loaders(path: Path) -> set[str]:
    """Safe loaders that a file can name: PyYAML's and those it derives from them."""
    derived = {
        node.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if ast.unparse(base) in ('yaml.SafeLoader', 'yaml.CSafeLoader')
    }
    return derived | {'yaml.SafeLoader', 'yaml.CSafeLoader'}


@pytest.mark.parametrize(
    'path',
    sorted((ROOT / 'test/unit').rglob('test_*.py')),
    ids=lambda path: str(path.relative_to(ROOT / 'test/unit')),
)
def test_every_unit_test_mirrors_a_file(path):
    """test/unit/a/test_b.py or test_b_aspect.py stands for gen_nodes/a/b.py; test/unit/tools for
    tools/.
    """
    folder = path.parent.relative_to(ROOT / 'test/unit')
    home = ROOT / 'tools' if folder.parts[:1] == ('tools',) else ROOT / 'gen_nodes' / folder
    stem = path.stem.removeprefix('test_')
    mirrored = [
        file for file in home.glob('*') if stem == file.stem or stem.startswith(f'{file.stem}_')
    ]
    assert mirrored or path == Path(__file__), (
        f'{path.relative_to(ROOT)} mirrors nothing in {home.relative_to(ROOT)}'
    )


@pytest.mark.parametrize('path', sorted((ROOT / 'msg').glob('*.msg')), ids=lambda path: path.stem)
def test_every_message_and_field_says_what_it_means(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith('# ')
    for line in lines:
        if line.strip() and not line.startswith('#'):
            assert re.search(r'#\s*\S+', line), f'{path.name}: no comment on: {line}'


def test_a_message_and_its_frozen_value_share_one_name():
    classes = {
        node.name
        for node in ast.walk(tree_of(ROOT / 'gen_nodes/types.py'))
        if isinstance(node, ast.ClassDef)
    }
    assert {'Observation', 'ActionChunk', 'ControllerState', 'Episode', 'StreamHealth'} <= classes


def test_whatever_the_code_reads_from_the_resource_root_is_installed():
    read = {
        name
        for path in CODE
        for name in re.findall(r"resource_root\(\) / '(\w+)'", path.read_text())
    }
    (installed,) = re.findall(
        r'^install\(DIRECTORY (.*) DESTINATION share', (ROOT / 'CMakeLists.txt').read_text(), re.M
    )
    assert {'checkpoints', 'config'} <= read <= set(installed.split())


def test_no_tracked_file_is_larger_than_twenty_megabytes():
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip('not a git checkout')
    files = [ROOT / name for name in listed.stdout.split('\0') if name]
    assert not [path for path in files if path.is_file() and path.stat().st_size > 20_000_000]


@pytest.mark.parametrize(
    'page', [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))], ids=lambda page: page.name
)
def test_every_link_in_the_documentation_leads_to_a_file(page):
    for target in re.findall(r'\]\(([^)#]+)', page.read_text()):
        if not target.startswith('http'):
            assert (page.parent / target).exists(), f'{page.name}: {target}'


def test_the_tree_in_the_readme_names_every_package():
    tree = (ROOT / 'README.md').read_text().split('## What is where')[1].split('```')[1]
    packages = {path.parent.name for path in ROOT.glob('gen_nodes/*/__init__.py')}
    assert packages == set(re.findall(r'^  (\w+)/', tree, flags=re.M))
