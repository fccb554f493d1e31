"""What a driver's controllers make of commands: position set-points of the joints, step by step.

As ros2_control's do: forward controllers for positions and velocities, joint_trajectory_controller,
and gripper action controllers. Time comes as an argument [ns].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from gen_nodes.types import NS

VELOCITY_TIMEOUT_NS = NS // 10  # without a new command a velocity is over
AT_REST = float(np.finfo(np.float32).eps)  # joint_trajectory_controller's bound for the last point


@dataclass(frozen=True)
class Point:
    """One point of a trajectory: positions (n,), maybe velocities and accelerations, at a time."""

    after_ns: int  # since the trajectory's start
    position: np.ndarray
    velocity: np.ndarray | None = None
    acceleration: np.ndarray | None = None


class Motion(Protocol):
    """A set-point on its way, of the joints with these indices."""

    joints: np.ndarray

    def at(self, now_ns: int) -> tuple[Point, bool]:
        """The set-point now, and whether it moves on."""


class Driver:
    """Set-points of N joints, from commands of all kinds. A refused command changes nothing; why it
    is refused is returned in words.
    """

    def __init__(
        self, names: Sequence[str], lower_N: np.ndarray, upper_N: np.ndarray, speed_N: np.ndarray
    ) -> None:
        self._index = {name: i for i, name in enumerate(names)}
        self._lower, self._upper, self._speed = lower_N, upper_N, speed_N
        self.halted = ''  # why it takes no commands
        self.place(np.zeros(len(names)))

    def place(self, q_N: np.ndarray) -> None:
        """At rest at `q_N`, nothing under way."""
        self.position, self.velocity = np.array(q_N, float), np.zeros(len(q_N))
        self._acceleration = np.zeros(len(q_N))
        self._motions: dict[tuple[str, ...], Motion] = {}

    def shift_clock(self, by_ns: int) -> None:
        """Time is now `by_ns` later, and nothing else has changed."""
        for motion in self._motions.values():
            motion.start_ns += by_ns

    # Commands

    def move_to(self, names: Sequence[str], values: np.ndarray) -> str | None:
        """forward_position: be there at once."""
        if refusal := self._refusal(names, values):
            return refusal
        joints = self._joints(names)
        self._motions.pop(tuple(names), None)
        self._set(joints, Point(0, np.asarray(values, float), np.zeros(len(joints))))
        return None

    def move_at(self, names: Sequence[str], values: np.ndarray, now_ns: int) -> str | None:
        """forward_velocity: move at these velocities until the next command, or 0.1 s."""
        if refusal := self._refusal(names, values):
            return refusal
        joints = self._joints(names)
        self._catch_up(names, now_ns)
        speed = self._speed[joints]
        velocity = np.clip(np.asarray(values, float), -speed, speed)
        self._motions[tuple(names)] = Cruise(joints, now_ns, self.position[joints], velocity)
        return None

    def follow(
        self, names: Sequence[str], points: Sequence[Point], path: Sequence[str], now_ns: int
    ) -> str | None:
        """joint_trajectory for the joints `path`: replaces the one before, from the set-point
        now.
        """
        refusal = self.halted or trajectory_refusal(names, points, path)
        if refusal:
            return refusal
        joints = self._joints(names)
        self._catch_up(path, now_ns)
        here = Point(0, self.position[joints], self.velocity[joints], self._acceleration[joints])
        self._motions[tuple(path)] = Course(joints, now_ns, (here, *points))
        return None

    def grip(self, name: str, value: float, now_ns: int, speed: float | None = None) -> str | None:
        """gripper_action: go there at the maker's speed, or a lower one."""
        if refusal := self._refusal((name,), np.array([value])):
            return refusal
        joints = self._joints((name,))
        self._catch_up((name,), now_ns)
        goal = np.clip(value, self._lower[joints], self._upper[joints])
        speed = min(self._speed[joints][0], speed or np.inf)
        self._motions[(name,)] = Ramp(joints, now_ns, self.position[joints], goal, float(speed))
        return None

    def halt(self, why: str, q_N: np.ndarray) -> None:
        """Take no commands and stay at `q_N`."""
        self.halted = why
        self.place(q_N)

    def resume(self, q_N: np.ndarray) -> None:
        """Take commands again, from `q_N`."""
        self.halted = ''
        self.place(q_N)

    def _refusal(self, names: Sequence[str], values: np.ndarray) -> str:
        if self.halted:
            return self.halted
        unknown = [name for name in names if name not in self._index]
        if unknown:
            return f'unknown joint {unknown[0]}'
        values = np.asarray(values, float)
        if values.shape != (len(names),):
            return f'{values.size} values for {len(names)} joints'
        return '' if np.isfinite(values).all() else 'not finite'

    def _catch_up(self, path: Sequence[str], now_ns: int) -> None:
        """Bring what is under way on a path up to now: something else goes on from there."""
        if (motion := self._motions.get(tuple(path))) is not None:
            self._set(motion.joints, motion.at(now_ns)[0])

    def _joints(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self._index[name] for name in names])

    # Run

    def advance(self, now_ns: int) -> np.ndarray:
        """Bring the set-points up to now; indices of the joints whose set-point is on its way."""
        moved = []
        for key, motion in list(self._motions.items()):
            point, goes_on = motion.at(now_ns)
            self._set(motion.joints, point)
            moved.append(motion.joints)
            if not goes_on:
                del self._motions[key]
        return np.concatenate(moved) if moved else NOTHING

    def _set(self, joints: np.ndarray, point: Point) -> None:
        self.position[joints] = np.clip(point.position, self._lower[joints], self._upper[joints])
        self.velocity[joints] = 0.0 if point.velocity is None else point.velocity
        self._acceleration[joints] = 0.0 if point.acceleration is None else point.acceleration


NOTHING = np.zeros(0, int)


@dataclass
class Cruise:
    """A constant velocity for as long as a velocity command lasts."""

    joints: np.ndarray
    start_ns: int
    start: np.ndarray
    velocity: np.ndarray

    def at(self, now_ns: int) -> tuple[Point, bool]:
        goes_on = now_ns - self.start_ns < VELOCITY_TIMEOUT_NS
        seconds = np.clip((now_ns - self.start_ns) / NS, 0.0, VELOCITY_TIMEOUT_NS / NS)
        velocity = self.velocity if goes_on else np.zeros(len(self.joints))
        return Point(0, self.start + seconds * self.velocity, velocity), goes_on


@dataclass
class Ramp:
    """A move to a goal at constant speed."""

    joints: np.ndarray
    start_ns: int
    start: np.ndarray
    goal: np.ndarray
    speed: float

    def at(self, now_ns: int) -> tuple[Point, bool]:
        reach = self.speed * max(now_ns - self.start_ns, 0) / NS
        step = np.clip(self.goal - self.start, -reach, reach)
        return Point(0, self.start + step), bool(np.any(self.start + step != self.goal))


@dataclass
class Course:
    """A trajectory: splines between points, the first of which is where it began."""

    joints: np.ndarray
    start_ns: int
    points: tuple[Point, ...]
    _segment: int = 0

    def at(self, now_ns: int) -> tuple[Point, bool]:
        after_ns = now_ns - self.start_ns
        last = len(self.points) - 1
        while self._segment < last and after_ns >= self.points[self._segment + 1].after_ns:
            self._segment += 1
        if self._segment == last:
            return self.points[last], False
        before, behind = self.points[self._segment : self._segment + 2]
        return between(before, behind, max(after_ns, before.after_ns)), True


def between(a: Point, b: Point, after_ns: int) -> Point:
    """The spline from a to b: quintic where both have accelerations, cubic where both have
    velocities, else a line.
    """
    span = (b.after_ns - a.after_ns) / NS
    t = (after_ns - a.after_ns) / NS
    if a.velocity is None or b.velocity is None:
        rate = (b.position - a.position) / span
        return Point(after_ns, a.position + t * rate, rate)
    quintic = a.acceleration is not None and b.acceleration is not None
    c = _quintic(a, b, span) if quintic else _cubic(a, b, span)
    value, rate, bend = np.zeros((3, len(a.position)))
    for factor in reversed(c):  # Horner's rule, for the value and two derivatives
        bend = bend * t + 2 * rate
        rate = rate * t + value
        value = value * t + factor
    return Point(after_ns, value, rate, bend)


def _cubic(a: Point, b: Point, span: float) -> tuple[np.ndarray, ...]:
    step = b.position - a.position - span * a.velocity
    turn = b.velocity - a.velocity
    return (
        a.position,
        a.velocity,
        (3 * step - span * turn) / span**2,
        (span * turn - 2 * step) / span**3,
    )


def _quintic(a: Point, b: Point, span: float) -> tuple[np.ndarray, ...]:
    step = b.position - a.position - span * a.velocity - 0.5 * span**2 * a.acceleration
    turn = b.velocity - a.velocity - span * a.acceleration
    bend = b.acceleration - a.acceleration
    return (
        a.position,
        a.velocity,
        0.5 * a.acceleration,
        (10 * step - 4 * span * turn + 0.5 * span**2 * bend) / span**3,
        (-15 * step + 7 * span * turn - span**2 * bend) / span**4,
        (6 * step - 3 * span * turn + 0.5 * span**2 * bend) / span**5,
    )


def trajectory_refusal(names: Sequence[str], points: Sequence[Point], path: Sequence[str]) -> str:
    """Why joint_trajectory_controller refuses a trajectory for the joints `path`; '' where it does
    not.
    """
    for name in names:
        if name not in path:
            return f'unknown joint {name}'
    missing = [name for name in path if name not in names]
    if missing or len(names) != len(path):
        return f'joint {missing[0]} is missing' if missing else 'a joint stands twice'
    if not points:
        return 'it has no points'
    times = [point.after_ns for point in points]
    if times[0] < 0 or any(b <= a for a, b in pairwise(times)):
        return 'its times do not increase'
    for index, point in enumerate(points):
        for key in ('position', 'velocity', 'acceleration'):
            values = getattr(point, key)
            if values is not None and len(values) != len(names):
                return f'point {index} has {len(values)} {key} values for {len(names)} joints'
            if values is not None and not np.isfinite(values).all():
                return f'point {index} is not finite'
    if points[-1].velocity is not None and (np.abs(points[-1].velocity) > AT_REST).any():
        return 'its last point moves'
    return ''


class Grasp:
    """What a gripper's action server says of a goal: reached, or stalled on the way."""

    def __init__(self, goal: float, travel: float, now_ns: int) -> None:
        self._goal = goal
        self._near, self._still = 0.01 * travel, 0.002 * travel
        self._moved_ns, self._place = now_ns, np.inf
        self.reached = self.stalled = False

    def look(self, position: float, now_ns: int, stall_ns: int = NS) -> bool:
        """Take a measurement; whether the goal is done with."""
        if abs(position - self._place) > self._still:
            self._place, self._moved_ns = position, now_ns
        self.reached = abs(position - self._goal) <= self._near
        self.stalled = not self.reached and now_ns - self._moved_ns >= stall_ns
        return self.reached or self.stalled
