"""The safety half of a robot YAML: who may stop the robot, and where it may be.

Public through `robot.py`. Limits of joints stand in `joints.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from gen_nodes.errors import RobotError, unknown_name
from gen_nodes.reading import Section
from gen_nodes.wiring import StreamSpec, read_topic

TOPIC_TYPE = re.compile(r'^[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*$')
FIELD = re.compile(r'^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$')
VALUE_KINDS = (bool, int, str)
MARGIN_M, SLOW_M = 0.01, 0.06  # self-collision: closest, and from where on slower


@dataclass(frozen=True)
class SafetyTopic:
    """A latched topic of the driver that says whether the robot may be commanded.

    `values` are those of `field` that permit motion (`allow`) or forbid it (not `allow`).
    """

    topic: str
    type: str
    field: str
    values: tuple[bool | int | str, ...]
    allow: bool

    @property
    def name(self) -> str:
        """The topic, and which field of it where that is not `data`: one topic may stand twice."""
        return self.topic if self.field == 'data' else f'{self.topic} {self.field}'

    def allowed(self, value: object) -> bool:
        """Whether the robot may move while the field is `value`; never where its type is not that
        of `values`.
        """
        if isinstance(value, bytes) and len(value) == 1:  # a message's field of type byte
            value = value[0]
        same_kind = type(value) is type(self.values[0])
        return same_kind and (value in self.values) == self.allow


@dataclass(frozen=True)
class EstopSpec:
    """The stack's emergency stop (std_msgs/Bool, true: stop now); once heard it must not fall
    silent.
    """

    topic: str = 'estop'
    timeout_s: float = 0.5
    required: bool = False  # no command before its first word


@dataclass(frozen=True)
class WrenchLimit:
    """Greatest force [N] and torque [N m] of a wrench stream; beyond it the robot is stopped. Once
    heard it must not fall silent.
    """

    stream: str
    force: float
    torque: float
    required: bool = True  # no command before its first word


@dataclass(frozen=True)
class CollisionSpec:
    """Distances between the robot's own links [m]: never below `margin`, slower from `slow` on."""

    margin: float = MARGIN_M
    slow: float = SLOW_M
    ignore: tuple[tuple[str, str], ...] = ()  # pairs of links that may come closer


@dataclass(frozen=True, eq=False)
class Fence:
    """A box in the base frame [m] that the robot's links keep inside (`keep_in`) or out of."""

    name: str
    keep_in: bool
    lower: np.ndarray  # (3,), read-only
    upper: np.ndarray


@dataclass(frozen=True)
class SafetySpec:
    """All of `safety` but the limits of joints."""

    topics: tuple[SafetyTopic, ...]
    estop: EstopSpec
    wrench_limit: WrenchLimit | None
    self_collision: CollisionSpec | None
    fences: tuple[Fence, ...]


def read_safety(
    section: Section, streams: Mapping[str, StreamSpec], links: Collection[str]
) -> SafetySpec:
    """What `safety` says besides limits; raises ConfigError. `links`: those of the URDF."""
    return SafetySpec(
        _topics(section),
        _estop(section),
        _wrench_limit(section, streams) if 'wrench' in section else None,
        _self_collision(section, links),
        _fences(section),
    )


def _topics(section: Section) -> tuple[SafetyTopic, ...]:
    topics = tuple(_topic(entry) for entry in section.sections('topics', ()))
    types: dict[str, str] = {}
    for topic in topics:
        if sum(other.name == topic.name for other in topics) > 1:
            raise RobotError(f"{section.where}: topics: '{topic.name}' stands twice")
        if types.setdefault(topic.topic, topic.type) != topic.type:
            raise RobotError(
                f"{section.where}: topic '{topic.topic}' has two types, "
                f'{types[topic.topic]} and {topic.type}'
            )
    return topics


def _topic(entry: Section) -> SafetyTopic:
    kind, field = entry.text('type'), entry.text('field', 'data')
    if not TOPIC_TYPE.match(kind):
        raise entry.error('type', kind, 'must be a message type such as std_msgs/msg/Bool')
    if not FIELD.match(field):
        raise entry.error('field', field, 'must be a field of the message such as mode or a.b')
    topic = read_topic(entry, 'topic')
    given = [key for key in ('stop_when', 'allow') if key in entry]
    if len(given) != 1:
        raise RobotError(
            f'{entry.where}: give exactly one of stop_when (values that forbid motion) and allow '
            f'(values that permit it); {" and ".join(given) or "none"} given'
        )
    topic = SafetyTopic(topic, kind, field, _values(entry, given[0]), given[0] == 'allow')
    entry.close()
    return topic


def _values(entry: Section, key: str) -> tuple[bool | int | str, ...]:
    """One value or a list of them, all of one type, none twice."""
    raw = entry.raw(key)
    values = raw if isinstance(raw, list) else [raw]
    if not values or any(type(value) not in VALUE_KINDS for value in values):
        raise entry.error(key, raw, 'must be true, false, a whole number, a text, or a list of one')
    if len({type(value) for value in values}) > 1:
        raise entry.error(key, raw, 'must hold values of one type')
    if len(set(values)) < len(values):
        raise entry.error(key, raw, 'must not hold a value twice')
    return tuple(values)


def _estop(section: Section) -> EstopSpec:
    if 'estop' not in section:
        return EstopSpec()
    entry = section.section('estop')
    topic = read_topic(entry, 'topic') if 'topic' in entry else EstopSpec.topic
    estop = EstopSpec(
        topic,
        entry.number('timeout_s', 0.02, 10, EstopSpec.timeout_s),
        entry.flag('required', EstopSpec.required),
    )
    entry.close()
    return estop


def _wrench_limit(section: Section, streams: Mapping[str, StreamSpec]) -> WrenchLimit:
    entry = section.section('wrench')
    wrenches = [name for name, stream in streams.items() if stream.type == 'wrench']
    name = entry.text('stream')
    if name not in wrenches:
        raise RobotError(f'{entry.where}: {unknown_name("stream of type wrench", name, wrenches)}')
    limit = WrenchLimit(
        name,
        entry.number('force', 0.1, 1e5),
        entry.number('torque', 0.01, 1e5),
        entry.flag('required', True),
    )
    entry.close()
    return limit


def _self_collision(section: Section, links: Collection[str]) -> CollisionSpec | None:
    value = section.raw('self_collision', True)
    if isinstance(value, bool):
        return CollisionSpec() if value else None
    entry = section.section('self_collision')
    spec = CollisionSpec(
        entry.number('margin', 0, 1, MARGIN_M),
        entry.number('slow', 0, 1, SLOW_M),
        _pairs(entry, links),
    )
    if spec.slow <= spec.margin:
        raise RobotError(
            f'{entry.where}: slow {spec.slow:g} must be above margin {spec.margin:g}: the robot '
            'slows down between the two'
        )
    entry.close()
    return spec


def _pairs(entry: Section, links: Collection[str]) -> tuple[tuple[str, str], ...]:
    pairs = entry.raw('ignore', [])
    if not isinstance(pairs, list):
        raise entry.error('ignore', pairs, 'must be a list of pairs of links')
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(x) is str for x in pair):
            raise entry.error('ignore', pair, 'must hold pairs such as [link_a, link_b]')
        for link in pair:
            if link not in links:
                raise RobotError(
                    f'{entry.where}: ignore: {unknown_name("link of the URDF", link, links)}'
                )
        if pair[0] == pair[1]:
            raise entry.error('ignore', pair, 'must hold pairs of different links')
    return tuple((a, b) for a, b in pairs)


def _fences(section: Section) -> tuple[Fence, ...]:
    fences = tuple(_fence(entry) for entry in section.sections('fences', ()))
    names = [fence.name for fence in fences]
    for name in names:
        if names.count(name) > 1:
            raise RobotError(f"{section.where}: fences: name '{name}' stands twice")
    return fences


def _fence(entry: Section) -> Fence:
    name = entry.text('name')
    given = [key for key in ('keep_in', 'keep_out') if key in entry]
    if len(given) != 1:
        raise RobotError(
            f"{entry.where}: fence '{name}' needs exactly one of keep_in and keep_out; "
            f'{" and ".join(given) or "none"} given'
        )
    box = entry.section(given[0])
    lower, upper = box.vector('min', 3), box.vector('max', 3)
    for axis, low, high in zip('xyz', lower, upper, strict=True):
        if not low < high:
            raise RobotError(f"{box.where}: '{name}': min {axis} {low:g} must be below {high:g}")
    box.close()
    entry.close()
    return Fence(name, given[0] == 'keep_in', _corner(lower), _corner(upper))


def _corner(values: tuple[float, ...]) -> np.ndarray:
    corner = np.array(values)
    corner.flags.writeable = False
    return corner
