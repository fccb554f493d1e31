"""docs/robots.md names every key that a robot YAML may have, and every finding of the check."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from gen_nodes import robot_findings
from gen_nodes.cli import robot_case
from gen_nodes.joints import CAPS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs' / 'robots.md').read_text()
READERS = [ROOT / 'gen_nodes' / f'{name}.py' for name in ('robot', 'joints', 'wiring', 'safety')]
METHODS = {'text', 'texts', 'number', 'integer', 'flag', 'vector', 'section', 'sections', 'raw'}
METHODS |= {'read_topic'}


def section(title: str) -> str:
    return PAGE.split(f'## {title}')[1].split('\n## ')[0]


def documented() -> set[str]:
    """Every part of every key of the table: 'control.paths[].kind' -> control, paths, kind."""
    keys = re.findall(r'^\| `([^`]+)`', section('Keys of a robot YAML'), flags=re.M)
    parts = {part.removesuffix('[]') for key in keys for part in key.split('.')}
    return {part for part in parts if not part.startswith('<')}


def read_keys() -> set[str]:
    """Keys that the readers ask a Section for, by name in a call, `in` a Section, or a loop."""
    keys = set()
    for path in READERS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
                keys |= set(texts(node.args[:2])) if name in METHODS else set()
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
                keys |= set(texts([node.left]))
            elif isinstance(node, ast.comprehension) and isinstance(node.iter, ast.Tuple):
                keys |= set(texts(node.iter.elts))
    return keys - {'data'} | set(CAPS)  # 'data' is the default of `field`


def texts(nodes: list[ast.expr]) -> list[str]:
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def test_every_key_that_is_read_stands_in_the_table_and_no_other():
    assert documented() == read_keys()


def test_every_finding_stands_in_the_table_with_its_level_and_no_other():
    rows = re.findall(r'^\| `(\w+)` \| (\w+) \|', section('What the check says'), flags=re.M)
    made = set()
    for module in (robot_findings, robot_case):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'Finding':
                level = node.args[0].id.lower() if isinstance(node.args[0], ast.Name) else 'warning'
                made.add((node.args[1].value, level))
    assert set(rows) == made and len(rows) == len(made)
