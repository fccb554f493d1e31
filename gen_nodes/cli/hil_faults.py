"""`gen hil faults`: one fault after another in the running stack, each judged."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gen_nodes.cli.arguments import check_folder, check_json, stop_in_order_when_ended
from gen_nodes.errors import ConfigError, GenError, RequirementError, unknown_name
from gen_nodes.hil.faults.catalogue import FAULTS, Fault, possible
from gen_nodes.hil.faults.page import page
from gen_nodes.hil.faults.trial import JUMP, NAMED_S, PERIODS, Row
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.whole import write_whole

HELP = """Break the running stack around an emulated robot on purpose, one fault after another: what
was noticed when, how the motion ended, what named the cause, and how it went on. Exit status 0 only
if every fault was met as it must be."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen hil faults`."""
    parser.add_argument(
        '--robot', default='ur5e', help='name of a robot in config/robots, or path of a robot YAML'
    )
    parser.add_argument(
        '--only', action='append', default=[], metavar='NAME', help='this fault; may be repeated'
    )
    parser.add_argument('--list', action='store_true', help='name the faults, do nothing')
    parser.add_argument('--json', type=Path, metavar='PATH', help='write the result there')
    parser.add_argument('--out', type=Path, help='keep logs and bags there (default: not kept)')
    parser.add_argument(
        '--table',
        nargs='+',
        type=Path,
        metavar='JSON',
        help='print the page docs/faults.md from results named ROBOT.json, do nothing else',
    )


def run(args: argparse.Namespace) -> int:
    """0 where every fault was met as it must be, 1 where one was not."""
    if args.table:
        print(table(args.table), end='')
        return 0
    spec = load_robot(args.robot)
    faults = chosen(args.only, spec)
    if args.list:
        print('\n'.join(f'{fault.name:28}{fault.ending:9}{fault.what}' for fault in faults))
        return 0
    check_json(args.json)
    if args.out is not None:
        check_folder('--out', args.out)
    stop_in_order_when_ended()
    with tempfile.TemporaryDirectory(prefix='gen-faults-') as folder:
        return tried(args, spec, faults, args.out or Path(folder))


def table(paths: Sequence[Path]) -> str:
    """The page of results; each file is named as its robot. Raises ConfigError."""
    results = {path.stem: read_rows(path) for path in paths}
    joints = {robot: load_robot(robot).n for robot in results}
    return page(results, joints, {'periods': PERIODS, 'named': NAMED_S, 'jump': JUMP})


def read_rows(path: Path) -> list[dict]:
    """The result that a run wrote. Raises ConfigError."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"result '{path}' cannot be read: {error}") from error
    if not isinstance(rows, list) or not all('fault' in row for row in rows):
        raise ConfigError(f"'{path}' is not a result of gen hil faults --json")
    return rows


def chosen(only: Sequence[str], spec: RobotSpec) -> list[Fault]:
    """The faults to inject, in the list's order. Raises ConfigError for an unknown name."""
    names = [fault.name for fault in FAULTS]
    for name in only:
        if name not in names:
            raise unknown_name('fault', name, names)
    faults, says = [fault for fault in FAULTS if not only or fault.name in only], stop_is_said(spec)
    for fault in faults:
        if fault.name in only and not possible(fault, spec, says):
            raise ConfigError(f"fault '{fault.name}' is not for {spec.name}: needs {fault.needs}")
    return [fault for fault in faults if possible(fault, spec, says)]


def stop_is_said(spec: RobotSpec) -> bool:
    """Whether a topic by which the robot forbids motion has a type that this machine knows."""
    from gen_nodes.ros.messages_rclpy import message_class

    for topic in spec.safety_topics:
        try:
            message_class(topic.type)
        except RequirementError:
            continue
        return True
    return False


def tried(args: argparse.Namespace, spec: RobotSpec, faults: list[Fault], out: Path) -> int:
    """Inject, say, write; what was done before an interruption is written too."""
    from gen_nodes.cli.faults.session import inject

    rows: list[Row] = []
    says = stop_is_said(spec)
    for fault in (fault for fault in FAULTS if not args.only and not possible(fault, spec, says)):
        print(f'left out: {fault.name} (needs {fault.needs})')
    began = time.monotonic()
    try:
        for row in inject(args.robot, spec, faults, out, print):
            rows.append(row)
            print(line(row), flush=True)
    finally:
        if args.json is not None:
            write(args.json, rows)
    good = sum(row.ok for row in rows)
    print(f'{good} of {len(rows)} faults met as they must be, {time.monotonic() - began:.0f} s')
    if len(rows) < len(faults):
        raise GenError(f'only {len(rows)} of {len(faults)} faults were injected')
    return 0 if good == len(rows) else 1


def line(row: Row) -> str:
    """One fault's result for a person."""
    figures = (
        ('detected', row.detected_s, ' s'),
        ('stopped', row.stopped_s, ' s'),
        ('periods', row.periods_to_stop, ''),
        ('named', row.diagnosed_s, ' s'),
        ('jump', row.resume_jump_rad, ' rad'),
    )
    told = '  '.join(
        f'{name} {value:.3g}{unit}' for name, value, unit in figures if value is not None
    )
    verdict = 'PASS' if row.ok else 'FAIL'
    return f'{verdict}  {row.fault:28}{row.mode:9}{told}' + (f'  [{row.note}]' if row.note else '')


def write(path: Path, rows: Sequence[Row]) -> None:
    """The rows as JSON; the file is there whole or not at all."""
    write_whole(path, json.dumps([asdict(row) for row in rows], indent=1, allow_nan=False) + '\n')
