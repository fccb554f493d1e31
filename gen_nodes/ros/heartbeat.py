"""A node says that it is there and whether it can do its job, ten times a second and at once on
every change.
"""

from __future__ import annotations

import os

from rclpy.node import Node

from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.qos import reliable
from gen_nodes.types import Heartbeat

PERIOD_S = 0.1
INACTIVE = ('is not active', 'activate it')


class Pulse:
    """Publishes `heartbeat`. Call from the executor's thread. A node is not fit before `fit`."""

    def __init__(self, node: Node) -> None:
        self._node, self._messages = node, RclpyMessages()
        self.instance = int.from_bytes(os.urandom(4), 'little')
        self._publisher = node.create_publisher(
            message_class('gen_stack/msg/Heartbeat'), 'heartbeat', reliable(10)
        )
        self._cause, self._next_step = INACTIVE
        self._since_ns = node.get_clock().now().nanoseconds
        self._timer = node.create_timer(PERIOD_S, self._beat)

    def fit(self) -> None:
        """The node does its job."""
        self.unfit('', '')

    def unfit(self, cause: str, next_step: str) -> None:
        """Whoever needs this node must not go on."""
        changed = cause != self._cause
        self._cause, self._next_step = cause, next_step
        if changed:
            self._since_ns = self._node.get_clock().now().nanoseconds
            self._beat()

    def _beat(self) -> None:
        beat = Heartbeat(
            self._node.get_clock().now().nanoseconds,
            self._node.get_name(),
            not self._cause,
            self._since_ns,
            self._cause,
            self._next_step,
            self.instance,
        )
        self._publisher.publish(convert.heartbeat_message(self._messages, beat))
