"""Everything that can be found out about a robot without moving it: description, packages of this
machine, self-collision, the emulator.
"""

from __future__ import annotations

from dataclasses import dataclass

from gen_nodes.embodiment.collision import collision_of
from gen_nodes.embodiment.collision_pairs import Explained, explained
from gen_nodes.errors import ConfigError, GenError
from gen_nodes.hil.plant import Plant
from gen_nodes.hil.world import load_world
from gen_nodes.robot import RobotSpec
from gen_nodes.robot_findings import ERROR, WARNING, Case, Finding, judge
from gen_nodes.robot_sheet import Sheet, sheet_of
from gen_nodes.ros.messages_rclpy import wired_class
from gen_nodes.urdf_tree import UrdfTree, read_tree

WORLD = 'tabletop'


@dataclass(frozen=True)
class Interface:
    """A message or action type that the robot YAML names under `key`; `trouble`: why this machine
    cannot serve it, '' where it can.
    """

    key: str
    type: str
    trouble: str


@dataclass(frozen=True)
class Contacts:
    """Self-collision and fences: every pair of links explained, and the nearest at ready [m]."""

    pairs: Explained
    nearest: str
    clearance: float


@dataclass(frozen=True)
class Robot:
    """A robot with all that was found out about it."""

    spec: RobotSpec
    tree: UrdfTree
    sheet: Sheet
    interfaces: tuple[Interface, ...]
    contacts: Contacts | None
    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """Number of findings of a level."""
        return sum(finding.level == level for finding in self.findings)


def examine(spec: RobotSpec) -> Robot:
    """Look at a robot; takes a second or two. Raises RobotError where its URDF is no tree."""
    tree = read_tree(spec.urdf_xml, f"URDF of '{spec.source}'")
    sheet = sheet_of(spec)
    found = interfaces(spec)
    by_type = {interface.type: interface for interface in reversed(found) if interface.trouble}
    others = [missing(interface) for interface in by_type.values()]
    contacts = None
    try:
        contacts = contacts_of(spec)
    except ConfigError as error:
        others.append(Finding(ERROR, 'self_collision', str(error), ''))
    others += emulated(spec)
    return Robot(spec, tree, sheet, found, contacts, judge(Case(spec, sheet, tree, tuple(others))))


def interfaces(spec: RobotSpec) -> tuple[Interface, ...]:
    """Types of command paths and safety topics, and whether this machine has them."""
    named = [
        (f'control.paths[{i}]', path.type or path.message)
        for i, path in enumerate(spec.control.paths)
    ]
    named += [(f'safety.topics[{i}]', topic.type) for i, topic in enumerate(spec.safety_topics)]
    return tuple(Interface(key, kind, trouble(kind, key, spec)) for key, kind in named)


def trouble(kind: str, key: str, spec: RobotSpec) -> str:
    """Why this machine cannot serve a type, '' where it can."""
    try:
        wired_class(kind, key, spec.source)
    except ConfigError as error:
        return str(error).removeprefix(f"robot YAML '{spec.source}': ")
    return ''


def missing(interface: Interface) -> Finding:
    """What a missing message package means."""
    return Finding(
        WARNING,
        'package',
        interface.trouble,
        'isolated runs leave it out; on a robot the controller refuses to start without it',
    )


def contacts_of(spec: RobotSpec) -> Contacts | None:
    """Self-collision at the ready pose, None where nothing is watched. Raises RobotError where
    links are nearer there than the margin.
    """
    collision = collision_of(spec)
    if collision is None:
        return None
    collision.start(spec.ready)
    collision.accept(spec.ready)
    return Contacts(explained(spec), *collision.nearest())


def emulated(spec: RobotSpec) -> list[Finding]:
    """Whether the emulator can load the robot."""
    try:
        Plant(spec, load_world(WORLD))
    except (GenError, ValueError) as error:
        text = ' '.join(str(error).split())
        fix = 'moving links need mass and inertia, tips a collision shape, all shapes primitives'
        return [Finding(ERROR, 'emulator', f'the emulator cannot load it: {text}', fix)]
    return []
