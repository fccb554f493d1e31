"""Kinematics of a robot: Pinocchio for one configuration, vectorised numpy for many.

All frames and vectors are in the robot's base frame [m]. q is (N,) in the order of
RobotSpec.joints [rad, m]; joints that are not commanded rest at the allowed value next to zero,
mimic joints follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pinocchio as pin

from gen_nodes.descriptors import STATIC_FEATURES, JointDescriptors, static_row
from gen_nodes.errors import RobotError, unknown_name
from gen_nodes.urdf import read_urdf

if TYPE_CHECKING:
    from gen_nodes.joints import JointSpec

DAMPING = 0.02  # [m] singular values of a Jacobian well above it count in full

__all__ = ['STATIC_FEATURES', 'JointDescriptors', 'Kinematics']


class Kinematics:
    """Forward kinematics, Jacobians and descriptors. Not thread-safe: make one per thread."""

    def __init__(
        self, urdf_xml: str, base_frame: str, joints: tuple[JointSpec, ...], tips: tuple[str, ...]
    ) -> None:
        self._model = build_model(urdf_xml)
        self._data = self._model.createData()
        # Pinocchio's q is integrated from here, since it holds a continuous joint as (cos, sin).
        self._neutral = pin.neutral(self._model)
        self._joints = joints
        self.tip_names = tips
        self.frame_names = frozenset(
            f.name for f in self._model.frames if f.type == pin.FrameType.BODY
        )
        self._rest, self._spread = affine(self._model, urdf_xml, [joint.name for joint in joints])
        self._ids = [self._model.getJointId(joint.name) for joint in joints]
        self._axes = joint_axes(self._model)
        self._base_from_root = np.linalg.inv(self._fixed_frame(base_frame))
        self._tip_frames = [self._model.frames[self._frame_id(tip)] for tip in tips]
        self._topology()

    @property
    def n(self) -> int:
        """Number of commanded joints."""
        return len(self._joints)

    def frame(self, name: str, q_N: np.ndarray) -> np.ndarray:
        """Pose of a link frame, 4x4; raises ConfigError at an unknown name."""
        frame = self._frame_id(name)
        pin.forwardKinematics(self._model, self._data, self._full(q_N))
        return (
            self._base_from_root
            @ pin.updateFramePlacement(self._model, self._data, frame).homogeneous
        )

    def tips(self, q_N: np.ndarray) -> np.ndarray:
        """Positions of the tips, (T, 3)."""
        return np.array([self.frame(name, q_N)[:3, 3] for name in self.tip_names])

    def jacobian(self, frame: str, q_N: np.ndarray) -> np.ndarray:
        """(6, N): velocity of a frame's origin over its angular velocity, base axes, per joint."""
        full = (
            pin.computeFrameJacobian(
                self._model,
                self._data,
                self._full(q_N),
                self._frame_id(frame),
                pin.LOCAL_WORLD_ALIGNED,
            )
            @ self._spread
        )
        rotation = self._base_from_root[:3, :3]
        return np.concatenate((rotation @ full[:3], rotation @ full[3:]))

    def joint_frames(self, q_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Origins (N, 3) and unit axes (N, 3) of the commanded joints."""
        d = self.descriptors(q_N)
        return d.origin, d.axis

    def descriptors(self, q_N: np.ndarray) -> JointDescriptors:
        """Descriptors at one configuration, by Pinocchio."""
        pin.forwardKinematics(self._model, self._data, self._full(q_N))
        rotations = np.array([self._data.oMi[i].rotation for i in self._ids])
        origins = np.array([self._data.oMi[i].translation for i in self._ids])
        tips = np.array(
            [self._data.oMi[f.parentJoint].act(f.placement.translation) for f in self._tip_frames]
        )
        return self._describe(rotations, origins, tips)

    def batch_descriptors(self, q_BxN: np.ndarray) -> JointDescriptors:
        """Descriptors at B configurations, vectorised over B."""
        rotations, origins = self._batch(q_BxN)
        return self._describe(
            np.stack([rotations[i] for i in self._ids], axis=-3),
            np.stack([origins[i] for i in self._ids], axis=-2),
            self._batch_tips(rotations, origins),
        )

    def batch_tips(self, q_BxN: np.ndarray) -> np.ndarray:
        """Positions of the tips at B configurations, (B, T, 3), vectorised over B."""
        rotation, offset = self._base_from_root[:3, :3], self._base_from_root[:3, 3]
        return self._batch_tips(*self._batch(q_BxN)) @ rotation.T + offset

    def batch_frames(self, name: str, q_BxN: np.ndarray) -> np.ndarray:
        """Poses of a link frame at B configurations, (B, 4, 4), vectorised over B."""
        frame = self._model.frames[self._frame_id(name)]
        rotations, origins = self._batch(q_BxN)
        poses = np.tile(np.eye(4), (len(q_BxN), 1, 1))
        poses[:, :3, :3] = rotations[frame.parentJoint] @ frame.placement.rotation
        poses[:, :3, 3] = (
            rotations[frame.parentJoint] @ frame.placement.translation + origins[frame.parentJoint]
        )
        return self._base_from_root @ poses

    def _describe(
        self, rotations: np.ndarray, origins: np.ndarray, tips: np.ndarray
    ) -> JointDescriptors:
        """From rotations (..., N, 3, 3), origins (..., N, 3), tips (..., T, 3) in root axes."""
        base, offset = self._base_from_root[:3, :3], self._base_from_root[:3, 3]
        axis = np.einsum('...nij,nj->...ni', base @ rotations, self._axes[self._ids])
        origin = origins @ base.T + offset
        tip = (tips @ base.T + offset)[..., self.chain, :]
        turning = np.array([joint.type != 'prismatic' for joint in self._joints])[:, None]
        lever = np.where(turning, np.cross(axis, tip - origin), axis) * self._moves_tip[:, None]
        part = self._parts(lever)
        return JointDescriptors(
            self._static, origin, axis, tip, lever, part, self.chain, self.parent, self.depth
        )

    def _parts(self, lever: np.ndarray) -> np.ndarray:
        """Damped pseudo-inverse of every tip's Jacobian, whose columns are levers (..., N, 3)."""
        part = np.zeros_like(lever)
        for tip in range(len(self._tip_frames)):
            columns = lever[..., self.chain == tip, :]
            square = np.swapaxes(columns, -1, -2) @ columns + DAMPING**2 * np.eye(3)
            part[..., self.chain == tip, :] = columns @ np.linalg.inv(square)
        return part

    def _batch(self, q_BxN: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Rotations (B, 3, 3) and origins (B, 3) of all joints in the root frame, by joint id."""
        q = self._rest + np.asarray(q_BxN, float) @ self._spread.T
        rotations, origins = [np.tile(np.eye(3), (len(q), 1, 1))], [np.zeros((len(q), 3))]
        for i in range(1, self._model.njoints):
            parent, placement = self._model.parents[i], self._model.jointPlacements[i]
            rotation = rotations[parent] @ placement.rotation
            origin = rotations[parent] @ placement.translation + origins[parent]
            value = q[:, self._model.idx_vs[i]]
            if is_prismatic(self._model, i):
                origin = origin + (rotation @ self._axes[i]) * value[:, None]
            else:
                rotation = rotation @ _turn(self._axes[i], value)
            rotations.append(rotation)
            origins.append(origin)
        return rotations, origins

    def _batch_tips(self, rotations: list[np.ndarray], origins: list[np.ndarray]) -> np.ndarray:
        return np.stack(
            [
                rotations[f.parentJoint] @ f.placement.translation + origins[f.parentJoint]
                for f in self._tip_frames
            ],
            axis=-2,
        )

    def _full(self, q_N: np.ndarray) -> np.ndarray:
        q = np.asarray(q_N, float)
        if q.shape != (self.n,):
            raise ValueError(f'q must have shape ({self.n},), has {q.shape}')
        return pin.integrate(self._model, self._neutral, self._rest + self._spread @ q)

    def _frame_id(self, name: str) -> int:
        if name not in self.frame_names:
            raise unknown_name('frame', name, self.frame_names)
        return self._model.getFrameId(name, pin.FrameType.BODY)

    def _fixed_frame(self, name: str) -> np.ndarray:
        frame = self._model.frames[self._frame_id(name)]
        if frame.parentJoint != 0:
            raise RobotError(
                f"base_frame '{name}' moves with joint '{self._model.names[frame.parentJoint]}'; "
                f'choose a link that is fixed to the root of the URDF'
            )
        return frame.placement.homogeneous

    def _topology(self) -> None:
        """Parents, depths, and the tip that each joint belongs to, among commanded joints only."""
        ways = [
            [self._ids.index(i) for i in self._way(joint) if i in self._ids] for joint in self._ids
        ]
        tip_ways = [
            [self._ids.index(i) for i in self._way(f.parentJoint) if i in self._ids]
            for f in self._tip_frames
        ]
        self.parent = _frozen([way[-2] if len(way) > 1 else -1 for way in ways], int)
        self.depth = _frozen([len(way) - 1 for way in ways], int)
        # nearest tip that the joint moves; without one, the tip that shares most of its way
        self.chain = _frozen(
            [
                max(
                    range(len(tip_ways)),
                    key=lambda t: (
                        j in tip_ways[t],
                        len(set(ways[j]) & set(tip_ways[t])),
                        -len(tip_ways[t]),
                    ),
                )
                for j in range(self.n)
            ],
            int,
        )
        self._moves_tip = np.array([float(j in tip_ways[self.chain[j]]) for j in range(self.n)])
        heights = [
            len(tip_ways[t]) - len(set(ways[j]) & set(tip_ways[t]))
            for j, t in enumerate(self.chain)
        ]
        self._static = _frozen(
            [
                static_row(joint, self.depth[j], heights[j], self._moves_tip[j])
                for j, joint in enumerate(self._joints)
            ],
            np.float32,
        )

    def _way(self, joint: int) -> list[int]:
        """Joint ids from the base to `joint`, both in."""
        way = []
        while joint > 0:
            way.append(joint)
            joint = self._model.parents[joint]
        return way[::-1]


def build_model(urdf_xml: str) -> pin.Model:
    """Pinocchio's model of a URDF; raises RobotError where a joint has several freedoms."""
    try:
        model = pin.buildModelFromXML(urdf_xml)
    except (ValueError, RuntimeError) as error:
        raise RobotError(f'Pinocchio cannot read the URDF: {error}') from error
    for i in range(1, model.njoints):
        if model.joints[i].nv != 1:
            raise RobotError(
                f"joint '{model.names[i]}' has {model.joints[i].nv} degrees of freedom; "
                f'only revolute, continuous and prismatic ones are served'
            )
    return model


def affine(model: pin.Model, urdf_xml: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(rest, spread): q of all joints = rest + spread @ q of the commanded ones, by Pinocchio's
    velocity index.
    """
    joints = read_urdf(urdf_xml, 'URDF').joints
    rest, spread = np.zeros(model.nv), np.zeros((model.nv, len(names)))
    for name, joint in joints.items():
        row = model.idx_vs[model.getJointId(name)]
        leader, factor, offset = joint.mimic or (name, 1.0, 0.0)
        if leader in names:
            spread[row, names.index(leader)] = factor
            rest[row] = offset
        else:
            rest[row] = offset + factor * np.clip(0.0, joints[leader].lower, joints[leader].upper)
    return rest, spread


def joint_axes(model: pin.Model) -> np.ndarray:
    """Unit axis of every joint in its own frame, (njoints, 3), from its motion subspace."""
    data = model.createData()
    pin.forwardKinematics(model, data, pin.neutral(model))
    axes = np.zeros((model.njoints, 3))
    for i in range(1, model.njoints):
        subspace = np.asarray(data.joints[i].S).reshape(6)
        axes[i] = subspace[:3] if is_prismatic(model, i) else subspace[3:]
    return axes


def is_prismatic(model: pin.Model, joint: int) -> bool:
    """Whether a joint slides; all others turn."""
    return model.joints[joint].shortname().startswith('JointModelP')


def _turn(axis: np.ndarray, angle_B: np.ndarray) -> np.ndarray:
    """Rotations about a unit axis, (B, 3, 3), by Rodrigues' formula."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sin, cos = np.sin(angle_B)[:, None, None], np.cos(angle_B)[:, None, None]
    return np.eye(3) + sin * k + (1 - cos) * (k @ k)


def _frozen(values: object, dtype: type) -> np.ndarray:
    array = np.array(values, dtype)
    array.flags.writeable = False
    return array
