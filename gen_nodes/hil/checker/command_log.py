"""What a controller publishes, cut into segments."""

from __future__ import annotations

import numpy as np

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.checker.published import STANDING, Segment, Tail
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, CommandSample
from gen_nodes.wiring import FORWARD_VELOCITY, JOINT_TRAJECTORY


def by_kind(spec: RobotSpec, kind: str) -> np.ndarray:
    """Mask (N,) of the joints that a driver takes by control paths of a kind."""
    kinds = {name: path.kind for path in spec.control.paths for name in path.joints}
    return np.array([kinds[name] == kind for name in spec.joint_names])


class CommandLog:
    """Cuts what is published into segments: a run of ticks with a command each, since the operator
    last started the controller.
    """

    def __init__(self, spec: RobotSpec, begun_ns: int, period_s: float) -> None:
        self._begun_ns, self._period_s = begun_ns, period_s
        self._by_rate = by_kind(spec, FORWARD_VELOCITY)
        self._tailed = by_kind(spec, JOINT_TRAJECTORY)
        grippers_N = np.array([joint.role == 'gripper' for joint in spec.joints])
        self._grippers = grippers_N & ~self._by_rate
        self._before: np.ndarray | None = None  # positions last commanded, in the segment before
        self._number = begun_ns // NS
        self._start = np.zeros(spec.n)
        self._stamps: list[int] = []
        self._values: list[np.ndarray] = []
        self._tails: list[Tail] = []
        self._reached: list[np.ndarray] = []
        self._ended: list[Segment] = []

    def take(
        self,
        command: CommandSample | None,
        core: ControllerCore,
        tick: int,
        reported: np.ndarray,
        reached: np.ndarray | None = None,
    ) -> None:
        """What was published at a tick, of a robot that was measured at `reported` (N,) before, and
        that was at `reached` (N,) a period later, where that is known.
        """
        self._take_unsent(core, tick)
        if command is None:
            self.close()
            return
        if not self._stamps:
            self._start = reported
        self._stamps.append(self._begun_ns + round(tick * self._period_s * NS))
        self._values.append(np.where(self._by_rate, command.rates, command.values))
        if self._by_rate.any() and reached is not None:
            self._reached.append(reached)
        if self._tailed.any():
            stop = core.stop_path()
            self._tails.append(
                Tail(stop.times_s, stop.positions, stop.velocities, stop.accelerations)
            )

    def _take_unsent(self, core: ControllerCore, tick: int) -> None:
        """Where a driver of trajectories went by itself while ticks were missed: along the brake
        that it had been sent, which was judged as the tail of that command.
        """
        for q in core.unsent if self._stamps else ():
            self._stamps.append(self._begun_ns + round(tick * self._period_s * NS))
            self._begun_ns += round(self._period_s * NS)
            self._values.append(q)
            times, still = np.array([0.0, self._period_s]), np.zeros((2, len(q)))
            self._tails.append(Tail(times, np.stack([q, q]), still, still))

    def close(self) -> None:
        """The next command begins a new segment."""
        if not self._stamps:
            return
        values = np.array(self._values)
        segment = Segment(
            self._number,
            self._begun(values),
            np.array(self._stamps),
            values,
            self._by_rate,
            tuple(self._tails),
            self._tailed,
            np.array(self._reached) if self._reached else None,
        )
        self._number, self._before = self._number + 1, values[-1]
        self._ended.append(segment)
        self._stamps, self._values, self._tails, self._reached = [], [], [], []

    def _begun(self, values_TxN: np.ndarray) -> np.ndarray:
        """Where the segment began, (N,): where the robot was measured. A gripper that holds
        something stays short of what it was sent to, and goes on from there; which of the two it
        was is told by the jerk of its first commands.
        """
        if self._before is None:
            return self._start
        measured, kept = (
            np.abs(np.diff([*STANDING * [begin], *values_TxN[:STANDING]], 3, axis=0)).max(axis=0)
            for begin in (self._start, self._before)
        )
        return np.where(self._grippers & (kept < measured), self._before, self._start)

    def ended(self) -> list[Segment]:
        """The segments that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended
