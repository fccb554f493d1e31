"""What a command may never leave: position, velocity, acceleration and jerk, for any number of
joints.

Published positions are judged by their finite differences at the nominal period. Two ways lead to
the next position:

- direct: the reference itself, where its finite differences stay inside the limits. A smooth
  reference inside the limits therefore passes unchanged.
- planned: the first period of Ruckig's time-optimal motion to the reference
  (Berscheid and Kroeger, 'Jerk-limited Real-time Trajectory Generation with Arbitrary Target
  States', RSS 2021).

Either is taken only if a brake from the state it leads to stays inside the limits. A joint without
that proof follows the brake of the previous step instead, whose proof was given then. So a way to
stop exists at every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ruckig

from gen_nodes.embodiment.limits import Limits
from gen_nodes.errors import GenError

PLAN_VELOCITY, PLAN_ACCELERATION, PLAN_JERK = (
    0.999,
    0.999,
    0.99,
)  # Ruckig's rounding stays inside the rest
DIRECT = 1 - 1e-6
OUTSIDE_TOLERANCE = 0.05
BRAKE_SAMPLES, BOUND_MARGIN, STILL = 20, 2e-3, 1e-9
SLOWEST_CEILING = 1e-3
FRAME, FRAME_ACCELERATION = (
    0.95,
    0.8,
)  # of the limits: the rest is for catching up with the reference


class EnvelopeError(GenError):
    """The envelope cannot command this robot from here."""


@dataclass(frozen=True)
class Step:
    """One command: position, velocity, acceleration (N,), and the limits that shaped it as
    'joint:limit'.
    """

    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    active: tuple[str, ...]


@dataclass(frozen=True)
class _State:
    """A point of a motion with continuous acceleration, (N,) each."""

    p: np.ndarray
    v: np.ndarray
    a: np.ndarray

    def where(self, mask: np.ndarray, other: _State) -> _State:
        """This state where `mask` holds, the other elsewhere."""
        return _State(
            *(np.where(mask, x, y) for x, y in zip(self.astuple(), other.astuple(), strict=True))
        )

    def astuple(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.p, self.v, self.a


class Envelope:
    """One robot's motion, a period at a time. `start` first, then `follow` or `brake` once per
    period.
    """

    def __init__(self, limits: Limits, period_s: float):
        self.limits = limits
        self.period_s = period_s
        self._solver = ruckig.Ruckig(limits.n)
        self._plan, self._stop = ruckig.Trajectory(limits.n), ruckig.Trajectory(limits.n)
        self._plan_input = self._input(ruckig.ControlInterface.Position)
        self._stop_input = self._input(ruckig.ControlInterface.Velocity)
        self._direct_jerk = DIRECT * limits.jerk * period_s**3
        self._direct_acceleration = DIRECT * limits.acceleration * period_s**2
        self._direct_velocity = DIRECT * limits.velocity * period_s
        self._half_peak = 0.5 / (PLAN_JERK * limits.jerk)
        self._always = np.ones(limits.n, dtype=bool)

    def _input(self, interface: ruckig.ControlInterface) -> ruckig.InputParameter:
        limits = self.limits
        out = ruckig.InputParameter(limits.n)
        out.control_interface = interface
        out.synchronization = ruckig.Synchronization.No
        out.max_velocity = (PLAN_VELOCITY * limits.velocity).tolist()
        out.min_velocity = (-PLAN_VELOCITY * limits.velocity).tolist()
        out.max_acceleration = (PLAN_ACCELERATION * limits.acceleration).tolist()
        out.max_jerk = (PLAN_JERK * limits.jerk).tolist()
        zeros = [0.0] * limits.n
        out.current_position = out.target_position = out.target_velocity = zeros
        out.target_acceleration = zeros
        return out

    def start(self, position_N: np.ndarray) -> None:
        """Stand still at `position_N`. Raises EnvelopeError where a joint is clearly outside its
        position limits.
        """
        p = np.array(position_N, dtype=float)
        limits = self.limits
        beyond = np.maximum(limits.hard_lower - p, p - limits.hard_upper)
        if not (beyond <= OUTSIDE_TOLERANCE).all():
            worst = int(np.argmax(np.where(np.isnan(beyond), np.inf, beyond)))
            raise EnvelopeError(
                f'{limits.names[worst]} is at {p[worst]:.4f}, outside its limits '
                f'{limits.hard_lower[worst]:.4f} to {limits.hard_upper[worst]:.4f}: '
                "move it inside by the robot's own means"
            )
        self._state = _State(p, np.zeros(limits.n), np.zeros(limits.n))
        self._history = p, p
        self._rate, self._on_reference = np.zeros(limits.n), np.zeros(limits.n, dtype=bool)
        self._lower, self._upper = np.minimum(limits.lower, p), np.maximum(limits.upper, p)

    @property
    def position(self) -> np.ndarray:
        return self._state.p

    @property
    def velocity(self) -> np.ndarray:
        return self._state.v

    @property
    def at_rest(self) -> bool:
        return not (self._state.v.any() or self._state.a.any())

    def follow(self, wanted: np.ndarray, rate: np.ndarray) -> Step:
        """The next command towards the reference: on it where the limits allow, else the fastest
        way back to it.

        wanted, rate: (N,) position and velocity of the reference at the instant that is being
        commanded.
        """
        target = np.minimum(np.maximum(wanted, self._lower), self._upper)
        rate = np.where(target == wanted, rate, 0.0)
        direct = self._direct(target)
        free = self._free(target, rate)
        candidate = direct if free.all() else direct.where(free, self._planned(target, rate, ~free))
        proven = self._proven(candidate)
        self._rate, self._on_reference = rate, free & proven
        if not proven.all():
            candidate = candidate.where(proven, self._braked())
        active = self._active(candidate, self._on_reference, target != wanted)
        return self._advance(candidate, active)

    def brake(self) -> Step:
        """The next command of the quickest stop; stands still once at rest."""
        self._on_reference[:] = False
        return self._advance(self._state if self.at_rest else self._braked(), ())

    def _direct(self, target: np.ndarray) -> _State:
        """The state on the target whose motion continues the published positions.

        With velocity + half a period of acceleration, every finite difference across the seam
        between published positions and a motion from here is a weighted mean of values inside the
        limits.
        """
        newest, older = self._state.p, self._history[0]
        step = target - newest
        bend = step - (newest - older)
        h = self.period_s
        return _State(target, (step + 0.5 * bend) / h, bend / h**2)

    def _free(self, target: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """Mask of joints that may take the target as it is, by finite differences of what is
        published.
        """
        newest, (older, oldest) = self._state.p, self._history
        step = target - newest
        bend = step - (newest - older)
        twist = bend - (newest - 2 * older + oldest)
        free = (
            (np.abs(step) <= self._direct_velocity)
            & (np.abs(bend) <= self._direct_acceleration)
            & (np.abs(twist) <= self._direct_jerk)
            & (self._on_reference | self._stays(rate, step, bend))
        )
        if self.limits.bounds is not None:
            up, down = self.limits.bounds.speeds(np.stack([newest, target]))
            h = DIRECT * self.period_s
            free &= (step <= up.min(axis=0) * h) & (step >= -down.min(axis=0) * h)
        return free

    def _stays(self, rate: np.ndarray, step: np.ndarray, bend: np.ndarray) -> np.ndarray:
        """Mask of joints that could also take the next two targets: others would only cross the
        reference.
        """
        h = self.period_s
        ahead = (rate - self._rate) * h
        next_bend = rate * h + 0.5 * ahead - step
        return (
            (np.abs(next_bend) <= self._direct_acceleration)
            & (np.abs(next_bend - bend) <= self._direct_jerk)
            & (np.abs(ahead - next_bend) <= self._direct_jerk)
        )

    def _planned(self, target: np.ndarray, rate: np.ndarray, planned: np.ndarray) -> _State:
        """The state one period along Ruckig's way to the reference, taken to go on at its present
        acceleration.

        Solved in the frame that moves with the reference: there the way ends at rest and jerk is
        the same.
        """
        state, given, h = self._state, self._plan_input, self.period_s
        up, down = self._ceilings()
        frame_v, frame_a = self._frame(target, rate, up, down)
        most = PLAN_ACCELERATION * self.limits.acceleration
        given.enabled = planned.tolist()
        turn, least = np.abs(frame_a) * h, SLOWEST_CEILING * self.limits.velocity
        given.max_velocity = np.maximum(up - turn - frame_v, least).tolist()
        given.min_velocity = np.minimum(turn - down - frame_v, -least).tolist()
        given.max_acceleration, given.min_acceleration = (
            (most - frame_a).tolist(),
            (-most - frame_a).tolist(),
        )
        given.current_position = (state.p - (target - frame_v * h + 0.5 * frame_a * h**2)).tolist()
        given.current_velocity = (state.v - (frame_v - frame_a * h)).tolist()
        given.current_acceleration = (state.a - frame_a).tolist()
        if not self._solve(given, self._plan):
            return self._braked()
        p, v, a = (np.array(x) for x in self._plan.at_time(h))
        return _State(p + target, v + frame_v, a + frame_a)

    def _frame(
        self, target: np.ndarray, rate: np.ndarray, up: np.ndarray, down: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Velocity and acceleration of the frame: the reference's own as far as the limits leave
        room to catch up.
        """
        limits = self.limits
        slowest = _stoppable(np.minimum(self._upper - target, target - self._lower), limits)
        velocity = np.minimum(
            np.maximum(rate, -np.minimum(slowest, FRAME * down)), np.minimum(slowest, FRAME * up)
        )
        acceleration = (rate - self._rate) / self.period_s
        smooth = (np.abs(acceleration) <= limits.acceleration) & (velocity == rate)
        most = FRAME_ACCELERATION * limits.acceleration
        return velocity, np.where(smooth, np.minimum(np.maximum(acceleration, -most), most), 0.0)

    def _ceilings(self) -> tuple[np.ndarray, np.ndarray]:
        """Greatest speeds up and down for the plan, (N,)."""
        fastest = PLAN_VELOCITY * self.limits.velocity
        if self.limits.bounds is None:
            return fastest, fastest
        p, v = self._state.p, self._state.v
        up, down = self.limits.bounds.ceilings(np.stack([p, p + 2 * self.period_s * v]))
        floor = SLOWEST_CEILING * fastest
        return (
            np.minimum(np.maximum(up.min(axis=0), floor), fastest),
            np.minimum(np.maximum(down.min(axis=0), floor), fastest),
        )

    def _proven(self, state: _State) -> np.ndarray:
        """Mask of joints whose quickest stop from `state` stays inside position and velocity
        limits.
        """
        self._solve_stop(state)
        extrema = self._stop.position_extrema
        highest = state.p + np.array([x.max for x in extrema])
        lowest = state.p + np.array([x.min for x in extrema])
        peak = state.v + state.a * np.abs(state.a) * self._half_peak
        fastest = np.maximum(np.abs(state.v), np.abs(peak))
        step = state.p - self._state.p
        proven = (
            (highest <= self._upper)
            & (lowest >= self._lower)
            & (fastest <= self.limits.velocity)
            & (np.abs(state.a) <= self.limits.acceleration)
            & (np.abs(step) <= self._direct_velocity)
        )
        if self.limits.bounds is not None:
            proven &= self._below_bounds(state.p, np.stack([highest, lowest]), fastest, step)
        return proven

    def _below_bounds(
        self, start: np.ndarray, extrema: np.ndarray, fastest: np.ndarray, step: np.ndarray
    ) -> np.ndarray:
        """Mask of joints whose stop stays below the position-dependent velocity bounds.

        Bounds fall towards the ends of a joint's range, so they are least at one of the stop's two
        extrema. Where that does not settle it, samples along the stop do.
        """
        up, down = self.limits.bounds.speeds(np.stack([self._state.p, *extrema]))
        h = DIRECT * self.period_s
        in_step = (step <= h * np.maximum(up[0], up.min(axis=0))) & (
            step >= -h * np.maximum(down[0], down.min(axis=0))
        )
        slow = fastest <= DIRECT * np.minimum(up.min(axis=0), down.min(axis=0))
        if slow.all():
            return in_step
        times = np.linspace(0.0, self._stop.duration, BRAKE_SAMPLES)
        samples = [self._stop.at_time(t)[:2] for t in times]
        q, v = start + np.array([s[0] for s in samples]), np.array([s[1] for s in samples])
        up, down = self.limits.bounds.speeds(q)
        margin = BOUND_MARGIN * self.limits.velocity
        below = (v <= np.maximum(up - margin, 0.0)) & (v >= np.minimum(margin - down, 0.0))
        return in_step & (slow | (below | (np.abs(v) < STILL)).all(axis=0))

    def _braked(self) -> _State:
        """The state one period along the quickest stop from the present state."""
        self._solve_stop(self._state)
        p, v, a = (np.array(x) for x in self._stop.at_time(self.period_s))
        moving = np.array(self._stop.independent_min_durations) > self.period_s
        return _State(self._state.p + p, np.where(moving, v, 0.0), np.where(moving, a, 0.0))

    def _solve_stop(self, state: _State) -> None:
        """Ruckig's quickest stop, positions counted from `state`: its extrema always contain
        zero.
        """
        given = self._stop_input
        given.current_velocity = state.v.tolist()
        given.current_acceleration = state.a.tolist()
        if not self._solve(given, self._stop):
            raise EnvelopeError(f'no stop found from {state}')

    def _solve(self, given: ruckig.InputParameter, solution: ruckig.Trajectory) -> bool:
        try:
            result = self._solver.calculate(given, solution)
        except (
            ruckig.RuckigError,
            ValueError,
        ):  # ValueError: a result code that the binding does not name
            return False
        return result in (ruckig.Result.Working, ruckig.Result.Finished)

    def _active(
        self, state: _State, on_reference: np.ndarray, clipped: np.ndarray
    ) -> tuple[str, ...]:
        """Names of the limits that keep the command off the reference."""
        if on_reference.all() and not clipped.any():
            return ()
        limits = self.limits
        up, down = self._ceilings()
        fast = (state.v >= 0.99 * up) | (state.v <= -0.99 * down)
        hard = np.abs(state.a) >= 0.99 * PLAN_ACCELERATION * limits.acceleration
        kinds = np.select([clipped, fast, hard], ['position', 'velocity', 'acceleration'], 'jerk')
        return tuple(
            f'{limits.names[i]}:{kinds[i]}' for i in np.flatnonzero(clipped | ~on_reference)
        )

    def _advance(self, state: _State, active: tuple[str, ...]) -> Step:
        self._history = self._state.p, self._history[0]
        self._state = state
        self._lower = np.minimum(self.limits.lower, np.maximum(self._lower, state.p))
        self._upper = np.maximum(self.limits.upper, np.minimum(self._upper, state.p))
        return Step(state.p, state.v, state.a, active)


def _stoppable(distance: np.ndarray, limits: Limits) -> np.ndarray:
    """A speed from which a stop fits into `distance`: v^2 / 2a + v a / 2j = d bounds the
    jerk-limited distance above.
    """
    ratio = limits.acceleration**2 / limits.jerk
    return 0.5 * (np.sqrt(ratio**2 + 8 * limits.acceleration * np.maximum(distance, 0.0)) - ratio)
