"""What the embodiment_controller hears, and how its core learns of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from geometry_msgs.msg import WrenchStamped
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.errors import ConfigError
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.intruders import heard_if_compatible
from gen_nodes.ros.lifecycle import GenNode
from gen_nodes.ros.messages_rclpy import message_class, wired_class
from gen_nodes.ros.qos import latched, overridable, reliable, sensor
from gen_nodes.safety import SafetyTopic
from gen_nodes.types import JointSample

STATES_PER_TICK = 8  # joint states that one tick looks into: 50 to 100 us each
SAFETY_DEPTH = 10


class ControlInputs:
    """The subscriptions of a controller. Callbacks run in the executor's thread; the core is
    locked.

    on_chunk: told the reason why a chunk was refused, None where it was taken. on_foreign: told of
    publishers that cannot be heard. left_out: safety topics whose message this machine lacks, in
    words; only an isolated graph may do without.
    """

    def __init__(
        self,
        node: GenNode,
        spec: RobotSpec,
        lock: threading.Lock,
        isolated: bool,
        on_chunk: Callable[[str | None], None],
        on_foreign: Callable[[str], None],
    ) -> None:
        self._node, self._spec, self._lock = node, spec, lock
        self._tell_chunk = on_chunk
        self.core: ControllerCore | None = None  # given before anything is heard
        self._arrived: deque[tuple[bytes, int, int]] = deque(maxlen=STATES_PER_TICK)
        self.unchecked = 0  # joint states that came faster than they can be looked into
        self.left_out: tuple[str, ...] = ()
        self.safety: list[SafetyTopic] = []
        self._subscriptions: list[Any] = []
        self._subscribe_motion(on_foreign)
        self._subscribe_health()
        for index, topic in enumerate(spec.safety_topics):
            self._subscribe_safety(topic, index, isolated)

    def _subscribe(
        self, kind: type, topic: str, hear: Callable[[Any], None], qos: Any, **options: Any
    ) -> None:
        self._subscriptions.append(
            self._node.create_subscription(
                kind, topic, hear, qos, qos_overriding_options=overridable(), **options
            )
        )

    def _subscribe_motion(self, on_foreign: Callable[[str], None]) -> None:
        self._subscribe(
            message_class('gen_stack/msg/ActionChunk'),
            'action_chunk',
            self._on_chunk,
            reliable(2),
            event_callbacks=heard_if_compatible(on_foreign, 'action_chunk'),
        )
        self._subscribe(
            JointState,
            self._spec.state.topic,
            self._on_joint_state,
            sensor(STATES_PER_TICK),
            raw=True,
        )

    def _subscribe_health(self) -> None:
        beat = message_class('gen_stack/msg/Heartbeat')
        self._subscribe(beat, 'heartbeat', self._on_heartbeat, reliable(10))
        self._subscribe(Bool, self._spec.estop.topic, self._on_estop, sensor(SAFETY_DEPTH))
        if (limit := self._spec.wrench_limit) is not None:
            topic = self._spec.streams[limit.stream].topic
            self._subscribe(WrenchStamped, topic, self._on_wrench, sensor(SAFETY_DEPTH))

    def _subscribe_safety(self, topic: SafetyTopic, index: int, isolated: bool) -> None:
        try:
            kind = wired_class(topic.type, f'safety: topics[{index}]', self._spec.source)
        except ConfigError as error:
            if not isolated:
                raise
            self.left_out += (f"safety topic '{topic.name}' is left out: {error}",)
            return
        value_of(kind(), topic)  # whether the field is there
        self.safety.append(topic)
        hear = partial(self._on_safety, topic)
        for qos in (latched(), reliable(SAFETY_DEPTH)):  # the second hears volatile publishers
            self._subscriptions.append(self._node.create_subscription(kind, topic.topic, hear, qos))

    def destroy(self) -> None:
        """Destroy every subscription."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def forget(self) -> None:
        """What has come and was not yet looked into."""
        self._arrived.clear()

    # The control thread

    def new_states(self) -> list[tuple[JointSample | str, int]]:
        """Every joint state since the last call, or what is wrong with it; with its arrival on the
        steady clock [ns].
        """
        arrived = [self._arrived.popleft() for _ in range(len(self._arrived))]
        return [(decoded(raw, now_ns), steady_ns) for raw, now_ns, steady_ns in arrived]

    # The executor's thread

    def _on_joint_state(self, raw: bytes) -> None:
        if self.core is None:
            return
        self.unchecked += len(self._arrived) == STATES_PER_TICK  # the oldest makes room
        self._arrived.append((raw, self._node.now_ns(), time.monotonic_ns()))

    def _on_chunk(self, message: Any) -> None:
        if self.core is None:
            return
        try:
            chunk = convert.action_chunk_of(message)
        except ValueError as error:
            self._tell_chunk(f'sizes disagree: {error}')
            return
        with self._lock:
            reason = self.core.on_chunk(chunk, self._node.now_ns(), time.monotonic_ns())
        self._tell_chunk(reason)

    def _on_heartbeat(self, message: Any) -> None:
        self._to_core('on_heartbeat', convert.heartbeat_of(message))

    def _on_estop(self, message: Bool) -> None:
        self._to_core('on_estop', message.data)

    def _on_wrench(self, message: WrenchStamped) -> None:
        wrench = convert.wrench_sample(message, 'wrench', 0)
        self._to_core('on_wrench', wrench.force, wrench.torque)

    def _on_safety(self, topic: SafetyTopic, message: Any) -> None:
        value = value_of(message, topic)
        meaning = f'is {value}: the robot takes no commands'
        self._to_core('on_robot_safety', topic.name, topic.allowed(value), meaning)

    def _to_core(self, method: str, *values: Any) -> None:
        if self.core is not None:
            with self._lock:
                getattr(self.core, method)(*values, time.monotonic_ns())


def value_of(message: Any, topic: SafetyTopic) -> Any:
    """The field of a message that a safety topic names. Raises ConfigError where it has none."""
    value = message
    for name in topic.field.split('.'):
        if not hasattr(value, name):
            raise ConfigError(
                f"safety topic '{topic.topic}': {topic.type} has no field '{topic.field}'; "
                'name one that it has under `field`'
            )
        value = getattr(value, name)
    return value


def decoded(raw: bytes, arrival_ns: int) -> JointSample | str:
    """A joint state of its serialised message, or what is wrong with it."""
    try:
        return convert.joint_sample(
            deserialize_message(raw, JointState), 'joint_states', arrival_ns
        )
    except Exception as error:  # whatever a codec may raise over bytes from outside
        return str(error)
