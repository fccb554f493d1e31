"""The search writes a corpus that can be played, and tells what each entry presses on."""

import importlib.util
from pathlib import Path

from gen_nodes.hil.checker.verdict import KINDS
from gen_nodes.hil.hostile.adversaries import load_adversaries

TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'adversaries.py'


def test_a_search_finds_what_presses_on_each_limit_and_keeps_it(tmp_path):
    spec = importlib.util.spec_from_file_location('adversaries_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    out = tmp_path / 'found.json'
    assert tool.main(['--robots', 'ur5e', '--examples', '3', '--out', str(out)]) == 0
    corpus = load_adversaries(out)
    assert [one.presses for one in corpus[:: tool.KEPT]] == list(KINDS)
    assert all(one.robot == 'ur5e' and 0 < one.fraction <= 1 + 1e-9 for one in corpus)
    for one in corpus[-2:]:
        verdict = tool.judged(one)
        assert verdict.worst[one.presses].fraction == one.fraction and verdict.total == 0
