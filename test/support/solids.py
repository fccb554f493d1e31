"""Collision shapes and motions as tests see them: read from the URDF, measured without coal."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from transforms3d.affines import compose
from transforms3d.euler import euler2mat

from gen_nodes.embodiment.collision_shapes import Shapes
from gen_nodes.robot import RobotSpec

Solid = tuple[np.ndarray, str, list[float]]  # pose 4x4, kind, sizes


def anywhere(spec: RobotSpec, random: np.random.Generator) -> np.ndarray:
    """A random configuration inside the limits."""
    return random.uniform(np.maximum(spec.lower, -np.pi), np.minimum(spec.upper, np.pi))


def measure(shapes: Shapes, q: np.ndarray) -> np.ndarray:
    """Distances (P,) of all watched pairs."""
    shapes.place(q)
    return shapes.distances(np.arange(len(shapes.pairs)))


def primitives(spec: RobotSpec) -> dict[str, list[Solid]]:
    """The collision shapes of every link, in the link's frame, as the URDF says them."""
    found = {}
    for link in ElementTree.fromstring(spec.urdf_xml).findall('link'):
        for element in link.findall('collision'):
            (solid,), origin = element.find('geometry'), element.find('origin')
            place = {} if origin is None else origin.attrib
            xyz, rpy = (np.array(place.get(k, '0 0 0').split(), float) for k in ('xyz', 'rpy'))
            keys = ('size', 'radius', 'length')
            sizes = [float(x) for key in keys for x in solid.get(key, '').split()]
            pose = compose(xyz, euler2mat(*rpy), np.ones(3))
            found.setdefault(link.get('name'), []).append((pose, solid.tag, sizes))
    return found


def root(spec: RobotSpec) -> str:
    """The link that hangs on no joint."""
    robot = ElementTree.fromstring(spec.urdf_xml)
    children = {joint.find('child').get('link') for joint in robot.findall('joint')}
    (name,) = {link.get('name') for link in robot.findall('link')} - children
    return name


def support(solid: Solid, direction: np.ndarray) -> float:
    """Greatest x . direction over all points x of a primitive."""
    pose, kind, sizes = solid
    local = pose[:3, :3].T @ direction
    if kind == 'box':
        reach = np.abs(local) @ sizes / 2
    elif kind == 'sphere':
        reach = sizes[0] * np.linalg.norm(local)
    else:
        reach = sizes[0] * np.hypot(*local[:2]) + sizes[1] / 2 * abs(local[2])
    return pose[:3, 3] @ direction + reach


class Braking:
    """A stop in which all joints slow down evenly, by `way` (N,) from q (N,)."""

    def __init__(self, q: np.ndarray, way: np.ndarray) -> None:
        self.q, self.way = q, way

    def __call__(self, fractions: np.ndarray) -> np.ndarray:
        return self.q + self._done(fractions)[:, None] * self.way

    def lengths(self, fractions: np.ndarray) -> np.ndarray:
        return np.diff(self._done(fractions))[:, None] * np.abs(self.way)

    @staticmethod
    def _done(fractions: np.ndarray) -> np.ndarray:
        return fractions * (2 - fractions)


class Winding:
    """A stop in which the joints come to rest one after the other, by `way` from q."""

    def __init__(self, q: np.ndarray, way: np.ndarray) -> None:
        self.q, self.way = q, way
        self._ends = np.linspace(0.3, 1.0, len(q))

    def __call__(self, fractions: np.ndarray) -> np.ndarray:
        part = np.minimum(np.asarray(fractions)[:, None] / self._ends, 1.0)
        return self.q + part * (2 - part) * self.way

    def lengths(self, fractions: np.ndarray) -> np.ndarray:
        return np.abs(np.diff(self(fractions), axis=0))
