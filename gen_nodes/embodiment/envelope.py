"""What a command may never leave: position, velocity, acceleration, jerk, and clearance from itself
and from fences, for any number of joints.

Published positions are judged by their finite differences at the nominal period. Two ways lead to
the next position:

- direct: the reference itself, where its finite differences stay inside the limits. A smooth
  reference inside the limits therefore passes unchanged.
- planned: the first period of Ruckig's time-optimal motion to the reference
  (Berscheid and Kroeger, 'Jerk-limited Real-time Trajectory Generation with Arbitrary Target
  States', RSS 2021).

Either is taken only if a brake from the state it leads to stays inside the limits and clear of
every obstacle. A joint without that proof follows the brake of the previous step instead, whose
proof was given then; where clearance cannot be proven, all joints do. So a way to stop exists at
every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ruckig

from gen_nodes.embodiment.clearance import Clearance
from gen_nodes.embodiment.limits import OUTSIDE_TOLERANCE, Limits
from gen_nodes.embodiment.stop import (
    PLAN_ACCELERATION,
    PLAN_JERK,
    PLAN_VELOCITY,
    EnvelopeError,
    State,
    Stop,
    StopBound,
    StopPath,
    StopSamples,
    solved,
    stoppable,
)

DIRECT = 1 - 1e-6
BRAKE_SAMPLES, BOUND_MARGIN, STILL = 20, 2e-3, 1e-9
SLOWEST_CEILING = 1e-3
FRAME, FRAME_ACCELERATION = 0.95, 0.8  # of the limits: the rest is for catching up
STOP_ROWS = 8
KINDS = ('position', 'velocity', 'acceleration', 'jerk', 'clearance', 'slowed')
POSITION, VELOCITY, ACCELERATION, JERK, CLEARANCE, SLOWED = range(len(KINDS))


@dataclass(frozen=True, slots=True)
class Step:
    """One command: position, velocity, acceleration (N,), and the limits that shaped it as
    'joint:limit'.
    """

    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    active: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares (N,) of the velocity limits that may be used upwards and downwards."""

    up: np.ndarray
    down: np.ndarray


class Envelope:
    """One robot's motion, a period at a time. `start` first, then `follow` or `brake` once per
    period.

    clearance: keeps the robot off itself and off fences; None: nothing to keep off.
    """

    def __init__(self, limits: Limits, period_s: float, clearance: Clearance | None = None):
        self.limits = limits
        self.period_s = period_s
        self._clearance = clearance
        self._stop, self._bound = Stop(limits), StopBound(limits)
        self._solver, self._plan = ruckig.Ruckig(limits.n), ruckig.Trajectory(limits.n)
        self._plan_input = self._make_plan_input()
        h = period_s
        self._most = DIRECT * np.stack(  # greatest differences of order 1, 2, 3
            [limits.velocity * h, limits.acceleration * h**2, limits.jerk * h**3]
        )
        self._full_lower, self._full_upper = limits.full_speed()
        self._differences, self._sizes = np.empty((2, 3, limits.n))
        self._checks = np.empty((6, limits.n), dtype=bool)
        self._half_peak = 0.5 / (PLAN_JERK * limits.jerk)
        self._hard = 0.99 * PLAN_ACCELERATION * limits.acceleration
        self._told = [[f'{name}:{kind}' for kind in KINDS] for name in limits.names]

    def _make_plan_input(self) -> ruckig.InputParameter:
        out, zeros = ruckig.InputParameter(self.limits.n), [0.0] * self.limits.n
        out.control_interface = ruckig.ControlInterface.Position
        out.synchronization = ruckig.Synchronization.No
        out.max_jerk = (PLAN_JERK * self.limits.jerk).tolist()
        out.target_position = out.target_velocity = out.target_acceleration = zeros
        return out

    # State

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
        zeros = np.zeros(limits.n)
        self._state = State(p, zeros, zeros)
        self._step, self._bend = zeros, zeros  # first and second difference of what was published
        self._rate, self._on_reference = zeros, np.zeros(limits.n, dtype=bool)
        self._passing = False  # the last command was the reference, for every joint
        self._lower, self._upper = np.minimum(limits.lower, p), np.maximum(limits.upper, p)
        if self._clearance is not None:
            self._clearance.start(p)

    @property
    def position(self) -> np.ndarray:
        return self._state.p

    @property
    def velocity(self) -> np.ndarray:
        return self._state.v

    @property
    def step(self) -> np.ndarray:
        """Last position less the one before, (N,)."""
        return self._step

    @property
    def at_rest(self) -> bool:
        return self._state.at_rest

    @property
    def nearest(self) -> tuple[str, float] | None:
        """Name and clearance [m] of the pair that holds the robot back, else of the nearest; None:
        nothing is watched.
        """
        if self._clearance is None:
            return None
        name, clearance = self._clearance.nearest()
        return self._clearance.refused or name, clearance

    def stop_path(self) -> StopPath:
        """The stop from the last command on, which was proven when that was chosen."""
        self._stop.solve(self._state)
        return self._stop.path(self.period_s, STOP_ROWS)

    def shift(self, by_N: np.ndarray) -> None:
        """The same motion from another place: for a robot that is commanded by velocity, whose
        place only measurement tells.
        """
        p = self._state.p + by_N
        self._state = State(p, self._state.v, self._state.a)
        self._passing = False
        # the limits reach out to where it was found, never further
        self._lower, self._upper = np.minimum(self._lower, p), np.maximum(self._upper, p)

    # Steps

    def follow(self, wanted: np.ndarray, rate: np.ndarray, share: float = 1.0) -> Step:
        """The next command towards the reference: on it where the limits allow, else the fastest
        way back to it.

        wanted, rate: (N,) position and velocity of the reference at the instant that is being
        commanded. share: of the velocity limits, that may be used now.
        """
        shares = self._shares(share)
        if shares is None and self._passing and self._passes(wanted):
            self._rate = rate.copy()  # what is kept must not change with the caller's arrays
            self._lower, self._upper = self.limits.lower, self.limits.upper
            return self._advance(self._direct(wanted.copy()), ())
        target = np.minimum(np.maximum(wanted, self._lower), self._upper)
        rate = np.where(target == wanted, rate, 0.0)
        up, down = self._speeds(shares)
        free = self._free(target, rate, shares)
        direct = self._direct(target)
        candidate = (
            direct
            if free.all()
            else direct.where(free, self._planned(target, rate, ~free, up, down))
        )
        proven = self._proven(candidate)
        if not proven.all():
            candidate = candidate.where(proven, self._braked())
        clear = self._clear(candidate, mixed=not proven.all())
        if not clear:
            candidate, proven = self._braked(), np.zeros_like(proven)
        self._rate, self._on_reference = rate, free & proven
        self._passing = bool(self._on_reference.all()) and bool((target == wanted).all())
        active = self._active(candidate, target != wanted, shares, up, down, clear)
        self._widen(candidate.p)
        return self._advance(candidate, active)

    def brake(self) -> Step:
        """The next command of the quickest stop; stands still once at rest."""
        self._on_reference, self._passing = np.zeros_like(self._on_reference), False
        state = self._state if self.at_rest else self._braked()
        self._widen(state.p)
        return self._advance(state, ())

    def _advance(self, state: State, active: tuple[str, ...]) -> Step:
        step = state.p - self._state.p
        self._bend, self._step = step - self._step, step
        self._state = state
        if self._clearance is not None:
            self._clearance.accept(state.p)
        return Step(state.p, state.v, state.a, active)

    def _widen(self, p: np.ndarray) -> None:
        """Soft limits reach out to a robot that stands beyond them, and follow it back in."""
        self._lower, self._upper = self._widened(p)

    def _widened(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        limits = self.limits
        return (
            np.minimum(limits.lower, np.maximum(self._lower, p)),
            np.maximum(limits.upper, np.minimum(self._upper, p)),
        )

    # The direct way

    def _passes(self, target: np.ndarray) -> bool:
        """Whether the target needs no planner: reachable in one step, with a stop that a bound
        already shows to stay inside every limit.
        """
        self._differences_to(target)
        size, check = self._sizes, self._checks
        np.less_equal(size, self._most, out=check[:3])
        h = self.period_s
        bend = size[1] * (1 / h**2)
        peak = self._bound.peak((size[0] + 0.5 * size[1]) * (1 / h), bend)
        reach = self._bound.reach(peak, bend)
        np.less_equal(peak, self.limits.velocity, out=check[3])
        np.less_equal(target + reach, self._full_upper, out=check[4])
        np.greater_equal(target - reach, self._full_lower, out=check[5])
        if not check.all():
            return False
        if self._clearance is None:
            return True
        samples = StopSamples(self._stop, self._direct(target), self.limits.acceleration)
        return self._clearance.proves(target, reach, samples)

    def _differences_to(self, target: np.ndarray) -> np.ndarray:
        """First, second and third difference (3, N) that the target would bring; their sizes go to
        `_sizes`.
        """
        d = self._differences
        np.subtract(target, self._state.p, out=d[0])
        np.subtract(d[0], self._step, out=d[1])
        np.subtract(d[1], self._bend, out=d[2])
        np.abs(d, out=self._sizes)
        return d

    def _direct(self, target: np.ndarray) -> State:
        """The state on the target whose motion continues the published positions.

        With velocity + half a period of acceleration, every finite difference across the seam
        between published positions and a motion from here is a weighted mean of values inside the
        limits.
        """
        step = target - self._state.p
        bend = step - self._step
        h = self.period_s
        return State(target, (step + 0.5 * bend) * (1 / h), bend * (1 / h**2))

    def _free(self, target: np.ndarray, rate: np.ndarray, shares: Shares | None) -> np.ndarray:
        """Mask of joints that may take the target as it is, by finite differences of what is
        published.
        """
        step, bend, _ = self._differences_to(target)
        reachable = self._sizes <= self._most
        free = reachable[0] & reachable[1] & reachable[2]
        free &= self._on_reference | self._stays(rate, step, bend)
        h = DIRECT * self.period_s
        if shares is not None:  # also by the speed that is left over once acceleration is unbent
            v, a = (step + 0.5 * bend) * (1 / self.period_s), bend * (1 / self.period_s**2)
            peak = v + a * np.abs(a) * self._half_peak
            most, fastest, slowest = self.limits.velocity, np.maximum(v, peak), np.minimum(v, peak)
            free &= (fastest <= shares.up * most) & (slowest >= -shares.down * most)
        if self.limits.bounds is not None:
            up, down = self.limits.bounds.speeds(np.stack([self._state.p, target]))
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
            (np.abs(next_bend) <= self._most[1])
            & (np.abs(next_bend - bend) <= self._most[2])
            & (np.abs(ahead - next_bend) <= self._most[2])
        )

    # The planned way

    def _planned(
        self,
        target: np.ndarray,
        rate: np.ndarray,
        planned: np.ndarray,
        up: np.ndarray,
        down: np.ndarray,
    ) -> State:
        """The state one period along Ruckig's way to the reference, taken to go on at its present
        acceleration.

        Solved in the frame that moves with the reference: there the way ends at rest and jerk is
        the same.
        """
        state, given, h = self._state, self._plan_input, self.period_s
        frame_v, frame_a = self._frame(target, rate, up, down)
        most = PLAN_ACCELERATION * self.limits.acceleration
        given.enabled = planned.tolist()
        turn, least = np.abs(frame_a) * h, SLOWEST_CEILING * self.limits.velocity
        given.max_velocity = np.maximum(up - turn - frame_v, least).tolist()
        given.min_velocity = np.minimum(turn - down - frame_v, -least).tolist()
        given.max_acceleration = (most - frame_a).tolist()
        given.min_acceleration = (-most - frame_a).tolist()
        given.current_position = (state.p - (target - frame_v * h + 0.5 * frame_a * h**2)).tolist()
        given.current_velocity = (state.v - (frame_v - frame_a * h)).tolist()
        given.current_acceleration = (state.a - frame_a).tolist()
        if not solved(self._solver, given, self._plan):
            return self._braked()
        p, v, a = (np.array(x) for x in self._plan.at_time(h))
        return State(p + target, v + frame_v, a + frame_a)

    def _frame(
        self, target: np.ndarray, rate: np.ndarray, up: np.ndarray, down: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Velocity and acceleration of the frame: the reference's own as far as the limits leave
        room to catch up.
        """
        limits = self.limits
        slowest = stoppable(np.minimum(self._upper - target, target - self._lower), limits)
        velocity = np.minimum(
            np.maximum(rate, -np.minimum(slowest, FRAME * down)), np.minimum(slowest, FRAME * up)
        )
        acceleration = (rate - self._rate) / self.period_s
        smooth = (np.abs(acceleration) <= limits.acceleration) & (velocity == rate)
        most = FRAME_ACCELERATION * limits.acceleration
        return velocity, np.where(smooth, np.minimum(np.maximum(acceleration, -most), most), 0.0)

    def _shares(self, share: float) -> Shares | None:
        """What may be used of the velocity limits now; None: all of them."""
        near = None if self._clearance is None else self._clearance.ceilings(self._state.p)
        if near is None and share >= 1.0:
            return None
        up, down = near or (np.ones(self.limits.n),) * 2
        return Shares(np.minimum(up, share), np.minimum(down, share))

    def _speeds(self, shares: Shares | None) -> tuple[np.ndarray, np.ndarray]:
        """Greatest speeds up and down for the plan, (N,)."""
        fastest = PLAN_VELOCITY * self.limits.velocity
        up, down = fastest, fastest
        if self.limits.bounds is not None:
            p, v = self._state.p, self._state.v
            ups, downs = self.limits.bounds.ceilings(np.stack([p, p + 2 * self.period_s * v]))
            up, down = np.minimum(ups.min(axis=0), up), np.minimum(downs.min(axis=0), down)
        if shares is not None:
            up, down = np.minimum(up, shares.up * fastest), np.minimum(down, shares.down * fastest)
        floor = SLOWEST_CEILING * fastest
        return np.maximum(up, floor), np.maximum(down, floor)

    # The proof

    def _proven(self, state: State) -> np.ndarray:
        """Mask of joints whose quickest stop from `state` stays inside position and velocity
        limits.
        """
        self._stop.solve(state)
        lowest, highest = self._stop.extrema()
        fastest = self._stop.fastest()
        step = state.p - self._state.p
        lower, upper = self._widened(state.p)  # as they will be: a brake never leads out again
        proven = (
            (highest <= upper)
            & (lowest >= lower)
            & (fastest <= self.limits.velocity)
            & (np.abs(state.a) <= self.limits.acceleration)
            & (np.abs(step) <= self._most[0])
            & self._inwards(state)
        )
        if self.limits.bounds is not None:
            proven &= self._below_bounds(np.stack([highest, lowest]), fastest, step)
        return proven

    def _inwards(self, state: State) -> np.ndarray:
        """Mask of joints that are inside their limits, or whose stop leads nowhere but inwards."""
        rest = state.v + state.a * np.abs(state.a) * self._half_peak  # speed once a is unbent
        inside_lower = (state.p >= self.limits.lower) | (np.minimum(state.v, rest) >= -STILL)
        return inside_lower & (
            (state.p <= self.limits.upper) | (np.maximum(state.v, rest) <= STILL)
        )

    def _below_bounds(
        self, extrema: np.ndarray, fastest: np.ndarray, step: np.ndarray
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
        q, v = self._stop.samples(np.linspace(0.0, self._stop.duration, BRAKE_SAMPLES))
        up, down = self.limits.bounds.speeds(q)
        margin = BOUND_MARGIN * self.limits.velocity
        below = (v <= np.maximum(up - margin, 0.0)) & (v >= np.minimum(margin - down, 0.0))
        return in_step & (slow | (below | (np.abs(v) < STILL)).all(axis=0))

    def _clear(self, state: State, *, mixed: bool) -> bool:
        """Whether the whole robot stays clear along the stop from `state`. mixed: that stop is not
        the one that was solved last.
        """
        if self._clearance is None:
            return True
        if mixed:
            self._stop.solve(state)
        lowest, highest = self._stop.extrema()
        reach = np.maximum(highest - state.p, state.p - lowest)
        samples = StopSamples(self._stop, state, self.limits.acceleration)
        return self._clearance.proves(state.p, reach, samples)

    def _braked(self) -> State:
        """The state one period along the quickest stop from the present state."""
        self._stop.solve(self._state)
        return self._stop.after(self.period_s)

    # What is told

    def _active(
        self,
        state: State,
        clipped: np.ndarray,
        shares: Shares | None,
        up: np.ndarray,
        down: np.ndarray,
        clear: bool,
    ) -> tuple[str, ...]:
        """Names of the limits that keep the command off the reference."""
        if self._passing:
            return ()
        if not clear:
            return tuple(told[CLEARANCE] for told in self._told)
        fast = (state.v >= 0.99 * up) | (state.v <= -0.99 * down)
        kinds = np.where(np.abs(state.a) >= self._hard, ACCELERATION, JERK)
        kinds = np.where(fast, VELOCITY, kinds)
        if shares is not None:
            kinds = np.where(fast & (np.minimum(shares.up, shares.down) < 1.0), SLOWED, kinds)
        kinds = np.where(clipped, POSITION, kinds).tolist()
        held = np.flatnonzero(clipped | ~self._on_reference).tolist()
        return tuple(self._told[i][kinds[i]] for i in held)
