"""RGB-D images by ray casting: a camera without OpenGL.

MuJoCo's `mj_multiRay` gives distance, geom and surface normal per pixel; colour is Lambert's law
with one light.
Optical frames follow REP-103 (z forward, x right, y down); pixel centres are at integer coordinates
(OpenCV).
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from gen_nodes.errors import ConfigError
from gen_nodes.hil.world import CameraConfig

TILE = 8  # pixels
FAR_SQUARES = 1 << 14
BANK = 1 << 20  # random numbers kept for noise
RAY_GROUPS = np.array([0, 1, 1, 0, 0, 0], np.uint8)  # visible: robot visuals (1) and the world (2)


@dataclass(frozen=True)
class Look:
    """How an episode looks: colours and light, as linear 0..1 values."""

    rgb_Rx3: (
        np.ndarray
    )  # float32: one row per geom, two for the floor's chequers, the last for nothing
    chequer_m: float
    to_light: np.ndarray  # unit vector in the world
    ambient_rgb: np.ndarray
    diffuse_rgb: np.ndarray

    @property
    def first_floor_row(self) -> int:
        """Row of the first chequer's colour."""
        return len(self.rgb_Rx3) - 3


def intrinsics(width: int, height: int, fov_deg: float) -> np.ndarray:
    """Pinhole matrix (3, 3) [pixel] for a horizontal field of view of `fov_deg`, square pixels."""
    focal = width / (2 * np.tan(np.radians(fov_deg) / 2))
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def look_at(position: np.ndarray, target: np.ndarray, roll_rad: float = 0.0) -> np.ndarray:
    """Pose (4, 4) of an optical frame at `position` that sees `target` in its middle, upright but
    for roll.
    """
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cosine, sine = np.cos(roll_rad), np.sin(roll_rad)
    pose = np.eye(4)
    pose[:3, 0] = cosine * right + sine * down
    pose[:3, 1] = cosine * down - sine * right
    pose[:3, 2] = forward
    pose[:3, 3] = position
    return pose


@dataclass(frozen=True)
class _Hits:
    """What P rays hit, in the order of the tiles; normals for the K traced ones."""

    rays_Px3: np.ndarray
    geom_P: np.ndarray
    distance_P: np.ndarray
    traced_P: np.ndarray
    normals_Kx3: np.ndarray


class RayCaster:
    """Renders what a pinhole camera sees of a MuJoCo scene. Not thread-safe: one per thread.

    Rays are kept in tiles. Only tiles that some shape's bounding sphere reaches are traced; the
    others see the floor
    (a plane at z = 0 in the world) or nothing, which saves most of the time.
    """

    def __init__(self, model: mujoco.MjModel, floor_geom: int, config: CameraConfig) -> None:
        if config.width % TILE or config.height % TILE:
            raise ConfigError(
                f'camera: width {config.width} and height {config.height} must be '
                f'multiples of {TILE}'
            )
        if 3 * config.width * config.height > BANK // 2:
            raise ConfigError(
                f'camera: {config.width} x {config.height} pixels are more than the '
                'ray caster is made for; choose at most 416 x 416'
            )
        self._model = model
        self._floor = floor_geom
        self._config = config
        self._shape = (config.height, config.width)
        self.k_3x3 = intrinsics(config.width, config.height, config.fov_deg)
        rays, self._order = _tiled_rays(self.k_3x3, config.width, config.height)
        self._rays_TxSx3 = rays
        middles = rays.mean(1)
        self._middles_Tx3 = middles / np.linalg.norm(middles, axis=1, keepdims=True)
        self._tile_angle = float(np.arccos((rays * self._middles_Tx3[:, None]).sum(-1).min()))
        self._depth_P = np.ascontiguousarray(rays[..., 2].ravel())
        draws = np.random.default_rng(0)
        self._normals = draws.standard_normal(BANK, np.float32)
        self._uniforms = draws.random(BANK, np.float32)
        self._shapes = np.flatnonzero(
            RAY_GROUPS[model.geom_group] & (np.arange(model.ngeom) != floor_geom)
        )

    def render(
        self,
        data: mujoco.MjData,
        world_from_camera_4x4: np.ndarray,
        exclude_body: int,
        look: Look,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Noisy image: colour (H, W, 3) uint8 and depth (H, W) uint16 [mm], 0 = no return."""
        hits = self._cast(data, world_from_camera_4x4, exclude_body)
        rgb = self._shade(world_from_camera_4x4[:3, 3], hits, look)
        return self._expose(rgb, rng), self._measure_depth(hits, rng)

    def geoms(
        self, data: mujoco.MjData, world_from_camera_4x4: np.ndarray, exclude_body: int
    ) -> np.ndarray:
        """Geom id per pixel (H, W) without noise, -1 where a ray hits nothing."""
        hits = self._cast(data, world_from_camera_4x4, exclude_body)
        return hits.geom_P[self._order].reshape(self._shape)

    def first_geom(
        self, data: mujoco.MjData, origin_3: np.ndarray, towards_3: np.ndarray, exclude_body: int
    ) -> int:
        """The geom that one ray hits first, -1 for none."""
        hit = np.array([-1], np.int32)
        mujoco.mj_ray(
            self._model,
            data,
            origin_3,
            towards_3 - origin_3,
            RAY_GROUPS,
            True,
            exclude_body,
            hit,
            None,
        )
        return int(hit[0])

    def _cast(self, data: mujoco.MjData, pose_4x4: np.ndarray, exclude_body: int) -> _Hits:
        rays = self._rays_TxSx3 @ pose_4x4[:3, :3].T
        geom, distance = self._see_floor(rays, pose_4x4[2, 3])
        near = self._occupied(data, pose_4x4, exclude_body)
        traced = rays[near].reshape(-1, 3)
        hit_geom = np.empty(len(traced), np.int32)
        hit_distance, normals = np.empty(len(traced)), np.empty((len(traced), 3))
        if len(traced):
            mujoco.mj_multiRay(
                self._model,
                data,
                pose_4x4[:3, 3].copy(),
                traced.ravel(),
                RAY_GROUPS,
                True,
                exclude_body,
                hit_geom,
                hit_distance,
                normals.ravel(),
                len(traced),
                mujoco.mjMAXVAL,
            )
            hit_geom[hit_distance < 0] = -1
            geom[near] = hit_geom.reshape(-1, geom.shape[1])
            distance[near] = hit_distance.reshape(-1, geom.shape[1])
        return _Hits(
            rays.reshape(-1, 3),
            geom.ravel(),
            distance.ravel(),
            np.repeat(near, geom.shape[1]),
            normals,
        )

    def _see_floor(self, rays_TxSx3: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
        """Geom id and distance (T, S) where there is only the floor."""
        down = rays_TxSx3[..., 2]
        hit = down * height < -1e-9
        distance = np.where(hit, -height / np.where(hit, down, -1.0), -1.0)
        return np.where(hit, self._floor, -1).astype(np.int32), distance

    def _occupied(self, data: mujoco.MjData, pose_4x4: np.ndarray, exclude_body: int) -> np.ndarray:
        """Tiles (T,) that a bounding sphere of some shape reaches."""
        shapes = self._shapes[self._model.geom_bodyid[self._shapes] != exclude_body]
        centres = (data.geom_xpos[shapes] - pose_4x4[:3, 3]) @ pose_4x4[:3, :3]
        distance = np.maximum(np.linalg.norm(centres, axis=1), 1e-9)
        angle = np.arcsin(np.minimum(1.0, self._model.geom_rbound[shapes] / distance))
        inside = self._model.geom_rbound[shapes] >= distance
        reach = np.where(inside, np.pi, np.minimum(angle + self._tile_angle, np.pi))
        return (self._middles_Tx3 @ (centres / distance[:, None]).T >= np.cos(reach)).any(1)

    def _shade(self, origin: np.ndarray, hits: _Hits, look: Look) -> np.ndarray:
        """Colour (P, 3), float32 0..1, in the order of the tiles."""
        places = (origin[:2] + hits.distance_P[:, None] * hits.rays_Px3[:, :2]) / look.chequer_m
        squares = (places + FAR_SQUARES).astype(np.int32)  # positive, so that truncation is a floor
        floor = look.first_floor_row + ((squares[:, 0] + squares[:, 1]) & 1)
        rgb = look.rgb_Rx3.take(np.where(hits.geom_P == self._floor, floor, hits.geom_P), axis=0)
        facing = np.full(len(rgb), look.to_light[2], np.float32)
        facing[hits.traced_P] = hits.normals_Kx3 @ look.to_light
        rgb *= look.ambient_rgb + np.maximum(facing, 0)[:, None] * look.diffuse_rgb
        return rgb

    def _expose(self, rgb_Px3: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noisy = np.multiply(rgb_Px3, 255.0, dtype=np.float32)
        noisy += self._config.rgb_noise * self._cut(self._normals, noisy.size, rng).reshape(-1, 3)
        pixels = np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
        return pixels[self._order].reshape(*self._shape, 3)

    def _measure_depth(self, hits: _Hits, rng: np.random.Generator) -> np.ndarray:
        config = self._config
        z = (hits.distance_P * self._depth_P).astype(np.float32)[self._order]
        near, far = config.depth_range
        lost = (z < near) | (z > far)
        edges = self._edges(z.reshape(self._shape)).ravel()
        z += self._cut(self._normals, z.size, rng) * (
            config.depth_noise + config.depth_noise_per_m2 * z * z
        )
        chance = np.where(edges, np.float32(config.edge_dropout), np.float32(config.depth_dropout))
        lost |= self._cut(self._uniforms, z.size, rng) < chance
        z[lost] = 0
        z *= 1000
        return np.rint(np.clip(z, 0, 65535, out=z), out=z).astype(np.uint16).reshape(self._shape)

    @staticmethod
    def _cut(bank: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """A random stretch of a bank of random numbers: much cheaper than drawing them."""
        start = int(rng.integers(len(bank) - size))
        return bank[start : start + size]

    @staticmethod
    def _edges(z_HxW: np.ndarray, jump_m: float = 0.05) -> np.ndarray:
        """Pixels whose right or lower neighbour is more than `jump_m` nearer or farther, and
        these.
        """
        edges = np.zeros(z_HxW.shape, bool)
        across = np.abs(np.diff(z_HxW, axis=1)) > jump_m
        along = np.abs(np.diff(z_HxW, axis=0)) > jump_m
        edges[:, :-1] |= across
        edges[:, 1:] |= across
        edges[:-1] |= along
        edges[1:] |= along
        return edges


def _tiled_rays(k_3x3: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit rays in the optical frame by tile (T, S, 3), and for each pixel of the image where its
    ray is, (P,).
    """
    v, u = np.mgrid[0:height, 0:width]
    rays = np.stack(
        [
            (u - k_3x3[0, 2]) / k_3x3[0, 0],
            (v - k_3x3[1, 2]) / k_3x3[1, 1],
            np.ones((height, width)),
        ],
        -1,
    )
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    tiles = (height // TILE, TILE, width // TILE, TILE)
    pixels = np.arange(height * width).reshape(tiles).swapaxes(1, 2).reshape(-1, TILE * TILE)
    return rays.reshape(-1, 3)[pixels], np.argsort(pixels.ravel())
