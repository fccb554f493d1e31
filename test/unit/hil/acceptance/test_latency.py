"""Latencies from stamps."""

import numpy as np
import pytest

from gen_nodes.hil.acceptance.latency import judge_latency
from gen_nodes.robot import load_robot
from gen_nodes.types import NS

SPEC = load_robot('ur5e')
PERIOD_NS = round(NS / SPEC.control.rate_hz)
MS = 1_000_000


def heard(count=1000, delay_ms=3.0, gap_at=()):
    """Commands every period, a chunk every fifth; the first command of each comes later."""
    sent, chunks, now_ns = [], {}, NS
    for tick in range(count):
        now_ns += 4 * PERIOD_NS if tick in gap_at else PERIOD_NS
        sequence = 1 + tick // 5
        chunks.setdefault(sequence, (now_ns - round(delay_ms * MS), now_ns - 20 * MS))
        sent.append((now_ns, sequence))
    return chunks, sent


def missed(findings):
    return [check.what for check in findings.checks if not check.met]


def test_each_chunk_counts_once_by_the_first_command_that_answers_it():
    chunks, sent = heard()
    findings = judge_latency(SPEC, chunks, sent, [0.4, 0.5])
    assert missed(findings) == []
    figures = findings.figures
    assert figures['chunk_to_command'] == pytest.approx(
        {'p50': 3.0, 'p99': 3.0, 'max': 3.0, 'count': 200}
    )
    assert figures['capture_to_command']['p50'] == pytest.approx(20.0)
    assert figures['control_period']['p50'] == pytest.approx(8.0)
    assert figures['gaps'] == 0 and figures['relay_floor']['count'] == 2


def test_one_gap_is_counted_and_many_fail():
    assert judge_latency(SPEC, *heard(gap_at=(500,)), []).figures['gaps'] == 1
    many = judge_latency(SPEC, *heard(gap_at=range(0, 1000, 50)), [])
    assert missed(many) == ['control period, p99']


def test_a_controller_that_answers_late_fails():
    assert missed(judge_latency(SPEC, *heard(delay_ms=30.0), [])) == ['chunk to first command, p99']


def test_nothing_heard_is_not_fast():
    findings = judge_latency(SPEC, {}, [], [])
    assert len(missed(findings)) == 3
    assert np.isnan(findings.figures['control_period']['p50'])
