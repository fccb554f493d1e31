"""The page about the envelope is what was measured."""

import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FIGURES = {'median': 17.4, 'p99': 120.0}
KIND = {'envelope_us': FIGURES, 'bare_ruckig_us': {'median': 9.0, 'p99': 30.0}}
WATCH = {'smooth': KIND, 'hostile': KIND, 'passthrough': {'max_deviation': 2e-7}}
COST = {
    'machine': {'processor': 'a processor', 'load_before': 0.5},
    'robots': {'arm': {'joints': 3, 'alone': WATCH, 'with_clearance': WATCH}},
}
RUN = {
    'robot': 'arm',
    'chunks': 1000,
    'commands': 2500,
    'violations': 2,
    'worst': {'position': 0.5, 'velocity': 1.0, 'acceleration': 0.9, 'jerk': 1.25},
    'checker': {'share_running': 0.5},
    'seed': 7,
    'version': '0.1.0 abc',
}


def test_every_run_and_every_cost_has_its_row(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location('page', ROOT / 'tools' / 'envelope_page.py')
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    (tmp_path / 'cost.json').write_text(json.dumps(COST))
    (tmp_path / 'run.json').write_text(json.dumps(RUN))
    monkeypatch.setattr(page, 'PAGE', tmp_path / 'page.md')
    paths = [str(tmp_path / name) for name in ('cost.json', 'run.json')]
    monkeypatch.setattr(sys, 'argv', ['envelope_page.py', *paths])
    assert page.main() == 0
    lines = (tmp_path / 'page.md').read_text().splitlines()
    worst = '0.500000 | 1.000000 | 0.900000 | 1.250000'
    assert f'| arm | 1,000 | 2,500 | 2 | {worst} | 50 % | 0.1.0 abc |' in lines
    assert '| arm | 3 | watched | 17 / 120 | 9 / 30 | 17 / 120 | 9 / 30 | 2e-07 |' in lines
