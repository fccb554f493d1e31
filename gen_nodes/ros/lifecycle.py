"""The base of every node: an rclpy lifecycle node that configures and activates itself, with
parameters and diagnostics.

A node fills four hooks: `configure` (read the robot, build the core), `activate`, `deactivate`,
`cleanup`. What a hook raises fails the transition: a GenError is logged in one line, anything else
with its traceback.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from gen_nodes.errors import GenError
from gen_nodes.ros.diagnostics import Diagnostics, Level, Status
from gen_nodes.ros.heartbeat import INACTIVE, Pulse
from gen_nodes.ros.parameters import Parameter, Parameters
from gen_nodes.types import NS

CLOCK_JUMP_S = 0.5
CLOCK_PERIOD_S = 0.2

AUTOSTART = Parameter(
    'autostart', True, 'configure and activate on start; false: wait for the lifecycle services'
)


def robot_parameter() -> Parameter:
    """The parameter that names the robot."""
    return Parameter('robot', '', 'name of a robot in config/robots, or path of a robot YAML')


class GenNode(LifecycleNode):
    """Lifecycle node with described parameters, 1 Hz /diagnostics, a heartbeat and a watch on
    the ROS clock.
    """

    def __init__(self, name: str, parameters: Sequence[Parameter]):
        super().__init__(name)
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.failure: str | None = None
        self._starting = False
        try:
            self.parameters = Parameters(self, [AUTOSTART, *parameters])
        except GenError:
            self.destroy_node()
            raise
        self.diagnostics = Diagnostics(self)
        self.pulse = Pulse(self)
        self._clock_offset_ns = self.now_ns() - time.monotonic_ns()
        self._clock_timer = self.create_timer(CLOCK_PERIOD_S, self._watch_clock)

    # Hooks

    def configure(self) -> None:
        """Read what is needed, build the core, create publishers and subscriptions. Raises
        GenError.
        """

    def activate(self) -> None:
        """Begin to work. Raises GenError."""

    def deactivate(self) -> None:
        """Cease to work; may be activated again."""

    def cleanup(self) -> None:
        """Undo configure."""

    def clock_jumped(self, seconds: float) -> None:
        """ROS time made a step against the steady clock."""

    def end(self) -> None:
        """The process ends: deactivate and clean up, whatever the state."""
        for hook in (self.deactivate, self.cleanup):
            self._run(hook)

    # Time

    def now_ns(self) -> int:
        """ROS time [ns]."""
        return self.get_clock().now().nanoseconds

    def create_timer(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """A timer on the steady clock: it also fires while the ROS clock is set back."""
        return super().create_timer(period_s, callback, clock=self._steady)

    def _watch_clock(self) -> None:
        offset = self.now_ns() - time.monotonic_ns()
        jumped_s = (offset - self._clock_offset_ns) / NS
        self._clock_offset_ns = offset
        if abs(jumped_s) > CLOCK_JUMP_S:
            status = Status(
                Level.WARN, f'ROS clock jumped by {jumped_s:+.3f} s', 'check time synchronisation'
            )
            self.diagnostics.report('clock', status)
            self.clock_jumped(jumped_s)
        else:
            self.diagnostics.ok('clock')

    # Transitions

    def start(self) -> bool:
        """Configure and activate where `autostart` says so. False where that failed; `failure` says
        why.
        """
        if not self.parameters['autostart']:
            return True
        self._starting = True  # the caller reports a failure; it need not be logged besides
        good = all(
            trigger() == TransitionCallbackReturn.SUCCESS
            for trigger in (self.trigger_configure, self.trigger_activate)
        )
        self._starting = False
        return good

    def _run(self, hook: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            hook()
        except GenError as error:
            self.failure = str(error)
            if not self._starting:
                self.get_logger().error(self.failure)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # our own mistake: rclpy would swallow it
            self.failure = f'{hook.__name__} failed, {type(error).__name__}: {error}'
            self.get_logger().error(traceback.format_exc())
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._run(self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._run(self.activate)
        if result != TransitionCallbackReturn.SUCCESS:
            return result
        self.pulse.fit()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._run(self.deactivate)
        self.pulse.unfit(*INACTIVE)
        good = result == TransitionCallbackReturn.SUCCESS
        return super().on_deactivate(state) if good else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._run(self.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.end()
        self.pulse.unfit(*INACTIVE)
        return TransitionCallbackReturn.SUCCESS
