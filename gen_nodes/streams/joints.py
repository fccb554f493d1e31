"""Joint states: order of the robot's joints, checks, and where the joints were at a given
instant.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from gen_nodes.streams.lane import Lane
from gen_nodes.types import NS, JointSample

HISTORY = 4096  # 4 s at 1 kHz
NEAR_NS = NS // 20  # without a joint state behind the instant, one this near before it will do


def in_order(sample: JointSample, names: tuple[str, ...]) -> JointSample | str:
    """The sample with exactly `names` in that order, or the reason why it cannot be used.

    Joints that the robot does not have are left out: drivers merge grippers and arms into one
    topic.
    """
    if sample.names != names:
        index = {name: i for i, name in enumerate(sample.names)}
        known = [name for name in names if name in index]
        if len(known) < len(names):
            return 'missing joint' if known else 'unknown joint'
        rows = [index[name] for name in names]
        sample = JointSample(
            sample.stream,
            sample.capture_ns,
            sample.arrival_ns,
            names,
            sample.position[rows],
            sample.velocity[rows],
            sample.effort[rows],
        )
    if not np.isfinite(sample.position).all():
        return 'not finite'
    for optional in (sample.velocity, sample.effort):  # all NaN: the driver does not measure it
        if not np.isfinite(optional).all() and not np.isnan(optional).all():
            return 'not finite'
    return sample


class JointHistory:
    """The joints' path of the last seconds."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the path."""
        self.stamps: list[int] = []
        self.positions: list[np.ndarray] = []

    def append(self, sample: JointSample) -> None:
        """Add a sample newer than all before."""
        self.stamps.append(sample.capture_ns)
        self.positions.append(sample.position)
        if len(self.stamps) > 2 * HISTORY:
            del self.stamps[:HISTORY], self.positions[:HISTORY]

    def at(self, stamp_ns: int, final: bool) -> np.ndarray | None:
        """Positions (N,) at an instant, interpolated; None while no state behind it is known.

        `final`: no more waiting; the newest state before it is taken if it is near enough.
        """
        after = bisect_left(self.stamps, stamp_ns)
        if after == len(self.stamps):
            near = final and self.stamps and stamp_ns - self.stamps[-1] <= NEAR_NS
            return self.positions[-1] if near else None
        if self.stamps[after] == stamp_ns or after == 0:
            near = self.stamps[after] - stamp_ns <= NEAR_NS
            return self.positions[after] if near else None
        before_ns, after_ns = self.stamps[after - 1], self.stamps[after]
        weight = (stamp_ns - before_ns) / (after_ns - before_ns)
        return (1 - weight) * self.positions[after - 1] + weight * self.positions[after]


class JointLane(Lane):
    """Joint states. A row that repeats the one before is dropped while a fresh one is at hand, but
    a robot at rest repeats itself for good reason: one row per policy period then still passes."""

    def __init__(
        self,
        stream: str,
        rate_hz: float,
        policy_rate_hz: float,
        timeout_s: float,
        names: tuple[str, ...],
    ) -> None:
        super().__init__(stream, rate_hz, policy_rate_hz, timeout_s)
        self.names = names
        self.history = JointHistory()
        self.row = b''
        self.row_ns = 0
        self.period_ns = round(NS / policy_rate_hz)

    def forget_order(self) -> None:
        super().forget_order()
        self.history.clear()
        self.row = b''

    def offer(self, sample: JointSample) -> str | None:
        """Take a joint state or say why not."""
        self.received += 1
        checked = in_order(sample, self.names)
        reason = self.stamp_fault(sample.capture_ns, sample.arrival_ns)
        if isinstance(checked, str) or reason:
            return self.drop(checked if isinstance(checked, str) else str(reason))
        self.history.append(checked)
        row = b''.join(
            values.tobytes() for values in (checked.position, checked.velocity, checked.effort)
        )
        if row == self.row and checked.capture_ns - self.row_ns < self.period_ns:
            self.good_ns, self.faults = checked.capture_ns, 0
            return self.drop('repeated')
        self.row, self.row_ns = row, checked.capture_ns
        self.accept(checked)
        return None
