"""The wiring half of a robot YAML: streams and command paths.

Public through `robot.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gen_nodes.errors import RobotError, unknown_name
from gen_nodes.reading import Section

STREAM_TYPES = ('joint_states', 'camera', 'wrench', 'tactile', 'audio')
FORWARD_POSITION = 'forward_position'  # std_msgs/Float64MultiArray in the order of `joints`
FORWARD_VELOCITY = 'forward_velocity'  # the same with velocities
JOINT_TRAJECTORY = 'joint_trajectory'  # trajectory_msgs/JointTrajectory: next point and a brake
GRIPPER_ACTION = 'gripper_action'  # an action of control_msgs; `topic` is its name
PATH_KINDS = (FORWARD_POSITION, FORWARD_VELOCITY, JOINT_TRAJECTORY, GRIPPER_ACTION)
MESSAGES = {
    FORWARD_POSITION: 'std_msgs/msg/Float64MultiArray',
    FORWARD_VELOCITY: 'std_msgs/msg/Float64MultiArray',
    JOINT_TRAJECTORY: 'trajectory_msgs/msg/JointTrajectory',
}
ACTION_TYPES = (
    'control_msgs/action/GripperCommand',
    'control_msgs/action/ParallelGripperCommand',
)
TOPIC = re.compile(r'^/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*$')


@dataclass(frozen=True)
class Mount:
    """Where a sensor sits in the link `parent`: [m] and fixed-axis rpy [rad].

    A camera's frame is optical: z forward, x right, y down (REP-103).
    """

    parent: str
    xyz: tuple[float, float, float]
    rpy: tuple[float, float, float]


@dataclass(frozen=True)
class StreamSpec:
    """One source of samples.

    `topics` is {'data': topic}; a camera's has 'rgb' and 'info', and maybe 'depth' and 'pose'.
    """

    name: str
    type: str
    topics: Mapping[str, str]
    rate_hz: float  # what the driver publishes
    policy_rate_hz: float  # what the policy takes
    timeout_s: float  # silence after which the stream counts as stale
    required: bool
    width: int | None = None  # camera: resolution that the policy sees [pixel]
    height: int | None = None
    mount: Mount | None = None
    frame: str | None = None  # wrench: link in whose axes the values are given

    @property
    def topic(self) -> str:
        """The stream's one topic; a camera's rgb topic."""
        return self.topics['rgb' if self.type == 'camera' else 'data']


@dataclass(frozen=True)
class StateSpec:
    """The joint states that the controller watches."""

    topic: str
    rate_hz: float
    timeout_s: float


@dataclass(frozen=True)
class CommandPath:
    """One command topic and the joints it drives, in its order.

    Of a gripper_action: `topic` is the action's name, `type` its type, `max_effort` [N or N m] goes
    with every goal (None: the driver's own).
    """

    kind: str
    topic: str
    joints: tuple[str, ...]
    type: str = ''
    max_effort: float | None = None

    @property
    def message(self) -> str:
        """Type of the messages on `topic`; '' where it is an action."""
        return MESSAGES.get(self.kind, '')

    @property
    def stand_in(self) -> CommandPath:
        """What an emulated gripper hears where this machine lacks its action: positions, on a topic
        below the action's name.
        """
        return CommandPath(FORWARD_POSITION, f'{self.topic}/stand_in', self.joints)


@dataclass(frozen=True)
class ControlSpec:
    """How commands reach the robot."""

    rate_hz: float
    paths: tuple[CommandPath, ...]
    chunk_timeout_s: float


def read_streams(section: Section) -> dict[str, StreamSpec]:
    """All streams by name; raises ConfigError."""
    streams = {name: _stream(name, section.section(name)) for name in section.names()}
    owner: dict[str, str] = {}
    for stream in streams.values():
        for topic in stream.topics.values():
            if topic in owner:
                raise RobotError(
                    f"{section.where}: topic '{topic}' is given to '{owner[topic]}' "
                    f"and to '{stream.name}'"
                )
            owner[topic] = stream.name
    return streams


def _stream(name: str, section: Section) -> StreamSpec:
    kind = section.text('type', valid=STREAM_TYPES)
    rate = section.number('rate_hz', 0.1, 50_000)
    policy_rate = section.number('policy_rate_hz', 0.1, 50_000)
    if policy_rate > rate:
        raise RobotError(
            f'{section.where}: policy_rate_hz {policy_rate:g} is above '
            f'the rate_hz {rate:g} of the driver'
        )
    camera = kind == 'camera'
    stream = StreamSpec(
        name,
        kind,
        MappingProxyType(
            _camera_topics(section.section('topics'))
            if camera
            else {'data': read_topic(section, 'topic')}
        ),
        rate,
        policy_rate,
        section.number('timeout_s', 0.001, 60),
        section.flag('required'),
        width=section.integer('width', 8, 4096) if camera else None,
        height=section.integer('height', 8, 4096) if camera else None,
        mount=_mount(section.section('mount')) if 'mount' in section else None,
        frame=section.text('frame') if kind == 'wrench' else None,
    )
    if camera and stream.mount is None and 'pose' not in stream.topics:
        raise RobotError(f'{section.where}: a camera needs its pose: give topics.pose or mount')
    section.close()
    return stream


def _camera_topics(section: Section) -> dict[str, str]:
    topics = {key: read_topic(section, key) for key in ('rgb', 'info')}
    topics |= {key: read_topic(section, key) for key in ('depth', 'pose') if key in section}
    section.close()
    return topics


def _mount(section: Section) -> Mount:
    zero = (0.0, 0.0, 0.0)
    mount = Mount(
        section.text('parent'), section.vector('xyz', 3, zero), section.vector('rpy', 3, zero)
    )
    section.close()
    return mount


def read_topic(section: Section, key: str) -> str:
    """A ROS topic name; raises ConfigError."""
    topic = section.text(key)
    if not TOPIC.match(topic):
        raise section.error(key, topic, 'must be a ROS topic name such as /joint_states')
    return topic


def read_control(section: Section, joints: tuple[str, ...]) -> ControlSpec:
    """Command paths; every joint of `joints` has exactly one. Raises ConfigError."""
    paths = tuple(_path(path, joints) for path in section.sections('paths'))
    owner: dict[str, str] = {}
    for path in paths:
        if sum(other.topic == path.topic for other in paths) > 1:
            raise RobotError(f"{section.where}: topic '{path.topic}' stands in two command paths")
        for name in path.joints:
            if name in owner:
                raise RobotError(
                    f"{section.where}: joint '{name}' is commanded twice, "
                    f"by '{owner[name]}' and '{path.topic}'"
                )
            owner[name] = path.topic
    for name in joints:
        if name not in owner:
            raise RobotError(
                f"{section.where}: joint '{name}' has no command path; "
                'add it to one or drop it from joints'
            )
    spec = ControlSpec(
        section.number('rate_hz', 1, 1000), paths, section.number('chunk_timeout_s', 0.01, 5)
    )
    section.close()
    return spec


def _path(section: Section, joints: tuple[str, ...]) -> CommandPath:
    kind = section.text('kind', valid=PATH_KINDS)
    action = kind == GRIPPER_ACTION
    path = CommandPath(
        kind,
        read_topic(section, 'topic'),
        section.texts('joints'),
        section.text('type', valid=ACTION_TYPES) if action else '',
        section.number('max_effort', 0, 1e5, default=None) if action else None,
    )
    section.close()
    for name in path.joints:
        if name not in joints:
            raise RobotError(f'{section.where}: {unknown_name("joint", name, joints)}')
    if action and len(path.joints) != 1:
        raise RobotError(
            f"{section.where}: gripper_action '{path.topic}' moves exactly one joint, "
            f'{len(path.joints)} given; give each its own path'
        )
    return path
