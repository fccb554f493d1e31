"""Collision shapes of a robot and its fences: where they are and how far apart.

Shapes are the URDF's <collision> primitives and the fences of the robot YAML. Distances come from
coal through Pinocchio, signed: below zero where two shapes overlap. q is (N,) in the order of
RobotSpec.joints; joints that are not commanded rest, mimic joints follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import coal
import numpy as np
import pinocchio as pin

from gen_nodes.embodiment.collision_reach import Reach, ball
from gen_nodes.errors import RobotError
from gen_nodes.kinematics import affine, build_model

if TYPE_CHECKING:
    from gen_nodes.robot import RobotSpec
    from gen_nodes.safety import Fence

# GJK as it is set by default errs by up to 7e-4 m here. This gap between its bounds of the squared
# distance leaves 1e-8 m at a distance of 1 cm. EPA, for shapes that overlap, mostly reaches the
# 1e-4 m that are asked of it, fails more often where more is asked, and can end too early.
DUALITY_GAP, DEPTH, ERROR = 1e-10, 1e-4, 2e-6
FEW = 12  # distances are measured as quickly as bounded
NEXT, AFTER = [1, 2, 0], [2, 0, 1]
ROUNDING = 1e-9  # relative, of sums of bounds
OUTSIDE = 0.05  # [rad, m] may a joint stand beyond its limits when the robot starts


class Shapes:
    """All shapes of one robot, in one configuration at a time. Not thread-safe.

    links (G,): the link of each shape, or 'fence NAME'. body (G,): its rigid body; links that no
    commanded joint moves against each other share one, 0 stands still. above: body that each body
    hangs on by one joint. pairs (P, 2): shapes whose distances are asked for.
    """

    def __init__(self, spec: RobotSpec) -> None:
        self._model = build_model(spec.urdf_xml)
        self._data = self._model.createData()
        self._neutral = pin.neutral(self._model)
        names = [joint.name for joint in spec.joints]
        self._rest, self._spread = affine(self._model, spec.urdf_xml, names)
        self._geometry = _read(self._model, spec.urdf_xml)
        frames = [o.parentFrame for o in self._geometry.geometryObjects]
        self.links = tuple(self._model.frames[i].name for i in frames)
        self._base = self._model.frames[self._model.getFrameId(spec.base_frame)].placement
        for fence in spec.fences:
            self._add(fence)
        self.is_fence = np.arange(self.n) >= len(frames)
        self._find_bodies()
        self._find_reach(spec)
        self.watch(np.zeros((0, 2), int))

    @property
    def n(self) -> int:
        """Number of shapes."""
        return len(self.links)

    def watch(self, pairs_Px2: np.ndarray) -> None:
        """Choose the pairs of shapes; a fence stands second. All indices p below are rows of it."""
        self.pairs = pairs_Px2
        self._geometry.removeAllCollisionPairs()
        for a, b in pairs_Px2.tolist():
            self._geometry.addCollisionPair(pin.CollisionPair(a, b))
        self._state = self._geometry.createData()
        for request in self._state.distanceRequests:
            request.gjk_tolerance, request.epa_tolerance = DUALITY_GAP, DEPTH
            request.gjk_convergence_criterion = coal.GJKConvergenceCriterion.DualityGap
            request.gjk_convergence_criterion_type = coal.GJKConvergenceCriterionType.Absolute
        self._results = list(self._state.distanceResults)
        self._origins = [place.translation for place in self._state.oMg]
        self._a, self._b = pairs_Px2.T
        self._walls = self._normals[self._b].any(axis=1)
        self._sizes = self._radii[self._a] + self._radii[self._b]

    def place(self, q_N: np.ndarray) -> None:
        """Bring all shapes to configuration q; what follows is measured there."""
        self._q = pin.integrate(self._model, self._neutral, self._rest + self._spread @ q_N)
        pin.forwardKinematics(self._model, self._data, self._q)
        pin.updateGeometryPlacements(self._model, self._data, self._geometry, self._state)

    def at_least(self, rows: np.ndarray) -> np.ndarray:
        """Lower bounds (K,) of the distances of pairs, quicker for many: by balls around them."""
        centres = np.concatenate(self._origins).reshape(-1, 3)
        apart = centres[self._a[rows]] - centres[self._b[rows]]
        far = np.sqrt((apart * apart).sum(axis=1))
        if self._walls.any():
            wall = self._walls[rows]
            far[wall] = (apart[wall] * self._normals[self._b[rows[wall]]]).sum(axis=1)
        return far - self._sizes[rows]

    def lower_bounds(self, rows: np.ndarray, enough: np.ndarray) -> tuple[np.ndarray, int]:
        """Lower bounds (K,) of the distances of pairs, as they are wherever they might be below
        `enough` (K,), and how many of them were measured.
        """
        if len(rows) <= FEW:
            return self.distances(rows), len(rows)
        low = self.at_least(rows)
        close = np.flatnonzero(low < enough)
        low[close] = self.distances(rows[close])
        return low, len(close)

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """Signed distances (K,) of pairs: never more than the true ones where shapes are apart; how
        deep two shapes overlap is an estimate.
        """
        found = [
            pin.computeDistance(self._geometry, self._state, row).min_distance
            for row in rows.tolist()
        ]
        return np.array(found) - ERROR

    def witnesses(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit vectors from first to second shape along the shortest distance, and the points at
        its ends, (K, 3) each in the axes of the URDF's root; `distances` of these rows came last.
        """
        results = [self._results[row] for row in rows.tolist()]
        return (
            np.array([result.normal for result in results]),
            np.array([result.getNearestPoint1() for result in results]),
            np.array([result.getNearestPoint2() for result in results]),
        )

    def gradients(self, rows: np.ndarray) -> np.ndarray:
        """How the distances change with the joints, (K, N); `distances` of these rows came last."""
        jacobian = pin.computeJointJacobians(self._model, self._data, self._q)
        normal, first, second = self.witnesses(rows)
        towards_a, towards_b = (
            np.concatenate([normal, _cross(points, normal)], axis=1) @ jacobian
            for points in (first, second)
        )
        moved = self._moves[self._b[rows]] * towards_b - self._moves[self._a[rows]] * towards_a
        return moved @ self._spread

    def moved(self, pairs_Px2: np.ndarray) -> np.ndarray:
        """Mask (P, N) of the joints that move two shapes against each other."""
        a, b = pairs_Px2.T
        return (self._moves[a] != self._moves[b]) @ np.abs(self._spread) > 0

    def motion(self, pairs_Px2: np.ndarray) -> np.ndarray:
        """Bounds (P, N) of the change in distance of two shapes per unit of each joint, in every
        configuration.
        """
        a, b = pairs_Px2.T
        furthest = np.minimum(self._furthest[a], self._furthest[b])
        bounds = np.where(self._moves[a] != self._moves[b], furthest, 0.0)
        return bounds @ np.abs(self._spread) * (1 + ROUNDING)

    def meets(self, pairs_Px2: np.ndarray, distance: float) -> np.ndarray:
        """Mask (P,) of pairs of a link's shape and a fence that could come that near: by boxes in
        the base frame that hold either in every configuration.
        """
        box, fence = (self._boxes[side] for side in pairs_Px2.T)
        gap = np.maximum(box[:, 0] - fence[:, 1], fence[:, 0] - box[:, 1])
        return gap.max(axis=1, initial=-np.inf) < distance

    def _add(self, fence: Fence) -> None:
        """One box, or one half-space beyond each face of the box."""
        solids = [(0.5 * (fence.lower + fence.upper), coal.Box(*(fence.upper - fence.lower)))]
        if fence.keep_in:
            solids = [
                (bound, coal.Halfspace(sign * axis, 0.0))
                for bound, sign in ((fence.lower, 1.0), (fence.upper, -1.0))
                for axis in np.eye(3)
            ]
        for i, (origin, solid) in enumerate(solids):
            place = self._base * pin.SE3(np.eye(3), origin)
            name = f'fence {fence.name}'
            self._geometry.addGeometryObject(pin.GeometryObject(f'{name} {i}', 0, place, solid))
            self.links += (name,)

    def _find_bodies(self) -> None:
        """Bodies and what moves them: joints that are not commanded join two links to one body."""
        model = self._model
        self._still = ~self._spread.any(axis=1)
        bodies, above, ways = [0], [0], [np.zeros(model.nv, bool)]
        for i in range(1, model.njoints):
            parent, column = model.parents[i], model.idx_vs[i]
            bodies.append(bodies[parent] if self._still[column] else i)
            above.append(bodies[parent])
            ways.append(ways[parent] | ((np.arange(model.nv) == column) & ~self._still))
        joints = [o.parentJoint for o in self._geometry.geometryObjects]
        self.body = np.array(bodies)[joints]
        self.above = np.array(above)[self.body]
        self._moves = np.array(ways)[joints]

    def _find_reach(self, spec: RobotSpec) -> None:
        """Per shape: radius of the ball around it, how far it gets from each joint's axis, where in
        the base frame; for half-spaces the normal.
        """
        reach = Reach(self._model, self._rest, self._still, self._travel(spec))
        self._radii, self._normals = np.zeros(self.n), np.zeros((self.n, 3))
        self._furthest = np.full((self.n, self._model.njoints), np.inf)
        self._boxes = np.tile([[-np.inf] * 3, [np.inf] * 3], (self.n, 1, 1))
        for i, shape in enumerate(self._geometry.geometryObjects):
            if isinstance(shape.geometry, coal.Halfspace):
                inward = shape.geometry.n
                axis, face = np.argmax(np.abs(inward)), int(inward.sum() > 0)
                self._boxes[i, face, axis] = (self._base.inverse() * shape.placement).translation[
                    axis
                ]
                self._normals[i] = self._base.rotation @ inward
            else:
                self._radii[i] = ball(shape.geometry)
                self._furthest[i] = reach.from_axes(shape)
                self._boxes[i] = reach.box(shape, self._base)
        by_column = np.argsort(self._model.idx_vs[1:]) + 1
        self._furthest = self._furthest[:, by_column]

    def _travel(self, spec: RobotSpec) -> np.ndarray:
        """Least and greatest value (V, 2) of every joint that ends somewhere."""
        ends = np.stack([spec.lower - OUTSIDE, spec.upper + OUTSIDE])
        ends = self._spread * np.where(np.isfinite(ends), ends, 0.0)[:, None]
        return self._rest[:, None] + np.stack([ends.min(0).sum(1), ends.max(0).sum(1)], axis=1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products (K, 3); np.cross takes ten times as long for a few."""
    return a[:, NEXT] * b[:, AFTER] - a[:, AFTER] * b[:, NEXT]


def _read(model: pin.Model, urdf_xml: str) -> pin.GeometryModel:
    """Collision shapes of a URDF; raises RobotError where one is no primitive."""
    root = ElementTree.fromstring(urdf_xml)
    for link in root.findall('link'):
        if link.find('collision/geometry/mesh') is not None:
            raise RobotError(
                f"link '{link.get('name')}': a <collision> shape is a mesh; only box, cylinder, "
                'sphere and capsule are watched: put one of these around it, or set '
                'safety.self_collision to false and give no fences'
            )
    try:
        return pin.buildGeomFromUrdfString(model, urdf_xml, pin.GeometryType.COLLISION)
    except (ValueError, RuntimeError) as error:
        raise RobotError(
            f'Pinocchio cannot read the collision shapes of the URDF: {error}'
        ) from error
