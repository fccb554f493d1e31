"""Mutation testing of the envelope and the stop logic: `make mutants`.

Breaks the code in one place at a time (mutmut) and sees whether the unit tests of that file notice.
A mutant that they do not notice must be harmless, with a reason in tools/mutants.yaml.

Works in out/mutants, a folder per file under test with a copy of what its tests need. A second call
goes on where the first was interrupted, tests functions that changed since, and where the tests
changed all that lived; only the report is written to the checkout. Hypothesis draws the same 20
examples every time, so no mutant dies by luck.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / 'out' / 'mutants'
PACKAGES = WORK / 'packages'
REQUIREMENTS = ROOT / 'tools' / 'mutants_requirements.txt'
REASONS = ROOT / 'tools' / 'mutants.yaml'
PAGE = ROOT / 'docs' / 'mutants.md'
CODE, TESTS = Path('gen_nodes/embodiment'), Path('test/unit/embodiment')

# Which unit tests stand for which file.
FILES = {
    'stop': ('test_stop*',),
    'signals': ('test_signals*',),
    'watches': ('test_watches*',),
    'watchdog': ('test_watchdog*',),
    'limits': ('test_limits*',),
    'controller': ('test_controller_exact*', 'test_controller_gap*', 'test_controller_velocity*'),
    'envelope': ('test_envelope*',),
    'collision': ('test_collision_exact*',),
    'collision_proof': ('test_collision_proof*',),
}
# Too slow to run for every mutant, or about speed itself.
LEFT_OUT = ('microseconds', 'ten_thousand')
COPIED = ('gen_nodes', 'config', 'urdf', 'test/support', str(TESTS), 'docs/safety.md')
CHILDREN = 2
NO_REASON = 'No reason is known yet.'

CONFIG = """[tool.mutmut]
source_paths = ["gen_nodes"]
only_mutate = ["{code}"]
also_copy = ["config", "urdf", "docs"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-k", "{selection}"]
pytest_add_cli_args_test_selection = [{tests}]
process_isolation = "forkserver"
use_git_change_detection = false
timeout_constant = 5.0

[tool.pytest.ini_options]
pythonpath = ["test/support"]
addopts = "--import-mode=importlib"
"""

CONFTEST = """import json
from pathlib import Path

import hypothesis

hypothesis.settings.register_profile('mutants', derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile('mutants')


def pytest_collection_modifyitems(items):
    '''The quickest first: most mutants die at once.'''
    stats = Path('mutmut-stats.json')
    took = json.loads(stats.read_text())['duration_by_test'] if stats.exists() else {}
    items.sort(key=lambda item: took.get(item.nodeid, 0.0))
    for item in items:
        chosen = getattr(item.obj, '_hypothesis_internal_use_settings', None)
        if chosen is not None:
            fewer = hypothesis.settings(chosen, max_examples=min(chosen.max_examples, 20))
            item.obj._hypothesis_internal_use_settings = fewer
"""

VERDICTS = {0: 'survived', 1: 'killed', 3: 'killed', 5: 'no tests', 33: 'no tests', -11: 'killed'}
VERDICTS |= dict.fromkeys((24, -24, 36, 152, 255), 'timeout') | {None: 'not tested'}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('files', nargs='*', metavar='FILE', help=f'of {" ".join(FILES)}')
    parser.add_argument('--children', type=int, default=CHILDREN, help='processes at a time')
    parser.add_argument('--fresh', action='store_true', help='forget what was tested before')
    parser.add_argument('--report', action='store_true', help='test nothing, write the report')
    args = parser.parse_args()
    chosen = args.files or list(FILES)
    if unknown := set(chosen) - set(FILES):
        parser.error(f'unknown file: {", ".join(sorted(unknown))}; known: {", ".join(FILES)}')
    install()
    for name in [] if args.report else chosen:
        if args.fresh:
            shutil.rmtree(WORK / name, ignore_errors=True)
        print(f'--- {name}', flush=True)
        if code := run(name, args.children):
            return code
    report = read(FILES)
    (WORK / 'mutants.json').write_text(json.dumps(report, indent=1))
    PAGE.write_text(page(report, load_reasons()))
    print(f'{summary(report)}\n{WORK / "mutants.json"}, {PAGE}')
    return 0


def install() -> None:
    """mutmut into a folder of its own, unless it is there; that can be imported from then on."""
    sys.path.append(str(PACKAGES))
    stamp = PACKAGES / 'installed'
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    shutil.rmtree(PACKAGES, ignore_errors=True)
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', 'install', '--quiet']
    subprocess.run([*pip, '--target', PACKAGES, '-r', REQUIREMENTS], check=True)
    stamp.write_text(REQUIREMENTS.read_text())


# One file


def run(name: str, children: int) -> int:
    """Test the mutants of one file that have no verdict yet."""
    tree = WORK / name
    prepare(name, tree)
    environment = os.environ | {
        'PYTHONPATH': str(PACKAGES),
        'OMP_NUM_THREADS': '1',
        'OPENBLAS_NUM_THREADS': '1',
    }
    mutmut = [sys.executable, '-m', 'mutmut', 'run', '--max-children', str(children)]
    return subprocess.run(mutmut, cwd=tree, env=environment).returncode


def prepare(name: str, tree: Path) -> None:
    """Copy what is needed. Where the tests changed, whatever lived is tested anew."""
    for part in COPIED:
        mirror(ROOT / part, tree / part)
    tests = sorted(
        str(path.relative_to(tree))
        for pattern in FILES[name]
        for path in (tree / TESTS).glob(f'{pattern}.py')
    )
    config = CONFIG.format(
        code=CODE / f'{name}.py',
        selection=' and '.join(f'not {word}' for word in LEFT_OUT),
        tests=', '.join(f'"{test}"' for test in tests),
    )
    write(tree / 'pyproject.toml', config)
    write(tree / 'test' / 'conftest.py', CONFTEST)
    against = [*tests, 'test/conftest.py', 'pyproject.toml']
    digest = hashlib.sha256(b''.join((tree / path).read_bytes() for path in against)).hexdigest()
    stamp = tree / 'tested_with'
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(tree / 'mutants' / 'test', ignore_errors=True)
        (tree / 'mutants' / 'mutmut-stats.json').unlink(missing_ok=True)
        forget_survivors(tree, name)
        stamp.write_text(digest)


def mirror(source: Path, target: Path) -> None:
    """Make target like source, touching only what differs: mutmut goes by dates."""
    if source.is_file():
        write(target, source.read_text())
        return
    wanted = {
        path.relative_to(source)
        for path in source.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    for path in wanted:
        write(target / path, (source / path).read_bytes())
    for path in target.rglob('*'):
        if path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()


def write(path: Path, content: str | bytes) -> None:
    content = content.encode() if isinstance(content, str) else content
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def verdicts_file(tree: Path, name: str) -> Path:
    return tree / 'mutants' / CODE / f'{name}.py.meta'


def forget_survivors(tree: Path, name: str) -> None:
    file = verdicts_file(tree, name)
    if not file.exists():
        return
    data = json.loads(file.read_text())
    codes = data['exit_code_by_key']
    for mutant, code in codes.items():
        if VERDICTS.get(code) != 'killed':
            codes[mutant] = None
    file.write_text(json.dumps(data))


# The report


def read(names: list[str] | dict) -> dict:
    """Verdicts of all files that were tested: totals, per file, and what was not killed."""
    files = {name: read_file(name) for name in names if verdicts_file(WORK / name, name).exists()}
    total = sum((Counter(file['verdicts']) for file in files.values()), Counter())
    return {'total': total.total(), 'verdicts': dict(total), 'files': files}


def read_file(name: str) -> dict:
    tree = WORK / name
    codes = json.loads(verdicts_file(tree, name).read_text())['exit_code_by_key']
    verdicts = {mutant: VERDICTS.get(code, f'exit code {code}') for mutant, code in codes.items()}
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    with contextlib.chdir(tree):
        alive = [
            survivor(mutant, verdict, get_diff_for_mutant(mutant, path=CODE / f'{name}.py'))
            for mutant, verdict in verdicts.items()
            if verdict not in ('killed', 'timeout', 'not tested')
        ]
    return {
        'code': hashlib.sha256((tree / CODE / f'{name}.py').read_bytes()).hexdigest()[:8],
        'total': len(verdicts),
        'verdicts': dict(Counter(verdicts.values())),
        'alive': alive,
    }


def survivor(mutant: str, verdict: str, diff: str) -> dict:
    """A mutant that lives; by its `change` (where, which line, into which) its reason is found."""
    lines = diff.splitlines()[2:]
    was, now = (
        ' '.join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in '-+'
    )
    place = mutant.rpartition('.')[2].partition('__mutmut_')[0]
    place = place.removeprefix('x').removeprefix('_').strip('ǁ').replace('ǁ', '.')
    module = mutant.split('.')[-2]
    change = f'{module}.{place}: {was} --> {now}'
    return {'mutant': mutant, 'verdict': verdict, 'change': change, 'diff': diff}


def load_reasons() -> dict[str, str]:
    """Why a mutant may live, by its change."""
    entries = yaml.safe_load(REASONS.read_text()) if REASONS.exists() else []
    return {change: entry['reason'] for entry in entries for change in entry['changes']}


def killed(verdicts: dict[str, int]) -> float:
    """Per cent of the mutants that died, of those tested; a test that no longer ends has noticed,
    too.
    """
    dead = verdicts.get('killed', 0) + verdicts.get('timeout', 0)
    return 100 * dead / max(sum(verdicts.values()) - verdicts.get('not tested', 0), 1)


def summary(report: dict) -> str:
    verdicts = report['verdicts']
    parts = ', '.join(f'{count} {verdict}' for verdict, count in sorted(verdicts.items()))
    return f'{sum(verdicts.values())} mutants: {parts}; {killed(verdicts):.1f} % dead'


def page(report: dict, reasons: dict[str, str]) -> str:
    """The report as a page of the documentation."""
    files = report['files']
    rows = [row(name, file['verdicts'], file['code']) for name, file in files.items()]
    lines = [HEAD, *rows, row('all', report['verdicts']), '', '## Mutants that live', '']
    groups: dict[str, list[str]] = {}
    for mutant in [mutant for file in files.values() for mutant in file['alive']]:
        reason = reasons.get(mutant['change'], NO_REASON)
        groups.setdefault(reason, []).append(mutant['change'])
    for reason, changes in sorted(groups.items(), key=lambda group: -len(group[1])):
        lines += [f'{reason} ({len(changes)})', '']
        lines += [f'- `{change}`' for change in changes] + ['']
    return '\n'.join(lines).rstrip() + '\n'


def row(name: str, verdicts: dict[str, int], code: str = '') -> str:
    """A row of the table of files."""
    dead, endless, open_ = (verdicts.get(key, 0) for key in ('killed', 'timeout', 'not tested'))
    total = sum(verdicts.values())
    return (
        f'| {name} | {total} | {dead} | {endless} | {total - dead - endless - open_} | {open_} | '
        f'{killed(verdicts):.1f} % | {code} |'
    )


HEAD = """# Mutation testing

Do the tests of the envelope and of the stop logic notice when the code is wrong? `make mutants`
breaks it in one place at a time ([mutmut](https://github.com/boxed/mutmut): another operator,
another number, a missing argument, ...) and runs the unit tests of that file each time. It goes on
where it was interrupted, needs no ROS graph, and writes this page and `out/mutants/mutants.json`
(every survivor with its diff). Hypothesis draws the same 20 examples every time. mutmut leaves
alone: what runs at import (constants, defaults of dataclasses) and decorated functions
(properties). `sha256` begins that of the file as it was tested.

| file | mutants | killed | no longer ends | alive | not yet tested | dead | sha256 |
|---|---|---|---|---|---|---|---|"""


if __name__ == '__main__':
    sys.exit(main())
