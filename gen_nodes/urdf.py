"""Joint limits and tree of a URDF: what Pinocchio does not hand out.

Kinematics come from Pinocchio (`kinematics.py`). Read here: the type as written, effort, the
`acceleration` and `jerk` attributes of URDF 1.2's <limit>, mimic, and <position_velocity>, our
element for limits that depend on position.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

from gen_nodes.errors import RobotError, unknown_name

MOVABLE = ('revolute', 'continuous', 'prismatic')


@dataclass(frozen=True)
class PositionVelocity:
    """Velocity limit near the ends of travel [rad, rad/s], as libfranka's rate_limiting.h has it.

    upper(q) = min(vmax, max(0, -off + sqrt(max(0, k (q_up - q)))))
    lower(q) = max(-vmax, min(0, off - sqrt(max(0, k (q_lo + q)))))
    """

    vmax: float
    off: float
    k: float
    q_up: float
    q_lo: float


@dataclass(frozen=True)
class UrdfJoint:
    """A movable joint as the URDF states it, SI; None where it states nothing."""

    name: str
    type: str
    lower: float
    upper: float
    velocity: float
    effort: float
    acceleration: float | None
    jerk: float | None
    mimic: tuple[str, float, float] | None
    position_velocity: PositionVelocity | None


@dataclass(frozen=True)
class Urdf:
    """What a URDF says about its movable joints and its links."""

    robot: str
    joints: dict[str, UrdfJoint]
    links: tuple[str, ...]


def read_urdf(xml: str, where: str) -> Urdf:
    """Read a URDF text; raises RobotError that names the place. Refuses DTDs and entities."""
    if '<!DOCTYPE' in xml or '<!ENTITY' in xml:
        raise RobotError(
            f'{where}: a URDF must not declare a DTD or entities; remove <!DOCTYPE ...>'
        )
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise RobotError(f'{where}: not valid XML: {error}') from error
    if root.tag != 'robot':
        raise RobotError(
            f'{where}: the top element must be <robot>, is <{root.tag}>; expand xacro files first'
        )
    joints = [
        _joint(element, where)
        for element in root.findall('joint')
        if element.get('type') in MOVABLE
    ]
    links = tuple(link.get('name', '') for link in root.findall('link'))
    return Urdf(root.get('name', ''), {joint.name: joint for joint in joints}, links)


def _joint(element: ElementTree.Element, where: str) -> UrdfJoint:
    name, kind = element.get('name', ''), element.get('type', '')
    place = f"{where}: joint '{name}'"
    limit = element.find('limit')
    if limit is None:
        raise RobotError(
            f'{place} has no <limit>; a joint without limits cannot be commanded safely'
        )
    bounded = kind != 'continuous'
    lower = _number(limit, 'lower', place) if bounded else -math.inf
    upper = _number(limit, 'upper', place) if bounded else math.inf
    if not lower < upper:
        raise RobotError(f'{place}: lower limit {lower:g} must be below upper limit {upper:g}')
    rest = {key: _positive(limit, key, place) for key in ('velocity', 'effort')}
    extra = {
        key: _positive(limit, key, place) if key in limit.attrib else None
        for key in ('acceleration', 'jerk')
    }
    return UrdfJoint(
        name,
        kind,
        lower,
        upper,
        **rest,
        **extra,
        mimic=_mimic(element, place),
        position_velocity=_position_velocity(element, place),
    )


def _mimic(element: ElementTree.Element, place: str) -> tuple[str, float, float] | None:
    mimic = element.find('mimic')
    if mimic is None:
        return None
    factor, offset = (
        _number(mimic, key, place, default)
        for key, default in (('multiplier', 1.0), ('offset', 0.0))
    )
    return mimic.get('joint', ''), factor, offset


def _position_velocity(element: ElementTree.Element, place: str) -> PositionVelocity | None:
    found = element.find('position_velocity')
    if found is None:
        return None
    names = ('vmax', 'off', 'k', 'q_up', 'q_lo')
    for key in found.attrib:
        if key not in names:
            raise RobotError(f'{place}: {unknown_name("position_velocity attribute", key, names)}')
    return PositionVelocity(*(_number(found, key, place) for key in names))


def _positive(element: ElementTree.Element, key: str, place: str) -> float:
    value = _number(element, key, place)
    if value <= 0:
        raise RobotError(f'{place}: {key} limit must be above 0, is {value:g}')
    return value


def _number(
    element: ElementTree.Element, key: str, place: str, default: float | None = None
) -> float:
    text = element.get(key)
    if text is None and default is not None:
        return default
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise RobotError(f'{place}: <{element.tag} {key}> must be a number, is {text!r}')
    return value
