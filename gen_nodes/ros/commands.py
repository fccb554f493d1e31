"""Commands to the driver, in the form that each of its command paths takes.

`CommandPaths` is called from the control thread. Streams are published there and then; goals of
grippers are handed to the executor's thread, since an action client is not made for two.
"""

from __future__ import annotations

import time
from array import array
from typing import Any

import numpy as np
from rclpy.action import ActionClient
from rclpy.node import Node

from gen_nodes.errors import ConfigError
from gen_nodes.robot import CommandPath, RobotSpec
from gen_nodes.ros.messages_rclpy import message_class, wired_class
from gen_nodes.ros.qos import overridable, reliable
from gen_nodes.types import NS, CommandSample, seconds_to_ns
from gen_nodes.wiring import FORWARD_VELOCITY, GRIPPER_ACTION, JOINT_TRAJECTORY

GOAL_TOLERANCE = 0.01  # of the joint's travel: a smaller move of the command needs no new goal
GOAL_PERIOD_NS = NS // 10  # between goals; the newest wins
ANSWER_NS = NS // 2  # a server that says nothing for so long is not there
STALE_NS = NS // 10  # a goal that the executor had no time for is not sent later


class CommandPaths:
    """Everything that goes to the driver.

    `left_out` names paths whose message package this machine lacks, which only an isolated graph
    may do without; elsewhere the constructor raises ConfigError. An emulated gripper then gets its
    positions on its path's `stand_in`.
    """

    def __init__(self, node: Node, spec: RobotSpec, isolated: bool) -> None:
        self._paths: list[Forward | Trajectory | Gripper] = []
        left_out = []
        for index, path in enumerate(spec.control.paths):
            kind = {GRIPPER_ACTION: Gripper, JOINT_TRAJECTORY: Trajectory}.get(path.kind, Forward)
            try:
                interface = wired_class(
                    path.type or path.message, f'control: paths[{index}]', spec.source
                )
            except ConfigError as error:
                if not isolated:
                    self.destroy()
                    raise
                left_out.append(f"command path '{path.topic}' is left out: {error}")
                path, kind = path.stand_in, Forward
                interface = message_class(path.message)
            self._paths.append(kind(node, spec, path, interface))
        self.left_out = tuple(left_out)

    def send(self, command: CommandSample, stop: Any) -> None:
        """Send a command, with the way to stop from it for drivers that take trajectories. Never
        blocks.

        stop: times_s (K,) after the command's instant, positions, velocities and accelerations
        (K, N), from the command itself to rest (embodiment.stop.StopPath); only a joint_trajectory
        looks at it.
        """
        for path in self._paths:
            path.send(command, stop)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What keeps commands from arriving, in words, one per path; empty where all is well."""
        return tuple(path.trouble for path in self._paths if path.trouble)

    @property
    def publishers(self) -> tuple[Any, ...]:
        """The publishers, one per path that is a topic."""
        return tuple(path.publisher for path in self._paths if path.publisher is not None)

    def destroy(self) -> None:
        """Destroy publishers and action clients."""
        for path in self._paths:
            path.destroy()
        self._paths = []


class Forward:
    """forward_position and forward_velocity: one number per joint."""

    trouble = ''

    def __init__(self, node: Node, spec: RobotSpec, path: CommandPath, interface: type) -> None:
        self._node, self._interface = node, interface
        self._rates = path.kind == FORWARD_VELOCITY
        self._columns = columns(spec, path)
        self.publisher = _publisher(node, interface, path)

    def send(self, command: CommandSample, stop: Any) -> None:
        values = (command.rates if self._rates else command.values)[self._columns]
        self.publisher.publish(self._interface(data=doubles(values)))

    def destroy(self) -> None:
        self._node.destroy_publisher(self.publisher)


class Trajectory:
    """joint_trajectory: the next point, one period ahead, and the brake from there.

    The message begins when it arrives (stamp 0) and replaces the one before. Its last point is at
    rest, as JointTrajectoryController demands: should no other message follow, the robot stops on
    it.
    """

    trouble = ''

    def __init__(self, node: Node, spec: RobotSpec, path: CommandPath, interface: type) -> None:
        self._node = node
        self._columns = columns(spec, path)
        self._period_ns = round(NS / spec.control.rate_hz)
        self._message = interface(joint_names=list(path.joints))
        self._points: list[Any] = []
        self.publisher = _publisher(node, interface, path)

    def send(self, command: CommandSample, stop: Any) -> None:
        pick = self._columns
        n, points = len(pick), self._points_for(len(stop.times_s))
        positions = doubles(stop.positions[:, pick])
        velocities = doubles(stop.velocities[:, pick])
        accelerations = doubles(stop.accelerations[:, pick])
        for row, seconds in enumerate(stop.times_s.tolist()):
            point, part = points[row], slice(row * n, (row + 1) * n)
            point.positions, point.velocities = positions[part], velocities[part]
            point.accelerations = accelerations[part]
            after_ns = self._period_ns + seconds_to_ns(seconds)
            point.time_from_start.sec, point.time_from_start.nanosec = divmod(after_ns, NS)
        self.publisher.publish(self._message)

    def _points_for(self, count: int) -> list[Any]:
        """This many points of the message, made once and filled again and again."""
        if len(self._points) != count:
            make = message_class('trajectory_msgs/msg/JointTrajectoryPoint')
            self._points = [make() for _ in range(count)]
            self._message.points = self._points
        return self._points

    def destroy(self) -> None:
        self._node.destroy_publisher(self.publisher)


class Gripper:
    """gripper_action: a goal whenever the command has moved, not more often than every 0.1 s."""

    publisher = None

    def __init__(self, node: Node, spec: RobotSpec, path: CommandPath, interface: type) -> None:
        self._node, self._path, self._interface = node, path, interface
        (self._column,) = columns(spec, path)
        joint = spec.joints[self._column]
        travel = min(joint.upper - joint.lower, 2 * np.pi)
        self._tolerance = GOAL_TOLERANCE * travel
        self._speed = joint.velocity
        self._goal: float | None = None  # the last one sent
        self._wanted, self._wanted_ns = 0.0, 0
        self._sent_ns = time.monotonic_ns() - NS
        self._asked = False  # the executor has been asked to send
        self._answered = True
        self.trouble = ''
        self._client = ActionClient(node, interface, path.topic)

    def send(self, command: CommandSample, stop: Any) -> None:
        value, now_ns = float(command.values[self._column]), time.monotonic_ns()
        if not self._answered and now_ns - self._sent_ns > ANSWER_NS:
            self.trouble = f"'{self._path.topic}' does not answer"
            self._goal = None  # to be tried again
        settled = self._goal is not None and abs(value - self._goal) <= self._tolerance
        if settled or now_ns - self._sent_ns < GOAL_PERIOD_NS or self._node.executor is None:
            return
        self._wanted, self._wanted_ns = value, now_ns
        if not self._asked:
            self._asked = True
            self._node.executor.create_task(self._send_goal)

    def _send_goal(self) -> None:
        """In the executor's thread: send the newest wish, unless it has waited too long."""
        self._asked = False
        now_ns = time.monotonic_ns()
        if now_ns - self._wanted_ns > STALE_NS:
            return
        self._sent_ns = now_ns
        if not self._client.server_is_ready():
            self.trouble = f"no action server for '{self._path.topic}' ({self._path.type})"
            return
        self._goal, self._answered = self._wanted, False
        self._client.send_goal_async(self._goal_message(self._wanted)).add_done_callback(
            self._on_answer
        )

    def _on_answer(self, future: Any) -> None:
        self._answered = True
        if future.result().accepted:
            self.trouble = ''
        else:
            self.trouble = f"'{self._path.topic}' refused a goal"
            self._goal = None  # to be tried again

    def _goal_message(self, position: float) -> Any:
        goal, effort = self._interface.Goal(), self._path.max_effort
        if self._path.type.endswith('/ParallelGripperCommand'):
            goal.command.name = list(self._path.joints)
            goal.command.position = [position]
            goal.command.velocity = [self._speed]
            goal.command.effort = [] if effort is None else [effort]
        else:
            goal.command.position = position
            goal.command.max_effort = effort or 0.0  # 0: the driver's own
        return goal

    def destroy(self) -> None:
        self._client.destroy()


def columns(spec: RobotSpec, path: CommandPath) -> np.ndarray:
    """Indices of a path's joints in the order of the robot's."""
    return np.array([spec.joint_names.index(name) for name in path.joints])


def doubles(values: np.ndarray) -> array:
    """float64 values as a message takes them fastest."""
    return array('d', values.tobytes())


def _publisher(node: Node, interface: type, path: CommandPath) -> Any:
    return node.create_publisher(
        interface, path.topic, reliable(1), qos_overriding_options=overridable()
    )
