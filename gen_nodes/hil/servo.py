"""What lies between a position command and a joint: dead time and lag of a driver's position
servo.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from gen_nodes.types import seconds_to_ns


class CommandFilter:
    """Targets of N joints after a dead time, smoothed by a critically damped second-order filter.

    A target that moves steadily is followed `lag_s` later; the setpoint's speed is limited.
    """

    def __init__(self, max_rate_N: np.ndarray) -> None:
        self._max_rate = max_rate_N
        self._pending: deque[tuple[int, np.ndarray, np.ndarray]] = deque()
        self.place(np.zeros(len(max_rate_N)), lag_s=1.0, delay_s=0.0)

    def place(self, q_N: np.ndarray, *, lag_s: float, delay_s: float) -> None:
        """At rest at `q_N`, no command under way."""
        self._rad_s = 2.0 / lag_s
        self._delay_ns = seconds_to_ns(delay_s)
        self._pending.clear()
        self._target, self.setpoint = q_N.copy(), q_N.copy()
        self.rate = np.zeros(len(q_N))

    def command(self, joints: np.ndarray, values: np.ndarray, received_ns: int) -> None:
        """New targets for some joints (indices), from `received_ns` + dead time on."""
        self._pending.append((received_ns + self._delay_ns, joints, values))

    def brake(self, *, hard: bool) -> None:
        """Forget all targets and come to rest: smoothly, or as fast as the filter goes."""
        self._pending.clear()
        self._target = self.setpoint + (0.0 if hard else 2 / self._rad_s) * self.rate

    @property
    def target(self) -> np.ndarray:
        """Where the setpoint goes (N,)."""
        return self._target.copy()

    def shift_clock(self, by_ns: int) -> None:
        """Time is now `by_ns` later, and nothing else has changed."""
        self._pending = deque((due_ns + by_ns, *rest) for due_ns, *rest in self._pending)

    def advance(self, now_ns: int, dt_s: float) -> None:
        """One step of `setpoint` and `rate` (N,); implicit, so stable for any lag."""
        while self._pending and self._pending[0][0] <= now_ns:
            _, joints, values = self._pending.popleft()
            self._target[joints] = values
        self.rate += dt_s * self._rad_s**2 * (self._target - self.setpoint)
        self.rate /= (1 + dt_s * self._rad_s) ** 2
        np.clip(self.rate, -self._max_rate, self._max_rate, out=self.rate)
        self.setpoint += dt_s * self.rate
