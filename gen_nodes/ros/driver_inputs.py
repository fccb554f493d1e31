"""The driver's side of the command paths: subscriptions and action servers, for an emulated
driver.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node

from gen_nodes.errors import ConfigError
from gen_nodes.robot import CommandPath, RobotSpec
from gen_nodes.ros.messages_rclpy import message_class, wired_class
from gen_nodes.ros.qos import overridable, reliable
from gen_nodes.wiring import GRIPPER_ACTION

POLL_S = 0.05


class Grip(Protocol):
    """A gripper on its way to a goal."""

    reached: bool
    stalled: bool

    def look(self) -> tuple[float, float]:
        """Its position and effort now."""


Hear = Callable[[CommandPath, Any], None]
Grasp = Callable[[CommandPath, float, float | None], Grip | None]


class DriverInputs:
    """Hears commands on every path of a robot YAML.

    `hear` gets each message; `grasp` a gripper's position and speed (None: the maker's), and gives
    what watches its way, or None where it refuses. `left_out` and stand-ins as CommandPaths has
    them.
    """

    def __init__(
        self, node: Node, spec: RobotSpec, isolated: bool, hear: Hear, grasp: Grasp
    ) -> None:
        self._node = node
        self._subscriptions, self._servers, left_out = [], [], []
        for index, path in enumerate(spec.control.paths):
            try:
                kind = wired_class(
                    path.type or path.message, f'control: paths[{index}]', spec.source
                )
            except ConfigError as error:
                if not isolated:
                    self.destroy()
                    raise
                left_out.append(f"command path '{path.topic}' is left out: {error}")
                path = path.stand_in
                kind = message_class(path.message)
            if path.kind == GRIPPER_ACTION:
                self._servers.append(GripperServer(node, path, kind, grasp))
            else:
                self._subscriptions.append(self._subscribe(path, kind, hear))
        self.left_out = tuple(left_out)

    def _subscribe(self, path: CommandPath, kind: type, hear: Hear) -> Any:
        return self._node.create_subscription(
            kind,
            path.topic,
            partial(hear, path),
            reliable(10),
            qos_overriding_options=overridable(),
        )

    def destroy(self) -> None:
        """Destroy subscriptions and action servers."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for server in self._servers:
            server.destroy()
        self._subscriptions, self._servers = [], []


class GripperServer:
    """An action server as gripper controllers have it: a new goal ends the one before."""

    def __init__(self, node: Node, path: CommandPath, kind: type, grasp: Grasp) -> None:
        self._node, self._path, self._kind, self._grasp = node, path, kind, grasp
        self._parallel = path.type.endswith('/ParallelGripperCommand')
        self._goal: tuple[ServerGoalHandle, Grip] | None = None
        self._server = ActionServer(
            node,
            kind,
            path.topic,
            lambda handle: self._kind.Result(),
            handle_accepted_callback=self._accept,
            cancel_callback=lambda handle: CancelResponse.ACCEPT,
        )
        self._timer = node.create_timer(POLL_S, self._poll)

    def _accept(self, handle: ServerGoalHandle) -> None:
        if self._goal is not None:
            self._finish('abort')
        command = handle.request.command
        speed = None
        if self._parallel:
            position = command.position[0] if len(command.position) else float('nan')
            speed = command.velocity[0] if len(command.velocity) else None
        else:
            position = command.position
        grip = self._grasp(self._path, position, speed)
        self._goal = (handle, grip)
        if grip is None:
            self._finish('abort')

    def _poll(self) -> None:
        if self._goal is None:
            return
        handle, grip = self._goal
        grip.look()
        if handle.is_cancel_requested:
            self._finish('canceled')
        elif grip.reached or grip.stalled:
            self._finish('succeed' if grip.reached else 'abort')

    def _finish(self, how: str) -> None:
        """End the present goal: 'succeed', 'abort' or 'canceled'."""
        (handle, grip), self._goal = self._goal, None

        def answer(handle: ServerGoalHandle) -> Any:
            getattr(handle, how)()
            return self._result(grip)

        handle.execute(answer)

    def _result(self, grip: Grip | None) -> Any:
        result = self._kind.Result()
        if grip is None:
            return result
        position, effort = grip.look()
        if self._parallel:
            result.state.name = list(self._path.joints)
            result.state.position, result.state.effort = [position], [effort]
        else:
            result.position, result.effort = position, effort
        result.reached_goal, result.stalled = grip.reached, grip.stalled
        return result

    def destroy(self) -> None:
        self._node.destroy_timer(self._timer)
        self._server.destroy()
