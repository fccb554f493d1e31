"""`gen demo`: a robot does a task before your eyes, then a report explains how well."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from itertools import count
from pathlib import Path

from gen_nodes.checkpoint_files import find_checkpoint
from gen_nodes.cli.arguments import check_seed, stop_in_order_when_ended
from gen_nodes.errors import ConfigError, GenError, unknown_name
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.whole import write_whole

HELP = """An emulated robot does a task, driven by the policy over ROS 2 with every node running,
isolated from every robot on the network. Bags, report.json and report.html are written to
out/demo/<robot>."""
REFERENCE_EPISODES = 4  # per reference, of the same scenes: they take time too
SUCCESS = 0.5  # share of episodes for exit status 0
DEMOS = Path('out/demo')
MARK = '.gen_demo'  # a folder with this file is ours to empty


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen demo`."""
    parser.add_argument(
        '--robot', default='ur5e', help='name of a robot in config/robots, or path of a robot YAML'
    )
    parser.add_argument('--task', default='reach', help='reach or track')
    parser.add_argument(
        '--seconds', type=float, default=30.0, metavar='S', help='how long the robot acts'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the scenes')
    parser.add_argument(
        '--out', type=Path, help='folder of bags and report (default: out/demo/<robot>)'
    )
    parser.add_argument(
        '--checkpoint', metavar='PATH', help='trained policy (default: the one that ships)'
    )
    parser.add_argument(
        '--actor',
        choices=('policy', 'expert'),
        default='policy',
        help='who acts; expert: a scripted one that knows where the ball is, to test the stack',
    )
    parser.add_argument(
        '--no-references', action='store_true', help='leave out expert, hold and blind'
    )


def run(args: argparse.Namespace) -> int:
    """Returns 0 when most episodes succeeded. Raises GenError where not, or where a node died."""
    check(args)
    spec = load_robot(args.robot)
    stop_in_order_when_ended()
    return show(args, spec, fresh_folder(args.out or DEMOS / spec.name))


def check(args: argparse.Namespace) -> None:
    """Raise ConfigError for whatever cannot be honoured, before anything starts."""
    from gen_nodes.hil.tasks import TASKS

    if args.task not in TASKS:
        raise unknown_name('task', args.task, TASKS)
    if not 1.0 <= args.seconds <= 86400.0:
        raise ConfigError(f'--seconds {args.seconds:g} must lie in [1, 86400]')
    check_seed(args.seed)
    if args.actor == 'policy':
        find_checkpoint(args.checkpoint)


def fresh_folder(out: Path) -> Path:
    """The folder without what an earlier demo left in it. Raises ConfigError, and deletes nothing,
    where it holds something else.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        ours = (out / MARK).is_file() or DEMOS.resolve() in out.resolve().parents
        if not ours and any(out.iterdir()):
            raise ConfigError(
                f"--out '{out}' holds something that no demo has written; name an empty folder"
            )
        (out / MARK).touch()
        for name in ('bags', 'log', 'tmp'):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in ('report.json', 'report.html'):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"--out '{out}' cannot be written: {error.strerror}") from error
    return out


def show(args: argparse.Namespace, spec: RobotSpec, out: Path) -> int:
    """Run, report, judge."""
    from gen_nodes.cli.campaign import Results, gather, run_live, run_lockstep
    from gen_nodes.cli.progress import Progress
    from gen_nodes.cli.stage import Stage
    from gen_nodes.cli.stage_config import StageConfig
    from gen_nodes.cli.words import summary
    from gen_nodes.hil.live import REFERENCES

    progress = Progress()
    acts = args.actor == 'policy'
    results = Results(
        args.robot,
        args.task,
        args.seed,
        find_checkpoint(args.checkpoint) if acts else None,
        args.actor,
    )
    config = StageConfig(args.robot, args.seed, out, results.checkpoint)
    progress.say(f'{spec.display_name}, {spec.n} joints, task {args.task}: starting five nodes ...')
    with Stage(config, spec, progress.say) as stage:
        progress.say(f'ready after {stage.started_s:.1f} s; Ctrl-C ends it in order')
        end = time.monotonic() + args.seconds
        run_live(stage, results, count(), progress, lambda: time.monotonic() < end)
    results.live = gather(stage)
    try:
        if not args.no_references and not results.deaths:
            seeds = [row.seed for row in results.acted[:REFERENCE_EPISODES]]
            actors = [actor for actor in REFERENCES if acts or actor != 'blind']
            run_lockstep(results, actors, seeds, progress, config.world, 0.0)
    finally:  # what was measured live is not lost to an interrupted reference
        report = {**results.report(), 'mode': 'live'}
        write(report, out)
    for line in summary(report):
        progress.say(line)
    progress.say(f'report    {out / "report.html"}')
    if reasons := failures(report):
        raise GenError('; '.join(reasons))
    return 0


def write(report: dict, out: Path) -> None:
    """report.json and report.html."""
    from gen_nodes.science.report import write_report

    write_whole(out / 'report.json', json.dumps(report, indent=1, allow_nan=False) + '\n')
    write_report(report, [Path(bag) for bag in report['bags']], out)


def failures(report: dict) -> list[str]:
    """Why the demo is no success, nothing where it is one."""
    reasons = [
        *report['deaths'],
        *(
            f'left behind: {kind} {", ".join(map(str, left))}'
            for kind, left in report['left_behind'].items()
            if left
        ),
    ]
    won = sum(row['success'] for row in report['episodes_detail'])
    if won <= SUCCESS * report['episodes']:
        reasons.append(f'{won} of {report["episodes"]} episodes succeeded, not most of them')
    return reasons
