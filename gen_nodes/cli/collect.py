"""gen collect: demonstrations by a privileged expert in the emulator, as ordinary bags, faster than
real time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from gen_nodes.checkpoint_files import find_checkpoint, sha256
from gen_nodes.cli.arguments import check_seed, stop_in_order_when_ended
from gen_nodes.cli.provenance import command_line
from gen_nodes.errors import ConfigError, unknown_name
from gen_nodes.robot import known_robots, load_robot
from gen_nodes.version import code_version
from gen_nodes.whole import write_whole

HELP = 'let an expert perform tasks in the emulator and record ordinary bags'
SECONDS = {'reach': 5.0, 'track': 12.0}  # track as long as it is evaluated
CALM_S = {'reach': 2.0, 'track': 2.0}  # at the end of an episode nobody else leads
START_NS = 1_700_000_000_000_000_000  # a fixed date keeps bags reproducible


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen collect`."""
    parser.add_argument(
        '--robot', nargs='+', default=['ur5e', 'franka_fr3', 'openarm_bimanual'], help='robots'
    )
    parser.add_argument('--task', nargs='+', default=['reach', 'track'], help='tasks')
    parser.add_argument(
        '--episodes', type=int, default=200, help='episodes per robot and task (default: 200)'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of worlds and expert (default: 0)'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('out/collect/demo'), help='one folder per robot goes here'
    )
    parser.add_argument('--world', default='tabletop', help='world config (default: tabletop)')
    parser.add_argument('--workers', type=int, default=2, help='processes (default: 2)')
    parser.add_argument(
        '--learner',
        type=Path,
        help='checkpoint that leads for stretches; the expert corrects what it makes of them. '
        'Take another --seed than for the episodes it was trained on',
    )
    parser.add_argument(
        '--real-time', action='store_true', help='no faster than a real robot would be'
    )


def run(args: argparse.Namespace) -> int:
    """Collect what is missing; episodes that are there already are kept."""
    check(args)
    stop_in_order_when_ended()
    jobs = [
        (robot, task, episode, args)
        for episode in range(args.episodes)
        for robot in args.robot
        for task in args.task
        if not _folder(args.out, robot, task, args.seed, episode).exists()
    ]
    began, results = time.perf_counter(), []
    bar = tqdm(total=len(jobs), desc='collect', unit='episode')
    try:
        for result in collect_all(jobs, args.workers):
            results.append(result)
            bar.update()
            bar.set_postfix_str(
                f'{100 * sum(r["success"] for r in results) / len(results):.0f} % succeeded'
            )
    finally:  # what is finished is kept, also in the account
        bar.close()
        _report(args, results, time.perf_counter() - began)
    return 0


def check(args: argparse.Namespace) -> None:
    """Raise ConfigError or CheckpointError for what cannot be honoured, before anything starts."""
    from gen_nodes.hil.references import policy_of
    from gen_nodes.hil.tasks import TASKS
    from gen_nodes.hil.world import load_world

    if args.episodes < 1 or args.workers < 1:
        raise ConfigError(
            f'--episodes {args.episodes} and --workers {args.workers} must be at least 1'
        )
    check_seed(args.seed)
    runs_of(args.out / 'collect.json')
    load_world(args.world)
    for task in args.task:
        if task not in TASKS:
            raise unknown_name('task', task, TASKS)
    for robot in args.robot:
        if robot not in known_robots() and not Path(robot).is_file():
            raise unknown_name('robot', robot, known_robots())
    if args.learner:
        args.learner = find_checkpoint(args.learner)
        for robot in args.robot:
            policy_of(args.learner, robot)


def collect_all(jobs: list[tuple], workers: int) -> Iterator[dict]:
    """Episodes in processes of their own, as they finish; none begins after one has failed."""
    context = get_context('spawn')
    with_ctrl_c = (signal.SIGINT, signal.SIG_DFL)  # workers end at once and say nothing
    pool = ProcessPoolExecutor(min(workers, max(1, len(jobs))), context, signal.signal, with_ctrl_c)
    try:
        for done in as_completed([pool.submit(collect_one, job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _folder(out: Path, robot: str, task: str, seed: int, episode: int) -> Path:
    return out / load_robot(robot).name / f'{task}_s{seed}_{episode:04d}'


_LOOPS: dict = {}


def collect_one(job: tuple) -> dict:
    """One demonstration to one bag; the bag appears whole or not at all."""
    from gen_nodes.data.episode_bags import EpisodeWriter
    from gen_nodes.hil.collect import Detours, ExpertActor
    from gen_nodes.hil.lockstep import Lockstep
    from gen_nodes.hil.references import policy_of
    from gen_nodes.hil.world import load_world
    from gen_nodes.types import Episode, EpisodeEvent, seconds_to_ns

    robot, task, number, args = job
    if (robot, args.world) not in _LOOPS:
        _LOOPS[robot, args.world] = Lockstep(load_robot(robot), load_world(args.world), args.seed)
    loop = _LOOPS[robot, args.world]
    folder = _folder(args.out, robot, task, args.seed, number)
    scene = loop.emulator.reset(number, task, START_NS)
    episode = Episode(START_NS, EpisodeEvent.START, folder.name, scene.instruction, task)
    partial = folder.parent / '.partial' / folder.name
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    writer = EpisodeWriter(
        partial,
        loop.spec,
        episode,
        {
            'collector': 'expert',
            'seed': str(args.seed),
            'world': args.world,
            'version': code_version(),
            **({'learner': sha256(args.learner)} if args.learner else {}),
        },
    )
    learner = policy_of(args.learner, robot) if args.learner else None
    actor = ExpertActor(loop.spec, args.seed, Detours(SECONDS[task] - CALM_S[task]), learner)
    began = time.perf_counter()
    outcome = loop.run(actor, task, number, START_NS, writer, SECONDS[task], actor.marks)
    if args.real_time:
        time.sleep(max(0.0, outcome.seconds - (time.perf_counter() - began)))
    came = outcome.final_error_m <= 0.03
    writer.close(START_NS + seconds_to_ns(outcome.seconds), 'success' if came else 'failure')
    partial.replace(folder)
    if not any(partial.parent.iterdir()):
        partial.parent.rmdir()
    return {
        'robot': robot,
        'task': task,
        'success': came,
        'seconds': outcome.seconds,
        'error_m': outcome.final_error_m,
    }


def _report(args: argparse.Namespace, results: list[dict], seconds: float) -> None:
    simulated = sum(r['seconds'] for r in results)
    rows = {
        f'{robot}/{task}': [r for r in results if (r['robot'], r['task']) == (robot, task)]
        for robot in args.robot
        for task in args.task
    }
    for name, row in rows.items():
        if row:
            share = sum(r['success'] for r in row) / len(row)
            print(
                f'{name}: {len(row)} episodes, expert on the ball at the end in {100 * share:.0f} %'
            )
    if results:
        print(
            f'{simulated:.0f} s of robot time in {seconds:.0f} s: '
            f'{simulated / seconds:.1f} times real time'
        )
        note_run(
            args.out / 'collect.json',
            {
                'command': command_line(),
                'robots': args.robot,
                'tasks': args.task,
                'seed': args.seed,
                'world': args.world,
                'learner': sha256(args.learner) if args.learner else None,
                'version': code_version(),
                'episodes': len(results),
                'simulated_s': round(simulated, 3),
                'seconds': round(seconds, 1),
            },
        )


def note_run(path: Path, entry: dict) -> None:
    """Add a run to the account of a folder: {'runs': [...]}."""
    write_whole(path, json.dumps({'runs': [*runs_of(path), entry]}, indent=1) + '\n')


def runs_of(path: Path) -> list[dict]:
    """Earlier runs into a folder, by its account. Raises ConfigError where that cannot be read."""
    if not path.exists():
        return []
    try:
        said = json.loads(path.read_text())
        return said.get('runs', [said])  # there used to be one run, the last, by itself
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"'{path}' is no account of gen collect; move it away") from error
