"""All that a controller watches, asked as one: what forbids motion now, the gravest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.embodiment.limits import Limits
from gen_nodes.embodiment.signals import EstopWatch, StackWatch, WrenchWatch
from gen_nodes.embodiment.watchdog import (
    ClockWatch,
    Finding,
    FollowWatch,
    StateWatch,
    WatchConfig,
)
from gen_nodes.types import Heartbeat, JointSample

if TYPE_CHECKING:
    from gen_nodes.robot import RobotSpec

# Position and velocity last commanded, and the sum of all steps, (N,) each: a robot commanded by
# velocity is taken where it is measured, so that its position tells nothing of a stall.
Command = tuple[np.ndarray, np.ndarray, np.ndarray]


class Watches:
    """Inputs return a Finding that latches a stop, or None. Stamps are on the steady clock [ns].

    awaited: names of the robot's safety signals without whose first word nothing is commanded.
    stack: names of the nodes without which nothing is commanded. own, own_instance: whose second
    process would be an intruder.
    """

    def __init__(
        self,
        spec: RobotSpec,
        limits: Limits,
        config: WatchConfig,
        awaited: Sequence[str] = (),
        stack: Sequence[str] = (),
        own: str = '',
        own_instance: int = 0,
    ):
        prismatic = np.array([joint.type == 'prismatic' for joint in spec.joints])
        grippers = np.array([joint.role == 'gripper' for joint in spec.joints])
        self.config = config
        self.states = StateWatch(limits, prismatic, grippers, config)
        self.stack = StackWatch(stack, own, own_instance)
        self.estop = EstopWatch(spec.estop)
        limit = spec.wrench_limit
        self.wrench = (
            WrenchWatch(limit, spec.streams[limit.stream].timeout_s)
            if limit is not None and config.wrench
            else None
        )
        self._follow = FollowWatch(limits.names, prismatic, grippers, config)
        self._forbidden: dict[str, Finding] = {}
        self._unheard = list(awaited)
        self._clock = ClockWatch(config)

    # Inputs

    def joint_state(self, sample: JointSample, steady_ns: int) -> Finding | None:
        """NaN, a missing joint or a jump."""
        return self.states.offer(sample, steady_ns)

    def safety(self, source: str, allowed: bool, meaning: str) -> Finding | None:
        """The robot's own safety signal `source` has spoken."""
        if source in self._unheard:
            self._unheard.remove(source)
        next_step = "clear it by the robot's own means, then call reset"
        finding = Finding(f'{source}: {meaning}', next_step, latch=True)
        return self.forbid(source, None if allowed else finding)

    def forbid(self, source: str, finding: Finding | None) -> Finding | None:
        """Keep what `source` forbids until it allows again."""
        if finding is None:
            self._forbidden.pop(source, None)
        else:
            self._forbidden[source] = finding
        return finding

    def heartbeat(self, heartbeat: Heartbeat, steady_ns: int) -> Finding | None:
        """A node of the stack speaks."""
        return self.stack.offer(heartbeat, steady_ns)

    # Questions

    def clock(self, now_ns: int, steady_ns: int) -> Finding | None:
        """Whether ROS time made a step since the last call."""
        jump = self._clock.check(now_ns, steady_ns)
        if jump is not None:
            self.states.restart()
        return jump

    def finding(self, command: Command | None, steady_ns: int, engaged: bool) -> Finding | None:
        """What keeps the robot from moving now. command: what was commanded last, None where
        nothing is. engaged: the robot is in the middle of something.
        """
        return (
            self._apart(command, steady_ns)
            or self.estop.stands(steady_ns)
            or self._silence(engaged, steady_ns)
            or self._unspoken(steady_ns)
            or self.stack.finding(steady_ns)
        )

    def _apart(self, command: Command | None, steady_ns: int) -> Finding | None:
        """Command and measurement drift apart."""
        if command is None:
            return None
        position, velocity, travelled = command
        if self.states.silence(steady_ns) is None and (beyond := self.states.beyond()) is not None:
            return beyond
        apart = self.states.divergence(position, velocity, steady_ns)
        if apart is not None or not np.isfinite(self.config.divergence):
            return apart
        if self.states.silence(steady_ns) is not None:
            self._follow.forget()
            return None
        return self._follow.check(travelled, self.states.position, steady_ns)

    def _silence(self, engaged: bool, steady_ns: int) -> Finding | None:
        silent = self.states.silence(steady_ns)
        if silent is not None and silent.latch and not engaged:
            return Finding(
                silent.reason, 'restart the robot driver, check the network', latch=False
            )
        return silent

    def _unspoken(self, steady_ns: int) -> Finding | None:
        """Silence of a safety signal is no permission."""
        if self._unheard:
            return Finding(
                f"no word yet from safety topic '{self._unheard[0]}'",
                'start the robot driver; see that it publishes this topic, reliably',
                latch=False,
            )
        silent = self.wrench.silence(steady_ns) if self.wrench is not None else None
        return self.estop.awaited() or silent

    def forbidden(self, steady_ns: int) -> Finding | None:
        """What the robot, the e-stop, the wrench or an intruder forbid whatever the controller
        does.
        """
        return (
            next(iter(self._forbidden.values()), None)
            or self.estop.stands(steady_ns)
            or self.stack.twin(steady_ns)
            or (self.wrench.stands() if self.wrench is not None else None)
        )

    def persisting(self, steady_ns: int) -> Finding | None:
        """What still forbids a reset."""
        return self.forbidden(steady_ns) or self.states.persisting(steady_ns)

    # Begin anew

    def forget(self) -> None:
        """After a reset: judge what is commanded from here on."""
        self.states.forget()
        self._follow.forget()

    def restart(self, now_ns: int, steady_ns: int) -> None:
        """On activation: what was heard before says nothing, but for what the robot forbids."""
        self.states.restart()
        self.stack.restart()
        self.estop.restart()
        if self.wrench is not None:
            self.wrench.restart()
        self._follow.forget()
        self._clock = ClockWatch(self.config)
        self._clock.check(now_ns, steady_ns)
