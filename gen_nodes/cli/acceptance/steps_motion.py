"""Acceptance steps that move the robot inside its limits and stop it."""

from __future__ import annotations

import numpy as np

from gen_nodes.cli.acceptance.bench import CONTROLLER, Bench, Interruption
from gen_nodes.hil.acceptance.following import judge_alone, judge_together
from gen_nodes.hil.acceptance.limits import (
    UNHEARD,
    check_limits,
    first_violations,
    judge_limits,
    segments_of,
    unexplained_gaps,
    unheard,
)
from gen_nodes.hil.acceptance.motion import amounts
from gen_nodes.hil.acceptance.plan import Plan, Rest
from gen_nodes.hil.acceptance.results import Findings, at_most, together
from gen_nodes.hil.acceptance.stops import REACTION_S, judge_stop
from gen_nodes.hil.checker.limit_checker import KINDS, Verdict
from gen_nodes.types import NS, Mode

AFTER_S = 0.4  # of a motion's end that belongs to it: the joints arrive later than the commands
PRESSED_S = 1.5


def limits(bench: Bench) -> Findings:
    """Each joint alone, slowly; then all together at every speed; then asked for too much."""
    since_ns, parts = bench.now_ns(), {}
    slowest = bench.speeds[0]
    bench.may_go(slowest)
    parts['alone'] = alone(bench, slowest)
    for speed in bench.speeds:
        bench.may_go(speed)
        parts[f'together at {speed:g}'] = all_together(bench, speed)
    bench.may_go(slowest)
    parts['asked for too much'] = pressed(bench, slowest)
    parts['all commands'] = within_limits(bench, since_ns, bench.speed)
    return together(parts)


def alone(bench: Bench, speed: float) -> Findings:
    """One joint after the other; only those that follow a command continuously are judged."""
    movable = np.flatnonzero(bench.moving)
    motions = [bench.motion(speed, joint) for joint in movable]
    plan = bench.plan(*motions, speed=speed)
    since_ns = bench.now_ns()
    start_ns = bench.play(plan)
    record = bench.record(since_ns)
    checks, figures = [], {}
    for joint, motion in zip(movable, motions, strict=True):
        begun_ns = start_ns + round(plan.begin(motion) * NS)
        part = bench.take(record, motion, begun_ns, AFTER_S)
        found, _ = judge_alone(bench.spec, joint, part)
        figures[bench.spec.joint_names[joint]] = found.figures
        checks += found.checks if bench.tracks[joint] else found.checks[-1:]
    return Findings(tuple(checks), figures)


def all_together(bench: Bench, speed: float) -> Findings:
    """Smooth curves of every joint at once, never faster than `speed`."""
    motion = bench.motion(speed)
    plan = bench.plan(motion, speed=speed)
    since_ns = bench.now_ns()
    start_ns = bench.play(plan)
    take = bench.take(
        bench.record(since_ns), motion, start_ns + round(plan.begin(motion) * NS), AFTER_S
    )
    found, _ = judge_together(bench.spec, take, bench.tracks)
    within = within_limits(bench, since_ns, speed)
    return Findings(
        (*found.checks, *within.checks),
        {**found.figures, **within.figures},
        within.notes,
        found.traces,
    )


def pressed(bench: Bench, speed: float) -> Findings:
    """A reference that jumps away by half the amount and back: the limits alone shape the way."""
    away = bench.home + 0.5 * _signed(bench) * bench.moving
    plan = bench.plan(speed=speed)
    steps = [Rest(away, PRESSED_S), Rest(bench.home, PRESSED_S)]
    since_ns = bench.now_ns()
    bench.play(Plan([*plan.pieces, *steps]))
    return within_limits(bench, since_ns, speed)


def _signed(bench: Bench) -> np.ndarray:
    """(N,) amounts towards where there is room."""
    return np.where(bench.motion(1.0).amount < 0, -1.0, 1.0) * amounts(bench.spec, 1.0)


def within_limits(bench: Bench, since_ns: int, speed: float) -> Findings:
    """Everything that was published since then, judged."""
    record = bench.record(since_ns)
    commands = [c.sample for c in record.commands]
    states = bench.states(record)
    segments = segments_of(bench.spec, commands, states, bench.measured_before(since_ns))
    missing = unheard(commands, states) + unexplained_gaps(bench.spec, segments, states)
    return judge_limits(check_limits(bench.spec, segments), segments, missing, speed)


def stopping(bench: Bench) -> Findings:
    """The stop service, at every speed."""
    parts = {}
    for speed in bench.speeds:
        bench.prepare()
        bench.may_go(speed)
        found = bench.interrupt_at(speed, lambda: _stop(bench), Mode.STOPPED)
        parts[f'at {speed:g} of the limits'] = stopped(bench, found, 'from the request')
    bench.leave_stop()
    return together(parts)


def _stop(bench: Bench) -> int:
    """Call the stop service; when it was called [ns]."""
    called_ns = bench.now_ns()
    bench.rig.operator.request_soon(f'{CONTROLLER}/stop')
    return called_ns


def stopped(
    bench: Bench, found: Interruption, since: str, within_s: float = REACTION_S
) -> Findings:
    """A stop, judged: noticed in time, braked as the limits predict, nothing sent afterwards."""
    noticed_ns = found.state.since_ns or found.state.stamp_ns
    noticed_s = (noticed_ns - found.cause_ns) / NS
    judged = judge_stop(bench.spec, found.take, found.cause_ns, noticed_ns, found.lag)
    verdict = check_limits(bench.spec, found.segments)
    return Findings(
        (
            at_most(f'noticed {since}', noticed_s, within_s, 's'),
            *judged.checks,
            at_most(UNHEARD, found.unheard, 0),
            at_most('limits violated', verdict.total, 0),
        ),
        {**judged.figures, 'reason': found.state.reason, 'shares': _shares(verdict)},
        first_violations(verdict, found.segments),
        judged.traces,
    )


def _shares(verdict: Verdict) -> dict[str, float]:
    return {kind: verdict.worst[kind].fraction for kind in KINDS}
