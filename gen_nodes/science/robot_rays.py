"""Orthographic pictures of primitives by ray casting: what a robot looks like from one side.

One ray per pixel, all parallel. A view is three unit vectors of the base frame: right, up, and
towards the viewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gen_nodes.urdf_tree import Shape

FINER = 2  # rays per pixel, each way
LIGHT = np.array([-0.35, 0.65, 0.68])  # right, up, towards the viewer
EDGE_M = 0.012  # a step in depth that is drawn as an edge
INK = np.array([0.16, 0.19, 0.24])


@dataclass(frozen=True)
class View:
    """A direction to look from; `right`, `up`, `near` (towards the viewer) are unit vectors."""

    name: str
    right: np.ndarray
    up: np.ndarray
    near: np.ndarray

    def flat(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) of the base frame as (..., 2) in the picture [m]."""
        return np.stack([points @ self.right, points @ self.up], axis=-1)


@dataclass(frozen=True)
class Placed:
    """A shape in the base frame."""

    shape: Shape
    base_from_shape_4x4: np.ndarray

    @property
    def half(self) -> np.ndarray:
        """Half lengths of its box, (3,)."""
        size = self.shape.size
        if self.shape.kind == 'box':
            return np.array(size)
        return np.array([size[0], size[0], size[-1]])

    def corners(self) -> np.ndarray:
        """Corners of its box in the base frame, (8, 3)."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        pose = self.base_from_shape_4x4
        return (signs * self.half) @ pose[:3, :3].T + pose[:3, 3]


def picture(
    shapes: Sequence[Placed], view: View, lower_2: np.ndarray, upper_2: np.ndarray, scale: float
) -> np.ndarray:
    """RGBA (H, W, 4), 0..1, of the window from `lower_2` to `upper_2` [m] at `scale` [pixel/m];
    row 0 is at the top.
    """
    width, height = np.maximum(np.rint((upper_2 - lower_2) * scale), 1).astype(int) * FINER
    u = np.linspace(lower_2[0], upper_2[0], width, endpoint=False) + 0.5 / (scale * FINER)
    v = np.linspace(lower_2[1], upper_2[1], height, endpoint=False) + 0.5 / (scale * FINER)
    depth = np.full((height, width), -np.inf)
    normal, owner = np.zeros((height, width, 3)), np.full((height, width), -1)
    for index, placed in enumerate(shapes):
        corners = view.flat(placed.corners())
        columns = slice(*np.searchsorted(u, [corners[:, 0].min(), corners[:, 0].max()]))
        rows = slice(*np.searchsorted(v, [corners[:, 1].min(), corners[:, 1].max()]))
        if columns.start == columns.stop or rows.start == rows.stop:
            continue
        far, facing = _hit(placed, view, *np.meshgrid(u[columns], v[rows]))
        nearer = far > depth[rows, columns]
        depth[rows, columns][nearer] = far[nearer]
        normal[rows, columns][nearer] = facing[nearer]
        owner[rows, columns][nearer] = index
    rgba = _shade(shapes, view, normal, owner)
    edges = _edges(depth, owner) & (owner >= 0)
    rgba[edges, :3] = 0.35 * rgba[edges, :3] + 0.65 * INK
    return _coarser(rgba)[::-1]


def _hit(placed: Placed, view: View, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays hit a shape: distance towards the viewer, -inf where they miss, and normals."""
    rotation, offset = placed.base_from_shape_4x4[:3, :3], placed.base_from_shape_4x4[:3, 3]
    origins = (u[..., None] * view.right + v[..., None] * view.up - offset) @ rotation
    towards = view.near @ rotation
    with np.errstate(divide='ignore', invalid='ignore'):
        along, normal = {'sphere': _sphere, 'box': _box, 'cylinder': _cylinder}[placed.shape.kind](
            placed.half, origins, towards
        )
    return np.where(np.isfinite(along), along, -np.inf), normal @ rotation.T


def _sphere(
    half: np.ndarray, origins: np.ndarray, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    middle = -(origins @ towards)
    closest = origins + middle[..., None] * towards
    along = middle + np.sqrt(half[0] ** 2 - (closest**2).sum(-1))
    return along, (origins + along[..., None] * towards) / half[0]


def _box(
    half: np.ndarray, origins: np.ndarray, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    ways = np.where(towards == 0, 1e-12, towards)
    one, two = (-half - origins) / ways, (half - origins) / ways
    enter, leave = np.minimum(one, two).max(-1), np.maximum(one, two)
    along, face = leave.min(-1), leave.argmin(-1)
    normal = np.sign(ways)[face][..., None] * np.eye(3)[face]
    return np.where(enter <= along, along, -np.inf), normal


def _cylinder(
    half: np.ndarray, origins: np.ndarray, towards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Along z: the way out through the wall or through a cap, whichever comes first."""
    a = max(float(towards[:2] @ towards[:2]), 1e-12)
    b = origins[..., :2] @ towards[:2]
    root = np.sqrt(b**2 - a * ((origins[..., :2] ** 2).sum(-1) - half[0] ** 2))
    way = towards[2] if abs(towards[2]) > 1e-9 else 1e-9
    caps = np.stack([(side * half[2] - origins[..., 2]) / way for side in (-1, 1)])
    caps = np.sort(caps, axis=0)
    wall_out, wall_in = (-b + root) / a, (-b - root) / a
    along = np.minimum(wall_out, caps[1])
    along = np.where(along >= np.maximum(wall_in, caps[0]), along, -np.inf)
    points = origins + np.where(np.isfinite(along), along, 0.0)[..., None] * towards
    round_ = np.concatenate([points[..., :2] / half[0], np.zeros((*along.shape, 1))], axis=-1)
    flat = np.array([0.0, 0.0, np.sign(way)])
    return along, np.where((wall_out <= caps[1])[..., None], round_, flat)


def _shade(
    shapes: Sequence[Placed], view: View, normal: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    colours = np.array([*(placed.shape.rgb for placed in shapes), (0.0, 0.0, 0.0)])
    light = LIGHT @ np.stack([view.right, view.up, view.near])
    facing = np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    colour = colours[owner] * (0.48 + 0.58 * facing)[..., None] + 0.06 * facing[..., None] ** 8
    return np.concatenate([np.clip(colour, 0, 1), (owner >= 0)[..., None]], axis=-1).astype(float)


def _edges(depth: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Pixels at which what is seen ends or steps back."""
    edges = np.zeros(depth.shape, bool)
    seen = np.where(owner >= 0, depth, -1e3)
    for axis in (0, 1):
        step = np.diff(seen, axis=axis)
        first = (slice(None),) * axis + (slice(None, -1),)
        second = (slice(None),) * axis + (slice(1, None),)
        edges[first] |= step < -EDGE_M
        edges[second] |= step > EDGE_M
    return edges


def _coarser(rgba: np.ndarray) -> np.ndarray:
    """Means over FINER x FINER pixels; colours count as much as they cover."""
    height, width = rgba.shape[0] // FINER, rgba.shape[1] // FINER
    parts = rgba.reshape(height, FINER, width, FINER, 4)
    cover = parts[..., 3:].mean((1, 3))
    colour = (parts[..., :3] * parts[..., 3:]).mean((1, 3)) / np.maximum(cover, 1e-9)
    return np.concatenate([colour, cover], axis=-1)
