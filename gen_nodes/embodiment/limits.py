"""The limits in force for one robot, as the envelope uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.types import Frozen

if TYPE_CHECKING:
    from gen_nodes.robot import RobotSpec

GRID = 1025
SOFT_MARGIN_OF_RANGE = 0.005
SOFT_MARGIN_MAX = 0.01
CEILING_DECELERATION = 0.8
OUTSIDE_TOLERANCE = 0.05  # [rad, m] beyond its limits may a joint stand and be commanded from


@dataclass(frozen=True)
class Limits(Frozen):
    """Per-joint limits, (N,) in the robot's joint order [rad or m, s].

    lower, upper: soft position limits, a margin inside the hard ones. bounds: None where the
    velocity limit is the same everywhere, else its table over the joint's range.
    """

    names: tuple[str, ...]
    hard_lower: np.ndarray
    hard_upper: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    bounds: VelocityTable | None

    @property
    def n(self) -> int:
        return len(self.names)

    def full_speed(self) -> tuple[np.ndarray, np.ndarray]:
        """Between which positions (N,) the full velocity is allowed both ways, inside the soft
        limits; nowhere (an empty range) where the maker's bounds never reach it.
        """
        if self.bounds is None:
            return self.lower, self.upper
        lower, upper = self.bounds.reaching(self.velocity)
        return np.maximum(lower, self.lower), np.minimum(upper, self.upper)


@dataclass(frozen=True)
class VelocityTable(Frozen):
    """Position-dependent velocity bounds over each joint's range, (GRID, N).

    up, down: greatest speed upwards and downwards. ceiling_*: the same, lowered so that a
    deceleration of 80 % of the limit is enough to stay below it (backward pass as in time-optimal
    path parameterisation).
    """

    origin: np.ndarray
    spacing: np.ndarray
    up: np.ndarray
    down: np.ndarray
    ceiling_up: np.ndarray
    ceiling_down: np.ndarray

    def speeds(self, q_SxN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Greatest speed up and down at positions (S, N): the lesser of the two nearest table
        rows.
        """
        return self._look_up(q_SxN, self.up, self.down)

    def reaching(self, velocity_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ends (N,) of each joint's range in which both speeds are at least `velocity_N`; the
        speeds fall towards the ends of travel, so it is one range. inf, -inf: there is none.
        """
        fast = (self.up >= velocity_N) & (self.down >= velocity_N)
        q = self.origin + np.arange(len(fast))[:, None] * self.spacing
        return np.where(fast, q, np.inf).min(axis=0), np.where(fast, q, -np.inf).max(axis=0)

    def ceilings(self, q_SxN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Greatest speed up and down that can still be braked in time, at positions (S, N)."""
        return self._look_up(q_SxN, self.ceiling_up, self.ceiling_down)

    def _look_up(
        self, q_SxN: np.ndarray, up: np.ndarray, down: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        row = ((q_SxN - self.origin) / self.spacing).astype(int)
        row = np.minimum(np.maximum(row, 0), GRID - 2)
        joint = np.arange(len(self.origin))
        return (
            np.minimum(up[row, joint], up[row + 1, joint]),
            np.minimum(down[row, joint], down[row + 1, joint]),
        )


def limits_of(spec: RobotSpec) -> Limits:
    """Limits in force from the robot description, with the soft position margin taken off."""
    lower, upper = np.array(spec.lower, dtype=float), np.array(spec.upper, dtype=float)
    margin = np.minimum(
        SOFT_MARGIN_MAX,
        SOFT_MARGIN_OF_RANGE * np.where(np.isfinite(upper - lower), upper - lower, 1e9),
    )
    bounds = _velocity_table(spec, lower, upper)
    return Limits(
        spec.joint_names,
        lower,
        upper,
        lower + margin,
        upper - margin,
        np.array(spec.velocity),
        np.array(spec.acceleration),
        np.array(spec.jerk),
        bounds,
    )


def _velocity_table(spec: RobotSpec, lower: np.ndarray, upper: np.ndarray) -> VelocityTable | None:
    """Table of spec.velocity_bounds, or None where they do not depend on the position."""
    low = np.where(np.isfinite(lower), lower, -np.pi)
    high = np.where(np.isfinite(upper), upper, np.pi)
    grid = np.linspace(low, high, GRID)
    lowest, up = spec.velocity_bounds(grid)
    down = -lowest
    if (up == spec.velocity).all() and (down == spec.velocity).all():
        return None
    spacing = (high - low) / (GRID - 1)
    gain = 2 * CEILING_DECELERATION * np.array(spec.acceleration) * spacing
    return VelocityTable(low, spacing, up, down, _braked(up[::-1], gain)[::-1], _braked(down, gain))


def _braked(speed_GxN: np.ndarray, gain_N: np.ndarray) -> np.ndarray:
    """Lower speeds so that v^2 grows by at most `gain_N` from one row to the next."""
    out = speed_GxN.copy()
    for row in range(1, len(out)):
        out[row] = np.minimum(out[row], np.sqrt(out[row - 1] ** 2 + gain_N))
    return out
