"""How far collision shapes reach from the axes of a robot's joints, over the whole range of motion.

A joint's turn by one radian moves no point of a shape further than the shape's greatest distance
from the joint's axis. That distance is bounded by carrying the shape along the chain from joint to
joint: at each one it is enclosed in a cylinder around the axis, which turning leaves as it is.
"""

from __future__ import annotations

from functools import cache

import coal
import numpy as np
import pinocchio as pin

from gen_nodes.kinematics import is_prismatic, joint_axes

ROUND = 48  # corners of the polygon that stands around a circle


def corners(shape: coal.CollisionGeometry) -> np.ndarray:
    """Points (V, 3) whose convex hull holds a primitive, in its own frame."""
    if isinstance(shape, coal.Box):
        return _signs() * shape.halfSide
    if isinstance(shape, coal.Sphere):
        return _signs() * shape.radius
    if isinstance(shape, coal.Capsule):
        return _cylinder(np.array([0.0, 0, 1]), shape.radius, shape.halfLength + shape.radius)
    return _cylinder(np.array([0.0, 0, 1]), shape.radius, shape.halfLength)


def ball(shape: coal.CollisionGeometry) -> float:
    """Radius of the ball around a primitive's origin that holds it."""
    if isinstance(shape, coal.Box):
        return float(np.linalg.norm(shape.halfSide))
    if isinstance(shape, coal.Sphere):
        return shape.radius
    if isinstance(shape, coal.Capsule):
        return shape.radius + shape.halfLength
    return float(np.hypot(shape.radius, shape.halfLength))


class Reach:
    """Where shapes get to. limits_Vx2: least and greatest value of every joint, by Pinocchio's
    velocity index; `still` joints keep `rest_V`.
    """

    def __init__(
        self,
        model: pin.Model,
        rest_V: np.ndarray,
        still_V: np.ndarray,
        limits_Vx2: np.ndarray,
    ) -> None:
        self._model, self._still, self._limits = model, still_V, limits_Vx2
        self._axes = joint_axes(model)
        data = model.createData()
        pin.forwardKinematics(model, data, pin.integrate(model, pin.neutral(model), rest_V))
        self._at_rest = [place.copy() for place in data.liMi]
        self._ways = [set(_way(model, i)) for i in range(model.njoints)]

    def from_axes(self, geometry: pin.GeometryObject) -> np.ndarray:
        """How far a shape gets per unit of each joint (njoints,), seen from the joint's other side:
        the distance of its furthest point from the axis where the joint turns, 1 where it slides.

        A round shape that turns about its own axis gets nowhere.
        """
        carried, home = self._carried(geometry), geometry.parentJoint
        out = np.ones(self._model.njoints)
        for i in range(1, len(out)):
            if is_prismatic(self._model, i):
                continue
            above = self._model.parents[i]
            inside, into = i in self._ways[home], self._model.jointPlacements[i].inverse()
            points = carried(i) if inside else _apply(into, carried(above))
            out[i] = _around(points, self._axes[i])[0]
            if home in (i, above):
                place = geometry.placement if inside else into * geometry.placement
                out[i] = min(out[i], _turned(geometry.geometry, place, self._axes[i]))
        return out

    def box(self, geometry: pin.GeometryObject, frame: pin.SE3) -> np.ndarray:
        """Lowest and highest corner (2, 3) of a box, along the axes of a frame that is fixed to the
        root, which holds the shape at all times.
        """
        points = _apply(frame.inverse(), self._carried(geometry)(0))
        return np.stack([points.min(axis=0), points.max(axis=0)])

    def _carried(self, geometry: pin.GeometryObject):
        """Function of a body (joint id, 0: root) to points, in the body's frame, whose hull holds
        the shape at all times.
        """
        home = geometry.parentJoint
        own = _apply(geometry.placement, corners(geometry.geometry))

        @cache
        def points(body: int) -> np.ndarray:
            if body == home:
                return own
            if body in self._ways[home] or body == 0:
                (below,) = (i for i in self._ways[home] if self._model.parents[i] == body)
                return self._up(below, points(below))
            return self._down(body, points(self._model.parents[body]))

        return points

    def _up(self, joint: int, points: np.ndarray) -> np.ndarray:
        """From a joint's own frame to its parent's."""
        if self._still[self._model.idx_vs[joint]]:
            return _apply(self._at_rest[joint], points)
        return _apply(self._model.jointPlacements[joint], self._swept(joint, points, 1.0))

    def _down(self, joint: int, points: np.ndarray) -> np.ndarray:
        """From the frame of a joint's parent to its own."""
        if self._still[self._model.idx_vs[joint]]:
            return _apply(self._at_rest[joint].inverse(), points)
        points = _apply(self._model.jointPlacements[joint].inverse(), points)
        return self._swept(joint, points, -1.0)

    def _swept(self, joint: int, points: np.ndarray, sign: float) -> np.ndarray:
        axis = self._axes[joint]
        if is_prismatic(self._model, joint):
            travel = sign * self._limits[self._model.idx_vs[joint]]
            return np.concatenate([points + travel[0] * axis, points + travel[1] * axis])
        radius, low, high = _around(points, axis)
        return _cylinder(axis, radius, 0.5 * (high - low)) + 0.5 * (high + low) * axis


def _way(model: pin.Model, joint: int) -> list[int]:
    way = []
    while joint > 0:
        way.append(joint)
        joint = model.parents[joint]
    return way


def _around(points: np.ndarray, axis: np.ndarray) -> tuple[float, float, float]:
    """Greatest distance from an axis through the origin, least and greatest height along it."""
    height = points @ axis
    return (
        float(np.linalg.norm(points - height[:, None] * axis, axis=1).max()),
        float(height.min()),
        float(height.max()),
    )


def _cylinder(axis: np.ndarray, radius: float, half_length: float) -> np.ndarray:
    """Corners of a prism around a cylinder at the origin."""
    across = np.linalg.svd(axis[None])[2][1:]
    angles = 2 * np.pi * np.arange(ROUND) / ROUND
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ across
    ring *= radius / np.cos(np.pi / ROUND)
    return np.concatenate([ring - half_length * axis, ring + half_length * axis])


def _apply(place: pin.SE3, points: np.ndarray) -> np.ndarray:
    return points @ place.rotation.T + place.translation


def _turned(shape: coal.CollisionGeometry, place: pin.SE3, axis: np.ndarray) -> float:
    """How far a shape gets per radian about an axis through the origin, where it is round."""
    if isinstance(shape, coal.Box):
        return np.inf
    tilt = 0.0 if isinstance(shape, coal.Sphere) else np.cross(place.rotation[:, 2], axis)
    offset = np.cross(place.translation, axis)
    return float(np.linalg.norm(offset) + np.linalg.norm(tilt) * ball(shape))


def _signs() -> np.ndarray:
    """Corners of a cube of half side 1."""
    return np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T.astype(float)
