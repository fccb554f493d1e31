"""The table in docs/safety.md against the thresholds in the code and in the robots' YAMLs."""

import re
from pathlib import Path

import pytest

from gen_nodes.embodiment.controller import GAP_PERIODS
from gen_nodes.embodiment.curve import FUTURE_TOLERANCE_S
from gen_nodes.embodiment.watchdog import WatchConfig
from gen_nodes.robot import known_robots, load_robot

DOC = (Path(__file__).resolve().parents[3] / 'docs' / 'safety.md').read_text()
WATCH = WatchConfig(state_timeout_s=0.0, chunk_timeout_s=0.0)


@pytest.mark.parametrize(
    'sentence',
    [
        f'| joint states | silent for {WATCH.state_lost_s:g} s while running or holding |',
        f'| {WATCH.jump:g} rad ({WATCH.jump / 10:g} m) beyond what the velocity limit allows |',
        f'| {WATCH.divergence:g} rad ({WATCH.divergence / 10:g} m), '
        f'plus {WATCH.divergence_lag_s:g} s at the fastest recent command, '
        f'for {WATCH.divergence_for_s:g} s |',
        f'steps by more than {WATCH.clock_jump_s:g} s',
        f'stamp more than {FUTURE_TOLERANCE_S:g} s ahead',
        f'more than {["no", "one", "two"][GAP_PERIODS]} periods between ticks',
    ],
)
def test_the_page_gives_the_thresholds_of_the_code(sentence):
    assert sentence in DOC


@pytest.mark.parametrize('name', known_robots())
def test_the_page_gives_the_timeouts_of_the_robots(name):
    spec = load_robot(name)
    chunk = re.search(r'newest older than ([\d.]+) s', DOC)
    state = re.search(r'joint states \| silent for ([\d.]+) s \|', DOC)
    assert float(chunk[1]) == spec.control.chunk_timeout_s
    assert float(state[1]) == spec.state.timeout_s
