"""A robot's side of the controller, gone wrong: a servo that lags, joint states that stall, jump or
lie.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gen_nodes.hil.checker.stated_limits import StatedLimits
from gen_nodes.types import CommandSample, JointSample

NOISE_ROWS = 997  # of prepared noise; prime, so that it meets every pattern
TURN = 2 * np.pi


class HostileRobot:
    """Follows commands as a first-order lag with noise on what it reports: positions, or velocities
    of the joints in the mask `by_rate` (N,), of which it keeps the last one it was sent.

    position: (N,) where it is. reported: (N,) the newest position that can be believed, since its
    stamp is newer than all before: where the next segment of commands starts. `stalled`, `blocked`
    and `broken` are set from outside.
    """

    def __init__(
        self,
        limits: StatedLimits,
        ready: np.ndarray,
        period_s: float,
        random: np.random.Generator,
        by_rate: np.ndarray,
    ) -> None:
        self._names, self._ready, self._random = limits.names, ready, random
        self._lower = np.where(np.isfinite(limits.lower), limits.lower, -TURN)
        self._upper = np.where(np.isfinite(limits.upper), limits.upper, TURN)
        self._by_rate, self._period_s = by_rate, period_s
        self._share = 1 - np.exp(-period_s / random.uniform(0.003, 0.06))
        size = 10 ** random.uniform(-6, -3.5)
        self._noise = random.normal(0, size, (NOISE_ROWS, len(limits.names)))
        self._row = 0
        self._still = np.zeros(len(limits.names))
        self.period = int(random.choice([1, 1, 2, 4]))  # control periods between joint states
        self.stalled = self.blocked = False
        self.broken = ''
        self._newest_ns = 0
        self.place()

    def place(self) -> None:
        """Somebody puts it elsewhere: mostly near its ready pose, at times a little outside."""
        spread = self._random.choice([0.05, 0.05, 0.2, 0.2, 1.0])
        outside = self._random.choice([0.0, 0.0, 0.0, 0.04])
        q = self._ready + self._random.uniform(-spread, spread, len(self._ready))
        if outside:
            joint = self._random.integers(len(q))
            q[joint] = self._random.choice([self._lower[joint] - 1, self._upper[joint] + 1])
        self.position = np.clip(q, self._lower - outside, self._upper + outside)
        self.target = self.reported = self.position
        self._sent = self._rate = np.zeros(len(self._ready))

    def forget_stamps(self) -> None:
        """Clocks have stepped, or a listener begins anew: older stamps count again."""
        self._newest_ns = 0

    def advance(self, command: CommandSample | None) -> None:
        """One control period; None: no command came, the servo goes on to its last one."""
        if command is not None:
            self.target, self._sent = command.values, command.rates
        if self.blocked:
            self._rate = np.zeros_like(self._rate)
            return
        self._rate = self._rate + self._share * (self._sent - self._rate)
        step = self._share * (self.target - self.position)
        step[self._by_rate] = self._period_s * self._rate[self._by_rate]
        self.position = self.position + step

    def sample(self, now_ns: int) -> JointSample | None:
        """What its driver reports now, None where it is silent."""
        if self.stalled:
            return None
        self._row = (self._row + 1) % NOISE_ROWS
        q = self.position + self._noise[self._row]
        sample = JointSample(
            'joint_states', now_ns, now_ns, self._names, q, self._still, self._still
        )
        if self.broken:
            return getattr(self, BROKEN[self.broken])(sample)
        self._believe(sample)
        return sample

    def _believe(self, sample: JointSample) -> None:
        if sample.capture_ns > self._newest_ns:
            self.reported, self._newest_ns = sample.position, sample.capture_ns

    # What breaks it

    def _nan(self, sample: JointSample) -> JointSample:
        q = np.array(sample.position)
        q[self._random.integers(len(q))] = self._random.choice([np.nan, np.inf])
        return replace(sample, position=q)

    def _jump(self, sample: JointSample) -> JointSample:
        q = np.array(sample.position)
        q[self._random.integers(len(q))] += self._random.choice([-1, 1]) * self._random.uniform(
            0.3, 7
        )
        return replace(sample, position=q)

    def _joint_missing(self, sample: JointSample) -> JointSample:
        return replace(
            sample,
            names=sample.names[1:],
            position=sample.position[1:],
            velocity=sample.velocity[1:],
            effort=sample.effort[1:],
        )

    def _too_short(self, sample: JointSample) -> JointSample:
        return replace(sample, position=sample.position[:-1])

    def _old(self, sample: JointSample) -> JointSample:
        return replace(sample, capture_ns=sample.capture_ns - 900_000_000)

    def _future(self, sample: JointSample) -> JointSample:
        return replace(sample, capture_ns=sample.capture_ns + 900_000_000)

    def _frozen(self, sample: JointSample) -> JointSample:
        """The same stamp again and again."""
        return replace(sample, capture_ns=1)

    def _permuted(self, sample: JointSample) -> JointSample:
        """Nothing wrong: another order, and a joint that nobody commands."""
        order = self._random.permutation(len(sample.names))
        self._believe(sample)
        names = (*(sample.names[i] for i in order), 'somebody_elses_joint')
        still = np.zeros(len(names))
        return replace(
            sample,
            names=names,
            position=np.append(sample.position[order], np.nan),
            velocity=still,
            effort=still,
        )


BROKEN = {
    'nan': '_nan',
    'jump': '_jump',
    'joint missing': '_joint_missing',
    'too short': '_too_short',
    'old': '_old',
    'future': '_future',
    'frozen': '_frozen',
    'permuted': '_permuted',
}
