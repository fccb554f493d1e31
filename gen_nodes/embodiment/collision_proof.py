"""Proves that some pairs of shapes stay clear along a stop, or fails to.

Distances are measured at instants along the stop; the bound of motion covers what lies between two
of them (Schwarzer, Saha and Latombe, 'Adaptive Dynamic Collision Checking for Single and Multiple
Articulated Robots in Complex Environments', IEEE T-RO 2005). Halves of the stop are looked at only
where the whole does not settle it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gen_nodes.embodiment.clearance import StopPositions
    from gen_nodes.embodiment.collision_shapes import Shapes

# Fractions of a stop's duration that may be looked at: about equal ways lie between them.
INSTANTS = 1 - np.sqrt(np.linspace(1.0, 0.0, 17))
LAST = len(INSTANTS) - 1
MOST_LOOKS = 150  # distances that may be measured for one stop


class StopProof:
    """One attempt for some pairs (rows of Shapes.pairs, U of them).

    motion (U, N): as Shapes.motion. here (U,): lower bounds of the distances [m] where the stop
    begins. end, floor (U,): least clearance at the end of the stop and on its way. failed: the row
    that could not be proven.
    """

    def __init__(
        self,
        shapes: Shapes,
        rows: np.ndarray,
        motion: np.ndarray,
        here: np.ndarray,
        end: np.ndarray,
        floor: np.ndarray,
        stop: StopPositions,
    ) -> None:
        self._shapes, self._rows = shapes, rows
        self._end, self._floor = end, floor
        self._places = stop(INSTANTS)
        self._way = np.zeros((len(rows), len(INSTANTS)))
        (motion @ stop.lengths(INSTANTS).T).cumsum(axis=1, out=self._way[:, 1:])
        self._low = np.full((len(rows), len(INSTANTS)), -np.inf)
        self._low[:, 0] = here
        self._looks = MOST_LOOKS
        self.failed = int(rows[0])

    def holds(self) -> bool:
        """Whether the pairs are clear along the stop."""
        every = np.arange(len(self._rows))
        return (
            bool(np.isfinite(self._places).all())
            and self._look(LAST, every)
            and self._none(every[self._low[:, LAST] < self._end])
            and self._between(0, LAST, every)
        )

    def _between(self, first: int, last: int, rows: np.ndarray) -> bool:
        way = self._way[rows, last] - self._way[rows, first]
        sure = self._low[rows, first] + self._low[rows, last] - way >= 2 * self._floor[rows]
        rows = rows[~sure]
        if not rows.size:
            return True
        if last - first == 1:
            return self._none(rows)
        middle = (first + last) // 2
        return (
            self._look(middle, rows)
            and self._none(rows[self._low[rows, middle] < self._floor[rows]])
            and self._between(first, middle, rows)
            and self._between(middle, last, rows)
        )

    def _look(self, instant: int, rows: np.ndarray) -> bool:
        """Measure pairs at an instant, as far as bounds will not do between this instant and the
        next. False where too much would have to be measured.
        """
        self._shapes.place(self._places[instant])
        enough = self._end[rows]
        if instant < LAST:
            enough = enough + self._way[rows, instant + 1] - self._way[rows, max(instant - 1, 0)]
        found, looks = self._shapes.lower_bounds(self._rows[rows], enough)
        self._low[rows, instant] = found
        self._looks -= looks
        return self._looks >= 0 or self._none(rows[found.argmin()[None]])

    def _none(self, rows: np.ndarray) -> bool:
        """Whether no row is left; remembers which is nearest if there is."""
        if rows.size:
            self.failed = int(self._rows[rows[0]])
        return not rows.size
