"""Writes episodes as bags: the same topics, types and conversions whether they come over DDS or
from the lockstep.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gen_nodes.data.bag_writer import BagWriter
from gen_nodes.data.rosbag2 import TopicQos
from gen_nodes.errors import BagError
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.routes import routes_of
from gen_nodes.types import (
    ActionChunk,
    AudioSample,
    CameraSample,
    CommandSample,
    Episode,
    EpisodeEvent,
    JointSample,
    Sample,
    TactileSample,
    WrenchSample,
)

SENSOR = (TopicQos('best_effort', depth=10),)
LATCHED = (TopicQos('reliable', 'transient_local', 1),)
RELIABLE = (TopicQos('reliable', depth=50),)
STRING = 'std_msgs/msg/String'
STACK_TOPICS = {
    'executed': 'gen_stack/msg/JointCommand',
    'action_chunk': 'gen_stack/msg/ActionChunk',
}
NOTE = 'gen_stack'  # metadata record with what is known at the start
PLAIN = {
    JointSample: convert.joint_state_message,
    WrenchSample: convert.wrench_message,
    TactileSample: convert.tactile_message,
    AudioSample: convert.audio_message,
}


def describe(
    bag: BagWriter, spec: RobotSpec, episode: Episode, extra: Mapping[str, str] | None = None
) -> None:
    """Put into the bag what makes it stand alone: robot description, instruction, task. Raises
    BagError.
    """
    try:
        wiring = spec.source.read_bytes()
    except OSError as error:
        raise BagError(f"robot YAML '{spec.source}' cannot be read: {error.strerror}") from error
    bag.note(
        NOTE,
        {
            'robot': spec.name,
            'robot_sha256': spec.sha256,
            'id': episode.id,
            'task': episode.task,
            'instruction': episode.instruction,
            'start_ns': str(episode.stamp_ns),
            **(extra or {}),
        },
    )
    bag.attach('robot.urdf', 'application/xml', spec.urdf_xml.encode(), episode.stamp_ns)
    bag.attach('robot.yaml', 'application/yaml', wiring, episode.stamp_ns)
    bag.add_topic('/robot_description', STRING, LATCHED)
    bag.write_message(
        '/robot_description',
        bag.messages.make(STRING, data=spec.urdf_xml),
        episode.stamp_ns,
        episode.stamp_ns,
    )


class EpisodeWriter:
    """One episode in simulated time; hears what crosses the lockstep's topics (hil/lockstep.py
    Listener).

    Topics appear in the bag as a recorder would have heard them from the robot's driver and the
    stack.
    """

    def __init__(
        self, path: Path, spec: RobotSpec, episode: Episode, extra: Mapping[str, str] | None = None
    ) -> None:
        self.spec, self.episode = spec, episode
        self.bag = BagWriter(path)
        describe(self.bag, spec, episode, extra)
        for name in spec.streams:
            for route in routes_of(spec.streams[name]):
                self.bag.add_topic(
                    absolute(route.topic), route.type, LATCHED if route.latched else SENSOR
                )
        for topic, type_name in STACK_TOPICS.items():
            self.bag.add_topic(absolute(topic), type_name, RELIABLE)
        self.bag.add_topic('/episode', 'gen_stack/msg/Episode', LATCHED)
        self.poses: dict[str, bytes] = {}
        self.say(episode)

    def say(self, episode: Episode) -> None:
        """Record an episode event."""
        message = convert.episode_message(self.bag.messages, episode)
        self.bag.write_message('/episode', message, episode.stamp_ns, episode.stamp_ns)

    def sample(self, sample: Sample, log_ns: int) -> None:
        """A driver's sample."""
        stream = self.spec.streams[sample.stream]
        if isinstance(sample, CameraSample):
            self.camera(sample, stream.topics, log_ns)
        else:
            self.put(
                stream.topic,
                PLAIN[type(sample)](self.bag.messages, sample),
                log_ns,
                sample.capture_ns,
            )

    def camera(self, s: CameraSample, topics: Mapping[str, str], log_ns: int) -> None:
        """A capture: intrinsics and pose before the pictures, the pose only when it changed (it is
        latched).
        """
        m = self.bag.messages
        if 'pose' in topics and self.poses.get(s.stream) != s.base_from_camera_4x4.tobytes():
            self.poses[s.stream] = s.base_from_camera_4x4.tobytes()
            self.put(
                topics['pose'],
                convert.camera_pose_message(m, s, self.spec.base_frame),
                log_ns,
                s.capture_ns,
            )
        self.put(topics['info'], convert.camera_info_message(m, s), log_ns, s.capture_ns)
        if 'depth' in topics and s.depth_mm_HxW is not None:
            self.put(topics['depth'], convert.depth_message(m, s), log_ns, s.capture_ns)
        self.put(topics['rgb'], convert.colour_message(m, s), log_ns, s.capture_ns)

    def command(self, command: CommandSample) -> None:
        """A command that was sent."""
        self.put(
            'executed',
            convert.joint_command_message(self.bag.messages, command),
            command.capture_ns,
            command.capture_ns,
        )

    def chunk(self, chunk: ActionChunk, log_ns: int) -> None:
        """A decision."""
        message = convert.action_chunk_message(self.bag.messages, chunk, self.spec.base_frame)
        self.put('action_chunk', message, log_ns, chunk.stamp_ns)

    def put(self, topic: str, message: object, log_ns: int, publish_ns: int) -> None:
        """Write one message."""
        self.bag.write_message(absolute(topic), message, log_ns, publish_ns)

    def close(self, stop_ns: int, outcome: str, custom: Mapping[str, str] | None = None) -> None:
        """End the episode with 'success', 'failure' or ''. Raises BagError where the disk
        refused.
        """
        e = self.episode
        self.say(Episode(stop_ns, EpisodeEvent.STOP, e.id, e.instruction, e.task, outcome))
        self.bag.close(
            {
                'robot': self.spec.name,
                'id': e.id,
                'task': e.task,
                'instruction': e.instruction,
                'outcome': outcome,
                'verdict': 'good',
                'lost': '0',
                **(custom or {}),
            }
        )
        if self.bag.failed:
            raise BagError(self.bag.failed)


def absolute(topic: str) -> str:
    """Topic name as it resolves in the root namespace."""
    return topic if topic.startswith('/') else f'/{topic}'
