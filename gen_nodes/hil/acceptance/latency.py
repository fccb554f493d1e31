"""Judges how fast the controller answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gen_nodes.hil.acceptance.results import Findings, at_most, between
from gen_nodes.robot import RobotSpec

PERIODS = 2  # a control gap is longer


def judge_latency(
    spec: RobotSpec,
    chunks: Mapping[int, tuple[int, int]],
    sent: Sequence[tuple[int, int]],
    relay_ms: Sequence[float],
) -> Findings:
    """chunks: sequence -> (published, capture stamp of what it rests on) [ns]. sent: (published,
    sequence of its chunk) of every command [ns]. relay_ms: what a process that does nothing takes.
    """
    seen: set[int] = set()
    answer, age = [], []
    for sent_ns, sequence in sent:
        if sequence in chunks and sequence not in seen:
            seen.add(sequence)
            answer.append((sent_ns - chunks[sequence][0]) / 1e6)
            age.append((sent_ns - chunks[sequence][1]) / 1e6)
    period = np.diff([sent_ns for sent_ns, _ in sent]) / 1e6
    nominal = 1e3 / spec.control.rate_hz
    kinds = {'chunk_to_command': answer, 'capture_to_command': age, 'control_period': period}
    figures = {name: _spread(values) for name, values in kinds.items()}
    figures['relay_floor'] = _spread(relay_ms)
    figures['gaps'] = int((period > PERIODS * nominal).sum())
    figures['nominal_ms'] = nominal
    checks = (
        between(
            'control period, p50',
            figures['control_period']['p50'],
            0.98 * nominal,
            1.02 * nominal,
            'ms',
        ),
        at_most('control period, p99', figures['control_period']['p99'], PERIODS * nominal, 'ms'),
        at_most(
            'chunk to first command, p99',
            figures['chunk_to_command']['p99'],
            (PERIODS + 1) * nominal,
            'ms',
        ),
    )
    traces = {name: np.round(values, 3).tolist() for name, values in kinds.items()}
    traces['relay_floor'] = np.round(relay_ms, 3).tolist()
    return Findings(checks, figures, traces=traces)


def _spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p99, greatest and count; NaN where there is none."""
    if not len(values):
        return {'p50': float('nan'), 'p99': float('nan'), 'max': float('nan'), 'count': 0}
    p50, p99 = np.percentile(values, (50, 99))
    return {'p50': float(p50), 'p99': float(p99), 'max': float(max(values)), 'count': len(values)}
