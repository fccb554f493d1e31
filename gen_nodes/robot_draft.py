"""What a URDF lets one guess about a robot: base, joints, roles, tips, a legal pose.

Guesses are for a person to confirm (`gen robot new`). Limits are never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gen_nodes.errors import RobotError, unknown_name
from gen_nodes.urdf import Urdf, UrdfJoint, read_urdf
from gen_nodes.urdf_tree import UrdfTree, read_tree

# Words in a joint's name that tell its role; the first row with a match wins.
ROLE_WORDS = (
    ('gripper', ('gripper', 'finger', 'knuckle', 'thumb')),
    ('arm', ('arm', 'shoulder', 'elbow', 'forearm', 'wrist')),
    ('torso', ('torso', 'waist', 'lift', 'spine', 'chest', 'trunk')),
    ('head', ('head', 'neck')),
    ('gripper', ('hand',)),
)
WHEEL_WORDS = ('wheel', 'caster')
STAGE_LINKS = ('world', 'map', 'odom', 'root', 'base_footprint')  # no part of a robot
TIP_WORDS = ('tcp', 'tip', 'tool0', 'tool', 'ee', 'eef', 'effector', 'grasp', 'hand', 'flange')
NO_TIP_WORDS = ('camera', 'optical', 'imu', 'lidar', 'sensor', 'ft', 'inertia')
LIMIT_MARGIN = 0.05  # of the range: a pose nearer to a limit is not proposed
SANE_POSE = 1.57  # [rad] joints are not proposed farther from zero where that is legal


@dataclass(frozen=True)
class Draft:
    """A robot as guessed from its URDF."""

    urdf: Urdf
    tree: UrdfTree
    base: str
    joints: tuple[UrdfJoint, ...]
    left_out: Mapping[str, str]  # movable joints that are not commanded: why
    roles: Mapping[str, str]  # of every joint of `joints`
    tips: tuple[str, ...]
    candidates: Mapping[str, tuple[str, ...]]  # by tip: other frames at the same end
    ready: Mapping[str, float]

    def of_role(self, role: str) -> tuple[str, ...]:
        """Names of the joints with a role."""
        return tuple(joint.name for joint in self.joints if self.roles[joint.name] == role)

    def groups(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(role, joints) that a driver probably commands together: by role, and arms by tip."""
        keys: dict[tuple, list[str]] = {}
        for joint in self.joints:
            keys.setdefault((self.roles[joint.name], self._moved(joint.name)), []).append(
                joint.name
            )
        return tuple((role, tuple(names)) for (role, _), names in keys.items())

    def _moved(self, joint: str) -> tuple[str, ...]:
        """Tips that a joint moves; for a gripper those at whose end it hangs."""
        moved = [tip for tip in self.tips if joint in self._names(tip)]
        if moved or self.roles[joint] != 'gripper':
            return tuple(moved)
        mine = [name for name in self._names(self._child(joint)) if self.roles.get(name) == 'arm']
        return tuple(tip for tip in self.tips if mine and mine[-1] in self._names(tip))

    def _names(self, link: str) -> list[str]:
        return [joint.name for joint in self.tree.way(link)]

    def _child(self, name: str) -> str:
        return next(joint.child for joint in self.tree.joints if joint.name == name)


def draft_robot(xml: str, where: str, base: str | None = None, tips: tuple[str, ...] = ()) -> Draft:
    """Guess a robot from a URDF text; `base` and `tips` where a person knows better. Raises
    RobotError with the fix where the URDF cannot be commanded.
    """
    tree = read_tree(xml, where)
    urdf = read_urdf(xml, where)
    for name in (*tips, *([base] if base else [])):
        if name not in tree.links:
            raise RobotError(f'{where}: {unknown_name("link of the URDF", name, tree.links)}')
    left_out = _left_out(urdf)
    joints = tuple(joint for name, joint in urdf.joints.items() if name not in left_out)
    if not joints:
        raise RobotError(
            f'{where}: no joint can be commanded: every one is fixed, mimic or a wheel'
        )
    leaders = {joint.mimic[0] for joint in urdf.joints.values() if joint.mimic}
    roles = {joint.name: guess_role(joint.name, joint.name in leaders) for joint in joints}
    ends = _ends(tree, roles)
    roles |= dict.fromkeys(_shared(tree, roles, ends), 'torso')
    found = tips or tuple(frames[0] for frames in ends)
    if not found:
        raise RobotError(f'{where}: no tip found; name it with --tip LINK')
    candidates = {
        tip: tuple(frame for frames in ends if tip in frames for frame in frames if frame != tip)
        for tip in found
    }
    ready = {joint.name: legal_pose(joint) for joint in joints}
    return Draft(urdf, tree, base or _base(tree), joints, left_out, roles, found, candidates, ready)


def words_of(name: str) -> list[str]:
    """Words of a name: 'Left_wristRoll2' -> left, wrist, roll."""
    return [word.lower() for word in re.findall(r'[A-Z]?[a-z]+|[A-Z]+(?![a-z])', name)]


def guess_role(joint: str, is_followed: bool = False) -> str:
    """Role of a joint by its name. Where that says nothing: 'gripper' if others follow it (mimic),
    as fingers do, else 'arm'.
    """
    words = words_of(joint)
    for role, signs in ROLE_WORDS:
        if any(word == sign or word == f'{sign}s' for word in words for sign in signs):
            return role
    return 'gripper' if is_followed else 'arm'


def legal_pose(joint: UrdfJoint) -> float:
    """Zero where the limits allow it, else the middle of the range but not far from zero."""
    if joint.type == 'continuous':
        return 0.0
    margin = LIMIT_MARGIN * (joint.upper - joint.lower)
    if joint.lower + margin <= 0.0 <= joint.upper - margin:
        return 0.0
    middle = 0.5 * (joint.lower + joint.upper)
    sane = float(np.clip(middle, -SANE_POSE, SANE_POSE))
    value = float(np.clip(sane, joint.lower + margin, joint.upper - margin))
    rounded = round(value, 3)
    return rounded if joint.lower + margin <= rounded <= joint.upper - margin else value


def _left_out(urdf: Urdf) -> dict[str, str]:
    left_out = {}
    for name, joint in urdf.joints.items():
        if joint.mimic:
            if joint.mimic[0] not in urdf.joints:
                raise RobotError(
                    f"URDF '{urdf.robot}': joint '{name}' mimics "
                    f'{unknown_name("joint", joint.mimic[0], urdf.joints)}'
                )
            left_out[name] = f'follows {joint.mimic[0]} (mimic)'
        elif any(word.removesuffix('s') in WHEEL_WORDS for word in words_of(name)):
            left_out[name] = 'a wheel by its name: it turns, it does not go to positions'
    return left_out


def _base(tree: UrdfTree) -> str:
    """The root, or the link fixed to it where the root only stands for the room."""
    link = tree.root
    while link in STAGE_LINKS and [joint.type for joint in tree.below(link)] == ['fixed']:
        link = tree.below(link)[0].child
    return link


def _ends(tree: UrdfTree, roles: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Frames at the end of every arm, the likeliest tip first.

    An end is an arm joint (a torso joint where there is no arm) above which none of its kind
    stands; its frames are the links that are fixed to it, also across gripper joints.
    """
    kind = 'arm' if 'arm' in roles.values() else 'torso'
    own = [joint for joint in tree.joints if roles.get(joint.name) == kind]
    on_the_way = {
        way.name for joint in own for way in tree.way(joint.parent) if roles.get(way.name) == kind
    }
    return [_frames(tree, joint.child) for joint in own if joint.name not in on_the_way]


def _shared(tree: UrdfTree, roles: Mapping[str, str], ends: list[tuple[str, ...]]) -> list[str]:
    """Joints of the arm by name that move two ends or more: a torso, whatever its name."""
    ways = [{joint.name for joint in tree.way(frames[0])} for frames in ends]
    arm = [name for name, role in roles.items() if role == 'arm']
    return [name for name in arm if sum(name in way for way in ways) > 1]


def _frames(tree: UrdfTree, link: str) -> tuple[str, ...]:
    frames, todo = [], [link]
    while todo:
        here = todo.pop(0)
        frames.append(here)
        todo += [joint.child for joint in tree.below(here) if joint.type == 'fixed']
    order = {name: i for i, name in enumerate(frames)}
    shown = {name: bool(tree.links[name].looks or tree.links[name].solids) for name in frames}
    return tuple(sorted(frames, key=lambda name: (_rank(name), shown[name], -order[name])))


def _rank(link: str) -> int:
    """How likely a link is a tip by its name: the lower, the likelier."""
    words = words_of(link)
    if any(word in NO_TIP_WORDS for word in words):
        return len(TIP_WORDS) + 1
    ranks = [TIP_WORDS.index(word) for word in words if word in TIP_WORDS]
    if 'tool0' in link.lower():
        ranks.append(TIP_WORDS.index('tool0'))
    return min(ranks, default=len(TIP_WORDS))
