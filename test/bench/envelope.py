"""What a step of the envelope costs, beside bare Ruckig, and what it does to a smooth reference.

    ./gen python test/bench/envelope.py --json envelope.json

Cost in microseconds of Envelope.follow on one core: on a smooth reference inside the limits and on
hostile ones, with and without the watch over links and fences. Bare Ruckig solves the same problem
(same joints, limits, state and target) in the same run, step by step in turns with the envelope.
Passthrough: how far a smooth reference is from what comes out after the first period, and how late
that is.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import ruckig

from gen_nodes.cli.provenance import machine, versions
from gen_nodes.embodiment.collision import Collision, collision_of
from gen_nodes.embodiment.envelope import Envelope
from gen_nodes.embodiment.limits import limits_of
from gen_nodes.errors import ConfigError, GenError
from gen_nodes.robot import RobotSpec, known_robots, load_robot

ROBOTS = ('ur5e', 'openarm_bimanual', 'rby1')
WARM = 100  # steps before those that are measured
Reference = tuple[np.ndarray, np.ndarray]  # position and velocity (N,)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--json', type=Path, required=True, help='write the figures here')
    parser.add_argument('--steps', type=int, default=3000, help='measured steps per figure')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--robots', nargs='+', default=[r for r in ROBOTS if r in known_robots()])
    args = parser.parse_args()
    if args.steps < 100:
        raise ConfigError(f'--steps {args.steps} must be at least 100')
    core = one_core()
    figures = {name: robot_figures(name, args.steps, args.seed) for name in args.robots}
    about = {'machine': machine() | {'pinned_to_core': core}, 'versions': versions()}
    report = {'seed': args.seed, 'steps': args.steps, **about, 'robots': figures}
    args.json.write_text(json.dumps(report, indent=1) + '\n')
    show(figures)
    return 0


def one_core() -> int:
    """Pin this process to one of its cores."""
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def robot_figures(name: str, steps: int, seed: int) -> dict[str, Any]:
    """All figures of one robot."""
    spec = load_robot(name)
    out: dict[str, Any] = {'joints': spec.n, 'rate_hz': spec.control.rate_hz}
    watches: dict[str, Collision | None] = {'alone': None}
    clearance = collision_of(spec)
    if clearance is not None:
        watches['with_clearance'] = clearance
    out['reference_size'] = size = free_size(clearance, spec, seed)
    calm = partial(smooth, spec, seed, size)
    for word, watch in watches.items():
        envelope = Envelope(limits_of(spec), 1 / spec.control.rate_hz, watch)
        out[word] = {
            kind: cost(envelope, spec, references, steps)
            for kind, references in (('smooth', calm()), ('hostile', hostile(spec, seed)))
        }
        out[word]['passthrough'] = passthrough(envelope, spec, calm(), steps)
    return out


def free_size(clearance: Collision | None, spec: RobotSpec, seed: int) -> float:
    """The greatest size of the smooth reference that keeps the speeds which clearance leaves."""
    for size in (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05):
        looked_at = islice(smooth(spec, seed, size), 0, round(30 * spec.control.rate_hz), 10)
        if clearance is None or all(is_free(clearance, spec, *one) for one in looked_at):
            return size
    raise GenError(f'{spec.name}: no smooth reference around its ready pose is clear')


def is_free(clearance: Collision, spec: RobotSpec, q: np.ndarray, rate: np.ndarray) -> bool:
    clearance.start(q)
    shares = clearance.ceilings(q)
    if shares is None:
        return True
    up, down = (0.9 * share * spec.velocity for share in shares)
    return bool(((rate <= up) & (-rate <= down)).all())


# References


def smooth(spec: RobotSpec, seed: int, share: float) -> Iterator[Reference]:
    """Sines around the ready pose, begun at rest; with share 1 at 30 % of the limits."""
    random, h = np.random.default_rng(seed), 1 / spec.control.rate_hz
    w = random.uniform(0.5, 1.3, spec.n)
    room = np.minimum(
        np.where(np.isfinite(spec.upper), spec.upper, 3) - spec.ready,
        spec.ready - np.where(np.isfinite(spec.lower), spec.lower, -3),
    )
    size = 0.3 * np.minimum(spec.velocity / w, spec.acceleration / w**2)
    size = np.minimum(np.minimum(size, 0.3 * spec.jerk / w**3), 0.2 * np.maximum(room, 0.0))
    size *= share
    tick = 0
    while True:
        tick += 1
        t = tick * h
        begin = min(t / 2.0, 1.0)
        s = begin**4 * (35 - 84 * begin + 70 * begin**2 - 20 * begin**3)  # smooth to the 3rd order
        ds = 0.5 * 140 * begin**3 * (1 - begin) ** 3
        yield (
            spec.ready + s * size * np.sin(w * t),
            size * (s * w * np.cos(w * t) + ds * np.sin(w * t)),
        )


def hostile(spec: RobotSpec, seed: int) -> Iterator[Reference]:
    """Jumps, ramps and noise; every 30 steps another of them."""
    random, h = np.random.default_rng(seed), 1 / spec.control.rate_hz
    lower, upper = np.maximum(spec.lower, -6.0), np.minimum(spec.upper, 6.0)
    q, rate, kind, tick = np.array(spec.ready), np.zeros(spec.n), 0, 0
    while True:
        if tick % 30 == 0:
            kind = int(random.integers(0, 3))
            q = random.uniform(lower, upper)
            rate = random.uniform(-3, 3, spec.n) * spec.velocity * (kind == 1)
        tick += 1
        q = q + rate * h if kind < 2 else q + random.normal(0, 0.01, spec.n)
        yield q, rate


# Cost


def cost(
    envelope: Envelope, spec: RobotSpec, references: Iterator[Reference], steps: int
) -> dict[str, Any]:
    """Microseconds per step of the envelope and of bare Ruckig, by turns: (S,) each, summed up."""
    bare = BareRuckig(spec)
    envelope.start(np.array(spec.ready))
    taken = np.zeros((2, steps + WARM))
    bend = np.zeros(spec.n)
    gc.collect()
    gc.disable()
    try:
        for row in range(steps + WARM):
            q, rate = next(references)
            bare.prepare(envelope.position, envelope.velocity, bend, q)
            taken[0, row], step = timed(lambda q=q, rate=rate: envelope.follow(q, rate))
            taken[1, row], _ = timed(bare.step)
            bend = step.acceleration
    finally:
        gc.enable()
    envelope_us, ruckig_us = (1e6 * row[WARM:] for row in taken)
    return {'envelope_us': spread(envelope_us), 'bare_ruckig_us': spread(ruckig_us)}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    done = work()
    return time.perf_counter() - begun, done


class BareRuckig:
    """One period of Ruckig's motion from the envelope's state to the reference at rest, and no
    proof of anything: what the envelope would cost if planning were all.
    """

    def __init__(self, spec: RobotSpec) -> None:
        self._period_s = 1 / spec.control.rate_hz
        self._solver = ruckig.Ruckig(spec.n)
        self._trajectory = ruckig.Trajectory(spec.n)
        self._input = given = ruckig.InputParameter(spec.n)
        given.synchronization = ruckig.Synchronization.No
        for key in ('velocity', 'acceleration', 'jerk'):
            setattr(given, f'max_{key}', getattr(spec, key).tolist())
        given.target_velocity = given.target_acceleration = [0.0] * spec.n

    def prepare(
        self, position_N: np.ndarray, velocity_N: np.ndarray, bend_N: np.ndarray, q_N: np.ndarray
    ) -> None:
        """The problem of this step: the state before it, and where to."""
        self._state, self._target = (position_N, velocity_N, bend_N), q_N

    def step(self) -> np.ndarray:
        """Solve and take the first period, as a node without an envelope would."""
        given = self._input
        position, velocity, acceleration = self._state
        given.current_position = position.tolist()
        given.current_velocity = velocity.tolist()
        given.current_acceleration = acceleration.tolist()
        given.target_position = self._target.tolist()
        self._solver.calculate(given, self._trajectory)
        return np.array(self._trajectory.at_time(self._period_s)[0])


def spread(us: np.ndarray) -> dict[str, float]:
    """Median, p99 and the medians of ten equal parts of the run: how much the machine disturbed."""
    parts = [float(np.median(part)) for part in np.array_split(us, 10)]
    return {
        'median': round(float(np.median(us)), 2),
        'p99': round(float(np.percentile(us, 99)), 2),
        'median_of_best_tenth': round(min(parts), 2),
        'median_of_worst_tenth': round(max(parts), 2),
    }


# Passthrough


def passthrough(
    envelope: Envelope, spec: RobotSpec, references: Iterator[Reference], steps: int
) -> dict[str, float]:
    """Greatest deviation [rad or m] from a smooth reference that is begun at rest, after the first
    period; lateness [ms]: the deviation over the reference's speed, where it moves.
    """
    envelope.start(np.array(spec.ready))
    off, late_ms = [], []
    for step in range(steps):
        q, rate = next(references)
        apart = envelope.follow(q, rate).position - q
        if step:
            off.append(np.abs(apart).max())
            moving = np.abs(rate) > 0.01 * spec.velocity
            late_ms.append(1e3 * np.max(-apart[moving] / rate[moving], initial=0.0))
    return {
        'max_deviation': float(np.max(off)),
        'p99_late_ms': float(np.percentile(late_ms, 99)),
        'max_late_ms': float(np.max(late_ms)),
    }


def show(figures: dict[str, Any]) -> None:
    """The figures for a person."""
    head = (
        'robot',
        'joints',
        'watch',
        'reference',
        'median us',
        'p99 us',
        'Ruckig us',
        'off',
        'ms',
    )
    print(('{:<18}{:>7} {:<15}{:<10}' + '{:>10}' * 5).format(*head))
    for name, one in figures.items():
        for watch in ('alone', 'with_clearance'):
            for kind in ('smooth', 'hostile') if watch in one else ():
                cost, through = one[watch][kind], one[watch]['passthrough']
                ours, bare = cost['envelope_us'], cost['bare_ruckig_us']
                print(
                    f'{name:<18}{one["joints"]:>7} {watch:<15}{kind:<10}{ours["median"]:>10.1f}'
                    f'{ours["p99"]:>10.1f}{bare["median"]:>10.1f}'
                    f'{through["max_deviation"]:>10.1e}{through["p99_late_ms"]:>10.3f}'
                )


if __name__ == '__main__':
    sys.exit(main())
