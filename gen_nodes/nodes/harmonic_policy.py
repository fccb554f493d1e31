"""Node harmonic_policy: observations in, action chunks out. Torch runs in a worker thread."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import torch

from gen_nodes.checkpoint_files import shipped_checkpoint
from gen_nodes.policy.harmonic import load_policy
from gen_nodes.policy.protocol import Policy
from gen_nodes.policy.worker import PolicyWorker
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.diagnostics import Level, Status
from gen_nodes.ros.episodes import hear_episodes
from gen_nodes.ros.lifecycle import GenNode, robot_parameter
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.parameters import Parameter
from gen_nodes.ros.qos import overridable, reliable, sensor
from gen_nodes.ros.spin import ACTING, main
from gen_nodes.types import (
    NS,
    ActionChunk,
    CameraSample,
    Episode,
    EpisodeEvent,
    JointSample,
    Observation,
)

REPORT_PERIOD_S = 0.2
WARM_UP_OBSERVATIONS = 20
WARM_UP_PERIOD_NS = NS // 50

PARAMETERS = (
    robot_parameter(),
    Parameter('checkpoint', '', 'trained policy (.safetensors); empty: the one that ships'),
    Parameter(
        'decide_hz',
        25.0,
        "decisions per second [Hz]; observations come at the aggregator's rate",
        1.0,
        100.0,
    ),
    Parameter('threads', 1, 'threads for the network', 1, 64),
)


class HarmonicPolicyNode(GenNode):
    """ROS around a Policy."""

    def __init__(self) -> None:
        super().__init__('harmonic_policy', PARAMETERS)
        self._worker: PolicyWorker | None = None
        self._working = False

    # Lifecycle

    def configure(self) -> None:
        spec = load_robot(self.parameters['robot'])
        torch.set_num_threads(self.parameters['threads'])
        self._policy = load_policy(self.parameters['checkpoint'] or shipped_checkpoint(), spec)
        warm_up(self._policy, spec, self.now_ns())
        self._make, self._base_frame = RclpyMessages(), spec.base_frame
        self.diagnostics.hardware_id = spec.name
        required = [stream.name for stream in spec.streams.values() if stream.required]
        self._worker = PolicyWorker(
            self._policy, required, self.parameters['decide_hz'], self._send
        )
        self._chunks = self.create_publisher(
            message_class('gen_stack/msg/ActionChunk'),
            'action_chunk',
            reliable(25),
            qos_overriding_options=overridable(),
        )
        self._inputs = [
            self.create_subscription(
                message_class('gen_stack/msg/Observation'),
                'observation',
                self._on_observation,
                sensor(5),
                qos_overriding_options=overridable(),
            ),
            hear_episodes(self, self._on_episode),
        ]
        self._report_timer = self.create_timer(REPORT_PERIOD_S, self._report)

    def activate(self) -> None:
        self._worker.start()
        self._working = True

    def deactivate(self) -> None:
        if not self._working:
            return
        self._working = False
        if not self._worker.stop():
            self.get_logger().error('the policy did not come back from its last step')

    def cleanup(self) -> None:
        if self._worker is None:
            return
        self.destroy_publisher(self._chunks)
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self.destroy_timer(self._report_timer)
        self._worker = None

    # Callbacks

    def _on_observation(self, message) -> None:
        if self._working:
            self._worker.offer(partial(convert.observation_of, message))

    def _on_episode(self, episode: Episode) -> None:
        if not self._working:
            return
        if episode.event == EpisodeEvent.START:
            self._worker.reset(episode.instruction)
        else:
            self._worker.end_episode()

    def _send(self, chunk: ActionChunk) -> None:
        self._chunks.publish(convert.action_chunk_message(self._make, chunk, self._base_frame))

    def _report(self) -> None:
        if not self._working:
            return
        status = self._worker.status()
        values = {
            'decisions': str(status.decisions),
            'tick_p50_ms': f'{status.p50_ms:.2f}',
            'tick_p99_ms': f'{status.p99_ms:.2f}',
        }
        if status.failed:
            self.pulse.unfit(status.cause, status.next_step)
        else:
            self.pulse.fit()
        if not status.cause:
            self.diagnostics.ok('policy', 'decides', values)
            return
        level = Level.ERROR if status.failed else Level.WARN
        cause = f'{status.cause}; no chunk is published and the robot holds'
        self.diagnostics.report('policy', Status(level, cause, status.next_step, values))


def warm_up(policy: Policy, spec: RobotSpec, now_ns: int) -> None:
    """Let the policy see and decide on made-up input, so that its first real decision is not its
    slowest.
    """
    for tick in range(WARM_UP_OBSERVATIONS):
        observation = _made_up(spec, now_ns + tick * WARM_UP_PERIOD_NS, tick + 1)
        policy.observe(observation)
        policy.act(observation.stamp_ns)
    policy.reset('')


def _made_up(spec: RobotSpec, stamp_ns: int, sequence: int) -> Observation:
    """An observation of the robot in its ready pose, with noise for images."""
    random, still = np.random.default_rng(sequence), np.zeros(spec.n)
    samples = [
        JointSample('joint_states', stamp_ns, stamp_ns, spec.joint_names, spec.ready, still, still)
    ]
    for stream in spec.streams.values():
        if stream.type == 'camera':
            size = (stream.height, stream.width)
            samples.append(
                CameraSample(
                    stream.name,
                    stamp_ns,
                    stamp_ns,
                    f'{stream.name}_optical',
                    random.integers(0, 255, (*size, 3), dtype=np.uint8),
                    random.integers(300, 2000, size, dtype=np.uint16),
                    np.array([[size[1], 0, size[1] / 2], [0, size[1], size[0] / 2], [0, 0, 1.0]]),
                    np.eye(4),
                )
            )
    return Observation(stamp_ns, sequence, 'touch the red ball', tuple(samples))


if __name__ == '__main__':
    sys.exit(main(HarmonicPolicyNode, niceness=ACTING))
