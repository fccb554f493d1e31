"""The same episodes in lockstep: by the expert, by nobody, by the policy blindfolded or not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from gen_nodes.errors import unknown_name
from gen_nodes.hil.collect import ExpertActor
from gen_nodes.hil.live import ACTORS, EpisodeRow, finite, place
from gen_nodes.hil.lockstep import Actor, BlindActor, HoldActor, Lockstep, Outcome, PolicyActor
from gen_nodes.hil.world import load_world
from gen_nodes.policy.protocol import Policy
from gen_nodes.robot import load_robot

TRACE_EVERY_S = 0.04
REACTION_S = (0.1, 0.12)  # of the expert as the measure of what is possible


@dataclass(frozen=True)
class LockstepJob:
    """One episode of one actor. checkpoint: for 'policy' and 'blind'."""

    actor: str
    robot: str
    task: str
    seed: int
    episode_seed: int
    world: str = 'tabletop'
    checkpoint: Path | None = None
    camera_shift_m: float = 0.0


def run_all(jobs: list[LockstepJob], workers: int) -> Iterator[tuple[LockstepJob, EpisodeRow]]:
    """Episodes in processes of their own, as they finish; none goes on when nobody listens."""
    pool = ProcessPoolExecutor(min(workers, max(1, len(jobs))), get_context('spawn'))
    try:
        futures = {pool.submit(run_one, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run_one(job: LockstepJob) -> EpisodeRow:
    """One episode in simulated time."""
    loop = _loop(job.robot, job.world, job.seed)
    loop.emulator.shift_cameras(job.camera_shift_m)
    outcome = loop.run(_actor(job), job.task, job.episode_seed)
    return _row(job, loop, outcome)


@cache
def _loop(robot: str, world: str, seed: int) -> Lockstep:
    return Lockstep(load_robot(robot), load_world(world), seed)


def _actor(job: LockstepJob) -> Actor:
    if job.actor == 'expert':
        return ExpertActor(load_robot(job.robot), job.seed, reaction_s=REACTION_S)
    if job.actor == 'hold':
        return HoldActor()
    if job.actor in ('policy', 'blind'):
        return (BlindActor if job.actor == 'blind' else PolicyActor)(
            policy_of(job.checkpoint, job.robot)
        )
    raise unknown_name('actor', job.actor, ACTORS)


@cache
def policy_of(checkpoint: Path, robot: str) -> Policy:
    """The policy of a checkpoint for a robot, on one thread; loaded once per process."""
    import torch

    from gen_nodes.policy.harmonic import load_policy

    torch.set_num_threads(1)
    return load_policy(checkpoint, load_robot(robot))


def _row(job: LockstepJob, loop: Lockstep, outcome: Outcome) -> EpisodeRow:
    scene = loop.emulator.scene
    step = max(1, round(TRACE_EVERY_S * loop.spec.control.rate_hz))
    return EpisodeRow(
        f'{job.actor}_{job.task}_{job.episode_seed}',
        job.episode_seed,
        scene.instruction,
        outcome.success,
        finite(outcome.error_m),
        round(outcome.seconds, 3),
        tuple(map(place, outcome.tip_m[::step])),
        tuple(map(place, outcome.target_m[::step])),
        {ball.name: place(ball.position) for ball in scene.balls[1:]},
        scene.target,
    )
