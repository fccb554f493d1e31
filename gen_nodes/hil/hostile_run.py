"""A run of hostile chunks in trials of a fixed size: one after another, or over processes.

A trial depends on the run's seed and its own number alone, so the result does not depend on how
many processes there are.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from gen_nodes.errors import GenError
from gen_nodes.hil.adversaries import CORPUS, load_adversaries
from gen_nodes.hil.command_file import CommandWriter
from gen_nodes.hil.hostile import Trial, controller
from gen_nodes.hil.limit_checker import KINDS, LimitChecker, Verdict, Worst, merged
from gen_nodes.hil.stated_limits import StatedLimits, stated_limits
from gen_nodes.robot import RobotSpec, load_robot, resource_root
from gen_nodes.types import Mode
from gen_nodes.version import code_version

TRIAL_CHUNKS = 5000
RUNNING, TRAVELLED, REACHED = 0.4, 0.3, 0.03  # least shares of a run that counts, see `moved`
TURN = 2 * np.pi
TOLERANCE = 'eps |p| 2^k / h^k for the k-th difference, eps = 2^-52: float64 rounding'


@dataclass(frozen=True)
class Part:
    """What one trial gave. modes: ticks by mode; stops, refused: how often, by reason."""

    number: int
    chunks: int
    ticks: int
    verdict: Verdict
    modes: Counter[str]
    stops: Counter[str]
    refused: Counter[str]


@dataclass(frozen=True)
class Plan:
    """What to run. part_folder: where trials leave their commands, None where nobody wants them."""

    robot: str
    chunks: int
    seed: int
    part_folder: Path | None = None
    trial_chunks: int = TRIAL_CHUNKS

    @property
    def trials(self) -> int:
        return math.ceil(self.chunks / self.trial_chunks)

    def chunks_of(self, number: int) -> int:
        return min(self.trial_chunks, self.chunks - number * self.trial_chunks)

    def part(self, number: int) -> Path | None:
        return self.part_folder / f'{number}.parquet' if self.part_folder else None


@cache
def known(robot: str) -> tuple[RobotSpec, StatedLimits]:
    """A robot's description, and its limits by the checker's own reading."""
    spec = load_robot(robot)
    return spec, stated_limits(spec.urdf_xml, spec.source)


def run_trial(plan: Plan, number: int, make_core: Callable = controller) -> Part:
    """One trial, from its number. Raises GenError where the controller breaks down."""
    spec, limits = known(plan.robot)
    period_s = 1.0 / spec.control.rate_hz
    checker = LimitChecker(limits, period_s)
    random = np.random.default_rng([plan.seed, number])
    trial = Trial(
        spec, limits, random, adversaries=load_adversaries(), number=number, make_core=make_core
    )
    chunks = plan.chunks_of(number)
    segments = []
    try:
        with np.errstate(all='ignore'):  # hostile numbers overflow, and are meant to
            for segment in trial.run(chunks):
                checker.add(segment)
                segments += [segment] if plan.part_folder else []
    except Exception as error:
        raise GenError(
            f'the controller broke down: {type(error).__name__}: {error} (robot {plan.robot}, '
            f'seed {plan.seed}, trial {number}, tick {trial.ticks})'
        ) from error
    if plan.part_folder:
        with CommandWriter(plan.part(number), limits.names, period_s, {}) as out:
            for segment in segments:
                out.add(segment)
    modes = Counter({mode.name: ticks for mode, ticks in trial.modes.items()})
    verdict = checker.verdict()
    return Part(number, chunks, trial.ticks, verdict, modes, trial.stops, trial.refused)


def run_trials(plan: Plan, jobs: int) -> Iterator[Part]:
    """Every trial's part, in order."""
    numbers = range(plan.trials)
    if jobs == 1 or plan.trials == 1:
        yield from map(partial(run_trial, plan), numbers)
        return
    workers = min(jobs, plan.trials)
    spawn = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        try:
            yield from pool.map(partial(run_trial, plan), numbers)
        finally:
            pool.shutdown(cancel_futures=True)


class Tally:
    """Adds up parts as they come."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.spec, self.limits = known(plan.robot)
        self.verdict: Verdict | None = None
        self.chunks = self.ticks = 0
        self.modes: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def add(self, part: Part) -> None:
        """One more part."""
        self.verdict = merged([self.verdict, part.verdict] if self.verdict else [part.verdict])
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
        """Share of each joint's range between its lowest and its highest command, (N,)."""
        return (self.verdict.highest - self.verdict.lowest) / self._range

    @property
    def _range(self) -> np.ndarray:
        size = self.limits.upper - self.limits.lower
        return np.where(np.isfinite(size), size, 2 * TURN)

    @property
    def moved(self) -> bool:
        """Whether the robot really moved: it followed on 40 % of the ticks (about 65 % is usual,
        the rest being stops, holds and waiting), and every joint went through 30 % of its range, or
        in a short run through 3 % of what its velocity allows.
        """
        seconds = self.verdict.commands / self.spec.control.rate_hz
        reach = REACHED * self.limits.velocity * seconds / self._range
        far = self.travelled >= np.minimum(TRAVELLED, reach)
        return bool(self.running >= RUNNING and far.all())

    def report(self) -> dict[str, Any]:
        """As `gen hil hostile --json` writes it."""
        verdict, spec = self.verdict, self.spec
        corpus = hashlib.sha256((resource_root() / CORPUS).read_bytes()).hexdigest()
        return {
            'robot': spec.name,
            'chunks': self.chunks,
            'commands': verdict.commands,
            'violations': verdict.total,
            'checker': {
                'module': LimitChecker.__module__,
                'tolerance': TOLERANCE,
                'period_s': 1.0 / spec.control.rate_hz,
                'segments': verdict.segments,
                'violations': verdict.violations,
                'moved': self.moved,
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
