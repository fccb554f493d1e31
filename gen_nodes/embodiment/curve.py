"""Action chunks as curves over absolute time: validation, cubic Hermite interpolation, splicing.

A curve is played between its first and its last knot, never extrapolated: after the last knot the
robot comes to rest. Stamps are ROS time in integer nanoseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gen_nodes.types import NS, ActionChunk

FUTURE_TOLERANCE_S = 0.05
INTERFACES = ('position', 'velocity')
MAX_KNOTS = 1024


def refusal(
    chunk: ActionChunk, joint_names: Sequence[str], now_ns: int, timeout_s: float
) -> str | None:
    """Why `chunk` cannot be played at `now_ns`, or None. One non-finite number drops the whole
    chunk.
    """
    return (
        _wrong_names(chunk, joint_names)
        or _wrong_shape(chunk)
        or _wrong_time(chunk, now_ns, timeout_s)
    )


def _wrong_names(chunk: ActionChunk, joint_names: Sequence[str]) -> str | None:
    if chunk.interface not in INTERFACES:
        return f"interface '{chunk.interface}' cannot be played; valid: {', '.join(INTERFACES)}"
    if not chunk.joint_names:
        return 'the chunk names no joint'
    if len(set(chunk.joint_names)) != len(chunk.joint_names):
        return 'a joint is named twice'
    unknown = [name for name in chunk.joint_names if name not in joint_names]
    if unknown:
        return f"unknown joint '{unknown[0]}'; valid: {', '.join(joint_names)}"
    return None


def _wrong_shape(chunk: ActionChunk) -> str | None:
    knots = len(chunk.times_s)
    if not 1 <= knots <= MAX_KNOTS:
        return f'{knots} knots; valid: 1 to {MAX_KNOTS}'
    expected = (knots, len(chunk.joint_names))
    for name in ('values', 'rates'):
        shape = getattr(chunk, name).shape
        if shape != expected:
            return f'{name} has shape {shape}, expected {expected} (knots x joints)'
    for name in ('times_s', 'values', 'rates'):
        if not np.isfinite(getattr(chunk, name)).all():
            return f'{name} is not finite'
    if knots > 1 and (chunk.times_s[1:] <= chunk.times_s[:-1]).any():
        return 'times are not strictly increasing'
    return None


def _wrong_time(chunk: ActionChunk, now_ns: int, timeout_s: float) -> str | None:
    age_s = (now_ns - chunk.stamp_ns) / NS
    if age_s < -FUTURE_TOLERANCE_S:
        ahead = f'stamp lies {-age_s:.3f} s in the future'
        return f'{ahead} (at most {FUTURE_TOLERANCE_S} s): compare the clocks'
    if age_s > timeout_s:
        return f'stamp is {age_s:.3f} s old (at most {timeout_s} s)'
    if age_s > chunk.times_s[-1]:
        return f'all of its knots lie in the past ({age_s - chunk.times_s[-1]:.3f} s ago)'
    return None


@dataclass(frozen=True)
class Curve:
    """A cubic Hermite curve of positions over absolute time for some of the robot's joints.

    columns: (M,) indices of the curve's joints in the robot's order; start_ns, end_ns: first and
    last knot.
    """

    sequence: int
    stamp_ns: int
    interface: str
    columns: np.ndarray
    times_s: np.ndarray  # (T,) after stamp_ns
    coefficients: (
        np.ndarray
    )  # (T-1 or 1, K, M): position polynomial per segment, power of the time since its knot
    last: np.ndarray  # (M,) position at the last knot

    @cached_property
    def start_ns(self) -> int:
        return self.stamp_ns + round(float(self.times_s[0]) * NS)

    @cached_property
    def end_ns(self) -> int:
        return self.stamp_ns + round(float(self.times_s[-1]) * NS)

    @property
    def is_finite(self) -> bool:
        """Finite knots can still be so close or so far apart that what lies between overflows."""
        return bool(np.isfinite(self.coefficients).all() and np.isfinite(self.last).all())

    def at(self, time_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Position and velocity, (M,) each, at time_ns.

        Before the first knot: the first knot's position at rest. After the last: its position at
        rest.
        """
        t = (time_ns - self.stamp_ns) / NS
        first, last = self.times_s[0], self.times_s[-1]
        if len(self.times_s) == 1:
            return self.last.copy(), np.zeros_like(self.last)
        inside = min(max(t, first), last)
        segment = min(
            max(int(np.searchsorted(self.times_s, inside, side='right')) - 1, 0),
            len(self.times_s) - 2,
        )
        u = inside - self.times_s[segment]
        position, velocity = np.zeros_like(self.last), np.zeros_like(self.last)
        for coefficient in self.coefficients[segment, ::-1]:
            velocity = velocity * u + position
            position = position * u + coefficient
        return position, velocity if inside == t else np.zeros_like(velocity)


def make_curve(chunk: ActionChunk, joint_names: Sequence[str], anchor_N: np.ndarray) -> Curve:
    """The curve of a chunk that `refusal` has passed.

    anchor_N: position from which an interface 'velocity' is integrated, at the chunk's first knot.
    """
    columns = np.array([list(joint_names).index(name) for name in chunk.joint_names], dtype=int)
    last = np.array(chunk.values[-1])
    with np.errstate(over='ignore', invalid='ignore', divide='ignore'):  # see Curve.is_finite
        coefficients = hermite(chunk.times_s, chunk.values, chunk.rates)
        if chunk.interface == 'velocity':
            anchor = np.asarray(anchor_N)[columns]
            coefficients, last = _integrated(coefficients, chunk.times_s, anchor)
    return Curve(
        chunk.sequence,
        chunk.stamp_ns,
        chunk.interface,
        columns,
        np.array(chunk.times_s),
        coefficients,
        last,
    )


def hermite(times_T: np.ndarray, values_TxM: np.ndarray, rates_TxM: np.ndarray) -> np.ndarray:
    """Coefficients (T-1, 4, M) of the cubic through the knots' values and rates, in powers of time
    since the knot.
    """
    h = np.diff(times_T)[:, None]
    step = np.diff(values_TxM, axis=0)
    r0, r1 = rates_TxM[:-1], rates_TxM[1:]
    c2 = (3 * step / h - 2 * r0 - r1) / h
    c3 = (r0 + r1 - 2 * step / h) / h**2
    return np.stack([values_TxM[:-1], r0, c2, c3], axis=1)


def _integrated(
    coefficients: np.ndarray, times_T: np.ndarray, anchor_M: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Position polynomials of a velocity curve that starts at `anchor_M`, and the position at its
    end.
    """
    if len(times_T) == 1:
        return coefficients, np.array(anchor_M)
    powers = np.arange(1, coefficients.shape[1] + 1)[None, :, None]
    rising = coefficients / powers
    h = np.diff(times_T)[:, None, None]
    gained = np.cumsum((rising * h**powers).sum(axis=1), axis=0)
    starts = anchor_M + np.concatenate([np.zeros((1, len(anchor_M))), gained[:-1]])
    return np.concatenate([starts[:, None], rising], axis=1), anchor_M + gained[-1]


class Player:
    """Plays curves by absolute time; a newer chunk takes over at its own first knot, until then the
    older ones go on.
    """

    def __init__(self) -> None:
        self._curves: list[Curve] = []  # by first knot; all but the first may still lie ahead

    @property
    def newest(self) -> Curve | None:
        return self._curves[-1] if self._curves else None

    def clear(self) -> None:
        self._curves.clear()

    def splice(self, curve: Curve, now_ns: int) -> None:
        """Take over from `curve`'s first knot on. What begins later than that, or is over, is
        forgotten.
        """
        earlier = [one for one in self._curves if one.start_ns < curve.start_ns]
        begun = [one for one in earlier if one.start_ns <= now_ns]
        self._curves = [*begun[-1:], *earlier[len(begun) :], curve]

    def playing(self, time_ns: int) -> Curve | None:
        """The curve that commands at `time_ns`, or None outside every curve's knots."""
        for curve in reversed(self._curves):
            if curve.start_ns <= time_ns:
                return curve if time_ns <= curve.end_ns else None
        return None
