"""A robot as lines for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from gen_nodes.cli.robot_case import Contacts, Robot
from gen_nodes.robot import RobotSpec
from gen_nodes.robot_findings import Finding
from gen_nodes.robot_sheet import JointRow, TipRow

WIDTH = 120
MOST_PAIRS = 8
SOURCES = {'URDF': 'u', 'robot YAML': 'y'}
JOINT_COLUMNS = (
    '#', 'joint', 'type', 'role', '', 'position', 'ready', 'velocity', 'acceleration', 'jerk',
    'effort', 'stop from full speed',
)  # fmt: skip


def lines(robot: Robot) -> Iterator[str]:
    """Everything that a person should look at before the robot runs."""
    spec = robot.spec
    yield f'{spec.display_name} ({spec.name})'
    yield f'{spec.source}, base {spec.base_frame}, sha256 {spec.sha256[:12]}'
    yield ''
    yield f"{spec.n} joints        u: the maker's URDF   y: robot YAML   *: less near the limits"
    yield from table([JOINT_COLUMNS, *(joint_cells(i, row) for i, row in numbered(robot))])
    yield ''
    yield f'commands at {spec.control.rate_hz:g} Hz'
    yield from table(list(path_cells(robot)))
    yield 'streams'
    yield from table(list(stream_cells(spec)))
    yield 'safety'
    yield from table(list(safety_cells(robot)))
    yield from contact_lines(spec, robot.contacts)
    yield 'tips at ready, base frame'
    yield from table([cells for tip in robot.sheet.tips for cells in tip_cells(tip)])
    yield 'watchdogs, with every joint at full speed'
    yield from table(list(watch_cells(robot)))
    yield ''
    for finding in robot.findings:
        yield from finding_lines(finding)


def numbered(robot: Robot) -> Iterator[tuple[int, JointRow]]:
    yield from enumerate(robot.sheet.joints, start=1)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Cells in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        line = '  '.join(f'{cell:{width}}' for cell, width in zip(cells, widths, strict=True))
        yield f'  {line}'.rstrip()


def joint_cells(number: int, row: JointRow) -> tuple[str, ...]:
    """One joint in the order of JOINT_COLUMNS."""

    def limit(key: str) -> str:
        return f'{getattr(row, key):.4g} {SOURCES[row.sources[key]]}'

    star = '*' if row.depends_on_position else ''
    return (
        str(number),
        row.name,
        row.type,
        row.role,
        row.unit,
        f'{row.lower:.3g} to {row.upper:.3g} {SOURCES[row.sources["position"]]}',
        f'{row.ready:.3g}',
        limit('velocity') + star,
        limit('acceleration'),
        limit('jerk'),
        limit('effort'),
        f'{row.stop_s:.2f} s, {row.stop_distance:.3g} {row.unit}',
    )


def path_cells(robot: Robot) -> Iterator[tuple[str, ...]]:
    for path, interface in zip(robot.spec.control.paths, robot.interfaces, strict=False):
        names = path.joints
        told = ', '.join(names) if len(names) < 3 else f'{names[0]} ... {names[-1]}'
        yield (
            path.kind,
            path.topic,
            interface.type,
            f'{len(names)}: {told}',
            'NOT INSTALLED' if interface.trouble else 'installed',
        )


def stream_cells(spec: RobotSpec) -> Iterator[tuple[str, ...]]:
    for stream in spec.streams.values():
        size = f'{stream.width} x {stream.height}' if stream.width else ''
        yield (
            stream.name,
            stream.type,
            ', '.join(stream.topics.values()) if stream.type != 'camera' else stream.topic,
            f'{stream.rate_hz:g} Hz, {stream.policy_rate_hz:g} to the policy',
            f'timeout {stream.timeout_s:g} s',
            'required' if stream.required else 'optional',
            size,
        )


def safety_cells(robot: Robot) -> Iterator[tuple[str, ...]]:
    spec = robot.spec
    offset = len(spec.control.paths)
    for topic, interface in zip(spec.safety_topics, robot.interfaces[offset:], strict=True):
        values = ', '.join(map(str, topic.values)).lower()
        rule = f'{"moves only" if topic.allow else "stops"} when {topic.field} is {values}'
        installed = 'NOT INSTALLED' if interface.trouble else 'installed'
        yield topic.topic, topic.type, rule, installed
    need = 'must be heard before any command' if spec.estop.required else 'watched once heard'
    yield 'e-stop', spec.estop.topic, f'{need}, silent for {spec.estop.timeout_s:g} s: stop', ''
    limit = spec.wrench_limit
    told = f'stops beyond {limit.force:g} N or {limit.torque:g} N m' if limit else 'no limit'
    yield 'wrench', limit.stream if limit else '-', told, ''
    for fence in spec.fences:
        low, high = (' '.join(f'{x:g}' for x in corner) for corner in (fence.lower, fence.upper))
        yield 'fence', fence.name, f'keep {"in" if fence.keep_in else "out"}: {low} to {high} m', ''


def contact_lines(spec: RobotSpec, contacts: Contacts | None) -> Iterator[str]:
    """Self-collision and fences."""
    if contacts is None:
        yield 'self-collision and fences: nothing is watched'
        return
    pairs, rule = contacts.pairs, spec.self_collision
    zone = f'margin {rule.margin:g} m, slower from {rule.slow:g} m' if rule else 'fences only'
    yield f'self-collision and fences: {zone}'
    yield f'  nearest at ready: {contacts.nearest}, at least {1000 * contacts.clearance:.0f} mm'
    for name, what in (
        ('watched', pairs.watched),
        ('always touching', pairs.touching),
        ('ignored', pairs.ignored),
        ('gripping', pairs.gripping),
    ):
        told = ', '.join(f'{a}\u00a0/\u00a0{b}' for a, b in what[:MOST_PAIRS])
        told += f' and {len(what) - MOST_PAIRS} more (--json)' if len(what) > MOST_PAIRS else ''
        yield from textwrap.wrap(
            f'{len(what)} pairs {name}' + (f': {told}' if told else ''),
            WIDTH,
            initial_indent='  ',
            subsequent_indent='    ',
            break_on_hyphens=False,
        )
    yield f'  {len(pairs.apart)} pairs can never meet'


def tip_cells(tip: TipRow) -> Iterator[tuple[str, ...]]:
    x, y, z = tip.position
    pose = '' if tip.pose is None else f', pose {tip.pose:.3f}'
    yield (
        tip.name,
        f'x {x:.3f}  y {y:.3f}  z {z:.3f} m, moved by {len(tip.joints)} joints',
        f'least motion per rad: translation {tip.translation:.3f}{pose} m',
    )
    forward = ', '.join(f'{value:.2f}' for value in tip.forward)
    yield (
        '',
        f'its z axis ({forward})',
        f'at most {tip.fastest:.2f} m/s, {tip.stop:.2f} m until it rests',
    )


def watch_cells(robot: Robot) -> Iterator[tuple[str, ...]]:
    for row in robot.sheet.watchdogs:
        yield (
            row.name,
            f'{row.seconds:g} s',
            f'the fastest tip goes {row.travel:.2f} m, {row.until_rest:.2f} m until it rests',
        )


def finding_lines(finding: Finding) -> Iterator[str]:
    """One finding and its fix."""
    yield from textwrap.wrap(
        f'{finding.level:8} {finding.text}',
        WIDTH,
        subsequent_indent=' ' * 9,
        break_on_hyphens=False,
    )
    if finding.fix:
        indent = ' ' * 9
        yield from textwrap.wrap(
            f'-> {finding.fix}', WIDTH, initial_indent=indent, subsequent_indent=f'{indent}   '
        )
