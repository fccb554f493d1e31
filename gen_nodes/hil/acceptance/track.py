"""What is measured of a motion: how joints follow their commands, and how they come to a stop.

No ROS, no clock: everything comes from the stamps of commands and joint states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gen_nodes.types import NS, CommandSample, Frozen, JointSample

LONGEST_LAG_S, LEAST_LAG_S = 0.5, -0.1  # below zero: the clocks of driver and controller differ
LAG_STEP_S = 0.002
STILL = 0.002  # a joint this close to where it ends up stands [rad; a tenth of it in m]
SMOOTH_S = 0.1
AROUND_NS = NS // 50
HIDDEN = 6.0  # standard deviations of a joint state: less cannot be told from noise
SETTLED_S = 0.2  # end of a record, over which the joints are taken to stand


@dataclass(frozen=True)
class Track(Frozen):
    """Positions of N joints over time: stamp_ns (K,) strictly increasing, position (K, N)."""

    stamp_ns: np.ndarray
    position: np.ndarray

    def between(self, first_ns: int, last_ns: int) -> Track:
        """The part from first_ns to last_ns, both included."""
        part = slice(*np.searchsorted(self.stamp_ns, [first_ns, last_ns + 1]))
        return Track(self.stamp_ns[part], self.position[part])

    def at(self, stamp_ns: np.ndarray | int) -> np.ndarray:
        """(..., N) positions at any instants: straight lines between, constant beyond the ends."""
        return np.stack([self.joint_at(stamp_ns, n) for n in range(self.position.shape[1])], -1)

    def joint_at(self, stamp_ns: np.ndarray | int, joint: int) -> np.ndarray:
        """The same for one joint, (...,)."""
        wanted = np.asarray(stamp_ns - self.stamp_ns[0], float)
        own = (self.stamp_ns - self.stamp_ns[0]).astype(float)
        return np.interp(wanted, own, self.position[:, joint])

    def smoothed(self, window_s: float) -> Track:
        """Means over the window before each instant: noise of the sensors is no motion."""
        if not len(self.stamp_ns):
            return self
        window_ns = round(window_s * NS)
        first = np.searchsorted(self.stamp_ns, self.stamp_ns - window_ns)
        last = np.arange(1, len(self.stamp_ns) + 1)
        sums = np.concatenate([np.zeros_like(self.position[:1]), np.cumsum(self.position, axis=0)])
        means = (sums[last] - sums[first]) / (last - first)[:, None]
        whole = self.stamp_ns - self.stamp_ns[0] >= window_ns
        whole[-1] = True
        return Track(self.stamp_ns[whole], means[whole])

    @property
    def seconds(self) -> float:
        """From the first to the last stamp."""
        return float(self.stamp_ns[-1] - self.stamp_ns[0]) / NS if len(self.stamp_ns) else 0.0


def track_of(samples: Iterable[JointSample | CommandSample], names: Sequence[str]) -> Track:
    """Samples as a track in the order of `names`; those that lack one of them, repeat a stamp or
    come out of order are left out.
    """
    stamps: list[int] = []
    rows: list[np.ndarray] = []
    orders: dict[tuple[str, ...], list[int] | None] = {}
    for sample in samples:
        if sample.names not in orders:
            whole = set(names) <= set(sample.names)
            orders[sample.names] = [sample.names.index(n) for n in names] if whole else None
        order = orders[sample.names]
        if order is None or (stamps and sample.capture_ns <= stamps[-1]):
            continue
        values = sample.position if isinstance(sample, JointSample) else sample.values
        stamps.append(sample.capture_ns)
        rows.append(np.asarray(values)[order])
    return Track(
        np.array(stamps, dtype=np.int64), np.array(rows, dtype=float).reshape(-1, len(names))
    )


@dataclass(frozen=True)
class Following:
    """How one joint follows its command: lag [s]; gain, 1 where it moves as far as it is told;
    error: what is left beyond lag and a constant offset, greatest [rad or m]; offset: the constant.
    """

    lag_s: float
    gain: float
    error: float
    offset: float


def following(commanded: Track, measured: Track, joint: int) -> Following:
    """The lag at which the measured position is most nearly gain * command + offset, and the rest.

    Only measurements whose command is known at every lag count.
    """
    first = int(commanded.stamp_ns[0] + LONGEST_LAG_S * NS)
    part = measured.between(first, int(commanded.stamp_ns[-1] + LEAST_LAG_S * NS))
    lags_s = np.arange(LEAST_LAG_S, LONGEST_LAG_S, LAG_STEP_S)
    instants = part.stamp_ns - np.round(lags_s * NS).astype(np.int64)[:, None]
    told_LxK, moved = commanded.joint_at(instants, joint), part.position[:, joint]
    spread = told_LxK - told_LxK.mean(axis=1, keepdims=True)
    power = np.maximum((spread**2).sum(axis=1), 1e-300)
    gains = spread @ moved / power
    rest = moved - moved.mean() - gains[:, None] * spread
    best = int((rest**2).sum(axis=1).argmin())
    error = moved - told_LxK[best]
    offset = float(error.mean())
    worst = float(np.abs(error - offset).max())
    return Following(float(lags_s[best]), float(gains[best]), worst, offset)


@dataclass(frozen=True)
class Stop:
    """A stop as it was measured, (N,) per joint from the cause on: when the commands and when the
    joints came to rest [s], how far the joints went [rad or m]; velocity, acceleration: commanded
    at the cause; noise: standard deviation of a joint state at rest.
    """

    velocity: np.ndarray
    acceleration: np.ndarray
    commanded_s: float
    standing_s: np.ndarray
    distance: np.ndarray
    noise: np.ndarray
    after: int  # commands after the commanded motion had come to rest and one period had passed


def stop_of(commanded: Track, measured: Track, cause_ns: int, still_N: np.ndarray) -> Stop:
    """The stop that followed `cause_ns`. measured must reach past the standstill by SETTLED_S;
    still_N: how near to its end a joint stands, where noise does not hide it.
    """
    velocity, acceleration = _state_at(commanded, cause_ns)
    later = commanded.between(cause_ns, 2**62)
    moving = np.flatnonzero((np.diff(later.position, axis=0) != 0).any(axis=1))
    rest = int(moving[-1]) + 1 if len(moving) else 0
    ended = later.stamp_ns[rest] if len(later.stamp_ns) else cause_ns
    last = int(measured.stamp_ns[-1])
    settled = measured.between(last - round(SETTLED_S * NS), last).position
    end, noise = settled.mean(axis=0), settled.std(axis=0)
    near = np.maximum(still_N, HIDDEN * noise)
    return Stop(
        velocity,
        acceleration,
        float(ended - cause_ns) / NS,
        _standing_s(measured.between(cause_ns, last), cause_ns, end, near),
        np.abs(end - _position_at(measured, cause_ns)),
        noise,
        max(len(later.stamp_ns) - rest - 2, 0),
    )


def _state_at(commanded: Track, cause_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Commanded velocity and acceleration at an instant, by differences of the commands before."""
    before = commanded.between(0, cause_ns)
    if len(before.stamp_ns) < 3:
        still = np.zeros(commanded.position.shape[1])
        return still, still
    seconds = np.diff(before.stamp_ns[-3:]) / NS
    steps = np.diff(before.position[-3:], axis=0) / seconds[:, None]
    return steps[1], (steps[1] - steps[0]) / seconds[1]


def _position_at(measured: Track, stamp_ns: int) -> np.ndarray:
    """(N,) the mean of what was measured just before and just after."""
    around = measured.between(stamp_ns - AROUND_NS, stamp_ns + AROUND_NS).position
    return around.mean(axis=0) if len(around) else measured.at(stamp_ns)


def _standing_s(part: Track, cause_ns: int, end: np.ndarray, near: np.ndarray) -> np.ndarray:
    """(N,) from the cause to the last instant away from the end."""
    away = np.abs(part.position - end) > near
    seconds = (part.stamp_ns - cause_ns) / NS
    return np.array([seconds[column].max(initial=0.0) for column in away.T])


def excursion(measured: Track, window_s: float = SMOOTH_S) -> np.ndarray:
    """(N,) greatest distance of each joint from where it was first, averaged over a window; 0 where
    nothing was measured.
    """
    position = measured.smoothed(window_s).position
    return np.abs(position - position[:1]).max(axis=0, initial=0.0)
