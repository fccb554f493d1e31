"""The emulated world as a config: everything around the robot, nothing about the robot itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gen_nodes.errors import ConfigError, unknown_name
from gen_nodes.reading import of_type, parse_yaml, read_text
from gen_nodes.robot import resource_root

Range = tuple[float, float]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class PhysicsConfig:
    timestep_s: float


@dataclass(frozen=True)
class ServoConfig:
    lag_s: Range
    delay_s: Range
    stiffness_rad_s: float
    armature_ratio: float
    armature_min: float
    friction_ratio: float


@dataclass(frozen=True)
class NoiseConfig:
    joint_position: float
    joint_velocity: float
    joint_effort_ratio: float
    wrench_force: float
    wrench_force_bias: float
    wrench_torque: float
    wrench_torque_bias: float
    tactile_force: float


@dataclass(frozen=True)
class CameraConfig:
    width: int
    height: int
    fov_deg: float
    rgb_noise: float
    depth_noise: float
    depth_noise_per_m2: float
    depth_dropout: float
    edge_dropout: float
    depth_range: Range


@dataclass(frozen=True)
class ViewConfig:
    azimuth_deg: float
    elevation_deg: float
    distance: float
    position_variation: float
    target_variation: float
    roll_variation_deg: float
    shift: float


@dataclass(frozen=True)
class LightConfig:
    ambient: Range
    diffuse: Range
    tilt_deg: Range
    tint: float


@dataclass(frozen=True)
class FloorConfig:
    grey: Range
    tint: float
    contrast: Range
    chequer: float


@dataclass(frozen=True)
class BallConfig:
    radius: float
    colours: Mapping[str, Vector]
    colour_variation: float
    count: int
    stiffness: float
    damping: float


@dataclass(frozen=True)
class TactileConfig:
    rows: int
    columns: int
    pitch: float
    spread: float


@dataclass(frozen=True)
class PlacementConfig:
    box: Vector
    offset: Vector
    reach: Range
    min_height: float
    middle_clearance: float
    between_balls: float
    from_tip: float
    from_robot: float
    visible_share: float


@dataclass(frozen=True)
class StartConfig:
    joint_variation: float


@dataclass(frozen=True)
class ReachConfig:
    time_limit_s: float
    tolerance: float
    hold_s: float
    instructions: tuple[str, ...]


@dataclass(frozen=True)
class TrackConfig:
    time_limit_s: float
    tolerance: float
    settle_s: float
    speed: float
    still_s: float
    min_radius: float
    instructions: tuple[str, ...]


@dataclass(frozen=True)
class TasksConfig:
    reach: ReachConfig
    track: TrackConfig


@dataclass(frozen=True)
class WorldConfig:
    """One file of config/worlds; the comments there give meaning and unit of every key."""

    name: str
    physics: PhysicsConfig
    servo: ServoConfig
    noise: NoiseConfig
    camera: CameraConfig
    view: ViewConfig
    light: LightConfig
    floor: FloorConfig
    ball: BallConfig
    tactile: TactileConfig
    placement: PlacementConfig
    start: StartConfig
    tasks: TasksConfig

    def with_camera_shift(self, shift_m: float) -> WorldConfig:
        """The same world with free-standing cameras moved sideways by `shift_m` in every
        episode.
        """
        return dataclasses.replace(self, view=dataclasses.replace(self.view, shift=float(shift_m)))


def known_worlds() -> tuple[str, ...]:
    """Names that `load_world` accepts."""
    return tuple(sorted(path.stem for path in _folder().glob('*.yaml')))


def load_world(name_or_path: str = 'tabletop') -> WorldConfig:
    """Read a world by name (config/worlds) or path. Raises ConfigError that names the key."""
    path = Path(name_or_path)
    if path.suffix != '.yaml':
        path = _folder() / f'{name_or_path}.yaml'
        if not path.exists():
            raise unknown_name('world', name_or_path, known_worlds())
    return parse_world(parse_yaml(read_text(path), path.name).plain(), path.name)


def parse_world(data: object, where: str) -> WorldConfig:
    """WorldConfig from a parsed YAML document. Raises ConfigError that names the key."""
    world = of_type(WorldConfig, data, where)
    if not 1 <= world.ball.count <= len(world.ball.colours):
        raise ConfigError(
            f'{where}.ball.count: {world.ball.count} balls of {len(world.ball.colours)} colours'
        )
    return world


def _folder() -> Path:
    return resource_root() / 'config' / 'worlds'
