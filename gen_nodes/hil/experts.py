"""A privileged expert: knows where the ball is, with a reaction time, and moves one tip there."""

from __future__ import annotations

from collections import deque

import numpy as np

from gen_nodes.errors import GenError
from gen_nodes.hil.ik import TipSolver
from gen_nodes.hil.tasks import Truth
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, ActionChunk, seconds_to_ns

HORIZON_S = 0.8
KNOT_S = 0.05
APPROACH_GAIN = 5.0  # [1/s] tip speed per distance near the target
TIP_SPEED = 0.4  # [m/s]
TIP_ACCELERATION = 1.5  # [m/s^2] soft start
ACCELERATION_SHARE = 0.7  # of the joints' acceleration limits
TURN_LOOK_S = 0.06  # a target's turn is its change of velocity over this time
TURNING_S = 0.25  # it is foreseen to go on for this long
FOLLOWED_LAG_S = 0.06  # commands lead a moving ball by this much: the servo's lag


class Expert:
    """Differential inverse kinematics towards the target, from truth that is `reaction_s` old.

    Use: `reset()`, then `observe(truth)` at any rate and `act(now_ns, q, qd)` whenever a chunk is
    wanted.
    A ball that moves is extrapolated at its velocity of that older instant.
    """

    def __init__(self, spec: RobotSpec, reaction_s: float = 0.1) -> None:
        self._spec = spec
        self._solver = TipSolver(spec)
        self._ready_tips = self._solver.tips(np.asarray(spec.ready, float))
        self._max_change_N = ACCELERATION_SHARE * KNOT_S * np.asarray(spec.acceleration, float)
        self._reaction_ns = seconds_to_ns(reaction_s)
        self._history: deque[Truth] = deque()
        self._past: deque[Truth] = deque()  # just before the history: how the target turns
        self._sequence = 0

    def reset(self) -> None:
        """Forget everything seen."""
        self._history.clear()
        self._past.clear()

    def observe(self, truth: Truth) -> None:
        """Take note of one instant; instants come in order."""
        self._history.append(truth)

    def act(
        self, now_ns: int, commanded_N: np.ndarray, commanded_rate_N: np.ndarray | None = None
    ) -> ActionChunk:
        """Position curve over 0.8 s that starts at the commanded position and rate. Raises before
        any truth.
        """
        known = self._known(now_ns)
        q_N = np.array(commanded_N, float)
        rate_N = (
            np.zeros(len(q_N)) if commanded_rate_N is None else np.array(commanded_rate_N, float)
        )
        values, rates = [q_N], [rate_N]
        if known is not None:
            arm = self._arm(known)
        for step in range(round(HORIZON_S / KNOT_S)):
            if known is None:
                rate_N = np.zeros(len(q_N))
            else:
                ahead_s = (now_ns - known.stamp_ns) * 1e-9 + step * KNOT_S
                rate_N = self._rate(known, ahead_s, arm, q_N, rate_N)
            moved_N = self._solver.step(q_N, rate_N, KNOT_S)
            rate_N, q_N = (moved_N - q_N) / KNOT_S, moved_N
            values.append(q_N)
            rates.append(rate_N)
        self._sequence += 1
        times_s = KNOT_S * np.arange(len(values))
        newest_ns = now_ns if known is None else known.stamp_ns
        return ActionChunk(
            now_ns,
            newest_ns,
            self._sequence,
            self._spec.joint_names,
            'position',
            times_s,
            np.stack(values),
            _knot_rates(np.stack(rates)),
        )

    def _known(self, now_ns: int) -> Truth | None:
        """The newest truth that is at least `reaction_s` old."""
        if not self._history:
            raise GenError('the expert has seen nothing yet: call observe(truth) before act()')
        while len(self._history) > 1 and self._history[1].stamp_ns <= now_ns - self._reaction_ns:
            self._past.append(self._history.popleft())
        while len(self._past) > 1 and (
            self._past[1].stamp_ns <= self._history[0].stamp_ns - seconds_to_ns(TURN_LOOK_S)
        ):
            self._past.popleft()
        oldest = self._history[0]
        return oldest if oldest.stamp_ns <= now_ns - self._reaction_ns else None

    def _foreseen(self, known: Truth, ahead_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Where the target will be `ahead_s` after `known` and its velocity, (3,) each: it goes on
        turning for a while as it did lately, then straight.
        """
        position, velocity = known.objects[known.target], known.velocities[known.target]
        elder = self._past[0] if self._past else known
        elapsed_s = (known.stamp_ns - elder.stamp_ns) / NS
        turn = (velocity - elder.velocities[known.target]) / elapsed_s if elapsed_s else np.zeros(3)
        turning_s = min(ahead_s, TURNING_S)
        later = velocity + turn * turning_s
        return (
            position + (velocity + later) / 2 * turning_s + later * (ahead_s - turning_s),
            later,
        )

    def _arm(self, known: Truth) -> int:
        """The arm whose side the target is on."""
        gaps = np.linalg.norm(self._ready_tips - known.objects[known.target], axis=1)
        return int(np.argmin(gaps))

    def _rate(
        self, known: Truth, ahead_s: float, arm: int, q_N: np.ndarray, rate_N: np.ndarray
    ) -> np.ndarray:
        """Joint velocities (N,) of one step of the curve."""
        target, velocity = self._foreseen(known, ahead_s + FOLLOWED_LAG_S)
        tip, jacobian = self._solver.look(q_N, arm)
        wanted = APPROACH_GAIN * (target - tip) + velocity
        wanted *= min(1.0, TIP_SPEED / max(float(np.linalg.norm(wanted)), 1e-9))
        present = jacobian @ rate_N
        change = wanted - present
        change *= min(1.0, TIP_ACCELERATION * KNOT_S / max(float(np.linalg.norm(change)), 1e-9))
        change_N = self._solver.solve(q_N, arm, jacobian, present + change) - rate_N
        return rate_N + change_N * min(
            1.0, float(np.min(self._max_change_N / np.maximum(np.abs(change_N), 1e-9)))
        )


def _knot_rates(steps_TxN: np.ndarray) -> np.ndarray:
    """Rates at the knots from the mean velocities of the steps that end there: smooth, never
    overshooting.
    """
    rates = steps_TxN.copy()
    rates[1:-1] = (steps_TxN[1:-1] + steps_TxN[2:]) / 2
    return rates
