"""What a robot description means in figures: stopping, tips, singularity, watchdogs in metres.

Nothing here is needed to run a robot; `gen robot check` shows it to a person before it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import ruckig

from gen_nodes.joints import CAPS, JointSpec
from gen_nodes.robot import RobotSpec

SAMPLES = 200  # configurations over which the fastest tip is sought
ROTATION_LEVER_M = 0.25  # a rotation of the tip counts as its motion so far from the axis
MOST_SIGNS = 14  # joints of a tip, up to which all combinations of signs are tried
POSE_JOINTS = 6  # a tip with fewer joints cannot keep its orientation anyway


@dataclass(frozen=True)
class JointRow:
    """One commanded joint; `unit` is rad or m, limits are those in force."""

    name: str
    type: str
    role: str
    unit: str
    lower: float
    upper: float
    velocity: float
    acceleration: float
    jerk: float
    effort: float
    sources: Mapping[str, str]  # of position, velocity, acceleration, jerk, effort
    published: Mapping[str, float | None]  # velocity, acceleration, jerk of the URDF
    depends_on_position: bool  # the velocity limit
    ready: float
    ready_room: float  # to the nearer position limit
    stop_s: float  # from the velocity limit to rest, inside acceleration and jerk
    stop_distance: float


@dataclass(frozen=True)
class TipRow:
    """One tip at the ready pose, in the base frame; metres.

    translation: least motion of the tip per joint motion over all directions [m/rad]: 0 is
    singular. pose: the same with rotations, each counted as motion on a lever of 0.25 m; None with
    fewer than six joints. fastest: greatest speed with every joint at its velocity limit [m/s], and
    stop: how far it goes while all of them stop, both over many poses.
    """

    name: str
    position: tuple[float, float, float]
    forward: tuple[float, float, float]  # its z axis
    joints: tuple[str, ...]
    translation: float
    pose: float | None
    fastest: float
    stop: float


@dataclass(frozen=True)
class WatchRow:
    """A watchdog: its time, and how far the fastest tip goes by then and until it rests [m]."""

    name: str
    seconds: float
    travel: float
    until_rest: float


@dataclass(frozen=True)
class Sheet:
    """A robot in figures."""

    joints: tuple[JointRow, ...]
    tips: tuple[TipRow, ...]
    watchdogs: tuple[WatchRow, ...]


def sheet_of(spec: RobotSpec) -> Sheet:
    """The sheet of a robot; takes some 0.1 s."""
    stops = [stop_of(joint.velocity, joint.acceleration, joint.jerk) for joint in spec.joints]
    joints = tuple(_joint_row(spec, i, *stop) for i, stop in enumerate(stops))
    tips = _tip_rows(spec, np.array([distance for _, distance in stops]))
    return Sheet(joints, tips, _watch_rows(spec, tips))


def stop_of(velocity: float, acceleration: float, jerk: float) -> tuple[float, float]:
    """Seconds and distance from steady motion at `velocity` to rest, by Ruckig."""
    given, trajectory = ruckig.InputParameter(1), ruckig.Trajectory(1)
    given.control_interface = ruckig.ControlInterface.Velocity
    given.current_velocity, given.target_velocity = [velocity], [0.0]
    given.max_acceleration, given.max_jerk = [acceleration], [jerk]
    ruckig.Ruckig(1).calculate(given, trajectory)
    return trajectory.duration, trajectory.position_extrema[0].max


def _joint_row(spec: RobotSpec, i: int, stop_s: float, stop_distance: float) -> JointRow:
    joint = spec.joints[i]
    return JointRow(
        joint.name,
        joint.type,
        joint.role,
        unit_of(joint),
        joint.lower,
        joint.upper,
        joint.velocity,
        joint.acceleration,
        joint.jerk,
        joint.effort,
        dict(joint.limit_sources),
        {key: getattr(joint.published, key) for key in CAPS},
        joint.published.position_velocity is not None,
        float(spec.ready[i]),
        float(min(spec.ready[i] - joint.lower, joint.upper - spec.ready[i])),
        stop_s,
        stop_distance,
    )


def unit_of(joint: JointSpec) -> str:
    """rad, or m for a prismatic joint."""
    return 'm' if joint.type == 'prismatic' else 'rad'


def _tip_rows(spec: RobotSpec, stops_N: np.ndarray) -> tuple[TipRow, ...]:
    kinematics = spec.kinematics()
    rows = []
    poses = _poses(spec)
    for name in spec.tips:
        frame = kinematics.frame(name, spec.ready)
        jacobian = kinematics.jacobian(name, spec.ready)
        moves = np.abs(jacobian).max(axis=0) > 1e-9
        levers = np.array([kinematics.jacobian(name, q)[:3, moves] for q in poses])
        speeds = np.array([spec.velocity_bounds(q)[1][moves] for q in poses])
        pose = _least(_weighted(jacobian[:, moves])) if moves.sum() >= POSE_JOINTS else None
        rows.append(
            TipRow(
                name,
                tuple(frame[:3, 3].tolist()),
                tuple((frame[:3, 2].round(3) + 0.0).tolist()),
                tuple(name for name, moved in zip(spec.joint_names, moves, strict=True) if moved),
                _least(jacobian[:3, moves]),
                pose,
                _farthest(levers * speeds[:, None]),
                _farthest(levers * stops_N[moves]),
            )
        )
    return tuple(rows)


def _poses(spec: RobotSpec) -> np.ndarray:
    """The ready pose and random ones inside the limits, (1 + SAMPLES, N)."""
    lower, upper = np.maximum(spec.lower, -np.pi), np.minimum(spec.upper, np.pi)
    random = np.random.default_rng(0).uniform(lower, upper, (SAMPLES, spec.n))
    return np.concatenate((spec.ready[None], random))


def _farthest(parts_Bx3xM: np.ndarray) -> float:
    """Greatest length of the sum of M parts, each taken with either sign, over B poses."""
    count = parts_Bx3xM.shape[2]
    if not count:
        return 0.0
    if count > MOST_SIGNS:  # a bound
        return float(np.linalg.norm(parts_Bx3xM, axis=1).sum(axis=1).max())
    signs = 1.0 - 2.0 * (np.arange(2 ** (count - 1)) >> np.arange(count)[:, None] & 1)
    return max(float(np.linalg.norm(parts @ signs, axis=0).max()) for parts in parts_Bx3xM)


def _weighted(jacobian_6xN: np.ndarray) -> np.ndarray:
    return jacobian_6xN * np.array([1.0] * 3 + [ROTATION_LEVER_M] * 3)[:, None]


def _least(matrix: np.ndarray) -> float:
    """Least singular value; 0 where there are fewer columns than directions."""
    if matrix.shape[1] < matrix.shape[0]:
        return 0.0
    return float(np.linalg.svd(matrix, compute_uv=False)[-1])


def _watch_rows(spec: RobotSpec, tips: tuple[TipRow, ...]) -> tuple[WatchRow, ...]:
    fastest = max(tip.fastest for tip in tips)
    stop = max(tip.stop for tip in tips)
    watched = {
        'joint states silent': spec.state.timeout_s,
        'action chunks silent': spec.control.chunk_timeout_s,
        'e-stop silent, once heard': spec.estop.timeout_s,
    }
    return tuple(
        WatchRow(name, seconds, seconds * fastest, seconds * fastest + stop)
        for name, seconds in watched.items()
    )
