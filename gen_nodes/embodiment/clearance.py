"""What the envelope asks of whatever knows about obstacles."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class StopPositions(Protocol):
    """Positions along a stop, by fraction of its duration."""

    def __call__(self, fractions_S: np.ndarray) -> np.ndarray:
        """Positions (S, N)."""

    def lengths(self, fractions_S: np.ndarray) -> np.ndarray:
        """Bounds (S - 1, N) of each joint's motion between consecutive fractions."""


class Clearance(Protocol):
    """Keeps a robot off itself and off fences; positions are (N,) in the robot's joint order.

    refused: name of the pair that the last stop could not be proven clear of, '' where it was.
    """

    refused: str

    def start(self, q_N: np.ndarray) -> None:
        """The robot stands here: what is nearer than its margin may stay as near, never nearer."""

    def proves(self, q_N: np.ndarray, reach_N: np.ndarray, stop: StopPositions) -> bool:
        """Whether everything stays clear along the whole stop that begins at `q_N`, in which no
        joint gets further away than `reach_N`.
        """

    def ceilings(self, q_N: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Shares (N,) of the velocity limits that may be used upwards and downwards; None: all."""

    def accept(self, q_N: np.ndarray) -> None:
        """`q_N` has been commanded."""

    def nearest(self) -> tuple[str, float]:
        """Name and clearance [m] of the nearest pair as last looked at."""
