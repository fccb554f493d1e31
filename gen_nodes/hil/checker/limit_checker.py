"""Judges published commands: position, velocity, acceleration and jerk, from nothing but the
commands themselves, their nominal period and the limits as the robot's files state them.

Shares no code with `embodiment/`, whose work it judges.

A segment is a run of commands one period apart. Before its first command the robot stands where it
was measured, after its last it stands where that one put it. With p the commanded positions and h
the period, velocity is (p1 - p0) / h, and so on up to the third difference for jerk.

A driver of velocities keeps the last one it was sent, so that one must be 0. Its robot goes where
they lead; where it was watched, its position is judged by that.

A driver of trajectories gets with each command the way to rest from there (a tail): it must begin
with the command and end at rest, inside the position and velocity limits at its points and, in the
mean, between them.

Tolerance: a position is a float64 and therefore wrong by up to eps/2 |p|, eps = 2^-52. A k-th
difference adds up 2^k of them, so it may be wrong by 2^k eps/2 |p|; its own subtractions round by
less than that once more. Hence eps |p| 2^k / h^k, |p| the greatest of the positions involved, and
nothing else.
"""

from __future__ import annotations

import numpy as np

from gen_nodes.hil.checker.published import Block, Segment, as_positions
from gen_nodes.hil.checker.stated_limits import StatedLimits
from gen_nodes.hil.checker.tail_checker import judge_tails
from gen_nodes.hil.checker.verdict import KINDS, REST, Findings, Verdict, share_of

BLOCK_ROWS = 1 << 15


class LimitChecker:
    """Takes segments, in any number, and judges them in blocks. Memory does not grow."""

    def __init__(self, limits: StatedLimits, period_s: float) -> None:
        self.limits, self.period_s = limits, period_s
        self._findings = Findings(limits.names)
        self._waiting: list[Segment] = []
        self._rows = 0

    def add(self, segment: Segment) -> None:
        """One more segment to judge."""
        if len(segment.values) == 0:
            return
        self._rest(segment)
        self._waiting.append(as_positions(segment, self.period_s))
        self._rows += len(segment.values)
        if self._rows >= BLOCK_ROWS:
            self._judge()

    def verdict(self) -> Verdict:
        """On all segments so far."""
        self._judge()
        return self._findings.verdict()

    def _judge(self) -> None:
        segments, self._waiting, self._rows = self._waiting, [], 0
        if not segments:
            return
        for segment in segments:
            if segment.tails:
                judge_tails(segment, self.limits, self._findings)
        block, h = Block(segments), self.period_s
        self._findings.count(block.positions[block.published], block.published_begins)
        step, bend, twist = block.differences()
        self._position(block)
        self._velocity(block, step)
        self._compare('acceleration', block, bend, self.limits.acceleration * h**2)
        self._compare('jerk', block, twist, self.limits.jerk * h**3)

    def _rest(self, segment: Segment) -> None:
        if segment.by_rate is not None:
            moving = segment.by_rate & (segment.values[-1] != 0)
            share = np.where(moving, np.inf, 0.0)[None]
            stamp_ns, number = segment.stamps_ns[-1:], np.array([segment.number])
            self._findings.note(REST, share, moving[None], stamp_ns, number)

    def _position(self, block: Block) -> None:
        """Where the robot stood outside, a command may lead back, never further out."""
        out = block.places - self.limits.middle
        before = np.abs(np.concatenate([out[:1], out[:-1]]))
        before[block.begins] = np.abs(out[block.begins])
        self._compare('position', block, out, np.maximum(self.limits.half, before))

    def _velocity(self, block: Block, step: np.ndarray) -> None:
        """A step may be as fast as the greater of the bounds at its two ends."""
        bound = self.limits.velocity
        if not np.isnan(self.limits.rules).all():
            down, up = self.limits.speeds(block.positions)
            bound = np.where(step < 0, down, up)
            before = np.where(step[1:] < 0, down[:-1], up[:-1])
            bound[1:] = np.maximum(bound[1:], before)
        self._compare('velocity', block, step, bound * self.period_s)

    def _compare(self, kind: str, block: Block, difference: np.ndarray, limit: np.ndarray) -> None:
        """Judge differences (R, N) by a limit, (N,) or (R, N), both times h to their order. What is
        not a number is a violation.
        """
        size, order = np.abs(difference), KINDS.index(kind)
        limit = np.broadcast_to(limit, size.shape)
        share = share_of(size, limit)
        wrong = ~(size <= limit)
        beyond = np.nonzero(wrong)
        rounding = block.rounding(*beyond, order)
        wrong[beyond] = ~(size[beyond] - limit[beyond] <= rounding)
        with np.errstate(divide='ignore', invalid='ignore'):  # a limit may be 0
            share[beyond] = size[beyond] / np.maximum(limit[beyond], rounding)
        self._findings.note(kind, share, wrong, block.stamps_ns, block.numbers)
