"""Robots that nobody built: URDF texts for tests that begin a robot from nothing but its URDF."""

from __future__ import annotations

INERTIA = '<inertia ixx="0.01" ixy="0" ixz="0" iyy="0.01" iyz="0" izz="0.01"/>'
LENGTHS = (0.25, 0.32, 0.28, 0.08, 0.06)  # base to shoulder, upper arm, forearm, wrist, tool
AXES = ('0 0 1', '0 1 0', '0 1 0', '0 1 0', '0 0 1')
NAMES = ('yaw', 'shoulder', 'elbow', 'wrist', 'roll')
BOUNDS = ((-2.9, 2.9), (-1.9, 1.9), (-0.3, 2.6), (-2.0, 2.0), (-3.0, 3.0))


def arm_urdf(
    *,
    gripper: bool = False,
    name: str = 'twig',
    limit: str = 'velocity="2.5" effort="60"',
    solid: str = '<cylinder radius="0.03" length="{length}"/>',
    inside: str = '',
) -> str:
    """A five-joint arm standing up at zero, with a pin to touch with, or a two-finger gripper.

    limit: attributes of every <limit> of the arm besides its range; solid: its links' geometry;
    inside: more elements of <robot>.
    """
    parts = [f'<robot name="{name}">', inside, _link('pedestal', 0.12, solid)]
    parent, height = 'pedestal', 0.12
    for i, (joint, axis, (lower, upper)) in enumerate(zip(NAMES, AXES, BOUNDS, strict=True)):
        parts.append(_link(f'{joint}_link', LENGTHS[i], solid))
        parts.append(
            f'<joint name="{joint}_joint" type="revolute"><parent link="{parent}"/>'
            f'<child link="{joint}_link"/><origin xyz="0 0 {height}"/><axis xyz="{axis}"/>'
            f'<limit lower="{lower}" upper="{upper}" {limit}/></joint>'
        )
        parent, height = f'{joint}_link', LENGTHS[i]
    parts += _gripper(parent, height) if gripper else []
    parts += [_frame('tool_tip', 0.04, parent, height + (0.08 if gripper else 0.04))]
    return '\n'.join([*parts, '</robot>'])


def _link(name: str, length: float, solid: str) -> str:
    shape = f'<origin xyz="0 0 {length / 2}"/><geometry>{solid.format(length=length)}</geometry>'
    return (
        f'<link name="{name}"><inertial><origin xyz="0 0 {length / 2}"/><mass value="1.0"/>'
        f'{INERTIA}</inertial><visual>{shape}</visual><collision>{shape}</collision></link>'
    )


def _frame(name: str, radius: float, parent: str, height: float) -> str:
    """A link with a small ball, fixed to its parent."""
    shape = f'<geometry><sphere radius="{radius / 4}"/></geometry>'
    return (
        f'<link name="{name}"><collision>{shape}</collision></link>'
        f'<joint name="{parent}-{name}" type="fixed"><parent link="{parent}"/>'
        f'<child link="{name}"/><origin xyz="0 0 {height}"/></joint>'
    )


def _gripper(parent: str, height: float) -> list[str]:
    box = '<geometry><box size="0.01 0.02 0.06"/></geometry><origin xyz="0 0 0.03"/>'
    parts = []
    for side, sign, mimic in (
        ('left', 1, ''),
        ('right', -1, '<mimic joint="left_finger_joint" multiplier="1" offset="0"/>'),
    ):
        parts.append(
            f'<link name="{side}_finger"><inertial><origin xyz="0 0 0.03"/><mass value="0.05"/>'
            '<inertia ixx="0.0001" ixy="0" ixz="0" iyy="0.0001" iyz="0" izz="0.0001"/></inertial>'
            f'<visual>{box}</visual><collision>{box}</collision></link>'
            f'<joint name="{side}_finger_joint" type="prismatic"><parent link="{parent}"/>'
            f'<child link="{side}_finger"/><origin xyz="{sign * 0.01} 0 {height}"/>'
            f'<axis xyz="{sign} 0 0"/>{mimic}'
            '<limit lower="0" upper="0.04" velocity="0.2" effort="20"/></joint>'
        )
    return parts
