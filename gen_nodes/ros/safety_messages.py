"""What a robot's driver says on its safety topics, for an emulated one."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from gen_nodes.errors import ConfigError
from gen_nodes.robot import RobotSpec, SafetyTopic
from gen_nodes.ros.messages_rclpy import wired_class
from gen_nodes.ros.qos import latched, overridable

KINDS = {'boolean': bool, 'string': str}
WHOLE = ('int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'octet', 'char')


class SafetySpeaker:
    """Says on every safety topic of a robot YAML whether the robot takes commands.

    `left_out`: topics whose message package this machine lacks, in words; only an isolated graph
    may do without them, elsewhere the constructor raises ConfigError.
    """

    def __init__(self, node: Node, spec: RobotSpec, isolated: bool) -> None:
        self._node, left_out = node, []
        self._publishers: dict[str, Any] = {}
        self._topics: list[tuple[SafetyTopic, type]] = []
        for index, topic in enumerate(spec.safety_topics):
            try:
                kind = wired_class(topic.type, f'safety: topics[{index}]', spec.source)
            except ConfigError as error:
                if not isolated:
                    self.destroy()
                    raise
                left_out.append(f"safety topic '{topic.topic}' is left out: {error}")
                continue
            set_field(kind(), topic, permission(topic))  # whether it can be said
            self._topics.append((topic, kind))
            if topic.topic not in self._publishers:
                self._publishers[topic.topic] = node.create_publisher(
                    kind, topic.topic, latched(), qos_overriding_options=overridable()
                )
        self.left_out = tuple(left_out)

    def say(self, forbidden: str = '') -> None:
        """Say that the robot takes commands, or why not ('protective stop')."""
        messages: dict[str, Any] = {}
        for topic, kind in self._topics:  # one topic may be asked for several fields
            value = refusal(topic, kind, forbidden) if forbidden else permission(topic)
            set_field(messages.setdefault(topic.topic, kind()), topic, value)
        for name, message in messages.items():
            self._publishers[name].publish(message)

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)


def set_field(message: Any, topic: SafetyTopic, value: bool | int | str) -> None:
    """Set the field that a safety topic names. Raises ConfigError where the message has none, or
    one of another type than the robot YAML's values.
    """
    owner = message
    *path, last = topic.field.split('.')
    for name in path:
        owner = getattr(owner, name) if _has(owner, name) else None
    if not _has(owner, last):
        raise ConfigError(
            f"safety topic '{topic.topic}': {topic.type} has no field '{topic.field}'; "
            f'it has {", ".join(message.get_fields_and_field_types())}'
        )
    stated = owner.get_fields_and_field_types()[last]
    if type(value) is not _python_kind(stated):
        raise ConfigError(
            f"safety topic '{topic.topic}': field '{topic.field}' of {topic.type} is a {stated}; "
            f'{value!r} is none'
        )
    setattr(owner, last, bytes([value]) if stated == 'octet' else value)


def permission(topic: SafetyTopic) -> bool | int | str:
    """A value that permits motion."""
    return topic.values[0] if topic.allow else _other(topic)


def refusal(topic: SafetyTopic, kind: type, why: str) -> bool | int | str:
    """A value that forbids motion: that of the message's constant named like `why` ('protective
    stop') where it has one.
    """
    word = why.upper().replace(' ', '_')
    named = sorted((name for name in dir(kind) if word in name), key=len)
    values = [getattr(kind, name) for name in named]
    for value in values:
        if not topic.allowed(value):
            return value
    return _other(topic) if topic.allow else topic.values[0]


def _other(topic: SafetyTopic) -> bool | int | str:
    """A value that the robot YAML does not name."""
    first = topic.values[0]
    if isinstance(first, bool):
        return not first
    others = range(len(topic.values) + 1) if isinstance(first, int) else ('ok', 'other', 'neither')
    return next(value for value in others if value not in topic.values)


def _has(message: Any, name: str) -> bool:
    return hasattr(message, 'get_fields_and_field_types') and hasattr(message, name)


def _python_kind(stated: str) -> type | None:
    return int if stated in WHOLE else KINDS.get(stated.split('<')[0])
