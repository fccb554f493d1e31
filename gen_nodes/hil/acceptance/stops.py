"""Judges stops, holds and what follows a resume. Bars come from the limits and the lag of the
joints; where one does not, it is explained beside its constant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gen_nodes.hil.acceptance.following import Take, trace
from gen_nodes.hil.acceptance.limits import RECENT_NS
from gen_nodes.hil.acceptance.motion import stop_within
from gen_nodes.hil.acceptance.results import Findings, at_most, holds
from gen_nodes.hil.acceptance.track import STILL, Stop, Track, stop_of
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, CommandSample, ControllerState, Mode

REACTION_S = 0.1  # from a request to the brake: ours; at 1 rad/s the arm goes 0.1 rad meanwhile
SETTLES = 3.0  # a servo that lags by L stands within 2 mrad after about 3 L
NOISE = 3.0  # standard deviations of a joint state that a measured distance may be off by
GRIPPER = 2.0  # friction keeps a finger beside where its servo wants it, by so much more
RESUME = 1e-3  # rad or m between the measured position and the first command after a resume
MOVED = 'it moved when it was stopped'
MOVES = 0.05  # share of the motion's own top speed: less is a turning point, which shows nothing
AROUND_NS = NS // 20  # before the cause: a person's clock and ours
PERIODS = 2  # between a detection and the first command that answers it


def judge_stop(
    spec: RobotSpec, take: Take, cause_ns: int, noticed_ns: int, lag_N: np.ndarray
) -> Findings:
    """A stop against what the limits predict from the speed at which it was asked for.

    cause_ns: asked for or brought about. noticed_ns: `since` of the controller. lag_N: the joints'
    lags [s]. A joint must stand after reaction, brake and SETTLES times its lag, and go no
    farther than reaction and lag at its speed and the brake take it.
    """
    units, lag = spec.units, np.maximum(lag_N, 0.0)
    still = STILL * units * np.where([j.role == 'gripper' for j in spec.joints], GRIPPER, 1.0)
    stop = stop_of(take.commanded, take.measured, noticed_ns, still)
    brake_s, brake = stop_within(stop.velocity, stop.acceleration, spec.acceleration, spec.jerk)
    spare_s = PERIODS / spec.control.rate_hz
    most_s = brake_s + spare_s + SETTLES * lag
    most = brake + np.abs(stop.velocity) * (spare_s + lag) + still + NOISE * stop.noise
    late, far = int((stop.standing_s - most_s).argmax()), int((stop.distance - most).argmax())
    names, at = spec.joint_names, (noticed_ns - cause_ns) / NS
    share = top_share(spec, take.commanded, cause_ns, noticed_ns)
    checks = (
        holds(MOVED, share > MOVES, f'at {share:.2g} of its top speed'),
        at_most('brake commanded within', stop.commanded_s, brake_s.max() + spare_s, 's'),
        at_most(f'standstill within ({names[late]})', stop.standing_s[late], most_s[late], 's'),
        at_most(f'distance ({names[far]})', stop.distance[far], most[far], _unit(units[far])),
        at_most('commands after the stop', stop.after, 0),
    )
    figures = {
        'noticed_s': at,
        'commanded_s': stop.commanded_s,
        'standing_s': dict(zip(names, stop.standing_s, strict=True)),
        'predicted_s': dict(zip(names, most_s, strict=True)),
        'distance': dict(zip(names, stop.distance, strict=True)),
        'predicted_distance': dict(zip(names, most, strict=True)),
        'speed': dict(zip(names, stop.velocity, strict=True)),
        'fastest': fastest(spec, stop),
        'commands_after': stop.after,
    }
    marks = {'asked': (cause_ns - take.start_ns) / NS, 'noticed': (noticed_ns - take.start_ns) / NS}
    return Findings(checks, figures, traces=trace(spec, take, marks))


def top_share(spec: RobotSpec, commanded: Track, cause_ns: int, noticed_ns: int) -> float:
    """Greatest commanded speed between the cause and its being noticed, as a share of the greatest
    until then; 0 where nothing moved.
    """
    until = commanded.between(0, noticed_ns)
    seconds = np.diff(until.stamp_ns)[:, None] / NS
    speeds = (np.abs(np.diff(until.position, axis=0)) / seconds / spec.velocity).max(axis=1)
    now = speeds[until.stamp_ns[1:] >= cause_ns - AROUND_NS]
    top = speeds.max(initial=0.0)
    return float(now.max(initial=0.0) / top) if top > 0 else 0.0


def fastest(spec: RobotSpec, stop: Stop) -> float:
    """Share of its velocity limit that the fastest joint had when the stop was noticed."""
    return float((np.abs(stop.velocity) / spec.velocity).max())


def _unit(scale_of_joint: float) -> str:
    return 'm' if scale_of_joint < 1 else 'rad'


def first_in(
    states: Sequence[ControllerState], after_ns: int, *modes: Mode
) -> ControllerState | None:
    """The first word of the controller in one of the modes whose stamp is not before `after_ns`."""
    return next((s for s in states if s.stamp_ns >= after_ns and s.mode in modes), None)


def judge_resume(
    spec: RobotSpec,
    commands: Sequence[CommandSample],
    measured: Track,
    after_ns: int,
    ramp: float,
    ramp_s: float,
) -> Findings:
    """The first command after `after_ns` lies at the measured position, and for `ramp_s` no joint
    is commanded faster than `ramp` of its limit.
    """
    later = [c for c in commands if c.capture_ns >= after_ns]
    if not later:
        return Findings((holds('commands after the resume', False, 'none came'),))
    first = later[0]
    known = measured.between(first.capture_ns - RECENT_NS, first.capture_ns).position
    jumps = np.abs(known - first.values).max(axis=1)
    jump = float(jumps.min(initial=np.inf))  # one of them is what the controller began from
    early = [c for c in later if c.capture_ns <= first.capture_ns + ramp_s * NS]
    rates = np.abs(np.diff([c.values for c in early], axis=0)) * spec.control.rate_hz
    share = float((rates / spec.velocity).max(initial=0.0))
    return Findings(
        (
            at_most('first command beside the measured position', jump, RESUME, 'rad or m'),
            at_most(f'share of the velocity limits in the first {ramp_s:g} s', share, ramp),
        ),
        {'resume_jump': jump, 'early_share': share},
    )
