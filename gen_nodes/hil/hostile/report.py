"""Adds up the parts of a hostile run, and says what they show."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np

from gen_nodes.hil.checker.limit_checker import LimitChecker
from gen_nodes.hil.checker.verdict import KINDS, Findings, Verdict, Worst, merged
from gen_nodes.hil.hostile.adversaries import CORPUS
from gen_nodes.hil.hostile.run import Part, Plan, known
from gen_nodes.robot import resource_root
from gen_nodes.types import Mode
from gen_nodes.version import code_version

RUNNING, TRAVELLED, REACHED = 0.4, 0.15, 0.015  # least shares of a run that counts, see `moved`
PRESSED, PRESSED_FROM = 0.9, 5000  # share of the limits that so many chunks must come near
TURN = 2 * np.pi
TOLERANCE = 'eps |p| 2^k / h^k for the k-th difference, eps = 2^-52: float64 rounding'


class Tally:
    """Adds up parts as they come."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.spec, self.limits = known(plan.robot)
        self.verdict: Verdict = Findings(self.limits.names).verdict()
        self.chunks = self.ticks = 0
        self.modes: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def add(self, part: Part) -> None:
        """One more part."""
        self.verdict = merged([self.verdict, part.verdict])
        self.chunks += part.chunks
        self.ticks += part.ticks
        self.modes += part.modes
        self.stops += part.stops
        self.refused += part.refused

    @property
    def running(self) -> float:
        """Share of the ticks on which the controller followed a chunk."""
        return self.modes[Mode.RUNNING.name] / max(self.ticks, 1)

    @property
    def travelled(self) -> np.ndarray:
        """Share of each joint's range that it went through by commands alone, (N,): within one
        segment, since between two of them the robot may be put elsewhere.
        """
        return self.verdict.travelled / self._range

    @property
    def _range(self) -> np.ndarray:
        size = self.limits.upper - self.limits.lower
        return np.where(np.isfinite(size), size, 2 * TURN)

    @property
    def moved(self) -> bool:
        """Whether the robot really moved: it followed on 40 % of the ticks (about 65 % is usual,
        the rest being stops, holds and waiting), and every joint went through 15 % of its range at
        one go (twice that is usual), or in a short run through 1.5 % of what its velocity allows.
        """
        seconds = self.verdict.commands / self.spec.control.rate_hz
        reach = REACHED * self.limits.velocity * seconds / self._range
        far = self.travelled >= np.minimum(TRAVELLED, reach)
        return bool(self.running >= RUNNING and far.all())

    @property
    def pressed(self) -> bool:
        """Whether commands came near the limits of velocity, acceleration and jerk: a controller
        that crawls violates nothing. Not asked of a short run.
        """
        worst = self.verdict.worst
        near = all(worst[kind].fraction >= PRESSED for kind in KINDS[1:])
        return near or self.chunks < PRESSED_FROM

    def report(self) -> dict[str, Any]:
        """As `gen hil hostile --json` writes it; `interrupted` where trials are missing."""
        verdict, spec = self.verdict, self.spec
        corpus = hashlib.sha256((resource_root() / CORPUS).read_bytes()).hexdigest()
        return {
            'robot': spec.name,
            'chunks': self.chunks,
            'interrupted': self.chunks < self.plan.chunks,
            'commands': verdict.commands,
            'violations': verdict.total,
            'checker': {
                'module': LimitChecker.__module__,
                'tolerance': TOLERANCE,
                'period_s': 1.0 / spec.control.rate_hz,
                'segments': verdict.segments,
                'violations': verdict.violations,
                'moved': self.moved,
                'pressed': self.pressed,
                'share_running': round(self.running, 4),
                'travelled': {
                    name: round(float(share), 4)
                    for name, share in zip(self.limits.names, self.travelled, strict=True)
                },
            },
            'worst': {kind: verdict.worst[kind].fraction for kind in KINDS},
            'worst_at': places(verdict.worst),
            'first_violations': places(verdict.first),
            'ticks': dict(self.modes),
            'refused': dict(self.refused.most_common()),
            'stops': dict(self.stops.most_common()),
            'seed': self.plan.seed,
            'trials': self.plan.trials,
            'simulated_s': round(self.ticks / spec.control.rate_hz, 3),
            'version': code_version(),
            'robot_sha256': spec.sha256,
            'adversaries_sha256': corpus,
        }


def places(found: dict[str, Worst]) -> dict[str, dict[str, Any]]:
    """Where something was found, by kind; without kinds of which nothing was."""
    return {kind: vars(worst) for kind, worst in found.items() if worst.joint}
