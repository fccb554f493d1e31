"""gen hil hostile: hostile chunks through the real controller; every command is checked."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen_nodes.cli.arguments import check_output, check_seed, stop_in_order_when_ended
from gen_nodes.errors import ConfigError, GenError
from gen_nodes.whole import write_whole

if TYPE_CHECKING:
    from gen_nodes.hil.checker.command_file import CommandWriter
    from gen_nodes.hil.hostile.report import Tally

HELP = (
    'send hostile chunks to the controller, in simulated time, and judge every command that comes '
    'out by a checker that shares no code with it'
)
MOST_CHUNKS = 10**9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen hil hostile`."""
    parser.add_argument('--robot', required=True, help='robot (name or YAML)')
    parser.add_argument('--chunks', type=int, default=10_000, help='how many')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same commands')
    parser.add_argument('--json', type=Path, help='write the report here')
    parser.add_argument(
        '--dump', type=Path, help='write every command here, as Parquet, once all have come'
    )
    parser.add_argument('--jobs', type=int, default=1, help='processes; the result is the same')


def run(args: argparse.Namespace) -> int:
    """0 where no limit was violated and the robot really moved; else raises GenError. The report is
    written all the same, also when interrupted: on the trials that had ended.
    """
    from gen_nodes.cli.provenance import command_line, machine
    from gen_nodes.hil.hostile.report import Tally
    from gen_nodes.hil.hostile.run import Plan

    if not 1 <= args.chunks <= MOST_CHUNKS:
        raise ConfigError(f'--chunks {args.chunks} must lie in [1, {MOST_CHUNKS}]')
    if not 1 <= args.jobs <= 1024:
        raise ConfigError(f'--jobs {args.jobs} must lie in [1, 1024]')
    check_seed(args.seed)
    check_output('--json', args.json)
    check_output('--dump', args.dump)
    if args.json and args.dump and args.json.resolve() == args.dump.resolve():
        raise ConfigError(f"--json and --dump name the same file '{args.json}': choose two")
    stop_in_order_when_ended()
    tally = Tally(Plan(args.robot, args.chunks, args.seed))
    ran_on, began_s = machine(), time.monotonic()
    try:
        provoke(args, tally)
    finally:
        report = tally.report() | {
            'seconds': round(time.monotonic() - began_s, 2),
            'jobs': args.jobs,
            'machine': ran_on,
            'command': command_line(),
        }
        if args.json:
            write_whole(args.json, json.dumps(report, indent=1) + '\n')
        show(report)
    judge(report)
    return 0


def provoke(args: argparse.Namespace, tally: Tally) -> None:
    """Run every trial; with --dump gather the commands of all of them in one file."""
    from gen_nodes.cli.progress import Progress
    from gen_nodes.hil.hostile.run import run_trials

    progress, began_s = Progress(), time.monotonic()
    with ExitStack() as stack:
        stack.callback(progress.clear)
        plan, out = tally.plan, None
        if args.dump:
            parts = tempfile.TemporaryDirectory(dir=args.dump.parent, prefix=f'.{args.dump.name}.')
            plan = replace(plan, part_folder=Path(stack.enter_context(parts)))
            out = stack.enter_context(command_writer(args, tally))
        for part in stack.enter_context(closing(run_trials(plan, args.jobs))):
            tally.add(part)
            if out:
                out.append(plan.part(part.number))
                plan.part(part.number).unlink()
            progress.show(words(tally, time.monotonic() - began_s))


def command_writer(args: argparse.Namespace, tally: Tally) -> CommandWriter:
    """The file that --dump asks for."""
    from gen_nodes.hil.checker.command_file import CommandWriter
    from gen_nodes.version import code_version

    about = {'robot': tally.spec.name, 'seed': str(args.seed), 'version': code_version()}
    return CommandWriter(args.dump, tally.limits.names, 1.0 / tally.spec.control.rate_hz, about)


def words(tally: Tally, seconds: float) -> str:
    """Progress in one line."""
    rate = tally.chunks / max(seconds, 1e-3)
    left_s = (tally.plan.chunks - tally.chunks) / rate
    return (
        f'{tally.spec.name}: {tally.chunks:,} of {tally.plan.chunks:,} chunks, '
        f'{tally.verdict.total} violations, {rate:,.0f} chunks/s, {left_s / 60:.1f} min left'
    )


def show(report: dict[str, Any]) -> None:
    """The report for a person."""
    checker, worst = report['checker'], report['worst']
    print(
        f'{report["robot"]}: {report["chunks"]:,} hostile chunks, {report["commands"]:,} commands '
        f'in {checker["segments"]:,} runs, {report["simulated_s"]:,.0f} s of robot time in '
        f'{report["seconds"]:,.0f} s'
    )
    print('worst share of a limit: ' + ', '.join(f'{kind} {x:.9f}' for kind, x in worst.items()))
    least = min(checker['travelled'].items(), key=lambda item: item[1])
    print(
        f'followed a chunk on {checker["share_running"]:.0%} of the ticks; every joint went '
        f'through at least {least[1]:.0%} of its range ({least[0]})'
    )
    refused, stops = sum(report['refused'].values()), sum(report['stops'].values())
    print(f'{refused:,} chunks refused, {stops:,} stops, {report["violations"]} violations')
    if report['interrupted']:
        print('interrupted: this is what had ended before')


def judge(report: dict[str, Any]) -> None:
    """Raise GenError where a limit was violated, or where nothing was put to the test."""
    for kind, at in report['first_violations'].items():
        raise GenError(
            f'{report["violations"]} violations; the first of {kind}: {at["joint"]} at '
            f'{at["fraction"]:.6g} of its limit, stamp {at["stamp_ns"]}, segment {at["segment"]}'
        )
    if not report['checker']['moved']:
        raise GenError(
            'the robot hardly moved, so nothing is shown: see ticks, stops and refused in the '
            'report'
        )
    if not report['checker']['pressed']:
        raise GenError(
            'no command came near the limits of velocity, acceleration and jerk, so nothing is '
            'shown of them: see worst in the report'
        )
