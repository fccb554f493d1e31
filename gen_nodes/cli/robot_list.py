"""`gen robot list`: the robots in config/robots."""

from __future__ import annotations

import argparse
from collections import Counter

from gen_nodes.errors import ConfigError
from gen_nodes.robot import RobotSpec, known_robots, load_robot

HELP = """List the robots in config/robots: joints by role, how they are commanded, their streams. A
robot of your own needs no place there: every command takes the path of a robot YAML as well."""
COLUMNS = ('name', 'robot', 'joints', 'commanded by', 'streams')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`gen robot list` takes none."""


def run(args: argparse.Namespace) -> int:
    """Returns 0, or 1 where a robot cannot be loaded; its line says why."""
    rows, broken = [COLUMNS], {}
    for name in known_robots():
        try:
            rows.append(row(load_robot(name)))
        except ConfigError as error:
            broken[name] = ' '.join(str(error).split())
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        line = '  '.join(f'{cell:{width}}' for cell, width in zip(cells, widths, strict=True))
        print(line.rstrip())
    for name, reason in broken.items():
        print(f'{name} cannot be loaded: {reason}')
    return 1 if broken else 0


def row(spec: RobotSpec) -> tuple[str, ...]:
    """One robot in the order of COLUMNS."""
    roles = Counter(joint.role for joint in spec.joints)
    kinds = dict.fromkeys(path.kind for path in spec.control.paths)
    return (
        spec.name,
        spec.display_name,
        f'{spec.n} ({", ".join(f"{count} {role}" for role, count in roles.items())})',
        ', '.join(kinds),
        ', '.join(spec.streams),
    )
