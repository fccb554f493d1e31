"""The commanded joints of a robot: limits of the URDF, tightened by the safety choices of its YAML.

Public through `robot.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gen_nodes.errors import RobotError, unknown_name
from gen_nodes.reading import Section
from gen_nodes.urdf import Urdf, UrdfJoint

ROLES = ('arm', 'gripper', 'torso', 'head')
CAPS = ('velocity', 'acceleration', 'jerk')
URDF, YAML = 'URDF', 'robot YAML'


@dataclass(frozen=True)
class JointSpec:
    """A commanded joint with its limits in force.

    `limit_sources` says who set position, velocity, acceleration, jerk and effort: 'URDF' or
    'robot YAML'.
    """

    name: str
    type: str  # revolute, continuous, prismatic
    role: str  # arm, gripper, torso, head
    lower: float
    upper: float
    velocity: float
    effort: float
    acceleration: float
    jerk: float
    limit_sources: Mapping[str, str]
    published: UrdfJoint  # as the URDF states it, None where it states nothing


def read_joints(config: Section, urdf: Urdf, safety: Section) -> tuple[JointSpec, ...]:
    names = config.texts('joints')
    commandable = [name for name, joint in urdf.joints.items() if joint.mimic is None]
    for name in names:
        if name in urdf.joints and urdf.joints[name].mimic:
            raise RobotError(
                f"{config.where}: joint '{name}' only follows (mimic) "
                f"'{urdf.joints[name].mimic[0]}'; "
                f'command that one'
            )
        if name not in urdf.joints:
            raise RobotError(
                f"{config.where}: the URDF '{urdf.robot}' has no such joint: "
                f'{unknown_name("joint", name, commandable)}'
            )
    roles = _roles(config, names)
    caps = _Caps(safety, names, roles)
    return tuple(_joint(urdf.joints[name], roles[name], caps) for name in names)


def _roles(config: Section, names: tuple[str, ...]) -> dict[str, str]:
    """Role of every joint: 'arm' where `roles` says nothing."""
    section = config.section('roles', {})
    roles = {}
    for role in section.names():
        if role not in ROLES:
            raise RobotError(f'{section.where}: {unknown_name("role", role, ROLES)}')
        for name in section.texts(role):
            if name not in names:
                raise RobotError(f'{section.where}: {role}: {unknown_name("joint", name, names)}')
            if name in roles:
                raise RobotError(
                    f"{section.where}: joint '{name}' has two roles, {roles[name]} and {role}"
                )
            roles[name] = role
    return {name: roles.get(name, 'arm') for name in names}


class _Caps:
    """The operator's limits: one number for all, or by role or joint (the joint's own wins)."""

    def __init__(self, section: Section, names: tuple[str, ...], roles: dict[str, str]) -> None:
        self.where = section.where
        self._roles = roles
        self._by_key = {key: self._numbers(section, key, (*names, *roles.values())) for key in CAPS}
        positions = section.section('position', {})
        for name in positions.names():
            if name not in names:
                raise RobotError(f'{positions.where}: {unknown_name("joint", name, names)}')
        self.position = {name: positions.vector(name, 2) for name in positions.names()}

    def get(self, key: str, joint: str) -> float | None:
        """Cap of a joint, None where the operator chose none."""
        caps = self._by_key[key]
        return caps.get(joint, caps.get(self._roles[joint], caps.get('')))

    @staticmethod
    def _numbers(section: Section, key: str, valid: tuple[str, ...]) -> dict[str, float]:
        value = section.raw(key, None)
        if value is None:
            return {}
        if not isinstance(value, dict):
            return {'': section.number(key, 1e-6, 1e6)}
        inner = section.section(key)
        for name in inner.names():
            if name not in valid:
                raise RobotError(
                    f'{inner.where}: {unknown_name("joint or role", name, set(valid))}'
                )
        return {name: inner.number(name, 1e-6, 1e6) for name in inner.names()}


def _joint(published: UrdfJoint, role: str, caps: _Caps) -> JointSpec:
    values, sources = {}, {'effort': URDF}
    for key in CAPS:
        values[key], sources[key] = _tightened(published, key, caps)
    lower, upper = caps.position.get(published.name, (published.lower, published.upper))
    if not (published.lower <= lower < upper <= published.upper):
        raise RobotError(
            f"{caps.where}: position of joint '{published.name}' must lie inside the URDF's "
            f'[{published.lower:g}, {published.upper:g}], is [{lower:g}, {upper:g}]'
        )
    sources['position'] = YAML if published.name in caps.position else URDF
    return JointSpec(
        published.name,
        published.type,
        role,
        lower,
        upper,
        effort=published.effort,
        **values,
        limit_sources=MappingProxyType(sources),
        published=published,
    )


def _tightened(published: UrdfJoint, key: str, caps: _Caps) -> tuple[float, str]:
    limit, cap = getattr(published, key), caps.get(key, published.name)
    if limit is None and cap is None:
        raise RobotError(
            f"{caps.where}: joint '{published.name}' has no {key} limit: "
            f'the URDF states none and safety.{key} gives none; choose one there (from the maker, '
            "a data sheet, or MoveIt's joint_limits.yaml)"
        )
    if cap is None:
        return limit, URDF
    if limit is not None and cap > limit:
        raise RobotError(
            f"{caps.where}: {key} of joint '{published.name}' is {cap:g}, looser than "
            f"the URDF's {limit:g}; "
            f'a robot YAML may only tighten a limit: choose at most {limit:g}'
        )
    return cap, YAML
