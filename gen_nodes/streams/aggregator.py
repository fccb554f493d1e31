"""Samples of all streams to observations: one code path, live and offline. No ROS, no clock, no
thread.

What is offered is taken or dropped for a named reason; `close` hands over what arrived since the
last close. Which samples enter depends on capture stamps, so a replayed bag gives the observations
that the robot saw.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gen_nodes.errors import unknown_name
from gen_nodes.robot import RobotSpec, StreamSpec
from gen_nodes.streams.cameras import CameraLane, PoseAt
from gen_nodes.streams.images import ColourSample, DepthSample, resize_colour, resize_depth
from gen_nodes.streams.joints import JointLane
from gen_nodes.streams.lane import CommandLane, Lane
from gen_nodes.streams.pose import from_xyz_rpy
from gen_nodes.types import (
    Observation,
    Sample,
    StreamHealth,
    TactileSample,
    WrenchSample,
)

EXECUTED = 'executed'
EXECUTED_POLICY_HZ = 50.0
ORDER = ('joint_states', 'wrench', 'camera', 'tactile', 'audio', EXECUTED)  # as in msg Observation


class Aggregator:
    """The core of sensor_aggregator. One thread at a time."""

    def __init__(self, spec: RobotSpec) -> None:
        self.spec = spec
        self.sequence = 0
        self.lanes: dict[str, Lane] = {}
        joints = next(s for s in spec.streams.values() if s.type == 'joint_states')
        self.joints = JointLane(
            joints.name, joints.rate_hz, joints.policy_rate_hz, joints.timeout_s, spec.joint_names
        )
        self.kinematics = spec.kinematics()
        for stream in sorted(spec.streams.values(), key=lambda s: ORDER.index(s.type)):
            self.lanes[stream.name] = self.lane(stream)
        self.commands = CommandLane(EXECUTED, spec.control.rate_hz, EXECUTED_POLICY_HZ, 1.0)

    def lane(self, stream: StreamSpec) -> Lane:
        """Lane of one stream of the robot YAML."""
        common = (stream.name, stream.rate_hz, stream.policy_rate_hz, stream.timeout_s)
        if stream.type == 'joint_states':
            return self.joints
        if stream.type == 'camera':
            pose_at = None if 'pose' in stream.topics else self.mounted(stream)
            return CameraLane(
                *common, (stream.width, stream.height), 'depth' in stream.topics, pose_at
            )
        return Lane(*common)

    def mounted(self, stream: StreamSpec) -> PoseAt:
        """Pose of a camera on a link, from where the joints were."""
        mount = stream.mount
        assert mount is not None, stream.name
        link_from_camera = from_xyz_rpy(mount.xyz, mount.rpy)

        def pose_at(capture_ns: int, final: bool) -> np.ndarray | None:
            q_N = self.joints.history.at(capture_ns, final)
            return (
                None if q_N is None else self.kinematics.frame(mount.parent, q_N) @ link_from_camera
            )

        return pose_at

    def offer(self, sample: Sample) -> str | None:
        """Take a sample; returns None, or the reason for which it is dropped. Raises ConfigError:
        unknown stream.

        Cameras come in pieces (streams/images.py) or whole, at any resolution. `arrival_ns` is the
        time now.
        """
        lane = self.lane_of(sample.stream)
        if isinstance(lane, JointLane | CameraLane):
            return lane.offer(sample)
        lane.received += 1
        reason = content_fault(sample) or lane.stamp_fault(sample.capture_ns, sample.arrival_ns)
        if reason:
            return lane.drop(reason)
        lane.accept(sample)
        return None

    def reject(self, stream: str, reason: str, arrival_ns: int) -> None:
        """Count a message of a stream that never became a sample, e.g. 'malformed'."""
        lane = self.lane_of(stream)
        lane.received += 1
        lane.arrived_ns = max(lane.arrived_ns, arrival_ns)
        lane.drop(reason)

    def lane_of(self, stream: str) -> Lane:
        """Lane of a stream name."""
        if stream == EXECUTED:
            return self.commands
        if stream not in self.lanes:
            raise unknown_name('stream', stream, (*self.lanes, EXECUTED))
        return self.lanes[stream]

    def prepare(self, sample: Sample) -> Sample:
        """The same sample at policy resolution: the slow part of `offer`, free of state, for a
        thread of its own.
        """
        if isinstance(sample, ColourSample):
            lane = self.lanes[sample.stream]
            assert isinstance(lane, CameraLane)
            return ColourSample(
                sample.stream,
                sample.capture_ns,
                sample.arrival_ns,
                sample.frame,
                resize_colour(sample.rgb_HxWx3, *lane.size),
            )
        if isinstance(sample, DepthSample):
            lane = self.lanes[sample.stream]
            assert isinstance(lane, CameraLane)
            return DepthSample(
                sample.stream,
                sample.capture_ns,
                sample.arrival_ns,
                resize_depth(sample.depth_mm_HxW, *lane.size),
            )
        return sample

    def close(self, now_ns: int, instruction: str) -> Observation:
        """Everything taken since the last close, in the order of msg Observation, arriving now."""
        samples = tuple(
            s for lane in (*self.lanes.values(), self.commands) for s in lane.take(now_ns)
        )
        self.sequence += 1
        return Observation(now_ns, self.sequence, instruction, samples, self.health(now_ns))

    def health(self, now_ns: int) -> tuple[StreamHealth, ...]:
        """Every stream of the robot YAML."""
        return tuple(lane.health(now_ns) for lane in self.lanes.values())

    def counts(self, now_ns: int) -> Mapping[str, StreamHealth]:
        """Health with the executed commands, for accounting; what is neither used nor dropped is
        still pending.
        """
        return {lane.stream: lane.health(now_ns) for lane in (*self.lanes.values(), self.commands)}

    def clock_stepped(self) -> None:
        """The ROS clock jumped: stamps from before say nothing about those after."""
        for lane in (*self.lanes.values(), self.commands):
            lane.forget_order()


def content_fault(sample: Sample) -> str | None:
    """'not finite' where a value of a plain sample is."""
    if isinstance(sample, WrenchSample):
        values = np.concatenate((sample.force, sample.torque))
    elif isinstance(sample, TactileSample):
        values = sample.force_RxC
    elif hasattr(sample, 'values') and hasattr(sample, 'rates'):
        values = np.concatenate((sample.values, sample.rates))
    else:
        return None
    return None if np.isfinite(values).all() else 'not finite'
