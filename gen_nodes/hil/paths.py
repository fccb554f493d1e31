"""Smooth random paths at constant speed, for balls that move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gen_nodes.errors import ConfigError
from gen_nodes.hil.workspace import Workspace
from gen_nodes.hil.world import TrackConfig
from gen_nodes.types import Frozen

SPACING_M = 0.004  # of the table's points
RAMP_S = 0.5  # from rest to full speed
RATES = (0.8, 1.2)  # of the three sines, relative to each other
SIZES = (0.7, 1.0)  # of the sines, as a share of the box
TURNS = 12  # periods that are drawn; an episode needs fewer
KNOTS = 2400
CHORD = 3  # points from one to the next where curvature is measured
TRIES = 2000


@dataclass(frozen=True)
class BallPath(Frozen):
    """Points (K, 3) at equal distance, run through at `speed` after `still_s` at rest; at the end
    the ball stops.
    """

    points_Kx3: np.ndarray
    spacing: float
    speed: float
    still_s: float

    def state(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity `time_s` after the start, (3,) each."""
        moving_s = max(0.0, time_s - self.still_s)
        ramp = min(moving_s, RAMP_S)
        along = self.speed * (ramp * ramp / (2 * RAMP_S) + moving_s - ramp)
        index, part = divmod(along / self.spacing, 1.0)
        if index >= len(self.points_Kx3) - 2:
            return self.points_Kx3[-1], np.zeros(3)
        first, second, third = self.points_Kx3[int(index) : int(index) + 3]
        tangent = ((second - first) * (1 - part) + (third - second) * part) / self.spacing
        return first + part * (second - first), tangent * (self.speed * ramp / RAMP_S)


def random_path(
    workspace: Workspace, tip: int, config: TrackConfig, rng: np.random.Generator
) -> BallPath:
    """A path inside one tip's volume, long enough for an episode, that the arm can follow. Raises
    ConfigError.
    """
    for _ in range(TRIES):
        points = _even(_swing(workspace, tip, rng), config)
        if (
            len(points)
            and _sharpest(points) <= 1.0 / config.min_radius
            and workspace.contains(points, tip).all()
            and workspace.follows(points[:: max(1, len(points) // 32)], tip)
        ):
            return BallPath(points, SPACING_M, config.speed, config.still_s)
    raise ConfigError(
        f'placement: found no path for {config.time_limit_s:g} s at {config.speed:g} m/s that '
        f'turns no tighter than {config.min_radius:g} m and that tip {tip} of this robot can follow'
    )


def _swing(workspace: Workspace, tip: int, rng: np.random.Generator) -> np.ndarray:
    """A sine along each axis of the box, each of its own frequency, size and middle, (K, 3)."""
    phase = np.linspace(0.0, TURNS * 2 * np.pi, KNOTS)[:, None]
    rate, begin = rng.uniform(*RATES, 3), rng.uniform(0, 2 * np.pi, 3)
    halves = workspace.halves_Tx3[tip]
    size = rng.uniform(*SIZES, 3) * halves
    offset = rng.uniform(-1, 1, 3) * (halves - size) + size * np.sin(rate * phase + begin)
    return workspace.centres_Tx3[tip] + offset @ workspace.axes_3x3


def _even(points_Kx3: np.ndarray, config: TrackConfig) -> np.ndarray:
    """The same curve at SPACING_M, as far as an episode goes; no point where it is shorter."""
    way = np.cumsum(np.linalg.norm(np.diff(points_Kx3, axis=0, prepend=points_Kx3[:1]), axis=1))
    needed = SPACING_M * np.arange(int(config.speed * config.time_limit_s / SPACING_M) + 3)
    if way[-1] < needed[-1]:
        return points_Kx3[:0]
    return np.stack([np.interp(needed, way, column) for column in points_Kx3.T], axis=-1)


def _sharpest(points_Kx3: np.ndarray) -> float:
    """Greatest curvature of evenly spaced points [1/m]."""
    far = CHORD
    bend = points_Kx3[2 * far :] - 2 * points_Kx3[far:-far] + points_Kx3[: -2 * far]
    return float(np.linalg.norm(bend, axis=1).max(initial=0.0)) / (far * SPACING_M) ** 2
