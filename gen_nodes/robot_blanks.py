"""What a person must still do about a first robot YAML: entries to fill in, guesses to confirm.

`load_robot` refuses a YAML for as long as one FILL IN stands in it: each is text where a number or
a topic must be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from gen_nodes.joints import ROLES
from gen_nodes.robot_draft import Draft
from gen_nodes.urdf import UrdfJoint

FILL_IN = 'FILL IN'
SLOW, SLOW_PRISMATIC = 0.5, 0.05  # [rad/s], [m/s] speeds to begin with
WHY = {
    'control.paths': 'the driver decides under which name it takes commands; see its controllers '
    "YAML or 'ros2 topic list', 'ros2 action list'",
    'safety.acceleration': 'the URDF states none. Usually in the data sheet or manual, in the '
    "driver's own limits, or as max_acceleration in joint_limits.yaml of the MoveIt configuration "
    '(often a planning value). Too high trips the driver, too low only makes the robot slow',
    'safety.jerk': 'the URDF states none and few makers publish it. Where the manual is silent, '
    'acceleration / 0.05 s reaches full acceleration within 0.05 s; the less, the gentler',
    'streams.joint_states.rate_hz': "what the driver publishes: 'ros2 topic hz /joint_states'",
}


@dataclass(frozen=True)
class Blank:
    """An entry of a robot YAML that a person has not filled in yet."""

    key: str  # 'safety.acceleration.arm'
    text: str

    @property
    def why(self) -> str:
        """Where the value usually comes from."""
        known = (WHY[key] for key in WHY if self.key.startswith(key))
        return next(known, 'only you can know it')


def find_blanks(yaml_text: str) -> tuple[Blank, ...]:
    """Entries that still say FILL IN; () where the text is not YAML."""
    try:
        return tuple(_walk(yaml.safe_load(yaml_text), ''))
    except yaml.YAMLError:
        return ()


def _walk(value: object, key: str) -> Iterator[Blank]:
    if isinstance(value, str) and value.startswith(FILL_IN):
        yield Blank(key, value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _walk(inner, f'{key}.{name}'.removeprefix('.'))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _walk(inner, f'{key}[{i}]')


def checklist(draft: Draft, yaml_text: str) -> tuple[list[str], list[str]]:
    """What a person must fill in, and what they must confirm, as lines."""
    to_fill: dict[str, list[str]] = {}
    for blank in find_blanks(yaml_text):
        to_fill.setdefault(blank.why, []).append(blank.key)
    return [f'{", ".join(keys)}: {why}' for why, keys in to_fill.items()], _to_confirm(draft)


def _to_confirm(draft: Draft) -> list[str]:
    lines = [f'base_frame {draft.base}', *(_tip_line(draft, tip) for tip in draft.tips)]
    told = {role: draft.of_role(role) for role in ROLES if role != 'arm' and draft.of_role(role)}
    lines += [f'role {role}: {", ".join(names)}, guessed' for role, names in told.items()]
    lines += [f'{name} is not commanded: {why}' for name, why in draft.left_out.items()]
    lines.append('ready: legal, but nobody has looked whether it is a good pose to stand in')
    lines.append(
        f'safety.velocity: at most {SLOW:g} rad/s and {SLOW_PRISMATIC:g} m/s to begin with'
    )
    fast = [joint.name for joint in draft.joints if joint.velocity >= 10 and turns(joint)]
    if fast:
        lines.append(f'10 rad/s or more in the URDF looks like a placeholder: {", ".join(fast)}')
    return [*lines, *_about_shapes(draft)]


def _about_shapes(draft: Draft) -> list[str]:
    links = draft.tree.links.values()
    meshes = [link.name for link in links if link.meshes and not link.solids]
    lines = []
    if meshes:
        lines.append(
            f'collision shapes that are meshes are not read ({", ".join(meshes)}): emulator and '
            'self-collision see boxes, cylinders and spheres only; add some to the URDF'
        )
    elif not any(link.solids for link in links):
        lines.append('the URDF has no collision shape: nothing watches self-collision')
    moving = {joint.child for joint in draft.tree.joints if joint.type != 'fixed'}
    light = [name for name in moving if not _moved_mass(draft, name)]
    if light:
        lines.append(f'no mass behind these links, which the emulator needs: {", ".join(light)}')
    dull = [tip for tip in draft.tips if not _solid(draft, tip)]
    if dull:
        lines.append(
            'no collision shape at or behind these tips, which the emulator needs (a small '
            f'sphere): {", ".join(dull)}'
        )
    return lines


def _solid(draft: Draft, link: str) -> bool:
    """Whether a link, or one that is fixed to it, has a collision primitive."""
    fixed = (joint.child for joint in draft.tree.below(link) if joint.type == 'fixed')
    return bool(draft.tree.links[link].solids) or any(_solid(draft, child) for child in fixed)


def _moved_mass(draft: Draft, link: str) -> float:
    """Mass of a link and all that is fixed to it [kg]."""
    fixed = (joint.child for joint in draft.tree.below(link) if joint.type == 'fixed')
    return draft.tree.links[link].mass + sum(_moved_mass(draft, child) for child in fixed)


def _tip_line(draft: Draft, tip: str) -> str:
    others = draft.candidates[tip]
    return f'tip {tip}' + (f'; others at this end: {", ".join(others)}' if others else '')


def turns(joint: UrdfJoint) -> bool:
    """Whether a joint is measured in radians."""
    return joint.type != 'prismatic'
