"""The policy node on real rclpy, with an untrained network: what it refuses matters here, not where
it reaches.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gen_nodes.nodes.harmonic_policy import HarmonicPolicyNode
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages
from gen_nodes.types import (
    CameraSample,
    Episode,
    EpisodeEvent,
    JointSample,
    Observation,
    StreamHealth,
    StreamState,
)

ROBOT = 'ur5e'
SPEC = load_robot(ROBOT)
MESSAGES = RclpyMessages()
INSTRUCTION = 'touch the red ball'


@pytest.fixture(scope='module')
def checkpoint(untrained) -> Path:
    return untrained('front', 'wrist')


class Bench:
    """An aggregator's voice: observations at 50 Hz."""

    def __init__(self, rig, checkpoint: Path, latched) -> None:
        self.rig, self.sequence, self.silent = rig, 0, False
        self.changes: dict = {}
        self.stamps: list[int] = []
        self.node = rig.start(HarmonicPolicyNode, robot=ROBOT, checkpoint=checkpoint)
        self.chunks = rig.listen('gen_stack/msg/ActionChunk', 'action_chunk')
        self.diagnostics = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
        self.observations = rig.publisher('gen_stack/msg/Observation', 'observation')
        self.episodes = rig.publisher('gen_stack/msg/Episode', 'episode', latched)
        rig.every(0.02, self.observe)

    def observe(self) -> None:
        if self.silent:
            return
        self.sequence += 1
        now = self.rig.probe.get_clock().now().nanoseconds
        still = np.zeros(SPEC.n)
        samples = [
            JointSample('joint_states', now, now, SPEC.joint_names, SPEC.ready, still, still)
        ]
        if self.sequence % 2 == 0:
            samples.append(self.camera(now))
        health = tuple(
            StreamHealth(name, StreamState.LIVE, 30.0, 0.01, 1, 1) for name in SPEC.streams
        )
        observation = Observation(now, self.sequence, INSTRUCTION, tuple(samples), health)
        observation = replace(observation, **self.changes)
        self.stamps.append(now)
        self.observations.publish(
            convert.observation_message(MESSAGES, observation, SPEC.base_frame)
        )

    def camera(self, now: int) -> CameraSample:
        stream, random = SPEC.streams['front'], np.random.default_rng(self.sequence)
        size = (stream.height, stream.width)
        return CameraSample(
            'front',
            now,
            now,
            'front_optical',
            random.integers(0, 255, (*size, 3), dtype=np.uint8),
            np.full(size, 800, np.uint16),
            np.diag([96.0, 96.0, 1.0]),
            np.eye(4),
        )

    def episode(self, event: EpisodeEvent) -> None:
        now = self.rig.probe.get_clock().now().nanoseconds
        self.episodes.publish(
            convert.episode_message(MESSAGES, Episode(now, event, 'e1', INSTRUCTION))
        )

    def decides(self) -> None:
        """Wait for a new chunk."""
        self.chunks.clear()
        self.rig.until(lambda: len(self.chunks) > 2)

    def falls_silent(self) -> None:
        """Wait until no chunk came for a while, though observations did."""

        def quiet() -> bool:
            self.chunks.clear()
            before = self.sequence
            self.rig.spin(0.6)
            return self.chunks == [] and (self.sequence > before or self.silent)

        self.rig.until(quiet)


@pytest.fixture
def bench(rig, checkpoint, latched) -> Bench:
    bench = Bench(rig, checkpoint, latched)
    bench.decides()
    return bench


def test_it_decides_on_the_time_of_every_second_observation_for_all_joints(bench):
    bench.chunks.clear()
    bench.rig.until(lambda: len(bench.chunks) > 30)
    newest = bench.chunks[-1]
    assert tuple(newest.joint_names) == SPEC.joint_names
    decided = [bench.stamps.index(convert.stamp_ns(chunk)) for chunk in bench.chunks]
    assert np.median(np.diff(decided)) == 2
    assert newest.times[-1] >= 0.8
    assert np.isfinite(newest.values).all()


@pytest.mark.parametrize(
    ('state', 'cause'),
    [
        (StreamState.FAULTY, "stream 'front' is unusable"),
        (StreamState.STALE, "stream 'front' is silent"),
    ],
)
def test_a_blind_camera_silences_it_and_is_named(bench, statuses, state, cause):
    good = tuple(StreamHealth(name, StreamState.LIVE, 30.0, 0.01, 1, 1) for name in SPEC.streams)
    bench.changes = {
        'health': tuple(
            replace(health, state=state) if health.stream == 'front' else health for health in good
        )
    }
    bench.rig.until(
        lambda: any(text.startswith(cause) for _, text, _ in statuses(bench.diagnostics, 'policy'))
    )
    bench.falls_silent()
    bench.changes = {}
    bench.decides()


def test_without_an_instruction_it_decides_nothing(bench, statuses):
    bench.changes = {'instruction': ''}
    bench.rig.until(
        lambda: any(
            text.startswith('no instruction')
            for _, text, _ in statuses(bench.diagnostics, 'policy')
        )
    )
    bench.falls_silent()


def test_an_episodes_end_silences_it_and_its_start_begins_anew(bench):
    bench.episode(EpisodeEvent.STOP)
    bench.falls_silent()
    bench.episode(EpisodeEvent.START)
    bench.decides()
    assert bench.chunks[0].sequence <= 3


def test_without_observations_it_says_nothing(bench):
    bench.silent = True
    bench.falls_silent()


def test_its_latency_is_on_the_diagnostics(bench):
    bench.rig.spin(1.2)
    values = {
        pair.key: pair.value
        for message in bench.diagnostics
        for status in message.status
        if status.name.endswith(': policy')
        for pair in status.values
    }
    assert 0 < float(values['tick_p50_ms']) <= float(values['tick_p99_ms'])


@pytest.mark.parametrize(
    ('robot', 'path', 'line'),
    [
        ('ur5e', 'nowhere.safetensors', "checkpoint 'nowhere.safetensors' does not exist"),
        ('ur5', 'nowhere.safetensors', "unknown robot 'ur5'. Did you mean 'ur5e'?"),
        ('ur5e', 'truncated', 'is damaged or truncated'),
    ],
)
def test_what_cannot_be_loaded_is_one_clear_line_and_exit_status_1(
    checkpoint, tmp_path, robot, path, line
):
    if path == 'truncated':
        path = tmp_path / 'truncated.safetensors'
        path.write_bytes(checkpoint.read_bytes()[:100_000])
    words = ['--ros-args', '-p', f'robot:={robot}', '-p', f'checkpoint:={path}']
    done = subprocess.run(
        [sys.executable, '-m', 'gen_nodes.nodes.harmonic_policy', *words],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert line in done.stderr.splitlines()[-1]
    assert 'Traceback' not in done.stderr + done.stdout
