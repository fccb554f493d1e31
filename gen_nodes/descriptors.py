"""Joint descriptors: what the policy knows of a body, for any body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.joints import ROLES

if TYPE_CHECKING:
    from gen_nodes.joints import JointSpec

TYPES = ('revolute', 'prismatic', 'continuous')
STATIC_NAMES = (
    *(f'type_{name}' for name in TYPES),  # 0-2  one-hot
    *(f'role_{name}' for name in ROLES),  # 3-6  one-hot
    'lower',  # 7  position limit over pi rad or 0.5 m; -3 where there is none
    'upper',  # 8  likewise, 3 where there is none
    'velocity',  # 9  log10 of the limit in force over 1 rad/s or 0.1 m/s
    'effort',  # 10  log10 of the limit over 10 N m or 10 N
    'depth',  # 11  commanded joints between this one and the base, over 10
    'height',  # 12  commanded joints between this one and its tip, over 10
    'moves_tip',  # 13  1 where the joint moves its tip, else 0
)
STATIC_FEATURES = len(STATIC_NAMES)


@dataclass(frozen=True)
class JointDescriptors:
    """What the policy knows of N joints: no name, no order, no left or right.

    Leading axes (...) are configurations. static (N, STATIC_FEATURES) float32 within [-3, 3], see
    STATIC_NAMES. origin, axis, tip, lever (..., N, 3) in base: the joint's origin [m], unit axis,
    the tip of its chain [m], and the tip's velocity per unit of joint velocity: axis x (tip -
    origin) [m/rad], a prismatic joint's axis, 0 where the joint does not move its tip. part
    (..., N, 3) [rad/m], [m/m] if prismatic: what the joint does for its tip to move by a metre
    along each axis, all joints of the chain together moving least: its row of the Jacobian's damped
    pseudo-inverse (Nakamura and Hanafusa 1986). chain (N,)
    index of that tip; parent (N,) index of the next commanded joint towards the base or -1;
    depth (N,) commanded joints on the way from the base.
    """

    static: np.ndarray
    origin: np.ndarray
    axis: np.ndarray
    tip: np.ndarray
    lever: np.ndarray
    part: np.ndarray
    chain: np.ndarray
    parent: np.ndarray
    depth: np.ndarray


def static_row(joint: JointSpec, depth: int, height: int, moves_tip: float) -> list[float]:
    """One row of JointDescriptors.static; the scales are the same for every robot."""
    length, speed = (0.5, 0.1) if joint.type == 'prismatic' else (np.pi, 1.0)
    numbers = [
        joint.lower / length,
        joint.upper / length,
        np.log10(joint.velocity / speed),
        np.log10(joint.effort / 10),
        depth / 10,
        height / 10,
        moves_tip,
    ]
    return [
        *(float(joint.type == name) for name in TYPES),
        *(float(joint.role == name) for name in ROLES),
        *np.clip(numbers, -3, 3),
    ]
