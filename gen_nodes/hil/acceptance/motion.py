"""The small motions of the acceptance suite: smooth curves around where the robot stands, inside
its limits, and what the limits say about stopping. No ROS, no clock.

A joint's curve repeats one of two shapes over its duration, both infinitely smooth where they
repeat: to either side of the start, sin^2(pi t) sin(2 pi t), or, where a limit is near, to one
side, sin^4(pi t). Each begins and ends a turn at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gen_nodes.embodiment.limits import limits_of
from gen_nodes.errors import GenError
from gen_nodes.robot import RobotSpec
from gen_nodes.types import Frozen

AMOUNT = {'revolute': 0.1, 'continuous': 0.1, 'prismatic': 0.02}  # greatest [rad or m]
SHARE_OF_RANGE = 0.05
FULL_AMOUNT_SPEED = 0.3  # below this share of the velocity limits the amount shrinks with it
LEAST_SHARE = 0.3  # of the amount, however slow
OF_VELOCITY, OF_ACCELERATION, OF_JERK = 0.9, 0.7, 0.7  # of the limits: what the curves use
CLEAR = 1e-3  # stay so far off the soft limits, as a share of the amount's unit
SAMPLES = 1200  # of a turn; a multiple of 3, since one shape is greatest at a third

# Shapes as sums of a sine or cosine per harmonic of one turn: (harmonic, sine, cosine).
BOTH_WAYS = ((1, 0.5, 0.0), (2, -0.25, 0.0))  # sin^2(pi t) sin(2 pi t)
ONE_WAY = ((0, 0.0, 0.375), (1, 0.0, -0.5), (2, 0.0, 0.125))  # sin^4(pi t)


class NoRoom(GenError):
    """A joint stands where it must not move from."""


def shape(terms: tuple[tuple[int, float, float], ...], t: np.ndarray, order: int = 0) -> np.ndarray:
    """The `order`-th derivative of a shape at turns `t`."""
    out = np.zeros(np.shape(t))
    for harmonic, sine, cosine in terms:
        w = 2 * np.pi * harmonic
        phase = w * np.asarray(t) + order * np.pi / 2  # a derivative turns by a quarter
        out += w**order * (sine * np.sin(phase) + cosine * np.cos(phase))
    return out


@cache
def greatest(terms: tuple[tuple[int, float, float], ...], order: int) -> float:
    """Greatest absolute value of a shape's derivative."""
    return float(np.abs(shape(terms, np.linspace(0, 1, SAMPLES + 1), order)).max())


@dataclass(frozen=True)
class Motion(Frozen):
    """A curve of N joints around `center` (N,), at rest before 0 s and from `seconds` on.

    amount (N,): greatest excursion, signed; one_way (N,): to one side only; turns (N,): times that
    the shape is repeated, 0 where a joint stands still.
    """

    center: np.ndarray
    amount: np.ndarray
    one_way: np.ndarray
    turns: np.ndarray
    seconds: float

    def at(self, time_s: np.ndarray | float, order: int = 0) -> np.ndarray:
        """(..., N) position, or its derivative of that order, at times since the start."""
        time = np.clip(np.asarray(time_s, float), 0.0, self.seconds)[..., None]
        moving = self.turns > 0
        rate = self.turns / self.seconds
        t = np.where(moving, time * rate, 0.0)
        both, one = (shape(terms, t, order) / greatest(terms, 0) for terms in (BOTH_WAYS, ONE_WAY))
        out = self.amount * rate**order * np.where(self.one_way, one, both)
        inside = (time > 0) & (time < self.seconds)
        return out + self.center if order == 0 else np.where(inside & moving, out, 0.0)

    def repeated(self, times: int) -> Motion:
        """The same motion, `times` in a row."""
        return Motion(
            self.center, self.amount, self.one_way, self.turns * times, self.seconds * times
        )

    def fastest_s(self, velocity: np.ndarray) -> float:
        """When within its duration the joints together are fastest, measured by `velocity` (N,)."""
        time = np.linspace(0, self.seconds, SAMPLES + 1)
        return float(time[(np.abs(self.at(time, 1)) / velocity).sum(-1).argmax()])


def amounts(spec: RobotSpec, speed: float) -> np.ndarray:
    """(N,) greatest excursion at a share of the velocity limits: at most 0.1 rad (0.02 m) and 5 %
    of the joint's range; of a joint that turns less where it is slow, so that every motion takes
    about as long.
    """
    most = np.array([AMOUNT[joint.type] for joint in spec.joints])
    slides = np.array([joint.type == 'prismatic' for joint in spec.joints])
    reach = np.where(np.isfinite(spec.upper - spec.lower), spec.upper - spec.lower, np.inf)
    share = np.clip(speed / FULL_AMOUNT_SPEED, LEAST_SHARE, 1.0)
    return np.where(slides, 1.0, share) * np.minimum(most, SHARE_OF_RANGE * reach)


def motion(
    spec: RobotSpec, center: np.ndarray, speed: float, moving: np.ndarray | None = None
) -> Motion:
    """Around `center` (N,), within `speed` of the velocity limits. moving (N,): joints that move;
    all of them by default. Raises NoRoom.
    """
    moving = np.ones(spec.n, bool) if moving is None else moving
    amount, one_way = _room(spec, np.asarray(center, float), amounts(spec, speed), moving)
    turn_s = _turn_s(spec, center, amount, one_way, speed)
    seconds = float(turn_s[moving].max())
    turns = np.where(moving, np.floor(seconds / turn_s * (1 + 1e-9)), 0.0)
    return Motion(np.array(center, float), amount * moving, one_way, turns, seconds)


def _room(
    spec: RobotSpec, center: np.ndarray, amount: np.ndarray, moving: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Signed amounts, and which joints go to one side only. Raises NoRoom."""
    limits = limits_of(spec)
    up, down = limits.upper - center - CLEAR, center - limits.lower - CLEAR
    one_way = np.minimum(up, down) < amount
    signed = np.where(one_way & (down > up), -amount, amount)
    outside = ~((limits.hard_lower <= center) & (center <= limits.hard_upper)) & moving
    if outside.any():
        joint = int(np.argmax(outside))
        raise NoRoom(
            f"'{spec.joint_names[joint]}' stands at {center[joint]:.4f}, outside its limits "
            f'{limits.hard_lower[joint]:.4f} to {limits.hard_upper[joint]:.4f}: move it inside by '
            "the robot's own means"
        )
    return signed, one_way


def _turn_s(
    spec: RobotSpec, center: np.ndarray, amount: np.ndarray, one_way: np.ndarray, speed: float
) -> np.ndarray:
    """(N,) shortest duration of a turn within the limits [s]."""
    reached = [spec.velocity_bounds(center + side * np.abs(amount)) for side in (-1, 0, 1)]
    bound = np.min([np.minimum(high, -low) for low, high in reached], axis=0)
    caps = (
        OF_VELOCITY * speed * np.minimum(spec.velocity, bound),
        OF_ACCELERATION * spec.acceleration,
        OF_JERK * spec.jerk,
    )
    peaks = [
        [greatest(terms, order) / greatest(terms, 0) for order in (1, 2, 3)]
        for terms in (BOTH_WAYS, ONE_WAY)
    ]
    needed = [
        (np.abs(amount) * np.where(one_way, peaks[1][k], peaks[0][k]) / cap) ** (1 / (k + 1))
        for k, cap in enumerate(caps)
    ]
    return np.max(needed, axis=0)


def stop_within(
    velocity: np.ndarray, acceleration: np.ndarray, most: np.ndarray, jerk: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(time [s], distance) of the quickest stop that keeps acceleration and jerk limits, per joint,
    from velocity and acceleration (N,); the acceleration that drives the joint on is first undone.

    From speed v at rest in acceleration: to and from the deceleration a = min(most, sqrt(v jerk))
    at full jerk, so time v / a + a / jerk, distance half of v times that time.
    """
    direction = np.where(velocity < 0, -1.0, 1.0)
    v, a0 = np.abs(velocity), np.maximum(acceleration * direction, 0.0)
    undo = a0 / jerk
    distance = v * undo + a0 * undo**2 / 2 - jerk * undo**3 / 6
    v = v + a0 * undo / 2
    a = np.maximum(np.minimum(most, np.sqrt(v * jerk)), 1e-12)
    time = v / a + a / jerk
    time = np.where(v > 0, time, 0.0)
    return undo + time, distance + v * time / 2
