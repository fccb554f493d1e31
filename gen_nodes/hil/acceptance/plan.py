"""A sequence of small motions: back to the start, rest, move, rest. No ROS, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gen_nodes.hil.acceptance.motion import OF_ACCELERATION, OF_JERK, OF_VELOCITY
from gen_nodes.robot import RobotSpec
from gen_nodes.types import Frozen

BLEND = 10.0, -15.0, 6.0  # of the smooth step x^3 (10 - 15 x + 6 x^2)
FASTEST = 1.875, 5.774, 60.0  # of it over 1 s: speed, acceleration, jerk
SHORTEST_S = 0.2


class Piece(Protocol):
    """Some seconds of motion; at rest where it begins and where it ends."""

    seconds: float

    def at(self, time_s: np.ndarray, order: int = 0) -> np.ndarray:
        """(T, N) positions (order 0) or velocities (1) at times (T,) since its beginning."""


@dataclass(frozen=True)
class Rest(Frozen):
    """Stands at `place` (N,)."""

    place: np.ndarray
    seconds: float

    def at(self, time_s: np.ndarray, order: int = 0) -> np.ndarray:
        there = self.place if order == 0 else np.zeros_like(self.place)
        return np.broadcast_to(there, (*np.shape(time_s), len(self.place)))


@dataclass(frozen=True)
class Walk(Frozen):
    """From `start` to `end` (N,) on a straight line, smoothly."""

    start: np.ndarray
    end: np.ndarray
    seconds: float

    def at(self, time_s: np.ndarray, order: int = 0) -> np.ndarray:
        x = np.clip(np.asarray(time_s, float)[..., None] / self.seconds, 0.0, 1.0)
        way = self.end - self.start
        if order == 0:
            return self.start + way * x**3 * sum(c * x**k for k, c in enumerate(BLEND))
        return way / self.seconds * 30 * x**2 * (1 - x) ** 2


def walk(spec: RobotSpec, start: np.ndarray, end: np.ndarray, speed: float) -> Walk:
    """The quickest within `speed` of the velocity limits."""
    way = np.abs(end - start)
    caps = OF_VELOCITY * speed * spec.velocity, OF_ACCELERATION * spec.acceleration
    caps = *caps, OF_JERK * spec.jerk
    needed = [
        (peak * way / cap) ** (1 / order)
        for order, (peak, cap) in enumerate(zip(FASTEST, caps, strict=True), 1)
    ]
    return Walk(start, end, max(float(np.max(needed)), SHORTEST_S))


class Plan:
    """Pieces one after another, each beginning where the last one ended; then it rests."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = tuple(pieces)
        self.begins = np.cumsum([0.0, *(piece.seconds for piece in pieces)])

    @property
    def seconds(self) -> float:
        """From the first piece's beginning to the last one's end."""
        return float(self.begins[-1])

    def begin(self, piece: Piece) -> float:
        """When a piece of it begins [s]."""
        return float(self.begins[next(i for i, one in enumerate(self.pieces) if one is piece)])

    def __call__(self, seconds_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions and rates (T, N) at times since the start."""
        time = np.clip(np.asarray(seconds_T, float), 0.0, self.seconds)
        which = np.clip(np.searchsorted(self.begins, time, 'right') - 1, 0, len(self.pieces) - 1)
        rows = [
            [self.pieces[i].at(t - self.begins[i], order) for i, t in zip(which, time, strict=True)]
            for order in (0, 1)
        ]
        rates = np.where((np.asarray(seconds_T) <= self.seconds)[:, None], np.array(rows[1]), 0.0)
        return np.array(rows[0]), rates
