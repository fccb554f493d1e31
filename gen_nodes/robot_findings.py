"""What is wrong or odd about a robot description that loads: errors, warnings, notes.

An error makes the robot unusable. A warning is what an engineer would ask about before switching it
on; a note is good to know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

from gen_nodes.robot import RobotSpec
from gen_nodes.robot_sheet import Sheet
from gen_nodes.urdf_tree import UrdfTree
from gen_nodes.wiring import FORWARD_VELOCITY

ERROR, WARNING, NOTE = 'error', 'warning', 'note'
FAST = {'rad': 2.0, 'm': 1.0}  # [rad/s], [m/s]
PLACEHOLDER = 10.0  # [rad/s] no arm joint does that
LONG_S = 0.5  # a timeout
ROOM_OF_RANGE = 0.03  # ready nearer to a limit than that share of the range
SINGULAR_M = 0.04  # [m/rad]; twice the damping of the policy's kinematics
SLOW_STOP_S = 1.0


@dataclass(frozen=True)
class Finding:
    """One finding: what, and what to do about it."""

    level: str
    code: str
    text: str
    fix: str


@dataclass(frozen=True)
class Case:
    """All that is known about a robot when it is judged."""

    spec: RobotSpec
    sheet: Sheet
    tree: UrdfTree
    others: tuple[Finding, ...] = ()  # what only machinery outside this file could find


def judge(case: Case) -> tuple[Finding, ...]:
    """All findings, errors first."""
    found = [*case.others, *(finding for rule in RULES for finding in rule(case))]
    return tuple(sorted(found, key=lambda finding: (ERROR, WARNING, NOTE).index(finding.level)))


def _velocities(case: Case) -> Iterator[Finding]:
    fast = [
        row.name
        for row in case.sheet.joints
        if row.sources['velocity'] == 'URDF' and row.velocity > FAST[row.unit]
    ]
    if fast:
        yield Finding(
            WARNING,
            'fast',
            f'faster than {FAST["rad"]:g} rad/s or {FAST["m"]:g} m/s, with no cap of yours: '
            f'{_names(fast)}',
            'give safety.velocity',
        )
    placeholders = [
        row.name
        for row in case.sheet.joints
        if row.unit == 'rad' and row.published['velocity'] >= PLACEHOLDER
    ]
    if placeholders:
        capped = not set(placeholders) & set(fast)
        yield Finding(
            NOTE if capped else WARNING,
            'placeholder',
            f'the URDF states {PLACEHOLDER:g} rad/s or more for {_names(placeholders)}: motor '
            'speeds or placeholders' + (', capped by safety.velocity' if capped else ''),
            'look up what the joint really does; its effort may be a placeholder too',
        )


def _continuous(case: Case) -> Iterator[Finding]:
    names = [row.name for row in case.sheet.joints if not np.isfinite(row.upper - row.lower)]
    if names:
        yield Finding(
            WARNING,
            'continuous',
            f'continuous, so no position limit stops them: {_names(names)}',
            'mind cables and hoses; safety.position bounds a joint',
        )


def _ready(case: Case) -> Iterator[Finding]:
    close = [
        row.name
        for row in case.sheet.joints
        if row.role != 'gripper'
        and np.isfinite(row.upper - row.lower)
        and row.ready_room < ROOM_OF_RANGE * (row.upper - row.lower)
    ]
    if close:
        yield Finding(
            WARNING,
            'ready_near_limit',
            f'ready is within {100 * ROOM_OF_RANGE:.0f} % of its range from a limit: '
            f'{_names(close)}',
            'choose a ready pose with room on both sides',
        )
    for tip in case.sheet.tips:
        least = min(tip.translation, np.inf if tip.pose is None else tip.pose)
        if len(tip.joints) >= 3 and least < SINGULAR_M:
            yield Finding(
                WARNING,
                'singular',
                f"ready is (nearly) singular for '{tip.name}': in one direction it moves "
                f'{1000 * least:.1f} mm per rad of all joints together',
                'bend elbow and wrist, then check again',
            )


def _chain(case: Case) -> Iterator[Finding]:
    for tip in case.sheet.tips:
        if not tip.joints:
            yield Finding(
                ERROR,
                'tip_outside',
                f"tip '{tip.name}' is moved by no commanded joint",
                'choose a link at the end of the commanded chain, or command the joints below it',
            )
    moving = {name for tip in case.sheet.tips for name in tip.joints}
    idle = [row.name for row in case.sheet.joints if row.role == 'arm' and row.name not in moving]
    if idle:
        yield Finding(
            WARNING,
            'idle_joint',
            f'of the arm by role, but moves no tip: {_names(idle)}',
            'give it another role, or name the tip that it moves',
        )


def _senses(case: Case) -> Iterator[Finding]:
    spec = case.spec
    wrenches = [stream.name for stream in spec.streams.values() if stream.type == 'wrench']
    if not wrenches:
        yield Finding(
            WARNING,
            'no_wrench',
            'no wrench stream: contact is felt by nobody, force is not limited',
            "rely on the robot's own force limits, or add a stream of type wrench",
        )
    elif spec.wrench_limit is None:
        yield Finding(
            NOTE,
            'no_wrench_limit',
            f"stream '{wrenches[0]}' stops nothing: safety.wrench gives no limit",
            'give safety.wrench a force and a torque',
        )
    if not spec.safety_topics:
        yield Finding(
            WARNING,
            'no_safety_topic',
            "no safety topic: a protective stop of the robot's own is not heard",
            'name the topics of the driver under safety.topics, where it has any',
        )
    if not spec.estop.required:
        yield Finding(
            NOTE,
            'estop_optional',
            f"e-stop topic '{spec.estop.topic}' need not be heard: only once heard it is watched",
            'set safety.estop.required where there is one; it never replaces the hardware button',
        )


def _times(case: Case) -> Iterator[Finding]:
    spec = case.spec
    if spec.control.rate_hz > spec.state.rate_hz:
        yield Finding(
            WARNING,
            'rate',
            f'commands at {spec.control.rate_hz:g} Hz, joint states at {spec.state.rate_hz:g} Hz: '
            'a driver usually takes no more commands than it publishes states',
            f'lower control.rate_hz to {spec.state.rate_hz:g}, or correct the rate of the stream',
        )
    timeouts = {f'streams.{s.name}.timeout_s': s.timeout_s for s in spec.streams.values()}
    timeouts['control.chunk_timeout_s'] = spec.control.chunk_timeout_s
    timeouts['safety.estop.timeout_s'] = spec.estop.timeout_s
    for key, seconds in timeouts.items():
        if seconds > LONG_S:
            yield Finding(
                WARNING,
                'long_timeout',
                f'{key} is {seconds:g} s: so long nobody notices the silence',
                f'choose at most {LONG_S:g} s',
            )


def _stopping(case: Case) -> Iterator[Finding]:
    for row in case.sheet.joints:
        if row.stop_s > SLOW_STOP_S:
            yield Finding(
                WARNING,
                'slow_stop',
                f"'{row.name}' needs {row.stop_s:.1f} s and {row.stop_distance:.2f} {row.unit} "
                'from full speed to rest',
                'lower its velocity, or raise acceleration and jerk where the hardware allows',
            )
    period_s = 1 / case.spec.control.rate_hz
    sudden = [row.name for row in case.sheet.joints if row.acceleration / row.jerk < period_s]
    if sudden:
        yield Finding(
            NOTE,
            'jerk',
            f'jerk limits nothing at {case.spec.control.rate_hz:g} Hz, full acceleration within '
            f'one period: {_names(sudden)}',
            'about acceleration / 0.05 s is gentle',
        )


def _shapes(case: Case) -> Iterator[Finding]:
    links = case.tree.links.values()
    unread = [link.name for link in links if link.meshes]
    if unread:
        yield Finding(
            WARNING,
            'mesh',
            f'collision meshes are not read: {_names(unread)}',
            'add boxes, cylinders or spheres: emulator and self-collision see only those',
        )
    if not any(link.solids for link in links):
        yield Finding(
            WARNING,
            'no_collision_shapes',
            'the URDF has no collision primitive: nothing watches self-collision and fences',
            'add boxes, cylinders or spheres to <collision>',
        )
    elif case.spec.self_collision is None:
        yield Finding(
            WARNING,
            'self_collision_off',
            'self-collision is switched off (safety.self_collision: false)',
            'take that line out; let single pairs be ignored instead',
        )


def _fences(case: Case) -> Iterator[Finding]:
    for fence in case.spec.fences:
        for tip in case.sheet.tips:
            inside = bool(
                (fence.lower <= tip.position).all() and (tip.position <= fence.upper).all()
            )
            if inside != fence.keep_in:
                yield Finding(
                    ERROR,
                    'ready_in_fence',
                    f"at ready tip '{tip.name}' is {'outside' if fence.keep_in else 'inside'} "
                    f"fence '{fence.name}'",
                    'choose another ready pose or correct the box (metres, base frame)',
                )


def _interfaces(case: Case) -> Iterator[Finding]:
    streamed = [p.topic for p in case.spec.control.paths if p.kind == FORWARD_VELOCITY]
    if streamed:
        yield Finding(
            NOTE,
            'velocity_interface',
            f'velocities go to {_names(streamed)}: if we die, a driver without a timeout of its '
            'own keeps the last one',
            'make sure that the driver stops when commands end',
        )


def _names(names: Collection[str]) -> str:
    return ', '.join(names)


RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _velocities,
    _continuous,
    _ready,
    _chain,
    _senses,
    _times,
    _stopping,
    _shapes,
    _fences,
    _interfaces,
)
