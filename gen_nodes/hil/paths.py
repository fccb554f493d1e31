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
STEERING_M = 0.02  # way over which curvature changes
NEAR_M = 0.06  # a way point this near counts as passed
WAY_M = 0.35  # after this way the next way point is due anyway
INNER = 0.7  # share of the box in which way points lie
TRIES = 200


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
        points = _wander(workspace, tip, config, rng)
        if workspace.contains(points, tip).all() and workspace.follows(
            points[:: max(1, len(points) // 32)], tip
        ):
            return BallPath(points, SPACING_M, config.speed, config.still_s)
    raise ConfigError(f'placement: found no path that tip {tip} of this robot can follow')


def _wander(
    workspace: Workspace, tip: int, config: TrackConfig, rng: np.random.Generator
) -> np.ndarray:
    """Steer from way point to way point with bounded curvature, (K, 3)."""
    place = workspace.sample(rng, tip)
    heading = workspace.centres_Tx3[tip] - place + 0.1 * rng.standard_normal(3)
    heading /= np.linalg.norm(heading)
    curvature = np.zeros(3)
    aim, way_m = _way_point(workspace, tip, rng), 0.0
    points = []
    for _ in range(int(config.speed * config.time_limit_s / SPACING_M) + 3):
        points.append(place)
        to_aim = aim - place
        distance = float(np.linalg.norm(to_aim))
        if distance < NEAR_M or way_m > WAY_M:
            aim, way_m = _way_point(workspace, tip, rng), 0.0
        wanted = _turn(heading, to_aim / max(distance, 1e-6)) / config.min_radius
        curvature = curvature + (wanted - curvature) * (SPACING_M / STEERING_M)
        curvature -= (curvature @ heading) * heading
        heading = heading + SPACING_M * curvature
        heading /= np.linalg.norm(heading)
        place = place + SPACING_M * heading
        way_m += SPACING_M
    return np.stack(points)


def _turn(heading: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Sideways direction from `heading` to `wanted`, of length 1 for more than 30 degrees and less
    below.
    """
    cosine = float(heading @ wanted)
    sideways = wanted - cosine * heading
    sine = float(np.linalg.norm(sideways))
    if cosine > 0 and sine < 0.5:
        return 2.0 * sideways
    return sideways / max(sine, 1e-6)


def _way_point(workspace: Workspace, tip: int, rng: np.random.Generator) -> np.ndarray:
    spread = INNER * rng.uniform(-1, 1, 3) * workspace.halves_Tx3[tip]
    return workspace.centres_Tx3[tip] + spread @ workspace.axes_3x3
