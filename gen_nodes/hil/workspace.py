"""Where objects may be: computed from a robot's reach and ready pose, never listed per robot."""

from __future__ import annotations

import numpy as np

from gen_nodes.errors import ConfigError
from gen_nodes.hil.ik import TipSolver
from gen_nodes.hil.world import PlacementConfig
from gen_nodes.robot import RobotSpec

UP = np.array([0.0, 0.0, 1.0])


class Workspace:
    """One box per tip around its ready position, cut by reach, floor and the plane between two
    arms.
    """

    def __init__(self, spec: RobotSpec, placement: PlacementConfig) -> None:
        self._placement = placement
        self._ready = np.asarray(spec.ready, float)
        self.solver = TipSolver(spec)
        self.tips_Tx3 = self.solver.tips(self._ready)
        self.shoulders_Tx3 = self._shoulders(spec)
        self.reach_T = self._reaches(spec)
        forward = (self.tips_Tx3 - self.shoulders_Tx3).mean(0) * [1, 1, 0]
        self.forward = forward / np.linalg.norm(forward)
        self.left = np.cross(UP, self.forward)
        self.axes_3x3 = np.stack([self.forward, self.left, UP])
        reach_Tx1 = self.reach_T[:, None]
        self.centres_Tx3 = self.tips_Tx3 + reach_Tx1 * (np.array(placement.offset) @ self.axes_3x3)
        self.halves_Tx3 = reach_Tx1 * np.array(placement.box)
        self._sides_T = np.sign((self.tips_Tx3 - self.tips_Tx3.mean(0)) @ self.left)

    @property
    def centre(self) -> np.ndarray:
        """Middle of all boxes, (3,) in the base frame."""
        return self.centres_Tx3.mean(0)

    def arm_of(self, point_3: np.ndarray) -> int:
        """Index of the tip whose ready position is nearest to a point."""
        return int(np.argmin(np.linalg.norm(self.tips_Tx3 - point_3, axis=1)))

    def contains(self, points_Kx3: np.ndarray, tip: int) -> np.ndarray:
        """Which points lie inside the volume of one tip, (K,) bool."""
        placement = self._placement
        offset = (points_Kx3 - self.centres_Tx3[tip]) @ self.axes_3x3.T
        radius = np.linalg.norm(points_Kx3 - self.shoulders_Tx3[tip], axis=-1) / self.reach_T[tip]
        inside = (np.abs(offset) <= self.halves_Tx3[tip] + 1e-9).all(-1)
        inside &= (radius >= placement.reach[0]) & (radius <= placement.reach[1])
        inside &= points_Kx3[..., 2] >= placement.min_height
        side = self._sides_T[tip] * ((points_Kx3 - self.tips_Tx3.mean(0)) @ self.left)
        return inside & ((side >= placement.middle_clearance) | (len(self.tips_Tx3) == 1))

    def sample(self, rng: np.random.Generator, tip: int) -> np.ndarray:
        """A random point of one tip's volume that the arm can reach from its ready pose, (3,)."""
        for _ in range(200):
            point = (
                self.centres_Tx3[tip]
                + (rng.uniform(-1, 1, 3) * self.halves_Tx3[tip]) @ self.axes_3x3
            )
            if self.contains(point[None], tip)[0] and self.reachable(point, tip):
                return point
        raise ConfigError(
            f'placement: tip {tip} of this robot reaches (almost) nothing of its box '
            f'around {np.round(self.centres_Tx3[tip], 2).tolist()}: check the ready pose'
        )

    def reachable(self, point_3: np.ndarray, tip: int) -> bool:
        """Whether the tip gets there on a straight line from the ready pose."""
        return self.solver.reach(self._ready, tip, point_3)[1] < 5e-3

    def follows(self, points_Kx3: np.ndarray, tip: int) -> bool:
        """Whether the tip can follow a path of points, from the ready pose."""
        q_N = self._ready
        for point in points_Kx3:
            q_N, error = self.solver.reach(q_N, tip, point)
            if error > 5e-3:
                return False
        return True

    def _shoulders(self, spec: RobotSpec) -> np.ndarray:
        """Origin of the first joint of each arm at the ready pose, (T, 3)."""
        origins, _ = spec.kinematics().joint_frames(self._ready)
        return np.stack([origins[np.flatnonzero(chain)[0]] for chain in self.solver.chains])

    def _reaches(self, spec: RobotSpec) -> np.ndarray:
        """Greatest distance of each tip from its shoulder over random configurations, (T,) [m]."""
        rng = np.random.default_rng(0)
        lower, upper = np.maximum(spec.lower, -np.pi), np.minimum(spec.upper, np.pi)
        tips = np.stack([self.solver.tips(rng.uniform(lower, upper)) for _ in range(500)])
        return np.linalg.norm(tips - self.shoulders_Tx3, axis=-1).max(0)
