"""`gen hil run`: the acceptance suite, what a person runs before trusting a new robot."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from gen_nodes.cli.arguments import (
    check_folder,
    check_output,
    check_seed,
    stop_in_order_when_ended,
)
from gen_nodes.errors import ConfigError
from gen_nodes.hil.acceptance.steps import NAMES, Step, chosen, speeds
from gen_nodes.robot import load_robot
from gen_nodes.whole import write_whole

HELP = f"""Run the acceptance suite for a robot: limits, stops, watchdogs, e-stop, sensor loss,
latency, recorder. With --target emulator nothing leaves this machine. With --target real your robot
MOVES by small amounts around where it stands: every step is announced and waits for you. Steps, in
this order: {', '.join(NAMES)}. docs/acceptance.md explains each of them."""
REAL, EMULATOR = 'real', 'emulator'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen hil run`."""
    parser.add_argument(
        '--robot', required=True, help='name of a robot in config/robots, or path of a robot YAML'
    )
    parser.add_argument(
        '--target', choices=(EMULATOR, REAL), default=EMULATOR, help='what stands on the bench'
    )
    parser.add_argument(
        '--only', action='append', default=[], metavar='STEP', help='only this step; repeatable'
    )
    parser.add_argument(
        '--speed',
        type=float,
        default=0.2,
        metavar='SHARE',
        help='greatest share of the velocity limits; 0.1 and 0.3 come before where they are less',
    )
    parser.add_argument(
        '--yes', action='store_true', help='ask nothing; refused with --target real'
    )
    parser.add_argument(
        '--allow-skips',
        action='store_true',
        help='real: exit status 0 also where steps were skipped',
    )
    parser.add_argument('--seed', type=int, default=0, help='of the emulator')
    parser.add_argument('--json', type=Path, metavar='PATH', help='write the results there')
    parser.add_argument('--html', type=Path, metavar='PATH', help='write the page there')
    parser.add_argument('--out', type=Path, help='folder of bags and logs (default: out/hil/ROBOT)')


def run(args: argparse.Namespace) -> int:
    """Returns 0 only where every step passed, 1 where not. On the emulator a step that cannot apply
    is skipped; on a real robot a skipped step counts as missing, unless that is allowed. Raises
    ConfigError for what cannot be honoured, before anything starts.
    """
    steps, shares = check(args)
    stop_in_order_when_ended()
    from gen_nodes.cli.acceptance.suite import Suite

    suite = Suite(args, steps, shares, say)
    try:
        suite.run()
    finally:  # what was measured is not lost to an interruption
        report = suite.report()
        write(args, report)
        tell(args, report)
    return 0 if report['passed'] else 1


def check(args: argparse.Namespace) -> tuple[tuple[Step, ...], tuple[float, ...]]:
    """Steps and speeds. Raises ConfigError."""
    steps, shares = chosen(args.only), speeds(args.speed)
    if args.target == REAL and args.yes:
        raise ConfigError(
            '--yes is refused with --target real: somebody must stand beside the robot and agree '
            'to every step'
        )
    if args.target == REAL and not sys.stdin.isatty():
        raise ConfigError('--target real asks before every step: run it in a terminal')
    spec = load_robot(args.robot)
    check_seed(args.seed)
    check_output('--json', args.json)
    check_output('--html', args.html)
    args.out = args.out or Path('out/hil') / spec.name
    check_folder('--out', args.out)
    return steps, shares


def write(args: argparse.Namespace, report: dict[str, Any]) -> None:
    """JSON and page, each all at once or not at all."""
    from gen_nodes.science.acceptance_page import acceptance_page

    if args.json is not None:
        write_whole(args.json, json.dumps(report, indent=1, allow_nan=False) + '\n')
    if args.html is not None:
        write_whole(args.html, acceptance_page(report))


def tell(args: argparse.Namespace, report: dict[str, Any]) -> None:
    """The verdict in a few lines."""
    steps = report['steps']
    passed = sum(step['passed'] for step in steps)
    skipped = [step['name'] for step in steps if step['skipped']]
    failed = [step['name'] for step in steps if not step['passed'] and not step['skipped']]
    say(f'\n{passed} of {report["wanted"]} steps passed', end='')
    say(f', failed: {", ".join(failed)}' if failed else '', end='')
    say(f', skipped: {", ".join(skipped)}' if skipped else '')
    for path in (args.json, args.html):
        if path is not None:
            say(f'    {path}')


def say(text: str, end: str = '\n') -> None:
    """A line for the person."""
    print(text, end=end, flush=True)
