"""Node data_recorder: raw serialised topics into one bag per episode, every loss it can know of
counted.

The executor's thread only queues; another thread writes. Subscriptions take on the QoS that
publishers offer.
"""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from gen_nodes.data.messages import RosbagsMessages
from gen_nodes.data.recording import GapCounter, Heard, RecordedTopic, Recording, Verdict
from gen_nodes.data.rosbag2 import TopicQos
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.ros.definitions import installed_definition
from gen_nodes.ros.diagnostics import Level, Status
from gen_nodes.ros.episodes import KEPT, understood
from gen_nodes.ros.lifecycle import GenNode, robot_parameter
from gen_nodes.ros.messages_rclpy import message_class
from gen_nodes.ros.parameters import Parameter
from gen_nodes.ros.qos import latched
from gen_nodes.ros.raw_subscription import subscribe_raw
from gen_nodes.ros.routes import stream_routes
from gen_nodes.ros.spin import main
from gen_nodes.threads import start_thread
from gen_nodes.types import seconds_to_ns

DEPTH = 500
MATCH_PERIOD_S = 0.25
REPORT_PERIOD_S = 0.2
WORK_PERIOD_S = 0.01
MEND = 'mend that, e.g. free disk space, and record the episode again'
EPISODE = 'gen_stack/msg/Episode'
STRING = 'std_msgs/msg/String'
STACK = {
    'executed': 'gen_stack/msg/JointCommand',
    'action_chunk': 'gen_stack/msg/ActionChunk',
    'controller_state': 'gen_stack/msg/ControllerState',
    'truth': 'visualization_msgs/msg/MarkerArray',
    'scene': STRING,
}
LATCHED = ('controller_state', 'scene')

PARAMETERS = (
    robot_parameter(),
    Parameter('output_dir', 'out/bags', 'folder for bags; each episode makes one below it'),
    Parameter(
        'topics',
        '',
        "more topics to record, separated by spaces, e.g. '/observation /tf'; types are discovered",
    ),
    Parameter(
        'queue_mb',
        256,
        'messages waiting to be written [MB]; beyond it they are lost and counted',
        1,
        16384,
    ),
)


class DataRecorder(GenNode):
    """ROS around Recording."""

    def __init__(self) -> None:
        super().__init__('data_recorder', PARAMETERS)
        self._core: Recording | None = None
        self._thread: threading.Thread | None = None
        self._running = False

    # Lifecycle

    def configure(self) -> None:
        spec = load_robot(self.parameters['robot'])
        self._core = Recording(
            spec, Path(self.parameters['output_dir']), self.parameters['queue_mb'] << 20
        )
        self._codec, self._gaps = RosbagsMessages(), GapCounter()
        self._wanted = wanted_topics(spec, self.resolve_topic_name)
        self._extra = [self.resolve_topic_name(name) for name in self.parameters['topics'].split()]
        self._inputs: dict[str, Any] = {}
        self._profiles: dict[str, QoSProfile] = {}
        self._alone: dict[str, bool] = {}
        self._heard_ns: dict[str, int] = {}
        self.diagnostics.hardware_id = spec.name
        self._recordings = self.create_publisher(message_class(STRING), 'recording', latched())
        self._episode_topic = self.resolve_topic_name('episode')
        self._core.add_topic(RecordedTopic(self._episode_topic, EPISODE, qos=(offered(latched()),)))
        self._subscribe(self._episode_topic, EPISODE, latched(KEPT))
        self._match()
        self._matching = self.create_timer(MATCH_PERIOD_S, self._match)

    def activate(self) -> None:
        self._running = True
        self._core.listen(self.now_ns())
        self._thread = start_thread(self._write, 'writer')
        self._reporting = self.create_timer(REPORT_PERIOD_S, self._report)

    def deactivate(self) -> None:
        if self._thread is None:
            return
        self._running = False
        self._thread.join()
        self._thread = None
        self._core.rest()
        self.destroy_timer(self._reporting)
        self._report()

    def cleanup(self) -> None:
        if self._core is None:
            return
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self.destroy_timer(self._matching)
        self.destroy_publisher(self._recordings)
        self._core = None

    def clock_jumped(self, seconds: float) -> None:
        if self._core is not None:
            self._core.clock_stepped(seconds)

    # The writing thread

    def _write(self) -> None:
        while self._running:
            self._core.work(time.monotonic_ns())
            time.sleep(WORK_PERIOD_S)
        self._core.work(time.monotonic_ns())
        self._core.finish('the recorder was ended before the episode was')

    # The executor's thread

    def _match(self) -> None:
        """Subscribe to what is there, in the quality that it is offered in."""
        for topic in self._extra:
            self._discover(topic)
        for topic in self._wanted.values():
            publishers = self.get_publishers_info_by_topic(topic.name)
            self._alone[topic.name] = len(publishers) == 1
            profile = matching(publishers)
            if profile is None or same(self._profiles.get(topic.name), profile):
                continue
            self._take_up(topic, profile)

    def _discover(self, name: str) -> None:
        """Learn the type of an extra topic from its publishers."""
        types = {info.topic_type for info in self.get_publishers_info_by_topic(name)}
        if name in self._wanted or len(types) != 1:
            return
        self._wanted[name] = RecordedTopic(name, types.pop())

    def _take_up(self, topic: RecordedTopic, profile: QoSProfile) -> None:
        """(Re)create a subscription."""
        known = self._codec.knows(topic.type)
        definition = '' if known else installed_definition(topic.type)
        if not known and not definition:
            self.diagnostics.report(
                f'topic {topic.name}',
                Status(
                    Level.WARN,
                    f'not recorded: no definition of {topic.type} is installed',
                    'install its message package',
                ),
            )
            return
        is_latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        self._core.add_topic(
            RecordedTopic(
                topic.name,
                topic.type,
                is_latched,
                topic.silence_ns,
                topic.required,
                (offered(profile),),
                definition,
            )
        )
        if topic.name in self._inputs:
            self.destroy_subscription(self._inputs.pop(topic.name))
        self._subscribe(topic.name, topic.type, profile)

    def _subscribe(self, name: str, type_name: str, profile: QoSProfile) -> None:
        hear = self._on_episode if name == self._episode_topic else partial(self._on_message, name)
        subscription = subscribe_raw(
            self,
            message_class(type_name),
            name,
            hear,
            profile,
            partial(self._core.report_lost, name),
        )
        self._inputs[name], self._profiles[name] = subscription, profile

    def _on_message(self, topic: str, raw: bytes, info: dict[str, Any]) -> None:
        self._heard_ns[topic] = time.monotonic_ns()
        missing = self._gaps.missing(
            topic,
            info['publication_sequence_number'],
            self._alone.get(topic, False),
            self._core.topics[topic].latched,
        )
        now_ns = self.now_ns()
        self._core.hear(Heard(topic, raw, now_ns, info['source_timestamp'] or now_ns, missing))

    def _on_episode(self, raw: bytes, info: dict[str, Any]) -> None:
        episode = understood(self, deserialize_message(raw, message_class(EPISODE)))
        if episode is None:
            return
        self._match()
        self._core.tell(episode)
        now_ns = self.now_ns()
        self._core.hear(Heard(self._episode_topic, raw, now_ns, episode.stamp_ns))

    def _report(self) -> None:
        """Verdicts and problems to the operator."""
        core = self._core
        while core.verdicts:
            self._announce(core.verdicts.popleft())
        current = core.open
        self.pulse.unfit(core.problem, MEND if core.problem else '')
        silent = {'silent': ' '.join(self._silent())}
        if core.problem:
            status = Status(Level.ERROR, core.problem, MEND, silent)
            self.diagnostics.report('recording', status)
        elif current is not None:
            self.diagnostics.ok(
                'recording',
                f'recording {current.episode.id}',
                {
                    'messages': str(sum(current.attempted.values())),
                    'path': str(current.bag.path),
                    **silent,
                },
            )
        else:
            self.diagnostics.ok('recording', 'waiting for an episode', silent)

    def _silent(self) -> list[str]:
        """Topics that should speak all the time and have not lately."""
        now_ns = time.monotonic_ns()
        return [
            name
            for name, topic in self._wanted.items()
            if topic.silence_ns is not None
            and now_ns - self._heard_ns.get(name, -math.inf) > topic.silence_ns
        ]

    def _announce(self, v: Verdict) -> None:
        """A closed bag: to the log, the diagnostics and the topic `recording`."""
        text = json.dumps(
            {
                'id': v.id,
                'path': str(v.path),
                'verdict': 'good' if v.good else 'bad',
                'reasons': list(v.reasons),
                'outcome': v.outcome,
                'discarded': v.discarded,
                'recorded': dict(v.recorded),
                'lost': dict(v.lost),
            }
        )
        self._recordings.publish(message_class(STRING)(data=text))
        if v.good:
            self.diagnostics.ok('last episode', f'{v.id}: good')
        else:
            self.diagnostics.report(
                'last episode',
                Status(
                    Level.WARN, f'{v.id} is not good: {"; ".join(v.reasons)}', 'record it again'
                ),
            )


def wanted_topics(spec: RobotSpec, resolve: Any) -> dict[str, RecordedTopic]:
    """Everything that the robot YAML lists, and the stack's own topics."""
    topics = []
    for route in stream_routes(spec).values():
        stream = spec.streams[route.stream]
        regular = route.part in ('data', 'rgb', 'depth')
        topics.append(
            RecordedTopic(
                resolve(route.topic),
                route.type,
                route.latched,
                seconds_to_ns(stream.timeout_s) if regular else None,
                stream.required and regular,
            )
        )
    topics += [
        RecordedTopic(resolve(path.topic), path.message)
        for path in spec.control.paths
        if path.message
    ]
    topics += [
        RecordedTopic(resolve(topic.topic), topic.type, latched=True)
        for topic in spec.safety_topics
    ]
    topics += [RecordedTopic(resolve(name), kind, name in LATCHED) for name, kind in STACK.items()]
    return {topic.name: topic for topic in topics}


def matching(publishers: list[Any]) -> QoSProfile | None:
    """The best quality that all publishers offer; None where there are none."""
    if not publishers:
        return None
    profiles = [info.qos_profile for info in publishers]
    reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles)
    kept = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
    return QoSProfile(
        depth=DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE,
    )


def same(a: QoSProfile | None, b: QoSProfile) -> bool:
    """Whether two profiles ask for the same."""
    return a is not None and (a.reliability, a.durability) == (b.reliability, b.durability)


def offered(profile: QoSProfile) -> TopicQos:
    """QoS as the bag notes it."""
    return TopicQos(
        'reliable' if profile.reliability == ReliabilityPolicy.RELIABLE else 'best_effort',
        'transient_local' if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL else 'volatile',
        1 if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL else 10,
    )


if __name__ == '__main__':
    sys.exit(main(DataRecorder))
