"""Something in the policy's place that moves every joint smoothly, and can be made to misbehave."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile

from gen_nodes.errors import GenError
from gen_nodes.hil.sway import Sway
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.operator import Operator
from gen_nodes.ros.qos import reliable
from gen_nodes.types import NS, ActionChunk, Heartbeat

NODE = 'harmonic_policy'  # whose part it plays
PERIOD_S = 0.04
BEAT_S = 0.1
TIMES_S = 0.05 * np.arange(17)  # 0.8 s ahead

Curve = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Falsify = Callable[[Any], Iterable[Any]]


def honest(message: Any) -> Iterable[Any]:
    """What is published of a chunk: itself."""
    return (message,)


class Puppet:
    """Publishes a chunk 25 times a second once it has been started, and a heartbeat until closed.

    It lives on the operator's executor: it acts while somebody waits. Attributes that may be set:

    - `curve`: seconds since the start (T,) -> positions and rates (T, N)
    - `falsify`: msg ActionChunk -> the messages that are published in its place
    - `beating`, `fit`: whether the heartbeat comes, and what it says
    - `shift_s`: how far its clock is ahead of ours, where the nodes' clock was stepped
    """

    def __init__(self, operator: Operator, spec: RobotSpec, speaker: Node | None = None) -> None:
        """speaker: the node that its publishers belong to; none given: the operator's own."""
        self._operator, self._spec, self._make = operator, spec, RclpyMessages()
        self._speaker = speaker or operator.node
        self._instance = int.from_bytes(os.urandom(4), 'little')
        self.curve: Curve = Sway(spec)
        self.falsify: Falsify = honest
        self.beating = self.fit = True
        self.shift_s = 0.0
        self.sequence = 0
        self._start_ns: int | None = None
        node = operator.node
        self.chunks = None
        self.offer(reliable(10))
        self._beats = self._speaker.create_publisher(
            message_class('gen_stack/msg/Heartbeat'), 'heartbeat', reliable(10)
        )
        self._timers = [
            node.create_timer(PERIOD_S, self._act),
            node.create_timer(BEAT_S, self._beat),
        ]
        self._since_ns = operator.now_ns()

    def offer(self, qos: QoSProfile) -> None:
        """Publish chunks in this quality from here on."""
        node, before = self._speaker, self.chunks
        kind = message_class('gen_stack/msg/ActionChunk')
        self.chunks = node.create_publisher(kind, 'action_chunk', qos)
        if before is not None:
            node.destroy_publisher(before)

    def start(self, position_N: np.ndarray | None = None) -> None:
        """Begin to move, from where the robot stands; None: from the ready pose."""
        if isinstance(self.curve, Sway):
            self.curve = Sway(self._spec, position_N)
        self._start_ns = self._operator.now_ns()

    def stop(self) -> None:
        """Publish no chunk any more."""
        self._start_ns = None

    def close(self) -> None:
        """Cease for good, the heartbeat too."""
        for timer in self._timers:
            self._operator.node.destroy_timer(timer)
        for publisher in (self.chunks, self._beats):
            self._speaker.destroy_publisher(publisher)

    @property
    def running(self) -> bool:
        """Whether it publishes chunks."""
        return self._start_ns is not None

    def _now_ns(self) -> int:
        return self._operator.now_ns() + round(self.shift_s * NS)

    def chunk(self) -> ActionChunk:
        """The chunk for now. Raises GenError before the start."""
        if self._start_ns is None:
            raise GenError('the puppet publishes nothing: start it')
        elapsed_s = (self._operator.now_ns() - self._start_ns) / NS
        values, rates = self.curve(elapsed_s + TIMES_S)
        now_ns = self._now_ns()
        self.sequence += 1
        names = self._spec.joint_names
        return ActionChunk(now_ns, now_ns, self.sequence, names, 'position', TIMES_S, values, rates)

    def message(self) -> Any:
        """The chunk for now as a message."""
        return convert.action_chunk_message(self._make, self.chunk(), self._spec.base_frame)

    def _act(self) -> None:
        if self._start_ns is None:
            return
        for message in self.falsify(self.message()):
            self.chunks.publish(message)

    def _beat(self) -> None:
        if self.beating:
            cause = '' if self.fit else 'the puppet was told to say so'
            step, one = '', self._instance
            beat = Heartbeat(self._now_ns(), NODE, self.fit, self._since_ns, cause, step, one)
            self._beats.publish(convert.heartbeat_message(self._make, beat))
