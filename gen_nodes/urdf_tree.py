"""The tree of a URDF: links, joints of every type, and the shapes that links consist of.

`urdf.py` has the limits of movable joints, Pinocchio the kinematics. Read here is what neither
hands out: which links are ends, which carry primitives or meshes, what a URDF must not contain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.etree import ElementTree

import numpy as np
from transforms3d.euler import euler2mat

from gen_nodes.errors import RobotError, unknown_name
from gen_nodes.urdf import MOVABLE

SERVED = (*MOVABLE, 'fixed')
XACRO = ('<xacro:', '${', '$(')
GREY = (0.72, 0.74, 0.77)


@dataclass(frozen=True)
class TreeJoint:
    """A joint of any type between two links."""

    name: str
    type: str
    parent: str
    child: str
    mimic: str  # the joint that it follows, '' for none


@dataclass(frozen=True)
class Shape:
    """A primitive in its link's frame: box, cylinder (along z) or sphere.

    size [m]: box: half lengths; cylinder: radius, half length; sphere: radius.
    """

    kind: str
    size: tuple[float, ...]
    link_from_shape_4x4: np.ndarray
    rgb: tuple[float, float, float]


@dataclass(frozen=True)
class Link:
    """A link's shapes; `meshes` counts <collision> elements that are meshes, which nobody sees."""

    name: str
    looks: tuple[Shape, ...]  # primitives of <visual>
    solids: tuple[Shape, ...]  # primitives of <collision>
    meshes: int
    mass: float  # [kg], 0 where the URDF states none


@dataclass(frozen=True)
class UrdfTree:
    """Links and joints of a URDF in the order of the file."""

    robot: str
    root: str
    links: Mapping[str, Link]
    joints: tuple[TreeJoint, ...]

    def below(self, link: str) -> tuple[TreeJoint, ...]:
        """Joints whose parent is `link`."""
        return tuple(joint for joint in self.joints if joint.parent == link)

    def way(self, link: str) -> tuple[TreeJoint, ...]:
        """Joints from the root to `link`."""
        above = {joint.child: joint for joint in self.joints}
        way = []
        while link in above:
            way.append(above[link])
            link = above[link].parent
        return tuple(reversed(way))


def read_tree(xml: str, where: str) -> UrdfTree:
    """Tree of a URDF text; raises RobotError with the fix where it is none, or holds what the stack
    does not serve: xacro, planar and floating joints, names given twice, loops.
    """
    left = next((mark for mark in XACRO if mark in xml), None)
    if left is not None:
        raise RobotError(
            f"{where}: xacro is still inside ('{left}'); expand it first: "
            'xacro robot.urdf.xacro > robot.urdf'
        )
    if '<!DOCTYPE' in xml or '<!ENTITY' in xml:
        raise RobotError(
            f'{where}: a URDF must not declare a DTD or entities; remove <!DOCTYPE ...>'
        )
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise RobotError(f'{where}: not valid XML: {error}') from error
    if root.tag != 'robot':
        raise RobotError(f'{where}: the top element must be <robot>, is <{root.tag}>')
    try:
        colours = _colours(root)
        links = [_link(element, colours) for element in root.findall('link')]
    except ValueError as error:
        raise RobotError(f'{where}: {error}') from error
    joints = tuple(_joint(element, where) for element in root.findall('joint'))
    _refuse_doubles('link', [link.name for link in links], where)
    _refuse_doubles('joint', [joint.name for joint in joints], where)
    top = _root([link.name for link in links], joints, where)
    by_name = MappingProxyType({link.name: link for link in links})
    return UrdfTree(root.get('name', ''), top, by_name, joints)


def _joint(element: ElementTree.Element, where: str) -> TreeJoint:
    name, kind = element.get('name', ''), element.get('type', '')
    ends = [element.find(end) for end in ('parent', 'child')]
    if None in ends:
        raise RobotError(f"{where}: joint '{name}' needs <parent> and <child>")
    parent, child = (end.get('link', '') for end in ends)
    if kind not in SERVED:
        raise RobotError(
            f"{where}: joint '{name}' is {kind or 'of no type'}; served are {', '.join(SERVED)}: "
            f"make it fixed where the robot stands on it, or let the URDF begin at '{child}'"
        )
    mimic = element.find('mimic')
    return TreeJoint(name, kind, parent, child, '' if mimic is None else mimic.get('joint', ''))


def _refuse_doubles(kind: str, names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise RobotError(
                f"{where}: {kind} '{name}' is defined {names.count(name)} times; names must "
                'differ: give every arm a prefix'
            )


def _root(links: list[str], joints: tuple[TreeJoint, ...], where: str) -> str:
    for joint in joints:
        for link in (joint.parent, joint.child):
            if link not in links:
                raise RobotError(
                    f"{where}: joint '{joint.name}': {unknown_name('link', link, links)}"
                )
    children = [joint.child for joint in joints]
    for child in children:
        if children.count(child) > 1:
            raise RobotError(f"{where}: link '{child}' hangs on two joints; a URDF is a tree")
    roots = [link for link in links if link not in children]
    if len(roots) != 1:
        raise RobotError(
            f'{where}: exactly one link must have no parent, found '
            f'{", ".join(roots) or "none (a loop)"}; join them by a fixed joint'
        )
    return roots[0]


def _colours(root: ElementTree.Element) -> dict[str, tuple[float, float, float]]:
    """Materials by name."""
    colours = {}
    for material in root.iter('material'):
        rgba = material.find('color')
        if rgba is not None:
            colours[material.get('name', '')] = tuple(_numbers(rgba.get('rgba', ''), 4)[:3])
    return colours


def _link(element: ElementTree.Element, colours: dict[str, tuple[float, float, float]]) -> Link:
    name = element.get('name', '')
    mass = element.find('inertial/mass')
    solids = [_shape(child, colours, name) for child in element.findall('collision')]
    looks = [_shape(child, colours, name) for child in element.findall('visual')]
    return Link(
        name,
        tuple(shape for shape in looks if shape),
        tuple(shape for shape in solids if shape),
        solids.count(None),
        0.0 if mass is None else _numbers(mass.get('value', ''), 1)[0],
    )


def _shape(
    element: ElementTree.Element, colours: dict[str, tuple[float, float, float]], link: str
) -> Shape | None:
    """A visual or collision as a primitive, None where it is a mesh or empty."""
    geometry = element.find('geometry')
    primitive = None if geometry is None else next(iter(geometry), None)
    if primitive is None or primitive.tag not in ('box', 'cylinder', 'sphere'):
        return None
    try:
        if primitive.tag == 'box':
            size = tuple(0.5 * x for x in _numbers(primitive.get('size', ''), 3))
        else:
            size = tuple(_numbers(primitive.get('radius', ''), 1))
        if primitive.tag == 'cylinder':
            size += (0.5 * _numbers(primitive.get('length', ''), 1)[0],)
        pose = _pose(element.find('origin'))
    except ValueError as error:
        raise ValueError(f"link '{link}': <{element.tag}>: {error}") from error
    material = element.find('material')
    name = '' if material is None else material.get('name', '')
    return Shape(primitive.tag, size, pose, colours.get(name, GREY))


def _pose(origin: ElementTree.Element | None) -> np.ndarray:
    pose = np.eye(4)
    if origin is not None:
        pose[:3, :3] = euler2mat(*_numbers(origin.get('rpy', '0 0 0'), 3), 'sxyz')
        pose[:3, 3] = _numbers(origin.get('xyz', '0 0 0'), 3)
    return pose


def _numbers(text: str, count: int) -> list[float]:
    words = text.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"'{text}' must be {count} numbers")
    return values
