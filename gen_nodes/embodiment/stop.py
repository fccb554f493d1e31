"""The quickest stop from a state by Ruckig, and a bound of it that needs no planner.

Joints stop independently of each other, each as fast as its own limits allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ruckig

from gen_nodes.embodiment.limits import Limits
from gen_nodes.errors import GenError

# Of the limits, for everything that Ruckig plans: its rounding stays inside the rest.
PLAN_VELOCITY, PLAN_ACCELERATION, PLAN_JERK = 0.999, 0.999, 0.99


class EnvelopeError(GenError):
    """The envelope cannot command this robot from here."""


@dataclass(frozen=True, slots=True)
class State:
    """A point of a motion with continuous acceleration, (N,) each [rad or m, s]."""

    p: np.ndarray
    v: np.ndarray
    a: np.ndarray

    def where(self, mask: np.ndarray, other: State) -> State:
        """This state where `mask` holds, the other elsewhere."""
        return State(
            np.where(mask, self.p, other.p),
            np.where(mask, self.v, other.v),
            np.where(mask, self.a, other.a),
        )

    @property
    def at_rest(self) -> bool:
        return not (self.v.any() or self.a.any())


@dataclass(frozen=True)
class StopPath:
    """A stop for a driver that takes trajectories: (K,) seconds after the command's instant,
    positions, velocities and accelerations (K, N). The first row is the command itself, the last
    one is at rest.
    """

    times_s: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray


class Stop:
    """The quickest stop from the state last given to `solve`."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._solver = ruckig.Ruckig(limits.n)
        self._trajectory = ruckig.Trajectory(limits.n)
        self._given = given = ruckig.InputParameter(limits.n)
        given.control_interface = ruckig.ControlInterface.Velocity
        given.synchronization = ruckig.Synchronization.No
        given.max_acceleration = (PLAN_ACCELERATION * limits.acceleration).tolist()
        given.max_jerk = (PLAN_JERK * limits.jerk).tolist()
        given.current_position = given.target_velocity = [0.0] * limits.n
        self._half_peak = 0.5 / (PLAN_JERK * limits.jerk)

    def solve(self, state: State) -> None:
        """Find the stop from `state`. Raises EnvelopeError where Ruckig finds none."""
        self._state = state
        self._given.current_velocity = state.v.tolist()
        self._given.current_acceleration = state.a.tolist()
        if not solved(self._solver, self._given, self._trajectory):
            raise EnvelopeError(f'no stop found from {state}')

    @property
    def duration(self) -> float:
        """Until the last joint stands [s]."""
        return self._trajectory.duration

    def extrema(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest position on the way, (N,) each; the present one is between them."""
        extrema = self._trajectory.position_extrema
        p = self._state.p
        return (
            p + np.array([x.min for x in extrema]),
            p + np.array([x.max for x in extrema]),
        )

    def fastest(self) -> np.ndarray:
        """Greatest speed on the way, (N,): the present one, or that at which acceleration is 0."""
        v, a = self._state.v, self._state.a
        return np.maximum(np.abs(v), np.abs(v + a * np.abs(a) * self._half_peak))

    def after(self, seconds: float) -> State:
        """The state after `seconds`; exactly at rest where the joint has stopped by then."""
        p, v, a = (np.array(x) for x in self._trajectory.at_time(seconds))
        moving = np.array(self._trajectory.independent_min_durations) > seconds
        return State(self._state.p + p, np.where(moving, v, 0.0), np.where(moving, a, 0.0))

    def samples(self, times_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities (S, N) at times on the way [s]."""
        points = [self._trajectory.at_time(t)[:2] for t in times_S]
        return self._state.p + np.array([q for q, _ in points]), np.array([v for _, v in points])

    def path(self, period_s: float, rows: int) -> StopPath:
        """The stop in `rows` points, the first one where it begins, the last one at rest."""
        times = np.linspace(0.0, max(self.duration, period_s), rows)
        states = [self._state, *(self.after(t) for t in times[1:])]
        rest = np.zeros(self._limits.n)
        states[-1] = State(states[-1].p, rest, rest)
        p, v, a = (np.stack([getattr(s, k) for s in states]) for k in 'pva')
        return StopPath(times, p, v, a)


class StopSamples:
    """A stop as the proof of clearance samples it; solved only when that asks.

    Called with fractions (S,) of the duration it gives positions (S, N).
    """

    def __init__(self, stop: Stop, state: State, acceleration: np.ndarray):
        self._stop, self._state, self._most = stop, state, acceleration
        self._asked: np.ndarray | None = None
        self._found: tuple[np.ndarray, np.ndarray] | None = None  # what was asked for last

    def __call__(self, fractions_S: np.ndarray) -> np.ndarray:
        return self._samples(fractions_S)[0]

    def lengths(self, fractions_S: np.ndarray) -> np.ndarray:
        """Bounds (S - 1, N) of each joint's motion between consecutive fractions."""
        speeds = np.abs(self._samples(fractions_S)[1])
        seconds = np.diff(fractions_S)[:, None] * self._stop.duration
        return seconds * (np.maximum(speeds[1:], speeds[:-1]) + 0.5 * self._most * seconds)

    def _samples(self, fractions_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._found is None or self._asked is not fractions_S:
            if self._found is None:
                self._stop.solve(self._state)
            self._found = self._stop.samples(np.asarray(fractions_S) * self._stop.duration)
            self._asked = fractions_S
        return self._found


class StopBound:
    """An upper bound of how far a stop reaches, from speed and acceleration alone.

    Slower than Ruckig's: first bring the acceleration to zero, at the greatest speed met so far,
    then stop from there in v^2 / 2a + v a / 2j, which bounds the jerk-limited distance above.
    """

    def __init__(self, limits: Limits):
        jerk, most = PLAN_JERK * limits.jerk, PLAN_ACCELERATION * limits.acceleration
        self._half_peak = 0.5 / jerk
        self._unbend, self._slow, self._round = 1 / jerk, 0.5 / most, 0.5 * most / jerk

    def peak(self, speed: np.ndarray, bend: np.ndarray) -> np.ndarray:
        """Bound of the greatest speed of a stop from |v| = `speed`, |a| = `bend`, (N,)."""
        return speed + bend * bend * self._half_peak

    def reach(self, peak: np.ndarray, bend: np.ndarray) -> np.ndarray:
        """Bound of the distance, either way, of a stop whose greatest speed is `peak`, (N,)."""
        return peak * (bend * self._unbend + peak * self._slow + self._round)


def solved(
    solver: ruckig.Ruckig, given: ruckig.InputParameter, solution: ruckig.Trajectory
) -> bool:
    """Whether Ruckig finds a trajectory."""
    try:
        result = solver.calculate(given, solution)
    except (ruckig.RuckigError, ValueError):  # ValueError: a result code that it does not name
        return False
    return result in (ruckig.Result.Working, ruckig.Result.Finished)


def stoppable(distance: np.ndarray, limits: Limits) -> np.ndarray:
    """A speed from which a stop fits into `distance`: v^2 / 2a + v a / 2j = d bounds the
    jerk-limited distance above.
    """
    ratio = limits.acceleration**2 / limits.jerk
    return 0.5 * (np.sqrt(ratio**2 + 8 * limits.acceleration * np.maximum(distance, 0.0)) - ratio)
