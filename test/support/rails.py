"""Three balls of 0.1 m on rails, left and right along x, up along z: distances known by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gen_nodes.embodiment.collision_pairs import Watched
from gen_nodes.embodiment.collision_shapes import Shapes
from gen_nodes.robot import RobotSpec, load_robot

RADIUS = 0.1
BALL = f'<collision><geometry><sphere radius="{RADIUS}"/></geometry></collision>'
_ARM = load_robot('ur5e')
_RAIL = replace(_ARM.joints[0], type='prismatic', lower=-9.0, upper=9.0)


def on_rails(**rails: tuple[str, str]) -> RobotSpec:
    """A robot of balls that slide along an axis (first) from an origin (second)."""
    parts = [
        f'<link name="{name}">{BALL}</link>'
        f'<joint name="{name}" type="prismatic"><parent link="base_link"/>'
        f'<child link="{name}"/><origin xyz="{origin}"/><axis xyz="{axis}"/>'
        '<limit lower="-9" upper="9" velocity="1" effort="1"/></joint>'
        for name, (axis, origin) in rails.items()
    ]
    return replace(
        _ARM,
        urdf_xml='\n'.join(['<robot name="r"><link name="base_link"/>', *parts, '</robot>']),
        joints=tuple(replace(_RAIL, name=name) for name in rails),
        base_frame='base_link',
        ready=np.zeros(len(rails)),
        fences=(),
    )


SPEC = on_rails(left=('1 0 0', '-1 0 0'), right=('1 0 0', '1 0 0'), up=('0 0 1', '-1 0 1'))
NAMES = SPEC.joint_names
SHAPES = Shapes(SPEC)
PAIRS = np.array([[0, 1], [0, 2]])
SHAPES.watch(PAIRS)
WATCHED = Watched(
    PAIRS, SHAPES.motion(PAIRS), np.full(2, 0.06), ('left and right', 'left and up'), margin=0.01
)


def gap(q: np.ndarray) -> float:
    """Distance [m] of left and right, while left is on its side."""
    return 2.0 + q[1] - q[0] - 2 * RADIUS


def place(distance: float, other: float = 5.0) -> np.ndarray:
    """Left and right so far apart, and left so far from up, which is above and 0.1 m ahead."""
    return np.array([-0.1, distance - 1.9, _height(other) - 1.0])


def _height(distance: float) -> float:
    return float(np.sqrt((distance + 2 * RADIUS) ** 2 - 0.1**2))


class Path:
    """A stop along positions by fraction, with a bound of the motion in all."""

    def __init__(self, positions: Callable[[float], np.ndarray], most: np.ndarray) -> None:
        self._positions, self._most = positions, most

    def __call__(self, fractions: np.ndarray) -> np.ndarray:
        return np.array([self._positions(f) for f in fractions])

    def lengths(self, fractions: np.ndarray) -> np.ndarray:
        return np.diff(fractions)[:, None] * self._most
