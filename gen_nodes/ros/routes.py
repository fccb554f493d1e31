"""Which topic carries what: a robot's streams as topics with type, conversion and place. Imports
no ROS.

The sensor_aggregator subscribes by this table, the recorder records by it, bags are replayed by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gen_nodes.robot import RobotSpec, StreamSpec
from gen_nodes.ros import convert
from gen_nodes.streams.aggregator import EXECUTED
from gen_nodes.streams.images import EncodingError
from gen_nodes.types import Sample

CAMERA_PARTS = {
    'rgb': ('sensor_msgs/msg/Image', convert.colour_sample),
    'depth': ('sensor_msgs/msg/Image', convert.depth_sample),
    'info': ('sensor_msgs/msg/CameraInfo', convert.intrinsics_sample),
    'pose': ('geometry_msgs/msg/PoseStamped', convert.pose_sample),
}
PLAIN = {
    'joint_states': ('sensor_msgs/msg/JointState', convert.joint_sample),
    'wrench': ('geometry_msgs/msg/WrenchStamped', convert.wrench_sample),
    'tactile': ('gen_stack/msg/TactileArray', convert.tactile_sample),
    'audio': ('gen_stack/msg/AudioChunk', convert.audio_sample),
}
COMPRESSED = 'sensor_msgs/msg/CompressedImage'


@dataclass(frozen=True)
class Route:
    """One topic of one stream. part: 'data', or 'rgb', 'depth', 'info', 'pose' of a camera."""

    topic: str
    type: str
    stream: str
    part: str
    rate_hz: float
    convert: Callable[[Any, str, int], Sample]

    @property
    def is_image(self) -> bool:
        """Whether decoding it takes long."""
        return self.part in ('rgb', 'depth')

    @property
    def latched(self) -> bool:
        """Whether a driver may publish it once and for all."""
        return self.part == 'pose'

    def sample(self, message: Any, arrival_ns: int) -> Sample | str:
        """The sample in a message, or 'malformed' where it is none."""
        try:
            return self.convert(message, self.stream, arrival_ns)
        except (ValueError, EncodingError):
            return 'malformed'


def stream_routes(spec: RobotSpec) -> dict[str, Route]:
    """Topic as the robot YAML writes it -> route, for every stream."""
    routes = [route for stream in spec.streams.values() for route in routes_of(stream)]
    return {route.topic: route for route in routes}


def routes_of(stream: StreamSpec) -> list[Route]:
    """Routes of one stream."""
    if stream.type != 'camera':
        type_name, conversion = PLAIN[stream.type]
        return [Route(stream.topic, type_name, stream.name, 'data', stream.rate_hz, conversion)]
    routes = []
    for part, topic in stream.topics.items():
        type_name, conversion = CAMERA_PARTS[part]
        packed = part in ('rgb', 'depth') and topic.rsplit('/', 1)[-1] in (
            'compressed',
            'compressedDepth',
        )
        routes.append(
            Route(
                topic,
                COMPRESSED if packed else type_name,
                stream.name,
                part,
                stream.rate_hz,
                conversion,
            )
        )
    return routes


def executed_route(spec: RobotSpec) -> Route:
    """The commands that the controller sent."""
    return Route(
        'executed',
        'gen_stack/msg/JointCommand',
        EXECUTED,
        'data',
        spec.control.rate_hz,
        convert.command_sample,
    )


def all_routes(spec: RobotSpec) -> dict[str, Route]:
    """Everything that becomes part of an observation."""
    executed = executed_route(spec)
    return {**stream_routes(spec), executed.topic: executed}


def bag_routes(
    spec: RobotSpec, bag_topics: Mapping[str, str], remap: Mapping[str, str]
) -> dict[str, Route]:
    """Bag topic -> route. bag_topics: name -> type; remap: bag topic -> topic of the robot YAML.

    Names are compared without leading slash; a topic of another type than the stream wants is left
    out, except that a camera's image may be compressed.
    """
    wanted = {topic.lstrip('/'): route for topic, route in all_routes(spec).items()}
    found = {}
    for name, type_name in bag_topics.items():
        route = wanted.get(remap.get(name, name).lstrip('/'))
        if route and (type_name == route.type or (route.is_image and type_name == COMPRESSED)):
            found[name] = route
    return found
