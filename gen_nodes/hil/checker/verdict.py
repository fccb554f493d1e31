"""What a checker of limits has found: violations, the worst of each kind, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

KINDS = ('position', 'velocity', 'acceleration', 'jerk')
TAILS = ('tail position', 'tail velocity', 'tail rest')
REST = 'rest'  # a driver of velocities is left with 0
ALL = (*KINDS, *TAILS, REST)


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

    lowest, highest: (N,) of all commands. travelled: (N,) greatest distance between two commands of
    one segment; from one segment to the next a robot may be put elsewhere.
    """

    commands: int
    segments: int
    violations: dict[str, int]
    worst: dict[str, Worst]
    lowest: np.ndarray
    highest: np.ndarray
    travelled: np.ndarray
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
            np.maximum(first.travelled, one.travelled),
            one.first | first.first,
        )
    return first


class Findings:
    """Gathers a verdict."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._commands = self._segments = 0
        self._violations = dict.fromkeys(ALL, 0)
        self._worst = dict.fromkeys(ALL, Worst())
        self._first: dict[str, Worst] = {}
        self._lowest, self._highest = (np.full(len(names), x) for x in (np.inf, -np.inf))
        self._travelled = np.zeros(len(names))

    def count(self, positions_TxN: np.ndarray, begins: np.ndarray) -> None:
        """These commands have been looked at; segments begin at the rows `begins`."""
        self._commands += len(positions_TxN)
        self._segments += len(begins)
        lowest, highest = (reduce.reduceat(positions_TxN, begins) for reduce in (np.fmin, np.fmax))
        self._lowest = np.fmin(self._lowest, np.fmin.reduce(lowest))
        self._highest = np.fmax(self._highest, np.fmax.reduce(highest))
        with np.errstate(invalid='ignore'):  # infinities are violations, and no way travelled
            travelled = highest - lowest
        travelled = np.where(np.isfinite(travelled), travelled, 0.0)
        self._travelled = np.maximum(self._travelled, travelled.max(axis=0))

    def note(
        self,
        kind: str,
        share_RxN: np.ndarray,
        wrong_RxN: np.ndarray,
        stamps_ns: np.ndarray,
        numbers: np.ndarray,
    ) -> None:
        """Take shares of a limit, and which of them are violations; rows are in order of time.
        stamps_ns, numbers: (R,) instant and segment of each row.
        """
        share = np.where(np.isfinite(share_RxN), share_RxN, np.finfo(float).max)

        def place(at: tuple[int, int]) -> Worst:
            row, joint = at
            where = self._names[joint], int(stamps_ns[row]), int(numbers[row])
            return Worst(float(share[at]), *where)

        worst = np.unravel_index(np.argmax(share), share.shape)
        if share[worst] > self._worst[kind].fraction:
            self._worst[kind] = place(worst)
        self._violations[kind] += int(wrong_RxN.sum())
        if wrong_RxN.any() and kind not in self._first:
            self._first[kind] = place(np.unravel_index(np.argmax(wrong_RxN), wrong_RxN.shape))

    def verdict(self) -> Verdict:
        """What was found so far."""
        found = dict(self._violations), dict(self._worst)
        reached = self._lowest, self._highest, self._travelled
        return Verdict(self._commands, self._segments, *found, *reached, dict(self._first))


def share_of(size: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """size / limit; 0 of 0 is 0."""
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(size == 0, 0.0, size / limit)
