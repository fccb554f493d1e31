"""Observations to tokens' inputs: one code path, live and offline. No torch, no clock.

Everything is in physical units scaled by constants of this file, never by statistics of a robot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gen_nodes.kinematics import STATIC_FEATURES, JointDescriptors
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, CameraSample, CommandSample, Frozen, JointSample, Observation

TOKENISER_VERSION = 3  # raise it where the network is told something else of the same samples
STATE_FEATURES = 3
GEOMETRY_FEATURES = 15
JOINT_FEATURES = STATE_FEATURES + GEOMETRY_FEATURES + STATIC_FEATURES


@dataclass(frozen=True)
class Body(Frozen):
    """The robot at one instant, (N,) arrays in the spec's joint order [rad, rad/s (m, m/s)].

    position: measured at capture_ns; command, rate: the newest command known on arrival_ns.
    """

    capture_ns: int
    arrival_ns: int
    position: np.ndarray
    command: np.ndarray
    rate: np.ndarray


@dataclass(frozen=True)
class TokenBlock:
    """What one observation adds to the stream: frames, and the newest body (None before the first
    joint state).
    """

    arrival_ns: int
    frames: tuple[CameraSample, ...]
    body: Body | None
    body_enters: (
        bool  # whether `body` becomes joint tokens of the stream, or only serves the next decision
    )


class Tokeniser:
    """Turns observations into token blocks; remembers the newest joint state and command."""

    def __init__(self, spec: RobotSpec, cameras: tuple[str, ...], body_period_s: float) -> None:
        self.joint_names, self.cameras = spec.joint_names, cameras
        self.period_ns = round(body_period_s * NS)
        self.reset()

    def reset(self) -> None:
        """Forget the past (a new episode)."""
        self.joints: JointSample | None = None
        self.command: CommandSample | None = None
        self.entered_ns: int | None = None

    def push(self, observation: Observation) -> TokenBlock:
        """Tokens of one observation. Samples of streams this policy does not know are ignored."""
        frames = tuple(
            s
            for s in observation.samples
            if isinstance(s, CameraSample)
            and s.stream in self.cameras
            and s.depth_mm_HxW is not None
        )
        for sample in observation.samples:
            if isinstance(sample, JointSample) and (
                self.joints is None or sample.capture_ns > self.joints.capture_ns
            ):
                self.joints = sample
            elif isinstance(sample, CommandSample) and (
                self.command is None or sample.capture_ns >= self.command.capture_ns
            ):
                self.command = sample
        if self.joints is None:
            return TokenBlock(observation.stamp_ns, frames, None, False)
        body = body_of(self.joints, self.command, self.joint_names, observation.stamp_ns)
        enters = self.entered_ns is None or body.capture_ns - self.entered_ns >= self.period_ns
        if enters:
            self.entered_ns = body.capture_ns
        return TokenBlock(observation.stamp_ns, frames, body, enters)


def by_name(names: tuple[str, ...], values: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
    """Values in the order of `wanted`, NaN where a name is absent. Joint order is never assumed."""
    index: Mapping[str, int] = {name: i for i, name in enumerate(names)}
    return np.array([values[index[name]] if name in index else np.nan for name in wanted])


def body_of(
    joints: JointSample, command: CommandSample | None, names: tuple[str, ...], arrival_ns: int
) -> Body:
    """Body from the newest joint state and command. Without a command yet, the measured position
    stands for it.
    """
    position = by_name(joints.names, joints.position, names)
    if command is None:
        return Body(joints.capture_ns, arrival_ns, position, position, np.zeros_like(position))
    values, rates = (
        by_name(command.names, command.values, names),
        by_name(command.names, command.rates, names),
    )
    return Body(
        joints.capture_ns,
        arrival_ns,
        position,
        np.where(np.isfinite(values), values, position),
        np.nan_to_num(rates),
    )


class JointArrays(NamedTuple):
    """Network input of every joint, float32: features (..., N, JOINT_FEATURES), tip (..., N, 3)
    [m], part (..., N, 3) [rad/m].
    """

    features: np.ndarray
    tip: np.ndarray
    part: np.ndarray


def joint_arrays(
    position: np.ndarray, lower: np.ndarray, upper: np.ndarray, descriptors: JointDescriptors
) -> JointArrays:
    """Network input from positions (..., N) and the descriptors there.

    No velocity: in demonstrations the present motion foretells the next so well that a learner
    goes on as it goes, instead of looking (the copycat problem, Wen et al. 2020, arXiv 2010.14876).
    """
    room = (np.tanh(2 * (upper - position)), np.tanh(2 * (position - lower)))
    state = np.stack((position / np.pi, *room), axis=-1)
    reach = descriptors.tip - descriptors.origin
    geometry = np.concatenate(
        (descriptors.origin, descriptors.axis, descriptors.tip, reach, descriptors.lever), axis=-1
    )
    static = np.broadcast_to(descriptors.static, (*position.shape, STATIC_FEATURES))
    features = np.concatenate((state, geometry, static), axis=-1)
    return JointArrays(
        *(x.astype(np.float32) for x in (features, descriptors.tip, descriptors.part))
    )
