"""What differs from episode to episode in what cameras see: colours, light and where cameras
stand.
"""

from __future__ import annotations

import numpy as np

from gen_nodes.hil.camera import Look, look_at
from gen_nodes.hil.plant import Plant
from gen_nodes.hil.tasks import TaskScene
from gen_nodes.hil.workspace import UP, Workspace
from gen_nodes.hil.world import ViewConfig, WorldConfig
from gen_nodes.robot import RobotSpec


def draw_views(
    spec: RobotSpec, view: ViewConfig, workspace: Workspace, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Poses (4, 4) in the base frame of free-standing cameras: those whose pose the driver
    publishes.
    """
    free = [name for name, stream in spec.streams.items() if is_free_standing(stream)]
    return {name: _draw_view(view, workspace, rng) for name in free}


def is_free_standing(stream: object) -> bool:
    """Whether a stream is a camera that stands where its `pose` topic says."""
    return stream.type == 'camera' and bool(stream.topics.get('pose'))


def _draw_view(view: ViewConfig, workspace: Workspace, rng: np.random.Generator) -> np.ndarray:
    azimuth, elevation = np.radians([view.azimuth_deg, view.elevation_deg])
    away = (
        np.cos(elevation) * (np.cos(azimuth) * workspace.forward + np.sin(azimuth) * workspace.left)
        + np.sin(elevation) * UP
    )
    position = workspace.centre + view.distance * away
    position += view.position_variation * rng.uniform(-1, 1, 3)
    target = workspace.centre + view.target_variation * rng.uniform(-1, 1, 3)
    roll = np.radians(view.roll_variation_deg) * rng.uniform(-1, 1)
    sideways = np.cross(away, UP)
    angle = rng.uniform(0, 2 * np.pi)
    shift = np.cos(angle) * sideways / np.linalg.norm(sideways)
    shift += np.sin(angle) * np.cross(sideways, away) / np.linalg.norm(np.cross(sideways, away))
    return look_at(position + view.shift * shift, target, roll)


def draw_look(plant: Plant, scene: TaskScene, world: WorldConfig, rng: np.random.Generator) -> Look:
    """Colours of everything and one light."""
    colours = plant.model.geom_rgba[:, :3].copy()
    ball = world.ball
    for geom, item in zip(plant.ball_geoms, scene.balls, strict=True):
        colours[geom] = _vary(np.array(ball.colours[item.colour]), ball.colour_variation, rng)
    grey = _vary(np.full(3, rng.uniform(*world.floor.grey)), world.floor.tint, rng)
    contrast = rng.uniform(*world.floor.contrast)
    tilt, turn = np.radians(rng.uniform(*world.light.tilt_deg)), rng.uniform(0, 2 * np.pi)
    to_light = np.array([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)])
    tint = world.light.tint
    background = _vary(np.full(3, rng.uniform(*world.floor.grey)), tint, rng)
    chequers = np.clip([grey - contrast / 2, grey + contrast / 2], 0, 1)
    return Look(
        rgb_Rx3=np.concatenate([colours, chequers, background[None]]).astype(np.float32),
        chequer_m=world.floor.chequer,
        to_light=to_light,
        ambient_rgb=_vary(np.full(3, rng.uniform(*world.light.ambient)), tint, rng).astype(
            np.float32
        ),
        diffuse_rgb=_vary(np.full(3, rng.uniform(*world.light.diffuse)), tint, rng).astype(
            np.float32
        ),
    )


def _vary(rgb: np.ndarray, variation: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(rgb + variation * rng.uniform(-1, 1, 3), 0, 1)
