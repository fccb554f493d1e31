"""Judges published commands against the limits that URDF and robot YAML state, by the checker that
shares no code with the envelope.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gen_nodes.hil.acceptance.results import Findings, at_most
from gen_nodes.hil.acceptance.track import Track
from gen_nodes.hil.checker.limit_checker import KINDS, LimitChecker, Segment, Verdict
from gen_nodes.hil.checker.stated_limits import stated_limits
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, CommandSample, ControllerState, Mode

RECENT_NS = NS // 10
GAP_PERIODS = 3.5  # stamps this far apart: more than two periods passed, however late each tick was
INSIDE = 1 - 1e-9  # of a limit
UNHEARD = 'commands that were published and not heard here'
OVERSHOOT = (
    0.25  # of the share asked for, a wish and no limit: catching up after a late tick exceeds it
)


def segments_of(
    spec: RobotSpec,
    commands: Sequence[CommandSample],
    states: Sequence[ControllerState],
    measured: Track,
) -> list[Segment]:
    """Runs of commands, each from where the controller began to command until it ceased.

    It ceases once what it commands has come to rest, in a stop and in a hold, and begins anew from
    what is measured: one of the joint states that came just before.
    """
    stamps = np.array([c.capture_ns for c in commands], dtype=np.int64)
    since = dict.fromkeys(state.since_ns for state in states if state.mode == Mode.RUNNING)
    heard = [since_ns for since_ns in since if len(stamps) and since_ns >= stamps[0]]
    runs = sorted({int(np.searchsorted(stamps, since_ns)) for since_ns in heard})
    begins = [row for row in runs if _rested(commands, row)]
    segments = []
    for number, (first, last) in enumerate(pairwise([0, *begins, len(stamps)])):
        if last > first:
            positions = np.array([c.values for c in commands[first:last]])
            start = positions[0]
            if first in begins:
                start = start_of(spec, measured, int(stamps[first]), positions)
            segments.append(Segment(number, start, stamps[first:last], positions))
    return segments


def _rested(commands: Sequence[CommandSample], row: int) -> bool:
    """Whether what was commanded before a row had come to rest: the last command repeated the one
    before it, which ends a run.
    """
    return row < 2 or np.array_equal(commands[row - 1].values, commands[row - 2].values)


def unheard(commands: Sequence[CommandSample], states: Sequence[ControllerState]) -> int:
    """How many commands were published and not heard here: while it runs, the controller gives one
    per tick, and it tells its ticks twice a second. The check of limits means nothing where any is
    missing. What came between its last word while it ran and its next mode is not counted.
    """
    stamps = np.array([c.capture_ns for c in commands], dtype=np.int64)
    missing = 0
    for before, after in pairwise(states):
        if before.mode == after.mode == Mode.RUNNING and before.since_ns == after.since_ns:
            between = (stamps > before.stamp_ns) & (stamps <= after.stamp_ns)
            missing += max(after.ticks - before.ticks - int(between.sum()), 0)
    return missing


def unexplained_gaps(
    spec: RobotSpec, segments: Sequence[Segment], states: Sequence[ControllerState]
) -> int:
    """Long gaps between the commands heard of a run that the controller does not own up to: it
    counts its own of more than two periods, so in the others commands were lost on their way here.
    Between its first and its last word only.
    """
    if not states:
        return 0
    longest, gaps = GAP_PERIODS * NS / spec.control.rate_hz, 0
    for segment in segments:
        ended = segment.stamps_ns[1:]
        told = (ended > states[0].stamp_ns) & (ended <= states[-1].stamp_ns)
        gaps += int(((np.diff(segment.stamps_ns) > longest) & told).sum())
    return max(gaps - max(states[-1].missed - states[0].missed, 0), 0)


def start_of(
    spec: RobotSpec, measured: Track, stamp_ns: int, positions_TxN: np.ndarray
) -> np.ndarray:
    """(N,) where a run of commands that begins at `stamp_ns` set out from: the mean of the joint
    states of the last 0.1 s, moved as little as the limits demand. Which joint state the
    controller had taken nobody tells, and the jerk limit times the period cubed is less than their
    noise; how far the first command lies from what is measured is judged elsewhere.
    """
    known = measured.between(stamp_ns - RECENT_NS, stamp_ns).position
    if not len(known):
        return positions_TxN[0]
    h, first = 1.0 / spec.control.rate_hz, positions_TxN[:3]
    limits = (spec.velocity * h, spec.acceleration * h**2, spec.jerk * h**3)

    def differences(start: np.ndarray) -> list[np.ndarray]:
        values = np.concatenate([np.repeat(start[None], 3, axis=0), first])
        return [np.diff(values, order, axis=0) for order in (1, 2, 3)]

    start = known.mean(axis=0)
    lower, upper = np.full(spec.n, -np.inf), np.full(spec.n, np.inf)
    base, moved = differences(np.zeros(spec.n)), differences(np.ones(spec.n))
    for at_zero, at_one, limit in zip(base, moved, limits, strict=True):
        slope = at_one - at_zero  # each difference is at_zero + slope * start
        for row in np.flatnonzero(slope[:, 0]):
            ends = [(side * limit - at_zero[row]) / slope[row] for side in (-INSIDE, INSIDE)]
            lower = np.maximum(lower, np.minimum(*ends))
            upper = np.minimum(upper, np.maximum(*ends))
    return np.where(lower <= upper, np.clip(start, lower, np.maximum(lower, upper)), start)


def check_limits(spec: RobotSpec, segments: Sequence[Segment]) -> Verdict:
    """Published commands against the limits as URDF and YAML state them."""
    checker = LimitChecker(
        stated_limits(spec.urdf_xml, spec.source), round(NS / spec.control.rate_hz) / NS
    )
    for segment in segments:
        checker.add(segment)
    return checker.verdict()


def judge_limits(
    verdict: Verdict, segments: Sequence[Segment], missing: int, speed: float
) -> Findings:
    """No violation, and no faster than the share of the velocity limits that was allowed; nothing
    missing in what was judged.
    """
    worst = {kind: verdict.worst[kind].fraction for kind in KINDS}
    checks = [at_most(f'{kind} limit violated', verdict.violations[kind], 0) for kind in KINDS]
    most = speed * (1 + OVERSHOOT)
    share = at_most('greatest share of a velocity limit', worst['velocity'], most)
    return Findings(
        (at_most(UNHEARD, missing, 0), *checks, share),
        {'commands': verdict.commands, 'unheard': missing, 'speed': speed, 'shares': worst},
        first_violations(verdict, segments),
    )


def first_violations(verdict: Verdict, segments: Sequence[Segment]) -> tuple[str, ...]:
    """The first violation of each kind in words, with what a person needs to tell a wrong command
    from one that was not heard: how long after the command before it came.
    """
    words = []
    for kind, place in verdict.first.items():
        stamps = next(one.stamps_ns for one in segments if one.number == place.segment)
        row = int(np.searchsorted(stamps, place.stamp_ns))
        after_ms = (stamps[row] - stamps[max(row - 1, 0)]) / 1e6
        words.append(
            f'{kind} limit of {place.joint} first violated by command {row + 1} of '
            f'{len(stamps)} in its run, {after_ms:.1f} ms after the one before'
        )
    return tuple(words)
