"""Judges published commands against the limits that URDF and robot YAML state, by the checker that
shares no code with the envelope.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gen_nodes.hil.acceptance import Findings, at_most
from gen_nodes.hil.acceptance_track import Track
from gen_nodes.hil.limit_checker import KINDS, LimitChecker, Segment, Verdict
from gen_nodes.hil.stated_limits import stated_limits
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, CommandSample, ControllerState, Mode

RESTING = (Mode.STOPPED, Mode.WAITING, Mode.INACTIVE)  # no command, or only those of a brake
COMMANDING = (Mode.RUNNING, Mode.HOLDING)
RECENT_NS = NS // 10
UNHEARD = 'commands that were published and not heard here'
OVERSHOOT = (
    0.25  # of the share asked for, a wish and no limit: catching up after a late tick exceeds it
)


def segments_of(
    commands: Sequence[CommandSample], states: Sequence[ControllerState], measured: Track
) -> list[Segment]:
    """Runs of commands, each from where the controller began to command until it ceased.

    It begins anew, from what is measured, where it runs after it was stopped or waited; it then
    took one of the joint states that came just before. From HOLDING it goes on where it was.
    """
    stamps = np.array([c.capture_ns for c in commands], dtype=np.int64)
    begins = [
        int(np.searchsorted(stamps, state.stamp_ns))
        for before, state in pairwise([None, *states])
        if state.mode == Mode.RUNNING and _rested(before, stamps, state.stamp_ns)
    ]
    segments = []
    for number, (first, last) in enumerate(pairwise([0, *begins, len(stamps)])):
        if last > first:
            positions = np.array([c.values for c in commands[first:last]])
            fresh = first in begins
            start = nearest_start(measured, int(stamps[first]), positions[0])
            segments.append(
                Segment(number, start if fresh else positions[0], stamps[first:last], positions)
            )
    return segments


def _rested(before: ControllerState | None, stamps: np.ndarray, began_ns: int) -> bool:
    """Whether the controller gave no commands before it ran from `began_ns` on. before: its word
    before that; without one, whether any command was heard shortly before tells.
    """
    if before is not None:
        return before.mode in RESTING
    return not ((stamps >= began_ns - RECENT_NS) & (stamps < began_ns)).any()


def unheard(commands: Sequence[CommandSample], states: Sequence[ControllerState]) -> int:
    """How many commands were published and not heard here: while it runs or holds, the controller
    gives one per tick, and it tells its ticks. The check of limits means nothing where any is
    missing.
    """
    stamps = np.array([c.capture_ns for c in commands], dtype=np.int64)
    missing = 0
    for before, after in pairwise(states):
        if before.mode in COMMANDING and after.ticks > before.ticks:
            between = (stamps > before.stamp_ns) & (stamps <= after.stamp_ns)
            missing += max(after.ticks - before.ticks - int(between.sum()), 0)
    return missing


def nearest_start(measured: Track, stamp_ns: int, first_N: np.ndarray) -> np.ndarray:
    """Of the joint states of the last 0.1 s, (N,), that from which the first command leads on."""
    known = measured.between(stamp_ns - NS // 10, stamp_ns).position
    if not len(known):
        return first_N
    return known[np.abs(known - first_N).max(axis=1).argmin()]


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
