"""A smooth motion of every joint around the ready pose, well inside the limits of any robot."""

from __future__ import annotations

import numpy as np

from gen_nodes.robot import RobotSpec

SHARE = 0.35  # of every limit of velocity, acceleration and jerk
REACH = 0.15  # of the way from the ready pose to the nearer end of travel
LARGEST = 0.2  # [rad; m for a prismatic joint: a tenth]
PERIOD_S = 4.0
RISE_S = 2.0
GOLDEN = 2.399963  # [rad] phases spread evenly for any number of joints: never all at rest at once
FASTEST = 1.875, 5.774, 60.0  # of the quintic blend over 1 s: speed, acceleration, jerk


class Sway:
    """Sines around the ready pose that rise from rest, joined smoothly to where the robot stands.

    Call with seconds since the start (T,): positions and rates (T, N) [rad or m, per s].
    """

    def __init__(self, spec: RobotSpec, start_N: np.ndarray | None = None) -> None:
        self._ready = np.asarray(spec.ready, float)
        start = self._ready if start_N is None else np.asarray(start_N, float)
        self._offset = start - self._ready
        limits = [
            SHARE * np.asarray(limit) for limit in (spec.velocity, spec.acceleration, spec.jerk)
        ]
        self._blend_s = max(RISE_S, _longest(np.abs(self._offset), limits))
        self._w = 2 * np.pi / PERIOD_S
        self._size = _sizes(spec, limits, self._w)
        self._phase = GOLDEN * np.arange(spec.n)

    def __call__(self, seconds_T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        t = np.atleast_1d(np.asarray(seconds_T, float))[:, None]
        rise, rise_rate = quintic(t / RISE_S)
        fade, fade_rate = quintic(t / self._blend_s)
        angle = self._w * t + self._phase
        sway, sway_rate = self._size * np.sin(angle), self._size * self._w * np.cos(angle)
        values = self._ready + rise * sway + (1 - fade) * self._offset
        rates = rise * sway_rate + rise_rate / RISE_S * sway
        return values, rates - fade_rate / self._blend_s * self._offset


def quintic(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth step from 0 to 1 over x in [0, 1], at rest with no acceleration at both ends, and its
    derivative.
    """
    x = np.clip(x, 0.0, 1.0)
    return x**3 * (10 - 15 * x + 6 * x**2), 30 * x**2 * (1 - x) ** 2


def _longest(distance_N: np.ndarray, limits: list[np.ndarray]) -> float:
    """How long a blend over these distances must take to keep the limits [s]."""
    needed = [
        (peak * distance_N / limit) ** (1 / order)
        for order, (peak, limit) in enumerate(zip(FASTEST, limits, strict=True), 1)
    ]
    return float(np.max(needed))


def _sizes(spec: RobotSpec, limits: list[np.ndarray], w: float) -> np.ndarray:
    """Amplitudes (N,) [rad or m] that keep every limit, the rise included."""
    reach = REACH * np.minimum(spec.upper - spec.ready, spec.ready - spec.lower)
    r = 1 / RISE_S
    v, a, j = (peak * r**order for order, peak in enumerate(FASTEST, 1))
    peaks = w + v, w**2 + 2 * v * w + a, w**3 + 3 * v * w**2 + 3 * a * w + j
    kept = [limit / peak for limit, peak in zip(limits, peaks, strict=True)]
    return np.min([LARGEST * spec.units, np.maximum(reach, 0.0), *kept], axis=0)
