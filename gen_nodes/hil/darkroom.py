"""From what a camera is told to see to its image, in any thread."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from gen_nodes.hil.camera import Look, RayCaster
from gen_nodes.hil.plant import Plant
from gen_nodes.hil.world import WorldConfig
from gen_nodes.robot import Mount, RobotSpec
from gen_nodes.types import CameraSample


@dataclass(frozen=True)
class Exposure:
    """A picture that is to be rendered: everything it depends on, so that another thread may do it
    later.
    """

    stream: str
    capture_ns: int
    qpos: np.ndarray
    ball_positions_Bx3: np.ndarray
    look: Look
    world_from_camera_4x4: np.ndarray | None  # of a free-standing camera; None: where its mount is
    noise_seed: int


class Darkroom:
    """Turns exposures into images. Not thread-safe: one per thread."""

    def __init__(self, plant: Plant, spec: RobotSpec, world: WorldConfig) -> None:
        self._model = plant.model
        self._data = mujoco.MjData(plant.model)
        self._caster = RayCaster(plant.model, plant.floor_geom, world.camera)
        self._mounts = {
            name: (plant.body(stream.mount.parent), mount_matrix(stream.mount))
            for name, stream in spec.streams.items()
            if stream.type == 'camera' and stream.mount is not None
        }

    @property
    def k_3x3(self) -> np.ndarray:
        """Intrinsics of every camera [pixel]."""
        return self._caster.k_3x3

    def develop(self, exposure: Exposure) -> CameraSample:
        """The image, as noisy as its seed says."""
        pose, exclude = self._set(exposure)
        rng = np.random.Generator(np.random.SFC64(exposure.noise_seed))
        rgb, depth = self._caster.render(self._data, pose, exclude, exposure.look, rng)
        return CameraSample(
            exposure.stream,
            exposure.capture_ns,
            exposure.capture_ns,
            optical_frame(exposure.stream),
            rgb,
            depth,
            self._caster.k_3x3,
            pose,
        )

    def geoms(self, exposure: Exposure) -> np.ndarray:
        """Geom id per pixel (H, W), -1 for nothing."""
        pose, exclude = self._set(exposure)
        return self._caster.geoms(self._data, pose, exclude)

    def visible_share(self, exposure: Exposure, ball: int, ball_geom: int, radius: float) -> float:
        """Share of a ball's outline disc that the camera sees (0 where it is outside the image)."""
        pose, exclude = self._set(exposure)
        to_camera = pose[:3, 3] - exposure.ball_positions_Bx3[ball]
        points = exposure.ball_positions_Bx3[ball] + 0.9 * radius * _disc(to_camera)
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        pixels = local @ self._caster.k_3x3.T
        inside = (pixels[:, 2] > 0) & (
            np.abs(pixels[:, :2] / pixels[:, 2:] - self.k_3x3[:2, 2]) <= self.k_3x3[:2, 2]
        ).all(1)
        hits = [
            self._caster.first_geom(self._data, pose[:3, 3], point, exclude) == ball_geom
            for point in points
        ]
        return float(np.mean(inside & hits))

    def _set(self, exposure: Exposure) -> tuple[np.ndarray, int]:
        self._data.qpos[:] = exposure.qpos
        self._data.mocap_pos[:] = exposure.ball_positions_Bx3
        mujoco.mj_kinematics(self._model, self._data)
        if exposure.world_from_camera_4x4 is not None:
            return exposure.world_from_camera_4x4, -1
        body, mount = self._mounts[exposure.stream]
        pose = np.eye(4)
        pose[:3, :3] = self._data.xmat[body].reshape(3, 3)
        pose[:3, 3] = self._data.xpos[body]
        return pose @ mount, body


def optical_frame(stream: str) -> str:
    """Frame id of a camera's images (REP-103 optical frame)."""
    return f'{stream}_optical_frame'


def mount_matrix(mount: Mount) -> np.ndarray:
    """Pose (4, 4) of a sensor in the link that carries it."""
    rotation, quaternion = np.empty(9), np.empty(4)
    mujoco.mju_euler2Quat(quaternion, np.array(mount.rpy), 'XYZ')  # fixed axes, as URDF's rpy
    mujoco.mju_quat2Mat(rotation, quaternion)
    pose = np.eye(4)
    pose[:3, :3] = rotation.reshape(3, 3)
    pose[:3, 3] = mount.xyz
    return pose


def _disc(normal_3: np.ndarray, points: int = 8) -> np.ndarray:
    """Unit circle perpendicular to a direction and its centre, (points + 1, 3)."""
    across = np.cross(normal_3, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    along = np.cross(normal_3, across) / np.linalg.norm(normal_3)
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    circle = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * along
    return np.concatenate([circle, np.zeros((1, 3))])
