"""Hostile action chunks: jumps, ramps, waves and noise far beyond the limits, and what is no chunk.

A scene is a run of chunks that one idea governs for up to two seconds, so that the robot gets up to
speed and travels before the next idea. Every number comes from the generator that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gen_nodes.hil.checker.stated_limits import StatedLimits
from gen_nodes.hil.hostile.adversaries import Adversary
from gen_nodes.hil.hostile.spoiled_chunks import SPOILS
from gen_nodes.types import ActionChunk, seconds_to_ns

KNOTS = (1, 2, 2, 3, 5, 9)
FARTHEST_S, LONGEST_SCENE_S = 0.8, 2.0
SPOILED, PARTIAL, AT_ONCE = 0.06, 0.1, 0.02  # shares of the chunks
TURN = 2 * np.pi  # range of a joint without ends of travel, either way

Scene = tuple[np.ndarray, np.ndarray]  # values and rates (M, T, N) of M chunks with T knots


@dataclass(frozen=True)
class Draft:
    """A chunk before it is stamped. wait: control periods since the one before. ahead_s: from the
    tick that follows its arrival to its stamp.
    """

    wait: int
    ahead_s: float
    interface: str
    times_s: np.ndarray
    values: np.ndarray
    rates: np.ndarray
    names: tuple[str, ...]
    spoil: str = ''

    def chunk(self, tick_ns: int, sequence: int) -> ActionChunk:
        """The chunk as it is published for the tick at `tick_ns`."""
        stamp_ns = tick_ns + seconds_to_ns(self.ahead_s)
        fields = (self.times_s, self.values, self.rates)
        chunk = ActionChunk(stamp_ns, stamp_ns, sequence, self.names, self.interface, *fields)
        return SPOILS[self.spoil](chunk) if self.spoil else chunk


class ChunkSource:
    """An endless stream of drafts for one robot."""

    def __init__(
        self,
        limits: StatedLimits,
        ready_N: np.ndarray,
        period_s: float,
        random: np.random.Generator,
        adversaries: Sequence[Adversary] = (),
    ) -> None:
        self._limits, self._period_s, self._random = limits, period_s, random
        self._ready = ready_N
        self._adversaries = adversaries
        self._n = len(limits.names)
        self._ideas = tuple(IDEAS)
        shares = np.array([share for _, _, share in IDEAS.values()])
        self._shares = shares / shares.sum()
        self._adverse = ADVERSARIES / (ADVERSARIES + shares.sum()) if adversaries else 0.0
        finite = np.isfinite(limits.lower)
        self._lower = np.where(finite, limits.lower, -TURN)
        self._upper = np.where(finite, limits.upper, TURN)

    def scene(self, here_N: np.ndarray) -> Iterator[Draft]:
        """The drafts of one scene, for a robot that stands or moves at `here_N`."""
        if self._random.random() < self._adverse:
            one = self._adversaries[self._random.integers(len(self._adversaries))]
            return adversary_drafts(one, self._limits, here_N, self._period_s)
        return self._drawn(self._random.choice(self._ideas, p=self._shares), here_N)

    # Scenes

    def _drawn(self, idea: str, here: np.ndarray) -> Iterator[Draft]:
        random, h = self._random, self._period_s
        waits = self._waits()
        times = self._times()
        ahead = random.choice([0.0, -h, -0.05, 0.02])
        tau = np.cumsum(waits)[:, None] * h + ahead + times
        interface, make, _ = IDEAS[idea]
        values, rates = make(self, here, tau[..., None])
        spoiled = random.random(len(waits)) < SPOILED
        partial = random.random(len(waits)) < PARTIAL
        for i, wait in enumerate(waits):
            draft = Draft(
                int(wait), ahead, interface, times, values[i], rates[i], self._limits.names
            )
            if partial[i]:
                draft = self._some_joints(draft)
            if spoiled[i]:
                draft = replace(draft, spoil=str(random.choice(list(SPOILS))))
            yield draft

    def _waits(self) -> np.ndarray:
        """Control periods before each chunk of a scene, about 2 in the mean."""
        random = self._random
        share = random.choice([0.3, 0.5, 1.0])
        most = max(2, int(random.uniform(0.1, LONGEST_SCENE_S) / self._period_s * share))
        waits = np.minimum(random.geometric(share, size=most), 20)
        return np.where(random.random(most) < AT_ONCE, 0, waits)

    def _times(self) -> np.ndarray:
        """Knots after the stamp: begun already, late, ending within a few periods, or far ahead."""
        random, h = self._random, self._period_s
        knots = int(random.choice(KNOTS))
        first = random.choice([0.0, 0.0, 0.0, -0.02, 0.01, 0.03])
        if random.random() < 0.1:
            reach = random.uniform(1, 8) * h
        else:
            reach = random.uniform(0.05, FARTHEST_S)
        if knots == 1:
            return np.array([max(first, 0.0) + reach])
        return first + np.linspace(0.0, 1.0, knots) * reach

    def _some_joints(self, draft: Draft) -> Draft:
        """Some of the joints, in any order."""
        chosen = self._random.permutation(self._n)[: self._random.integers(1, self._n + 1)]
        names = tuple(draft.names[joint] for joint in chosen)
        return replace(
            draft, names=names, values=draft.values[:, chosen], rates=draft.rates[:, chosen]
        )

    # Ideas: values and rates at times tau (M, T, 1) since the scene began

    def place(self, beyond: float = 0.0) -> np.ndarray:
        """Somewhere in the joints' ranges, or `beyond` them, (N,)."""
        return self._random.uniform(self._lower - beyond, self._upper + beyond)

    def goal(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        return _still(self.place(self._random.choice([0.0, 0.0, 0.3, 30.0])), tau)

    def home(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """About the ready pose: out of contact with itself, for a robot that watches that."""
        return _still(self._ready + self._random.normal(0, 0.1, self._n), tau)

    def end(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """An end of travel of each joint, from a little inside to a little outside."""
        ends = np.where(self._random.random(self._n) < 0.5, self._lower, self._upper)
        return _still(ends + self._random.normal(0, 0.02, self._n), tau)

    def ramp(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        rate = self._random.uniform(-3, 3, self._n) * self._limits.velocity
        return here + rate * tau, rate + 0 * tau

    def wave(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """Inside the limits, from rest."""
        return self._cosine(here, tau, self._random.uniform(0.1, 0.9))

    def surge(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """A wave beyond the limits."""
        return self._cosine(here, tau, self._random.uniform(0.9, 4.0))

    def _cosine(self, here: np.ndarray, tau: np.ndarray, share: float) -> Scene:
        limits, w = self._limits, np.exp(self._random.uniform(-1, 3, self._n))
        size = np.minimum(limits.velocity / w, limits.acceleration / w**2)
        size = share * np.minimum(size, limits.jerk / w**3)
        size = size * np.where(self._upper - here > here - self._lower, 1, -1)
        return here + size * (1 - np.cos(w * tau)), size * w * np.sin(w * tau)

    def bang(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """Here and there by turns, as fast as acceleration, or jerk, can just not follow."""
        half = np.exp(self._random.uniform(np.log(self._period_s), 0.0, self._n))
        there = self.place() - here
        return here + there * (np.floor(tau / half) % 2), 0 * there * tau

    def noise(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        values, rates = self.wave(here, tau)
        size = 10 ** self._random.uniform(-9, -1)
        noise = self._random.normal(0, size, values.shape)
        return values + noise, rates + noise / self._period_s

    def jumps(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """Every chunk wants to be elsewhere."""
        spread = 10 ** self._random.uniform(-3, 1)
        where = here + self._random.normal(0, spread, (len(tau), 1, self._n))
        return np.broadcast_to(where, (*tau.shape[:2], self._n)), 0 * where * tau

    def scatter(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """Every knot is elsewhere, with any rate."""
        values = self._random.uniform(self._lower, self._upper, (*tau.shape[:2], self._n))
        return values, self._random.normal(0, 3, values.shape) * self._limits.velocity

    def steep(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """Near, with rates up to a million times what the joint can do."""
        shape = (*tau.shape[:2], self._n)
        rates = self._random.normal(0, 1, shape) * 10 ** self._random.uniform(0, 6)
        return here + self._random.normal(0, 0.1, shape), rates

    def cruise(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """Velocities: steady ones, up to three times the limit."""
        return _still(self._random.uniform(-3, 3, self._n) * self._limits.velocity, tau)

    def stagger(self, here: np.ndarray, tau: np.ndarray) -> Scene:
        """Velocities: each knot another."""
        shape = (*tau.shape[:2], self._n)
        values = self._random.normal(0, 2, shape) * self._limits.velocity
        return values, self._random.normal(0, 10, shape)


def adversary_drafts(
    adversary: Adversary, limits: StatedLimits, here_N: np.ndarray, period_s: float
) -> Iterator[Draft]:
    """An adversary, one chunk of two knots per control period; none while it rests."""
    wait, times = 1, np.array([0.0, period_s])
    for reference in adversary.references(limits, here_N, period_s):
        if reference is None:
            wait += 1
            continue
        q, rate = reference
        knots = np.stack([q, q + rate * period_s]), np.stack([rate, rate])
        yield Draft(wait, 0.0, 'position', times, *knots, limits.names)
        wait = 1


def _still(value_N: np.ndarray, tau: np.ndarray) -> Scene:
    return value_N + 0 * tau, 0 * value_N * tau


# Interface, reference and share of the scenes. An adversary is a whole sequence, not a reference.
IDEAS: dict[str, tuple[str, Callable, int]] = {
    'goal': ('position', ChunkSource.goal, 8),
    'home': ('position', ChunkSource.home, 6),
    'end': ('position', ChunkSource.end, 4),
    'ramp': ('position', ChunkSource.ramp, 3),
    'wave': ('position', ChunkSource.wave, 3),
    'surge': ('position', ChunkSource.surge, 3),
    'bang': ('position', ChunkSource.bang, 3),
    'noise': ('position', ChunkSource.noise, 2),
    'jumps': ('position', ChunkSource.jumps, 1),
    'scatter': ('position', ChunkSource.scatter, 1),
    'steep': ('position', ChunkSource.steep, 1),
    'cruise': ('velocity', ChunkSource.cruise, 2),
    'stagger': ('velocity', ChunkSource.stagger, 1),
}
ADVERSARIES = 3
