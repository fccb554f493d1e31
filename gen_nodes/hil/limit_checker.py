"""Judges published commands: position, velocity, acceleration and jerk, from nothing but the
commands themselves, their nominal period and the limits as the robot's files state them.

Shares no code with `embodiment/`, whose work it judges.

A segment is a run of commands one period apart. Before its first command the robot stands where it
was measured, after its last it stands where that one put it. With p the commanded positions and h
the period, velocity is (p1 - p0) / h, and so on up to the third difference for jerk.

A driver of trajectories gets with each command the way to rest from there (a tail). Its last point
must be at rest, its points inside the position and velocity limits, and so the mean velocities
between them.

Tolerance: a position is a float64 and therefore wrong by up to eps/2 |p|, eps = 2^-52. A k-th
difference adds up 2^k of them, so it may be wrong by 2^k eps/2 |p|; its own subtractions round by
less than that once more. Hence eps |p| 2^k / h^k, |p| the greatest of the positions involved, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from gen_nodes.hil.stated_limits import StatedLimits
from gen_nodes.types import Frozen

KINDS = ('position', 'velocity', 'acceleration', 'jerk')
TAILS = ('tail position', 'tail velocity', 'tail rest')
EPS = float(np.finfo(float).eps)
STANDING = 3  # periods before and after a segment: as many as the third difference reaches back
BLOCK_ROWS = 1 << 15


@dataclass(frozen=True)
class Tail(Frozen):
    """The rest of a trajectory message after its first point: (K,) seconds after that, positions,
    velocities and accelerations (K, N).
    """

    times_s: np.ndarray
    positions: np.ndarray
    velocities: np.ndarray
    accelerations: np.ndarray


@dataclass(frozen=True)
class Segment(Frozen):
    """start: (N,) where the robot stood before; stamps_ns (T,); values (T, N) as published:
    positions, or velocities of the joints in the mask `by_rate` (N,). tails: (T,) where a driver
    takes trajectories, of the joints in the mask `tailed` (N,).
    """

    number: int
    start: np.ndarray
    stamps_ns: np.ndarray
    values: np.ndarray
    by_rate: np.ndarray | None = None
    tails: tuple[Tail, ...] = ()
    tailed: np.ndarray | None = None


@dataclass(frozen=True)
class Worst:
    """The greatest share of a limit that was used, and where. `at` is empty before any motion."""

    fraction: float = 0.0
    joint: str = ''
    stamp_ns: int = 0
    segment: int = 0


@dataclass(frozen=True)
class Verdict:
    """What a checker found: violations and worst by kind of limit, and how far each joint went.

    lowest, highest: (N,) of all commands.
    """

    commands: int
    segments: int
    violations: dict[str, int]
    worst: dict[str, Worst]
    lowest: np.ndarray
    highest: np.ndarray
    first: dict[str, Worst] = field(default_factory=dict)  # the first violation of each kind

    @property
    def total(self) -> int:
        return sum(self.violations.values())


def merged(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict over several runs of the same robot, in their order."""
    first, *rest = verdicts
    for one in rest:
        first = Verdict(
            first.commands + one.commands,
            first.segments + one.segments,
            {kind: first.violations[kind] + one.violations[kind] for kind in first.violations},
            {
                kind: max(first.worst[kind], one.worst[kind], key=lambda worst: worst.fraction)
                for kind in first.worst
            },
            np.minimum(first.lowest, one.lowest),
            np.maximum(first.highest, one.highest),
            one.first | first.first,
        )
    return first


def as_positions(segment: Segment, period_s: float) -> Segment:
    """The segment with positions only. A robot keeps a velocity for one period: the differences of
    its positions are the velocities again, and their differences.
    """
    if segment.by_rate is None or not segment.by_rate.any():
        return segment
    reached = segment.start + np.cumsum(segment.values * period_s, axis=0)
    values = np.where(segment.by_rate, reached, segment.values)
    return replace(segment, values=values, by_rate=None)


class LimitChecker:
    """Takes segments, in any number, and judges them in blocks. Memory does not grow."""

    def __init__(self, limits: StatedLimits, period_s: float) -> None:
        self.limits, self.period_s = limits, period_s
        h = period_s
        self._scale = {'velocity': h, 'acceleration': h**2, 'jerk': h**3}
        self._waiting: list[Segment] = []
        self._rows = 0
        n = len(limits.names)
        self._verdict = Verdict(
            0,
            0,
            dict.fromkeys(KINDS + TAILS, 0),
            dict.fromkeys(KINDS + TAILS, Worst()),
            np.full(n, np.inf),
            np.full(n, -np.inf),
        )

    def add(self, segment: Segment) -> None:
        """One more segment to judge."""
        if len(segment.values) == 0:
            return
        self._waiting.append(as_positions(segment, self.period_s))
        self._rows += len(segment.values)
        if self._rows >= BLOCK_ROWS:
            self._judge()

    def verdict(self) -> Verdict:
        """On all segments so far."""
        self._judge()
        return self._verdict

    # A block of segments

    def _judge(self) -> None:
        segments, self._waiting, self._rows = self._waiting, [], 0
        if not segments:
            return
        block = _Block(segments)
        published = block.positions[block.published]
        self._verdict = replace(
            self._verdict,
            commands=self._verdict.commands + len(published),
            segments=self._verdict.segments + len(segments),
            lowest=np.minimum(self._verdict.lowest, np.nanmin(published, axis=0)),
            highest=np.maximum(self._verdict.highest, np.nanmax(published, axis=0)),
        )
        differences = dict(zip(KINDS[1:], block.differences(), strict=True))
        for segment in segments:
            if segment.tails:
                self._judge_tails(segment)
        self._position(block)
        self._velocity(block, differences['velocity'])
        for order, kind in enumerate(KINDS[2:], 2):
            limit = getattr(self.limits, kind) * self._scale[kind]
            self._compare(kind, block, np.abs(differences[kind]), limit, order)

    def _position(self, block: _Block) -> None:
        """Where the robot stood outside, a command may lead back, never further out."""
        limits = self.limits
        half = 0.5 * (limits.upper - limits.lower)
        out = np.abs(block.positions - _middle(limits))
        before = np.concatenate([out[:1], out[:-1]])
        before[block.begins] = out[block.begins]
        self._compare('position', block, out, np.maximum(half, before), 0)

    def _velocity(self, block: _Block, step: np.ndarray) -> None:
        """A step may be as fast as the greater of the bounds at its two ends."""
        h = self.period_s
        if np.isnan(self.limits.rules).all():
            return self._compare('velocity', block, np.abs(step), self.limits.velocity * h, 1)
        down, up = self.limits.speeds(block.positions)
        bound = np.where(step < 0, down, up)
        before = np.concatenate([bound[:1], np.where(step[1:] < 0, down[:-1], up[:-1])])
        return self._compare('velocity', block, np.abs(step), np.maximum(bound, before) * h, 1)

    def _compare(
        self, kind: str, block: _Block, size: np.ndarray, limit: np.ndarray, order: int
    ) -> None:
        """Judge the sizes of differences of `order`, (R, N), by `limit`, (N,) or (R, N), both times
        h^order. What is not a number is a violation.
        """
        limit = np.broadcast_to(limit, size.shape)
        beyond = np.nonzero(~(size <= limit))
        rounding = block.rounding(*beyond, order)
        wrong = ~(size[beyond] - limit[beyond] <= rounding)
        share = _share(size, limit)
        with np.errstate(divide='ignore', invalid='ignore'):  # a limit may be 0
            share[beyond] = size[beyond] / np.maximum(limit[beyond], rounding)
        self._note(kind, share, [at[wrong] for at in beyond], block.stamps_ns, block.numbers)

    def _note(
        self,
        kind: str,
        share: np.ndarray,
        wrong: list[np.ndarray],
        stamps_ns: np.ndarray,
        numbers: np.ndarray,
    ) -> None:
        """Take the worst share (R, N) of a limit and the violations at rows and joints `wrong`."""

        def place(row: int, joint: int) -> Worst:
            name = self.limits.names[joint]
            return Worst(float(share[row, joint]), name, int(stamps_ns[row]), int(numbers[row]))

        share = np.where(np.isfinite(share), share, np.finfo(float).max)
        worst = np.unravel_index(np.argmax(share), share.shape)
        if share[worst] > self._verdict.worst[kind].fraction:
            self._verdict.worst[kind] = place(*worst)
        self._verdict.violations[kind] += len(wrong[0])
        if len(wrong[0]) and kind not in self._verdict.first:
            self._verdict.first[kind] = place(wrong[0][0], wrong[1][0])

    # The way to rest behind each command

    def _judge_tails(self, segment: Segment) -> None:
        """The tails of a segment, those with equally many points at once."""
        points = np.array([len(tail.times_s) for tail in segment.tails])
        for count in np.unique(points):
            rows = np.flatnonzero(points == count)
            tails = [segment.tails[row] for row in rows]
            times = np.stack([tail.times_s for tail in tails])[..., None]
            p, v, a = (
                np.stack([getattr(tail, key) for tail in tails])
                for key in ('positions', 'velocities', 'accelerations')
            )
            first = segment.values[rows][:, None]
            where = segment.stamps_ns[rows], np.full(len(rows), segment.number), segment.tailed
            self._tail_positions(first, p, *where)
            self._tail_velocities(first, p, v, times, *where)
            at_rest = (v[:, -1] == 0) & (a[:, -1] == 0)
            self._tail('tail rest', np.where(at_rest, 0.0, 2.0), *where)

    def _tail_positions(self, first: np.ndarray, p: np.ndarray, *where: np.ndarray) -> None:
        limits = self.limits
        middle = _middle(limits)
        half = np.maximum(0.5 * (limits.upper - limits.lower), np.abs(first - middle))
        size = np.abs(p - middle)
        share = _share(size, half + _rounding(p, 0))
        self._tail('tail position', share.max(axis=1), *where)

    def _tail_velocities(
        self,
        first: np.ndarray,
        p: np.ndarray,
        v: np.ndarray,
        times: np.ndarray,
        *where: np.ndarray,
    ) -> None:
        """Velocities (M, K, N) and the mean ones between points, by the greater bound of two."""
        path = np.concatenate([first, p], axis=1)
        seconds = np.diff(times, axis=1, prepend=0.0)
        down, up = self.limits.speeds(path)
        most_down, most_up = (np.maximum(x[:, 1:], x[:, :-1]) for x in (down, up))
        rounding = _rounding(np.maximum(np.abs(path[:, 1:]), np.abs(path[:, :-1])), 1)
        with np.errstate(divide='ignore', invalid='ignore'):  # of points at one time
            mean, mean_rounding = np.diff(path, axis=1) / seconds, rounding / seconds
        share = [
            _share(np.abs(x), np.where(x < 0, most_down, most_up) + wrong)
            for x, wrong in ((v, EPS), (mean, mean_rounding))
        ]
        on = np.where(seconds > 0, np.maximum(*share), np.inf)  # time must go on
        self._tail('tail velocity', on.max(axis=1), *where)

    def _tail(
        self,
        kind: str,
        share_MxN: np.ndarray,
        stamps_ns: np.ndarray,
        numbers: np.ndarray,
        tailed: np.ndarray,
    ) -> None:
        share = np.where(tailed, share_MxN, 0.0)
        wrong = np.nonzero(~(share <= 1 + 4 * EPS))
        self._note(kind, share, list(wrong), stamps_ns, numbers)


def _rounding(positions: np.ndarray, order: int) -> np.ndarray:
    """How far a difference of `order` of such positions may be off by rounding, times h^order. What
    is not finite is forgiven nothing.
    """
    size = EPS * 2**order * np.abs(positions)
    return np.where(np.isfinite(size), size, 0.0)


def _middle(limits: StatedLimits) -> np.ndarray:
    """Middle of travel, (N,); 0 where there are no ends."""
    finite = np.isfinite(limits.lower)
    lower, upper = (np.where(finite, x, 0.0) for x in (limits.lower, limits.upper))
    return 0.5 * (lower + upper)


def _share(size: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """size / limit; 0 of 0 is 0."""
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(size == 0, 0.0, size / limit)


class _Block:
    """Segments one after another, each with the robot standing before and after.

    positions (R, N), stamps_ns (R,), numbers (R,) of the segments, published (R,) mask, begins:
    indices of the segments' first rows.
    """

    def __init__(self, segments: list[Segment]) -> None:
        lengths = np.array([len(segment.values) for segment in segments]) + 2 * STANDING
        ends = np.cumsum(lengths)
        self.begins = ends - lengths
        self.positions = np.concatenate([_with_standing(segment) for segment in segments])
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
        return _rounding(self.positions[involved, joint[:, None]], order).max(axis=1)


def _with_standing(segment: Segment) -> np.ndarray:
    before = np.repeat(segment.start[None], STANDING, axis=0)
    after = np.repeat(segment.values[-1:], STANDING, axis=0)
    return np.concatenate([before, segment.values, after])
