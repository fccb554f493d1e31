"""`gen robot new`: a first YAML from any URDF; says what a person must fill in, and why."""

from __future__ import annotations

import argparse
import os
import textwrap
from pathlib import Path

from gen_nodes.cli.arguments import check_output
from gen_nodes.errors import ConfigError
from gen_nodes.reading import read_text
from gen_nodes.robot_blanks import FILL_IN, checklist
from gen_nodes.robot_draft import draft_robot
from gen_nodes.robot_draft_text import draft_yaml
from gen_nodes.whole import write_whole

HELP = """Write a first robot YAML from a URDF: every joint that can be commanded, with base, tips,
roles and a ready pose guessed. Topics and limits that the URDF does not state are left as FILL IN:
nothing is invented, and the robot cannot be loaded until you have filled them in."""
WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen robot new`."""
    parser.add_argument(
        '--urdf', type=Path, required=True, metavar='FILE', help='URDF, with xacro expanded'
    )
    parser.add_argument(
        '--out', type=Path, metavar='PATH', help='YAML to write (default: beside the URDF)'
    )
    parser.add_argument('--base', metavar='LINK', help='link that commands are relative to')
    parser.add_argument(
        '--tip', nargs='+', default=[], metavar='LINK', help='frames that touch things'
    )
    parser.add_argument('--force', action='store_true', help='replace the YAML if it exists')


def run(args: argparse.Namespace) -> int:
    """Returns 0 once the YAML is written. Raises ConfigError where the URDF cannot be commanded."""
    out = args.out or args.urdf.with_suffix('.yaml')
    check_out(out, args.force)
    draft = draft_robot(
        read_text(args.urdf), f"URDF '{args.urdf}'", args.base, tuple(dict.fromkeys(args.tip))
    )
    text = draft_yaml(draft, draft.urdf.robot or out.stem, path_of(args.urdf, out), str(out))
    write_whole(out, text)
    to_fill, to_confirm = checklist(draft, text)
    print(f'{out}: {len(draft.joints)} joints, {len(draft.tips)} tips')
    say(f'Fill in (each says {FILL_IN}); the robot cannot be loaded before:', to_fill)
    say('Confirm, these are guesses or things to know:', to_confirm)
    print(f'\nThen: gen robot check {out}')
    return 0


def check_out(out: Path, force: bool) -> None:
    """Raise ConfigError where `out` must not or cannot be written."""
    if out.suffix not in ('.yaml', '.yml'):
        raise ConfigError(f"--out '{out}': a robot YAML ends in .yaml")
    check_output('--out', out)
    if out.exists() and not force:
        raise ConfigError(f"'{out}' exists: choose another --out, or --force to replace it")


def path_of(urdf: Path, out: Path) -> str:
    """The URDF as the YAML names it: relative where they lie near each other."""
    relative = os.path.relpath(urdf.resolve(), out.resolve().parent)
    return relative if relative.count('..') <= 2 else str(urdf.resolve())


def say(title: str, lines: list[str]) -> None:
    """A numbered list under a title."""
    print(f'\n{title}')
    for number, line in enumerate(lines, start=1):
        print(textwrap.fill(line, WIDTH, initial_indent=f'{number:3}. ', subsequent_indent=' ' * 5))
