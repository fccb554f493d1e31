"""A run of hostile chunks in trials of a fixed size: one after another, or over processes.

A trial depends on the run's seed and its own number alone, so the result does not depend on how
many processes there are.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from gen_nodes.errors import GenError
from gen_nodes.hil.checker.command_file import CommandWriter
from gen_nodes.hil.checker.limit_checker import LimitChecker
from gen_nodes.hil.checker.stated_limits import StatedLimits, stated_limits
from gen_nodes.hil.checker.verdict import Verdict
from gen_nodes.hil.hostile.adversaries import load_adversaries
from gen_nodes.hil.hostile.trial import Trial, controller
from gen_nodes.robot import RobotSpec, load_robot

TRIAL_CHUNKS = 5000


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
    """Every trial's part, in order. Where the caller breaks it off, the processes are ended."""
    numbers = range(plan.trials)
    if jobs == 1 or plan.trials == 1:
        yield from map(partial(run_trial, plan), numbers)
        return
    workers = min(jobs, plan.trials)
    spawn = multiprocessing.get_context('spawn')
    others = set(multiprocessing.active_children())
    deaf = signal.SIGINT, signal.SIG_IGN  # Ctrl-C reaches all processes; one of them answers
    with ProcessPoolExecutor(workers, spawn, signal.signal, deaf) as pool:
        try:
            yield from pool.map(partial(run_trial, plan), numbers)
        except BaseException:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
