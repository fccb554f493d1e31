"""Keeps a robot off itself and off its fences: speed falls to zero before contact, and no motion
begins whose stop is not proven clear.

Every watched pair of shapes has a distance that was measured once and a bound of how much any
joint's motion can change it. From there on the distance is known from below without looking; only
pairs whose bound runs out and those in the slow zone are measured again.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.embodiment.collision_pairs import Watched, choose
from gen_nodes.embodiment.collision_proof import StopProof
from gen_nodes.embodiment.collision_shapes import Shapes

if TYPE_CHECKING:
    from gen_nodes.embodiment.clearance import StopPositions
    from gen_nodes.robot import RobotSpec

LEEWAY = 2e-4  # [m] above the margin every stop ends: room to leave by
NOISE = 1e-4  # [m] of measured depths where shapes overlap
SOON = 0.03  # [m] before its slow zone a pair is measured along with others
SLOWEST = 1e-3  # share of the velocity limit that is left at the margin


def collision_of(spec: RobotSpec) -> Collision | None:
    """What keeps a robot off itself and off its fences; None where there is nothing to watch.

    Raises RobotError where the description's shapes cannot be watched: meshes, or links that are
    within the margin at the ready pose.
    """
    if spec.self_collision is None and not spec.fences:
        return None
    watched = _watched(spec)
    return Collision(Shapes(spec), watched, spec.velocity) if len(watched.pairs) else None


@lru_cache(maxsize=16)
def _watched(spec: RobotSpec) -> Watched:
    """Chosen once per description that was read: it takes up to half a second."""
    return choose(Shapes(spec), spec)[0]


class Collision:
    """Clearance of one robot, (N,) in its joint order. `start` first; not thread-safe.

    names: 'link_a and link_b' or 'link and fence NAME' of every watched pair of shapes. refused:
    name of the pair that the last stop could not be proven clear of, '' where it was.
    """

    def __init__(self, shapes: Shapes, watched: Watched, velocity_N: np.ndarray) -> None:
        self.names, self.refused = watched.names, ''
        self._shapes, self._motion, self._slow = shapes, watched.motion, watched.slow
        self._limit = watched.margin + LEEWAY
        self._velocity = velocity_N
        self._rows = np.arange(len(self.names))
        shapes.watch(watched.pairs)

    def start(self, q_N: np.ndarray) -> None:
        """The robot stands here: what is nearer than its margin may stay as near, never nearer."""
        self._q = np.array(q_N, float)
        self._shapes.place(self._q)
        self._low = self._shapes.distances(self._rows)
        self._goal = np.minimum(self._limit, self._low - NOISE)
        self._inside = bool((self._goal < self._limit).any())
        self.refused = ''

    def accept(self, q_N: np.ndarray) -> None:
        """`q_N` has been commanded."""
        self._move(q_N)
        if self._inside:  # the margin grows again with what was too near at the start
            self._goal = np.minimum(self._limit, np.maximum(self._goal, self._low - NOISE))
            self._inside = bool((self._goal < self._limit).any())

    def nearest(self) -> tuple[str, float]:
        """Name and clearance [m] of the nearest pair as last looked at; the clearance is a lower
        bound.
        """
        row = int(np.argmin(self._low))
        return self.names[row], float(self._low[row])

    def ceilings(self, q_N: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Shares (N,) of the velocity limits that may be used upwards and downwards; None: all.

        A pair in its slow zone lowers the directions that bring it nearer, the more the nearer it
        is, and each joint only as far as it has part in the approach.
        """
        self._move(q_N)
        near = self._slowed()
        if not near.size:
            return None
        goal = self._goal[near]
        share = (self._low[near] - goal) / np.maximum(self._slow[near] - goal, NOISE)
        share = np.minimum(np.maximum(share, SLOWEST), 1.0)[:, None]
        part = self._shapes.gradients(near) * self._velocity
        lost = ~(np.abs(part) > 1e-6).any(axis=1)
        part[lost] = 0.0
        most = np.maximum(np.abs(part).max(axis=1), 1e-6)[:, None] * share
        up, down = (np.minimum(1.0, most / np.maximum(x, 1e-12)) for x in (-part, part))
        if lost.any():
            moving = self._motion[near[lost]] > 0
            up[lost] = down[lost] = np.where(moving, share[lost], 1.0)
        return up.min(axis=0), down.min(axis=0)

    def proves(self, q_N: np.ndarray, reach_N: np.ndarray, stop: StopPositions) -> bool:
        """Whether everything stays clear along the whole stop that begins at `q_N`, in which no
        joint gets further away than `reach_N`, and on the way to `q_N`.
        """
        step = np.abs(q_N - self._q)
        low = self._low - self._motion @ (step + reach_N)
        rows = np.flatnonzero(~(low >= self._goal))
        failed = self._unproven(rows, q_N, step, reach_N, stop) if rows.size else None
        self.refused = '' if failed is None else self.names[failed]
        return failed is None

    def _unproven(
        self,
        rows: np.ndarray,
        q_N: np.ndarray,
        step_N: np.ndarray,
        reach_N: np.ndarray,
        stop: StopPositions,
    ) -> int | None:
        """The first of some pairs that cannot be proven to stay clear; None: all are."""
        if not (np.isfinite(q_N).all() and np.isfinite(reach_N).all()):
            return int(rows[0])
        motion, goal = self._motion[rows], self._goal[rows]
        step, reach, floor = motion @ step_N, motion @ reach_N, goal - LEEWAY
        self._shapes.place(q_N)
        here, _ = self._shapes.lower_bounds(rows, goal + reach)
        self._low[rows] = np.maximum(self._low[rows], here - step)
        tight = rows[self._low[rows] + here - step < 2 * floor]
        if tight.size:
            self._shapes.place(self._q)
            self._low[tight] = self._shapes.distances(tight)
        met = rows[self._low[rows] + here - step < 2 * floor]
        if met.size:
            return int(met[0])
        left = np.flatnonzero(here - reach < goal)
        if not left.size:
            return None
        proof = StopProof(
            self._shapes, rows[left], motion[left], here[left], goal[left], floor[left], stop
        )
        return None if proof.holds() else proof.failed

    def _move(self, q_N: np.ndarray) -> None:
        """Carry the bounds of all distances on to another configuration."""
        step = np.abs(q_N - self._q)
        if step.any():
            self._low = self._low - self._motion @ step
            self._q = np.array(q_N, float)

    def _slowed(self) -> np.ndarray:
        """Rows in their slow zones; measures all that may be, and those that soon will."""
        if not (self._low < self._slow).any():
            return self._rows[:0]
        self._shapes.place(self._q)
        soon = np.flatnonzero(self._low < self._slow + SOON)
        found, _ = self._shapes.lower_bounds(soon, self._slow[soon] + SOON)
        self._low[soon] = np.maximum(self._low[soon], found)
        return soon[self._low[soon] < self._slow[soon]]
