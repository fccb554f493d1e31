"""RobotSpec: the only reader of `urdf/<robot>.urdf` and `config/robots/<robot>.yaml`.

The URDF owns kinematics and limits; the YAML owns wiring, the ready pose and the operator's safety
choices, which may tighten a limit and never loosen it. Units are SI: rad, m, s, N, N m. Joint
arrays are in the order of the YAML's `joints`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.errors import RobotError, unknown_name
from gen_nodes.joints import CAPS, JointSpec, read_joints
from gen_nodes.reading import Section, parse_yaml, read_text
from gen_nodes.safety import (
    CollisionSpec,
    EstopSpec,
    Fence,
    SafetyTopic,
    WrenchLimit,
    read_safety,
)
from gen_nodes.urdf import PositionVelocity, Urdf, read_urdf
from gen_nodes.wiring import (
    CommandPath,
    ControlSpec,
    Mount,
    StateSpec,
    StreamSpec,
    read_control,
    read_streams,
)

if TYPE_CHECKING:
    from gen_nodes.kinematics import Kinematics

__all__ = [
    'CollisionSpec',
    'CommandPath',
    'ControlSpec',
    'EstopSpec',
    'Fence',
    'JointSpec',
    'Mount',
    'RobotSpec',
    'SafetyTopic',
    'StateSpec',
    'StreamSpec',
    'WrenchLimit',
    'known_robots',
    'load_robot',
    'resource_root',
]


@dataclass(frozen=True, eq=False)  # compare by sha256
class RobotSpec:
    """One robot as all of the stack sees it; (N,) arrays are read-only, in order of `joints`."""

    name: str
    display_name: str
    urdf_xml: str
    base_frame: str
    joints: tuple[JointSpec, ...]
    tips: tuple[str, ...]
    ready: np.ndarray
    streams: Mapping[str, StreamSpec]
    state: StateSpec
    control: ControlSpec
    safety_topics: tuple[SafetyTopic, ...]
    estop: EstopSpec
    wrench_limit: WrenchLimit | None
    self_collision: CollisionSpec | None  # None: not watched
    fences: tuple[Fence, ...]
    sha256: str  # of URDF and YAML together
    source: Path  # the YAML
    joint_names: tuple[str, ...] = field(init=False)
    lower: np.ndarray = field(init=False)
    upper: np.ndarray = field(init=False)
    velocity: np.ndarray = field(init=False)
    acceleration: np.ndarray = field(init=False)
    jerk: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, 'joint_names', tuple(joint.name for joint in self.joints))
        for key in ('lower', 'upper', *CAPS):
            object.__setattr__(self, key, _frozen([getattr(joint, key) for joint in self.joints]))
        object.__setattr__(self, 'ready', _frozen(self.ready))

    @property
    def n(self) -> int:
        """Number of commanded joints."""
        return len(self.joints)

    @property
    def units(self) -> np.ndarray:
        """(N,) 1 for a joint that turns, 0.1 for one that slides: a bar in rad, times it, is in
        m.
        """
        return np.array([0.1 if joint.type == 'prismatic' else 1.0 for joint in self.joints])

    def velocity_bounds(self, q_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest velocity in force at positions (..., N): +-`velocity` or tighter.

        Tighter near the ends of travel where the maker publishes that (<position_velocity>).
        """
        q = np.asarray(q_N, float)
        high = np.broadcast_to(self.velocity, q.shape).copy()
        low = -high
        for i, joint in enumerate(self.joints):
            if (rule := joint.published.position_velocity) is not None:
                down, up = position_velocity(rule, q[..., i])
                low[..., i] = np.maximum(low[..., i], down)
                high[..., i] = np.minimum(high[..., i], up)
        return low, high

    def kinematics(self) -> Kinematics:
        """A new Kinematics; not thread-safe, so one per thread."""
        from gen_nodes.kinematics import Kinematics

        return Kinematics(self.urdf_xml, self.base_frame, self.joints, self.tips)


def position_velocity(rule: PositionVelocity, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest velocity at position q by a published rule."""
    up = -rule.off + np.sqrt(np.maximum(0.0, rule.k * (rule.q_up - q)))
    down = rule.off - np.sqrt(np.maximum(0.0, rule.k * (rule.q_lo + q)))
    return (
        np.maximum(-rule.vmax, np.minimum(0.0, down)),
        np.minimum(rule.vmax, np.maximum(0.0, up)),
    )


def resource_root() -> Path:
    """Folder that holds urdf/ and config/: the checkout, or share/gen_stack of an installation."""
    package = Path(__file__).resolve().parent
    tried = [package.parent, *(parent / 'share' / 'gen_stack' for parent in package.parents)]
    for root in tried:
        if (root / 'config' / 'robots').is_dir() and (root / 'urdf').is_dir():
            return root
    raise RobotError(
        f"no folder with config/robots and urdf near '{package}'; "
        'install the package or use a checkout'
    )


def known_robots() -> tuple[str, ...]:
    """Names of the robots in config/robots."""
    return tuple(
        sorted(path.stem for path in (resource_root() / 'config' / 'robots').glob('*.yaml'))
    )


def load_robot(name_or_path: str) -> RobotSpec:
    """Read a known robot by name, or any robot YAML by path; raises ConfigError with the fix."""
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml') and len(path.parts) == 1:
        if name_or_path not in known_robots():
            raise unknown_name('robot', name_or_path, known_robots())
        path = resource_root() / 'config' / 'robots' / f'{name_or_path}.yaml'
    text = read_text(path)
    config = parse_yaml(text, f"robot YAML '{path}'")
    urdf_path = _urdf_path(config.text('urdf'), path)
    urdf_xml = read_text(urdf_path)
    spec_sha = hashlib.sha256(urdf_xml.encode() + b'\0' + text.encode()).hexdigest()
    spec = _spec(path, config, urdf_xml, read_urdf(urdf_xml, f"URDF '{urdf_path}'"), spec_sha)
    _check_frames(spec)
    return spec


def _urdf_path(given: str, yaml_path: Path) -> Path:
    places = [yaml_path.parent / given, resource_root() / 'urdf' / given]
    for place in places:
        if place.is_file():
            return place
    raise RobotError(
        f"robot YAML '{yaml_path}': urdf '{given}' not found; looked for "
        + ' and '.join(f"'{place}'" for place in places)
    )


def _spec(path: Path, config: Section, urdf_xml: str, urdf: Urdf, sha256: str) -> RobotSpec:
    safety = config.section('safety')
    joints = read_joints(config, urdf, safety)
    names = tuple(joint.name for joint in joints)
    streams = read_streams(config.section('streams'))
    stops = read_safety(safety, streams, urdf.links)
    spec = RobotSpec(
        name=path.stem,
        display_name=config.text('display_name'),
        urdf_xml=urdf_xml,
        base_frame=config.text('base_frame'),
        joints=joints,
        tips=config.texts('tips'),
        ready=_ready(config.section('ready'), joints),
        streams=MappingProxyType(streams),
        state=_state(config, streams),
        control=read_control(config.section('control'), names),
        safety_topics=stops.topics,
        estop=stops.estop,
        wrench_limit=stops.wrench_limit,
        self_collision=stops.self_collision,
        fences=stops.fences,
        sha256=sha256,
        source=path,
    )
    safety.close()
    config.close()
    return spec


def _ready(section: Section, joints: tuple[JointSpec, ...]) -> list[float]:
    values = [section.number(joint.name) for joint in joints]
    section.close()
    for joint, value in zip(joints, values, strict=True):
        if not joint.lower <= value <= joint.upper:
            raise RobotError(
                f"{section.where}: joint '{joint.name}' at {value:g} is outside its limits "
                f'[{joint.lower:g}, {joint.upper:g}]'
            )
    return values


def _state(config: Section, streams: dict[str, StreamSpec]) -> StateSpec:
    found = [stream for stream in streams.values() if stream.type == 'joint_states']
    if len(found) != 1 or not found[0].required:
        raise RobotError(
            f'{config.where}: streams must hold exactly one of type joint_states, and it must be '
            f'required; found {len(found)}'
        )
    return StateSpec(found[0].topic, found[0].rate_hz, found[0].timeout_s)


def _check_frames(spec: RobotSpec) -> None:
    """Every frame that the YAML names must be in the URDF; raises RobotError."""
    frames = spec.kinematics().frame_names
    where = f"robot YAML '{spec.source}'"
    wanted = [('base_frame', spec.base_frame), *(('tips', tip) for tip in spec.tips)]
    for stream in spec.streams.values():
        wanted += [(f'streams: {stream.name}: frame', stream.frame)] if stream.frame else []
        wanted += (
            [(f'streams: {stream.name}: mount: parent', stream.mount.parent)]
            if stream.mount
            else []
        )
    for key, frame in wanted:
        if frame not in frames:
            raise RobotError(f'{where}: {key}: {unknown_name("frame of the URDF", frame, frames)}')


def _frozen(values: object) -> np.ndarray:
    array = np.array(values, float)
    array.flags.writeable = False
    return array
