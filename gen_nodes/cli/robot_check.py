"""`gen robot check`: is a description usable, what does it mean, what does it look like."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gen_nodes.cli.arguments import check_folder, check_json, check_output
from gen_nodes.errors import ConfigError
from gen_nodes.reading import read_text
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.robot_blanks import find_blanks
from gen_nodes.robot_findings import ERROR, NOTE, WARNING
from gen_nodes.whole import write_whole

HELP = """Validate a robot description beyond what loading does, and draw it: joints with their
limits and who set them, command paths, streams, safety, self-collision, tips, singularity, stopping
and watchdogs in metres. Exit status 0 where the robot is usable, warnings allowed; else 1."""
OUT = Path('out/robot')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen robot check`."""
    parser.add_argument('robot', help='name of a robot in config/robots, or path of a robot YAML')
    parser.add_argument(
        '--png', type=Path, metavar='PATH', help=f'picture (default: {OUT}/NAME.png)'
    )
    parser.add_argument('--json', type=Path, metavar='PATH', help='write all of it there')


def run(args: argparse.Namespace) -> int:
    """Returns 0 where nothing but warnings is found, else 1. Raises ConfigError where the robot
    cannot be loaded.
    """
    check_json(args.json)
    try:
        refuse_blanks(args.robot)
        spec = load_robot(args.robot)
        png = args.png or OUT / f'{spec.name}.png'
        check_png('--png' if args.png else 'folder', png)
    except ConfigError as error:
        write_json(args.json, {'ok': False, 'robot': args.robot, 'error': str(error)})
        raise
    return check(spec, png, args.json)


def check_png(option: str, path: Path) -> None:
    """Raise ConfigError where the picture cannot be written."""
    if path.suffix != '.png':
        raise ConfigError(f"{option} '{path}': the picture is a PNG, its name ends in .png")
    check_folder(option, path.parent)
    check_output(option, path)


def refuse_blanks(name_or_path: str) -> None:
    """Raise ConfigError that lists everything a person has yet to fill in."""
    path = Path(name_or_path)
    if path.suffix not in ('.yaml', '.yml') or not path.is_file():
        return
    blanks = find_blanks(read_text(path))
    if not blanks:
        return
    for blank in blanks:
        print(f"{blank.key}: '{blank.text}'\n    {blank.why}")
    raise ConfigError(
        f"robot YAML '{path}': {len(blanks)} entries are still to be filled in, "
        f'first {blanks[0].key}'
    )


def check(spec: RobotSpec, png: Path, json_path: Path | None) -> int:
    """Examine, say, draw, write."""
    from gen_nodes.cli.robot_case import examine
    from gen_nodes.cli.robot_words import lines
    from gen_nodes.science.robot_picture import draw_robot

    robot = examine(spec)
    for line in lines(robot):
        print(line)
    counts = {level: robot.count(level) for level in (ERROR, WARNING, NOTE)}
    draw_robot(spec, robot.tree, png, facts(robot, counts))
    write_json(json_path, report(robot, counts))
    verdict = 'NOT usable' if counts[ERROR] else 'usable'
    print(f'{spec.name}: {verdict}, {told(counts)}; picture {png}')
    return 1 if counts[ERROR] else 0


def told(counts: dict[str, int]) -> str:
    """'0 errors, 1 warning, 2 notes'."""
    return ', '.join(f'{count} {level}{"s" * (count != 1)}' for level, count in counts.items())


def facts(robot: Any, counts: dict[str, int]) -> list[tuple[str, str]]:
    """What stands beside the picture."""
    tips, contacts = robot.sheet.tips, robot.contacts
    found = [
        ('control rate', f'{robot.spec.control.rate_hz:g} Hz'),
        ('fastest tip', f'{max(tip.fastest for tip in tips):.2f} m/s'),
        ('from full speed to rest', f'{max(tip.stop for tip in tips):.2f} m'),
        ('least motion per rad at ready', f'{min(tip.translation for tip in tips):.3f} m'),
    ]
    if contacts is not None:
        found.append(('clearance at ready', f'{1000 * contacts.clearance:.0f} mm'))
    return [*found, ('found', told(counts))]


def report(robot: Any, counts: dict[str, int]) -> dict[str, Any]:
    """All of it as JSON; infinite limits (endless joints) are null."""
    spec, contacts = robot.spec, robot.contacts
    return {
        'robot': spec.name,
        'display_name': spec.display_name,
        'source': str(spec.source),
        'sha256': spec.sha256,
        'ok': not counts[ERROR],
        'counts': counts,
        'findings': [asdict(finding) for finding in robot.findings],
        'joints': [asdict(row) for row in robot.sheet.joints],
        'interfaces': [asdict(interface) for interface in robot.interfaces],
        'tips': [asdict(tip) for tip in robot.sheet.tips],
        'watchdogs': [asdict(row) for row in robot.sheet.watchdogs],
        'contacts': None if contacts is None else asdict(contacts),
    }


def write_json(path: Path | None, value: dict[str, Any]) -> None:
    if path is not None:
        write_whole(path, json.dumps(finite(value), indent=1, allow_nan=False) + '\n')


def finite(value: Any) -> Any:
    """The same with null for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
