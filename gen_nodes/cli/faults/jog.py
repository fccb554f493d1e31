"""What else may speak where driver or controller should be the only ones to do so."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import rclpy
from rclpy.node import Node

from gen_nodes.cli.rig import Rig
from gen_nodes.hil.sway import Sway
from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.qos import reliable
from gen_nodes.types import NS, JointSample
from gen_nodes.wiring import FORWARD_POSITION, JOINT_TRAJECTORY

JOG_S = 0.02
STATES_S = 0.02
INTRUDER = 'second_node'


def intruder(name: str) -> Node:
    """A node of its own name, to publish from; it answers to nobody."""
    return rclpy.create_node(name, start_parameter_services=False)


class Jog:
    """Commands the driver past the controller: to sway, or to stay where the robot is now.

    Speaks on the paths that take positions.
    """

    def __init__(self, rig: Rig, name: str = INTRUDER, still: bool = False) -> None:
        self._rig, self._make = rig, RclpyMessages()
        self._here = rig.ear.position
        self._sway = None if still else Sway(rig.spec, self._here)
        self._start_ns = rig.operator.now_ns()
        self._node = intruder(name)
        self._paths = [
            (
                path,
                self._node.create_publisher(message_class(path.message), path.topic, reliable(10)),
            )
            for path in rig.spec.control.paths
            if path.kind in (FORWARD_POSITION, JOINT_TRAJECTORY)
        ]
        self._timer = rig.operator.node.create_timer(JOG_S, self._command)

    def _command(self) -> None:
        elapsed_s = (self._rig.operator.now_ns() - self._start_ns) / NS
        wanted = self._here if self._sway is None else self._sway(np.array([elapsed_s]))[0][0]
        for path, publisher in self._paths:
            columns = [self._rig.spec.joint_names.index(name) for name in path.joints]
            publisher.publish(self._message(path, wanted[columns]))

    def _message(self, path, values: np.ndarray):
        if path.kind == FORWARD_POSITION:
            return message_class(path.message)(data=array('d', values.tobytes()))
        duration = self._make.make('builtin_interfaces/msg/Duration', nanosec=round(JOG_S * NS))
        point = self._make.make(
            'trajectory_msgs/msg/JointTrajectoryPoint',
            positions=values,
            velocities=np.zeros(len(values)),
            time_from_start=duration,
        )
        return self._make.make(path.message, joint_names=list(path.joints), points=[point])

    def close(self) -> None:
        """Cease."""
        self._rig.operator.node.destroy_timer(self._timer)
        self._node.destroy_node()


def publish_states(rig: Rig, beside_N: np.ndarray) -> Callable[[], None]:
    """Publish joint states, this far beside those that are measured; call what is returned to
    cease.
    """
    node, make = intruder(INTRUDER), RclpyMessages()
    kind = message_class('sensor_msgs/msg/JointState')
    publisher = node.create_publisher(kind, rig.spec.state.topic, reliable(10))
    here, still = rig.ear.position + beside_N, np.zeros(rig.spec.n)
    sample = JointSample('', 0, 0, rig.spec.joint_names, here, still, still)

    def speak() -> None:
        now = replace(sample, capture_ns=rig.operator.now_ns())
        publisher.publish(convert.joint_state_message(make, now))

    timer = rig.operator.node.create_timer(STATES_S, speak)

    def close() -> None:
        rig.operator.node.destroy_timer(timer)
        node.destroy_node()

    return close
