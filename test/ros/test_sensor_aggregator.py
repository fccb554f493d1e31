"""The aggregator node on real rclpy, with a driver that publishes what the robot YAML lists."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace

import numpy as np
import pytest

from gen_nodes.data.bags import BagReader
from gen_nodes.data.episodes import replay
from gen_nodes.nodes.sensor_aggregator import SensorAggregator
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages
from gen_nodes.ros.routes import stream_routes
from gen_nodes.streams.aggregator import Aggregator
from gen_nodes.types import (
    CameraSample,
    CommandSample,
    Episode,
    EpisodeEvent,
    JointSample,
    StreamState,
)

SPEC = load_robot('ur5e')
M = RclpyMessages()
FRONT, WRIST = (SPEC.streams[name].topics for name in ('front', 'wrist'))
IMAGE, INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'
NOISE = np.random.default_rng(0)


class Driver:
    """Publishes joint states and two cameras for a rig."""

    def __init__(self, rig, latched) -> None:
        self.rig, self.black = rig, False
        self.joints = rig.publisher('sensor_msgs/msg/JointState', SPEC.state.topic, 50)
        self.pictures = [
            {
                'rgb': rig.publisher(IMAGE, topics['rgb']),
                'depth': rig.publisher(IMAGE, topics['depth']),
                'info': rig.publisher(INFO, topics['info']),
            }
            for topics in (FRONT, WRIST)
        ]
        self.pose = rig.publisher('geometry_msgs/msg/PoseStamped', FRONT['pose'], latched)
        self.commands = rig.publisher('gen_stack/msg/JointCommand', 'executed', 50)
        self.console = rig.publisher('gen_stack/msg/Episode', 'episode', latched)
        self.pose.publish(convert.camera_pose_message(M, self.picture(0), SPEC.base_frame))

    def ready(self) -> bool:
        every = (self.joints, self.pose, *(p for one in self.pictures for p in one.values()))
        return all(publisher.get_subscription_count() for publisher in every)

    def start(self) -> None:
        self.rig.every(0.004, self.publish_joints)
        self.rig.every(0.033, self.publish_pictures)

    def publish_joints(self, **changes) -> None:
        now = time.time_ns()
        q = SPEC.ready + NOISE.normal(size=6) * 0.01
        sample = JointSample('joint_states', now, now, SPEC.joint_names, q, q, q)
        self.joints.publish(convert.joint_state_message(M, replace(sample, **changes)))
        command = CommandSample('executed', now, now, 1, 'position', SPEC.joint_names, q, q)
        self.commands.publish(convert.joint_command_message(M, command))

    def picture(self, number: int) -> CameraSample:
        now = time.time_ns()
        rgb = NOISE.integers(0, 3 if self.black else 255, (120, 160, 3), dtype=np.uint8)
        depth = NOISE.integers(300, 900, (120, 160), dtype=np.uint16)
        k = np.array([[100.0, 0, 79.5], [0, 100.0, 59.5], [0, 0, 1]])
        pose = np.eye(4)
        pose[:3, 3] = 1.0, 0.5, 0.25
        return CameraSample(('front', 'wrist')[number], now, now, 'optical', rgb, depth, k, pose)

    def publish_pictures(self) -> None:
        for number, publishers in enumerate(self.pictures):
            picture = self.picture(number)
            publishers['info'].publish(convert.camera_info_message(M, picture))
            publishers['depth'].publish(convert.depth_message(M, picture))
            publishers['rgb'].publish(convert.colour_message(M, picture))

    def say(self, event: EpisodeEvent, name: str = 'one') -> None:
        episode = Episode(time.time_ns(), event, name, 'touch the red ball', 'reach')
        self.console.publish(convert.episode_message(M, episode))


@pytest.fixture
def bench(rig, latched):
    rig.start(SensorAggregator, robot='ur5e')
    driver = Driver(rig, latched)
    observations = rig.listen('gen_stack/msg/Observation', 'observation')
    rig.until(driver.ready)
    return rig, driver, observations


def newest(observations) -> convert.Observation:
    return convert.observation_of(observations[-1])


def states(observations) -> dict[str, StreamState]:
    return {h.stream: h.state for h in newest(observations).health} if observations else {}


def test_observations_hold_every_stream_at_policy_resolution(bench) -> None:
    rig, driver, observations = bench
    driver.start()
    driver.say(EpisodeEvent.START)
    rig.spin(1.5)
    every = [convert.observation_of(message) for message in observations]
    samples = [s for o in every for s in o.samples]
    cameras = [s for s in samples if isinstance(s, CameraSample)]
    assert {s.stream for s in samples} == {'joint_states', 'front', 'wrist', 'executed'}
    assert {s.rgb_HxWx3.shape for s in cameras} == {(96, 96, 3)}
    front = next(s for s in cameras if s.stream == 'front')
    assert list(front.base_from_camera_4x4[:3, 3]) == [1.0, 0.5, 0.25]
    assert [o.sequence for o in every] == list(
        range(every[0].sequence, every[0].sequence + len(every))
    )
    assert every[-1].instruction == 'touch the red ball'
    assert states(observations)['front'] == StreamState.LIVE


def test_a_stream_without_data_waits_and_one_that_dies_is_stale(bench, statuses) -> None:
    rig, driver, observations = bench
    diagnostics = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
    driver.publish_joints()
    rig.until(lambda: states(observations).get('joint_states') == StreamState.LIVE)
    assert states(observations)['front'] == StreamState.WAITING
    rig.until(lambda: states(observations)['joint_states'] == StreamState.STALE)
    rig.until(
        lambda: any('silent' in cause for _, cause, _ in statuses(diagnostics, 'joint_states'))
    )
    assert not newest(observations).samples


def test_joint_states_that_are_not_finite_never_come_through(bench) -> None:
    rig, driver, observations = bench
    for _ in range(5):
        driver.publish_joints(position=np.full(6, np.nan))
    rig.until(lambda: states(observations).get('joint_states') == StreamState.FAULTY)
    health = {h.stream: h for h in newest(observations).health}['joint_states']
    assert health.dropped == {'not finite': 5} and health.used == 0


def test_a_black_camera_is_faulty_and_the_operator_is_told(bench, statuses) -> None:
    rig, driver, observations = bench
    diagnostics = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
    driver.black = True
    driver.start()
    rig.until(lambda: states(observations).get('front') == StreamState.FAULTY)
    rig.until(lambda: any('black' in cause for _, cause, _ in statuses(diagnostics, 'front')))


def test_bytes_that_are_no_message_are_malformed_and_what_follows_is_heard(bench) -> None:
    rig, driver, observations = bench
    node = rig.node
    routes = stream_routes(SPEC)
    for topic in (SPEC.streams['front'].topics['rgb'], SPEC.streams['joint_states'].topic):
        route = routes[topic]
        hear = node._on_image if route.is_image else node._on_message
        hear(route, b'\x00\x01\x00\x00\xff\xff', {})
    driver.start()

    def dropped(stream: str) -> int:
        health = {h.stream: h for h in newest(observations).health} if observations else {}
        return health[stream].dropped.get('malformed', 0) if stream in health else 0

    rig.until(lambda: dropped('front') == 1 and dropped('joint_states') == 1)
    rig.until(lambda: states(observations).get('front') == StreamState.LIVE)


def test_the_instruction_ends_with_the_episode(bench) -> None:
    rig, driver, observations = bench
    driver.say(EpisodeEvent.START)
    rig.until(lambda: observations and observations[-1].instruction == 'touch the red ball')
    driver.say(EpisodeEvent.STOP)
    rig.until(lambda: observations[-1].instruction == '')


def identical(a, b) -> bool:
    return type(a) is type(b) and all(
        x.tobytes() == y.tobytes() if isinstance(x, np.ndarray) else x == y
        for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    )


def test_what_the_live_node_published_is_what_the_bag_gives_offline(bench, tmp_path) -> None:
    rig, driver, _ = bench
    verdicts = rig.listen('std_msgs/msg/String', 'recording')
    recorder = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'gen_nodes.nodes.data_recorder',
            '--ros-args',
            '-p',
            'robot:=ur5e',
            '-p',
            f'output_dir:={tmp_path}',
            '-p',
            'topics:=/observation',
        ]
    )
    try:
        driver.start()
        rig.until(
            lambda: (
                driver.joints.get_subscription_count() == 2
                and rig.node._publisher.get_subscription_count() == 2
                and driver.pictures[1]['rgb'].get_subscription_count() == 2
            ),
            30.0,
        )
        rig.spin(0.5)
        driver.say(EpisodeEvent.START)
        rig.spin(3.0)
        driver.say(EpisodeEvent.STOP)
        rig.until(lambda: verdicts)
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait(10)
    assert json.loads(verdicts[0].data)['lost'] == {}
    bag = BagReader(tmp_path / 'one')
    live = [convert.observation_of(m) for _, m in bag.decoded(['/observation'])]
    core = Aggregator(SPEC)
    for lane in (
        *core.lanes.values(),
        core.commands,
    ):  # which of them enter depends on when they arrived; keep all
        lane.thins, lane.gap_ns = False, 0
    offline = list(replay(bag, SPEC, aggregator=core))
    begin = (
        bag.start_ns + 500_000_000
    )  # what was captured before the bag began is only in the live ones
    one, other = (
        {
            (s.stream, s.capture_ns): s
            for o in observations
            for s in o.samples
            if s.capture_ns > begin
        }
        for observations in (live, offline)
    )
    assert len(one) > 100 and one.keys() <= other.keys()
    assert all(
        identical(replace(one[key], arrival_ns=0), replace(other[key], arrival_ns=0)) for key in one
    )
