"""The mutation runs: what is tested by what, what is kept between two runs, what the page says."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOL = runpy.run_path(str(ROOT / 'tools' / 'mutants.py'), run_name='mutants')
PAGE = (ROOT / 'docs' / 'mutants.md').read_text()
DIFF = """--- a.py
+++ a.py
@@ -1,3 +1,3 @@
 def f(x):
-    return x < 1
+    return x <= 1
"""


@pytest.mark.parametrize('name', TOOL['FILES'])
def test_every_file_has_tests_of_its_own_and_stands_in_the_page(name):
    assert (ROOT / TOOL['CODE'] / f'{name}.py').exists()
    for pattern in TOOL['FILES'][name]:
        assert list((ROOT / TOOL['TESTS']).glob(f'{pattern}.py'))
    assert f'\n| {name} | ' in PAGE


def test_at_least_85_per_cent_of_the_mutants_of_every_file_die():
    dead = [float(line.split('|')[7].rstrip(' %')) for line in PAGE.splitlines() if ' % |' in line]
    assert len(dead) == len(TOOL['FILES']) + 1
    assert min(dead) >= 85


def test_every_survivor_has_its_reason_and_every_file_was_tested():
    assert TOOL['NO_REASON'] not in PAGE
    untested = [line.split('|')[6].strip() for line in PAGE.splitlines() if ' % |' in line]
    assert set(untested) == {'0'}


def test_a_reason_is_kept_for_nothing_that_died():
    told = {line[3:-1] for line in PAGE.splitlines() if line.startswith('- `')}
    assert set(TOOL['load_reasons']()) <= told


@pytest.mark.parametrize(
    ('mutant', 'place'), [('p.a.x_f__mutmut_3', 'a.f'), ('p.a.xǁTǁ_x_f__mutmut_3', 'a.T._x_f')]
)
def test_a_survivor_is_known_by_where_it_is_and_what_changed(mutant, place):
    found = TOOL['survivor'](mutant, 'survived', DIFF)
    assert found['change'] == f'{place}: return x < 1 --> return x <= 1'


def test_the_page_gives_reasons_and_says_where_there_is_none():
    alive = [{'change': 'a.f: x --> y'}, {'change': 'a.g: x --> y'}]
    verdicts = {'killed': 6, 'timeout': 1, 'survived': 2, 'not tested': 1}
    file = {'verdicts': verdicts, 'alive': alive, 'code': 'c0de'}
    report = {'verdicts': verdicts, 'files': {'a': file}}
    text = TOOL['page'](report, {'a.f: x --> y': 'It is the same.'})
    assert '| a | 10 | 6 | 1 | 2 | 1 | 77.8 % | c0de |' in text
    assert 'It is the same. (1)\n\n- `a.f: x --> y`' in text
    assert f'{TOOL["NO_REASON"]} (1)\n\n- `a.g: x --> y`' in text


def test_a_copy_touches_only_what_differs_and_drops_what_is_gone(tmp_path):
    source, target = tmp_path / 'source', tmp_path / 'target'
    for name in ('same', 'changed', 'gone'):
        TOOL['write'](source / name, name)
    TOOL['mirror'](source, target)
    before = (target / 'same').stat().st_mtime_ns
    (source / 'changed').write_text('new')
    (source / 'gone').unlink()
    TOOL['mirror'](source, target)
    assert (target / 'same').stat().st_mtime_ns == before
    assert {path.name: path.read_text() for path in target.iterdir()} == {
        'same': 'same',
        'changed': 'new',
    }


def test_with_other_tests_all_but_the_dead_are_tested_again(tmp_path):
    kept = TOOL['verdicts_file'](tmp_path, 'stop')
    TOOL['write'](kept, json.dumps({'exit_code_by_key': {'a': 1, 'b': 0, 'c': 36, 'd': None}}))
    TOOL['forget_survivors'](tmp_path, 'stop')
    codes = json.loads(kept.read_text())['exit_code_by_key']
    assert codes == {'a': 1, 'b': None, 'c': None, 'd': None}
