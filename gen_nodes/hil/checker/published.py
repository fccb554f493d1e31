"""Commands as they were published, in segments, and blocks of them ready for finite differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gen_nodes.types import Frozen

EPS = float(np.finfo(float).eps)
STANDING = 3  # periods before and after a segment: as many as the third difference reaches back


@dataclass(frozen=True)
class Tail(Frozen):
    """A trajectory message: (K,) seconds after its first point, which is the command itself;
    positions, velocities and accelerations (K, N).
    """

    times_s: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray


@dataclass(frozen=True)
class Segment(Frozen):
    """start: (N,) where the robot stood before; stamps_ns (T,); values (T, N) as published:
    positions, or velocities of the joints in the mask `by_rate` (N,). tails: (T,) where a driver
    takes trajectories, of the joints in the mask `tailed` (N,). reached: (T, N) where the robot was
    a period after each command, where that is known.
    """

    number: int
    start: np.ndarray
    stamps_ns: np.ndarray
    values: np.ndarray
    by_rate: np.ndarray | None = None
    tails: tuple[Tail, ...] = ()
    tailed: np.ndarray | None = None
    reached: np.ndarray | None = None


def as_positions(segment: Segment, period_s: float) -> Segment:
    """The segment with positions only. A robot keeps a velocity for one period: the differences of
    its positions are the velocities again, and their differences. `reached` becomes the positions
    to be judged: for velocities where the robot went, if known, since none was commanded.
    """
    if segment.by_rate is None or not segment.by_rate.any():
        return replace(segment, reached=segment.values)
    summed = segment.start + np.cumsum(segment.values * period_s, axis=0)
    values = np.where(segment.by_rate, summed, segment.values)
    reached = values if segment.reached is None else segment.reached
    places = np.where(segment.by_rate, reached, segment.values)
    return replace(segment, values=values, by_rate=None, reached=places)


class Block:
    """Segments one after another, each with the robot standing before and after.

    positions, places (R, N): whose differences and which themselves are judged; stamps_ns (R,),
    numbers (R,) of the segments, published (R,) mask, begins: indices of the segments' first rows.
    published_begins: the same among the published rows alone.
    """

    def __init__(self, segments: list[Segment]) -> None:
        lengths = np.array([len(segment.values) for segment in segments]) + 2 * STANDING
        ends = np.cumsum(lengths)
        self.begins = ends - lengths
        self.published_begins = self.begins - 2 * STANDING * np.arange(len(segments))
        self.positions, self.places = (
            np.concatenate([_with_standing(one.start, getattr(one, key)) for one in segments])
            for key in ('values', 'reached')
        )
        self.numbers = np.repeat([segment.number for segment in segments], lengths)
        self.stamps_ns = np.concatenate(
            [np.pad(segment.stamps_ns, STANDING, mode='edge') for segment in segments]
        )
        row = np.arange(len(self.positions))
        first, last = np.repeat(self.begins, lengths), np.repeat(ends, lengths)
        self.published = (row >= first + STANDING) & (row < last - STANDING)

    def differences(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First, second and third, (R, N) each; none reaches across two segments, since each begins
        and ends with as many standing rows as the third reaches back.
        """
        out = []
        values = self.positions
        for _ in range(3):
            values = np.concatenate([np.zeros_like(values[:1]), np.diff(values, axis=0)])
            values[self.begins] = 0.0
            out.append(values)
        return tuple(out)

    def rounding(self, row: np.ndarray, joint: np.ndarray, order: int) -> np.ndarray:
        """How far differences of `order` at rows (M,) of joints (M,) may be off by rounding alone,
        times h^order.
        """
        involved = np.maximum(row[:, None] - np.arange(order + 1), 0)
        return rounding_of(self.positions[involved, joint[:, None]], order).max(axis=1)


def _with_standing(start: np.ndarray, values: np.ndarray) -> np.ndarray:
    before = np.repeat(start[None], STANDING, axis=0)
    after = np.repeat(values[-1:], STANDING, axis=0)
    return np.concatenate([before, values, after])


def rounding_of(positions: np.ndarray, order: int) -> np.ndarray:
    """How far a difference of `order` of such positions may be off by rounding, times h^order. What
    is not finite is forgiven nothing.
    """
    size = EPS * 2**order * np.abs(positions)
    return np.where(np.isfinite(size), size, 0.0)
