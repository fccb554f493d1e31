"""The recorder as a process of its own, with a publisher here that counts what it sent."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')

import rclpy
from rosbags.rosbag2 import Reader

from gen_nodes.data.bags import BagReader
from gen_nodes.data.episodes import episode_info
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.executor import make_executor
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.qos import latched, reliable, sensor
from gen_nodes.types import CameraSample, Episode, EpisodeEvent, JointSample

SPEC = load_robot('ur5e')
M = RclpyMessages()
FRONT = SPEC.streams['front'].topics
NOISE = np.random.default_rng(0)


class Stage:
    """A driver that counts, an operator's console, and a recorder."""

    def __init__(self, folder: Path, sensor_qos=reliable, limit_bytes: int | None = None) -> None:
        self.folder, self.sent = folder, {}
        rclpy.init()
        self.node = rclpy.create_node('stage')
        self.executor = make_executor()
        self.executor.add_node(self.node)
        kinds = {
            SPEC.state.topic: 'sensor_msgs/msg/JointState',
            FRONT['rgb']: 'sensor_msgs/msg/Image',
            FRONT['depth']: 'sensor_msgs/msg/Image',
            FRONT['info']: 'sensor_msgs/msg/CameraInfo',
        }
        self.publishers = {
            topic: self.node.create_publisher(message_class(kind), topic, sensor_qos(10))
            for topic, kind in kinds.items()
        }
        self.pose = self.node.create_publisher(
            message_class('geometry_msgs/msg/PoseStamped'), FRONT['pose'], latched()
        )
        self.pose.publish(convert.camera_pose_message(M, self.picture(), SPEC.base_frame))
        self.console = self.node.create_publisher(
            message_class('gen_stack/msg/Episode'), 'episode', latched()
        )
        self.verdicts: list[dict] = []
        self.silent: list[list[str]] = []  # what the recorder says of who is silent
        self.node.create_subscription(
            message_class('diagnostic_msgs/msg/DiagnosticArray'),
            '/diagnostics',
            self._on_diagnostics,
            reliable(20),
        )
        self.node.create_subscription(
            message_class('std_msgs/msg/String'),
            'recording',
            lambda m: self.verdicts.append(json.loads(m.data)),
            latched(),
        )
        self.log = (folder / 'log').open('w')
        self.process = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'gen_nodes.nodes.data_recorder',
                '--ros-args',
                '-p',
                'robot:=ur5e',
                '-p',
                f'output_dir:={folder}',
            ],
            stderr=self.log,
            preexec_fn=lambda: (
                limit_bytes and resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes,) * 2)
            ),
        )

    def _on_diagnostics(self, message) -> None:
        self.silent += [
            pair.value.split()
            for status in message.status
            if status.name == 'data_recorder: recording'
            for pair in status.values
            if pair.key == 'silent'
        ]

    def ready(self) -> Stage:
        """Wait until the recorder hears."""
        self.until(
            lambda: all(
                p.get_subscription_count() for p in (*self.publishers.values(), self.console)
            )
        )
        self.play(0.3)
        self.sent.clear()
        return self

    def picture(self) -> CameraSample:
        now = time.time_ns()
        pixels = NOISE.integers(0, 255, (96, 96, 3), dtype=np.uint8)
        return CameraSample(
            'front',
            now,
            now,
            'optical',
            pixels,
            pixels[..., 0].astype(np.uint16) + 500,
            np.diag([80.0, 80.0, 1.0]),
            np.eye(4),
        )

    def play(self, seconds: float) -> None:
        """Publish 500 Hz joint states and a 30 Hz camera, as a driver would."""
        begin, count = time.monotonic(), 0
        still = np.zeros(SPEC.n)
        while time.monotonic() < begin + seconds:
            now = time.time_ns()
            self.send(
                SPEC.state.topic,
                convert.joint_state_message(
                    M,
                    JointSample(
                        'joint_states', now, now, SPEC.joint_names, SPEC.ready, still, still
                    ),
                ),
            )
            if count % 16 == 0:
                picture = self.picture()
                self.send(FRONT['info'], convert.camera_info_message(M, picture))
                self.send(FRONT['depth'], convert.depth_message(M, picture))
                self.send(FRONT['rgb'], convert.colour_message(M, picture))
            count += 1
            self.executor.spin_once(timeout_sec=0.0)
            time.sleep(max(0.0, begin + count * 0.002 - time.monotonic()))

    def send(self, topic: str, message) -> None:
        self.publishers[topic].publish(message)
        self.sent[topic] = self.sent.get(topic, 0) + 1

    def say(self, event: EpisodeEvent, outcome: str = '', id: str = 'one') -> None:
        episode = Episode(time.time_ns(), event, id, 'touch the red ball', 'reach', outcome)
        self.console.publish(convert.episode_message(M, episode))

    def until(self, condition, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.folder / 'log').read_text()
            self.executor.spin_once(timeout_sec=0.05)

    def verdict(self) -> dict:
        self.until(lambda: self.verdicts)
        return self.verdicts[-1]

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            assert self.process.wait(10) in (0, -signal.SIGKILL)
        finally:
            self.process.kill()
            self.log.close()
            self.executor.shutdown()
            self.node.destroy_node()
            rclpy.try_shutdown()


@pytest.fixture
def stage(tmp_path):
    stages = []

    def make(**options) -> Stage:
        stages.append(Stage(tmp_path, **options))
        return stages[-1].ready()

    yield make
    for one in stages:
        one.close()


@pytest.mark.parametrize('qos', [reliable, sensor], ids=['reliable', 'best_effort'])
def test_every_message_published_in_an_episode_is_in_the_bag_or_in_the_loss_count(
    stage, tmp_path, qos
) -> None:
    s = stage(sensor_qos=qos)
    s.say(EpisodeEvent.START)
    s.play(2.0)
    s.say(EpisodeEvent.STOP, 'success')
    sent = dict(s.sent)
    s.play(0.5)
    verdict = s.verdict()
    bag = BagReader(tmp_path / 'one')
    for topic, count in sent.items():
        assert bag.topics[topic].count + verdict['lost'].get(topic, 0) == count, (topic, verdict)
    assert (verdict['verdict'] == 'good') == (not verdict['reasons'])
    assert bag.custom['verdict'] == verdict['verdict'] and bag.custom['outcome'] == 'success'


def test_it_names_the_topics_that_are_silent_before_an_episode_begins(stage) -> None:
    s = stage()
    driven = {SPEC.state.topic, FRONT['rgb'], FRONT['depth']}
    s.silent.clear()
    s.play(2.5)
    assert any(not driven & set(silent) for silent in s.silent)
    wrist = SPEC.streams['wrist'].topics['rgb']
    assert s.silent and all(wrist in silent for silent in s.silent)  # there is no such camera here
    s.silent.clear()
    s.until(lambda: len(s.silent) > 2)
    assert driven <= set(s.silent[-1]), 'the driver fell silent'


def test_a_bag_stands_alone_and_other_readers_open_it(stage, tmp_path) -> None:
    s = stage()
    s.say(EpisodeEvent.START)
    s.play(0.5)
    s.say(EpisodeEvent.STOP)
    s.verdict()
    bag = BagReader(tmp_path / 'one')
    info = episode_info(bag)
    assert (info.robot, info.instruction, info.task) == ('ur5e', 'touch the red ball', 'reach')
    assert bag.robot_files()['robot.urdf'] == SPEC.urdf_xml
    assert bag.topics[FRONT['pose']].count == 1  # latched before the episode
    with Reader(tmp_path / 'one') as reader:
        assert len(list(reader.messages())) == bag.count


def test_a_killed_recorder_leaves_a_readable_bag_that_is_not_called_good(stage, tmp_path) -> None:
    s = stage()
    s.say(EpisodeEvent.START)
    s.play(1.0)
    s.process.kill()
    s.process.wait()
    end_ns = time.time_ns()
    bag = BagReader(tmp_path / 'one')
    assert not bag.finished and episode_info(bag).verdict == ''
    stamps = [m.publish_ns for m in bag.messages([SPEC.state.topic])]
    assert end_ns - stamps[-1] < 0.4e9
    assert episode_info(bag).instruction == 'touch the red ball'


def test_a_full_disk_is_reported_and_what_was_written_stays_readable(stage, tmp_path) -> None:
    s = stage(limit_bytes=1_500_000)
    s.say(EpisodeEvent.START)
    s.play(2.5)
    s.say(EpisodeEvent.STOP, 'success')
    verdict = s.verdict()
    assert verdict['verdict'] == 'bad' and verdict['lost'][SPEC.state.topic] > 0
    bag = BagReader(tmp_path / 'one')
    assert 0 < sum(1 for _ in bag.messages()) < sum(s.sent.values())
    assert episode_info(bag).verdict != 'good'
    assert 'cannot be written' in (tmp_path / 'log').read_text()
    assert s.process.poll() is None


def test_a_stalled_required_stream_and_an_early_end_are_not_good(stage, tmp_path) -> None:
    s = stage()
    s.say(EpisodeEvent.START)
    s.play(0.4)
    time.sleep(2 * SPEC.state.timeout_s)
    s.play(0.4)
    s.process.send_signal(signal.SIGINT)
    assert s.process.wait(10) == 0
    bag = BagReader(tmp_path / 'one')
    assert bag.finished and bag.custom['verdict'] == 'bad'
    assert (
        'ended before' in bag.custom['reasons']
        and f'{SPEC.state.topic} 1 times' in bag.custom['reasons']
    )


def test_a_discarded_episode_is_marked(stage, tmp_path) -> None:
    s = stage()
    s.say(EpisodeEvent.START)
    s.play(0.3)
    s.say(EpisodeEvent.DISCARD)
    assert s.verdict()['discarded']
    assert episode_info(BagReader(tmp_path / 'one')).discarded


def test_an_episode_that_cannot_be_recorded_has_a_bad_verdict_and_the_next_one_a_bag(stage) -> None:
    s = stage()
    s.say(EpisodeEvent.START, id='x' * 300)
    verdict = s.verdict()
    assert verdict['verdict'] == 'bad' and 'is no file name' in verdict['reasons'][0]
    s.say(EpisodeEvent.START)
    s.play(0.3)
    s.say(EpisodeEvent.STOP)
    s.until(lambda: len(s.verdicts) == 2)
    assert s.verdicts[-1]['recorded'][SPEC.state.topic] > 0


def test_a_malformed_episode_message_is_reported_and_ignored(stage, tmp_path) -> None:
    s = stage()
    s.console.publish(message_class('gen_stack/msg/Episode')(event=3, id='three'))
    s.until(lambda: 'malformed and ignored' in (tmp_path / 'log').read_text())
    s.say(EpisodeEvent.START)
    s.play(0.3)
    s.say(EpisodeEvent.STOP)
    assert s.verdict()['id'] == 'one' and s.process.poll() is None


BROKEN = """
import sys
from gen_nodes.nodes.data_recorder import DataRecorder
from gen_nodes.ros.spin import main

class Broken(DataRecorder):
    def _write(self):
        raise ValueError('out of ink')

sys.exit(main(Broken))
"""


def test_a_writing_thread_that_fails_ends_the_recorder_with_status_1_and_the_cause(
    tmp_path,
) -> None:
    words = ['--ros-args', '-p', 'robot:=ur5e', '-p', f'output_dir:={tmp_path}']
    done = subprocess.run(
        [sys.executable, '-c', BROKEN, *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "thread 'writer' failed, ValueError: out of ink" in done.stderr.splitlines()[-1]
