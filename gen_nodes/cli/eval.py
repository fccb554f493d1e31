"""`gen eval`: how well a checkpoint does, beside the expert, nobody and itself blindfolded."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from gen_nodes.checkpoint_files import find_checkpoint
from gen_nodes.cli.arguments import check_json, check_seed, stop_in_order_when_ended
from gen_nodes.errors import ConfigError, GenError, unknown_name
from gen_nodes.robot import load_robot
from gen_nodes.whole import write_whole

HELP = """Measure a checkpoint closed-loop: random episodes over DDS with every node running as it
would with a robot, and the same scenes in lockstep for the expert, for holding still and for the
policy with its cameras blanked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen eval`."""
    parser.add_argument(
        '--robot', default='ur5e', help='name of a robot in config/robots, or path of a robot YAML'
    )
    parser.add_argument('--task', default='reach', help='reach or track')
    parser.add_argument('--episodes', type=int, default=20, help='episodes')
    parser.add_argument(
        '--seed', type=int, default=0, help='of the scenes; none of them was in a demonstration'
    )
    parser.add_argument(
        '--checkpoint', metavar='PATH', help='trained policy (default: the one that ships)'
    )
    parser.add_argument(
        '--lockstep', action='store_true', help='the policy in simulated time too: fast, no DDS'
    )
    parser.add_argument(
        '--camera-shift',
        type=float,
        default=0.0,
        metavar='M',
        help='free-standing cameras stand this far beside where they would [m]',
    )
    parser.add_argument(
        '--references',
        nargs='*',
        default=['expert', 'hold', 'blind'],
        metavar='ACTOR',
        help='who else runs the same scenes; none: only the policy',
    )
    parser.add_argument(
        '--actor',
        choices=('policy', 'expert'),
        default='policy',
        help='who acts live; expert: tests the loop itself, without a checkpoint',
    )
    parser.add_argument('--world', default='tabletop', help='world config')
    parser.add_argument('--json', type=Path, metavar='PATH', help='write the report there')
    parser.add_argument('--out', type=Path, help='keep bags and logs there (default: not kept)')


def run(args: argparse.Namespace) -> int:
    """Returns 0. Raises GenError where not every episode was run, or a node died."""
    check(args)
    stop_in_order_when_ended()
    if args.out is not None:
        return evaluate(args, args.out)
    with tempfile.TemporaryDirectory(prefix='gen-eval-') as folder:
        return evaluate(args, Path(folder))


def check(args: argparse.Namespace) -> None:
    """Raise ConfigError for whatever cannot be honoured, before anything starts."""
    from gen_nodes.hil.live import REFERENCES
    from gen_nodes.hil.tasks import TASKS
    from gen_nodes.hil.world import load_world

    load_robot(args.robot)
    load_world(args.world)
    if args.task not in TASKS:
        raise unknown_name('task', args.task, TASKS)
    for actor in args.references:
        if actor not in REFERENCES:
            raise unknown_name('reference', actor, REFERENCES)
    if args.lockstep and args.actor == 'expert':
        raise ConfigError(
            '--lockstep --actor expert: the expert in lockstep is a reference; leave out --actor'
        )
    if args.episodes < 1:
        raise ConfigError(f'--episodes {args.episodes} must be at least 1')
    check_seed(args.seed)
    if not 0.0 <= args.camera_shift <= 1.0:
        raise ConfigError(f'--camera-shift {args.camera_shift} must lie in [0, 1] m')
    check_json(args.json)


def evaluate(args: argparse.Namespace, out: Path) -> int:
    """Run, say, write."""
    from gen_nodes.cli.campaign import Results, run_lockstep
    from gen_nodes.cli.progress import Progress
    from gen_nodes.cli.words import summary
    from gen_nodes.hil.live import EVALUATION_SEED

    with_policy = args.actor == 'policy' or 'blind' in args.references
    results = Results(
        args.robot,
        args.task,
        args.seed,
        find_checkpoint(args.checkpoint) if with_policy else None,
        args.actor,
    )
    progress = Progress()
    seeds = [EVALUATION_SEED + number for number in range(args.episodes)]
    actors = [*(['policy'] if args.lockstep else []), *args.references]
    if not args.lockstep:
        live(args, out, results, progress)
    run_lockstep(results, actors, seeds, progress, args.world, args.camera_shift)
    report = {
        **results.report(),
        'mode': 'lockstep' if args.lockstep else 'live',
        'camera_shift_m': args.camera_shift,
        'world': args.world,
    }
    for line in summary(report):
        progress.say(line)
    if args.json is not None:
        write_whole(args.json, json.dumps(report, indent=1, allow_nan=False) + '\n')
        progress.say(f'report    {args.json}')
    if results.deaths or len(results.acted) < args.episodes:
        raise GenError(
            '; '.join([*results.deaths, f'{len(results.acted)} of {args.episodes} episodes ran'])
        )
    return 0


def live(args: argparse.Namespace, out: Path, results, progress) -> None:
    """The policy, or the expert in its place, over DDS."""
    from gen_nodes.cli.campaign import gather, run_live
    from gen_nodes.cli.stage import Stage
    from gen_nodes.cli.stage_config import StageConfig

    config = StageConfig(
        args.robot,
        args.seed,
        out,
        results.checkpoint if args.actor == 'policy' else None,
        args.world,
        args.camera_shift,
    )
    progress.say(f'{args.robot}, {args.task}: starting the stack ...')
    with Stage(config, load_robot(args.robot), progress.say) as stage:
        progress.say(f'ready after {stage.started_s:.1f} s')
        run_live(stage, results, range(args.episodes), progress)
    results.live = gather(stage)
