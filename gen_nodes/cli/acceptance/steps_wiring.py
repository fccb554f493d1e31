"""Acceptance steps in which nothing moves: the description, the topics, standing still."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from gen_nodes.cli.acceptance.bench import CONTROLLER, Bench
from gen_nodes.cli.robot_case import Contacts, examine
from gen_nodes.cli.stage_config import STATE_RATE_HZ
from gen_nodes.errors import GenError
from gen_nodes.hil.acceptance.motion import motion
from gen_nodes.hil.acceptance.results import Check, Findings, at_most, between, holds
from gen_nodes.hil.acceptance.wiring import (
    RATE_LEAST,
    RATE_LEAST_EMULATED,
    Heard,
    Path,
    judge_still,
    judge_topics,
)
from gen_nodes.robot import CommandPath, RobotSpec, load_robot
from gen_nodes.robot_findings import ERROR, WARNING
from gen_nodes.ros.qos import latched, sensor
from gen_nodes.ros.routes import Route, stream_routes
from gen_nodes.types import Mode
from gen_nodes.wiring import GRIPPER_ACTION

LISTEN_S = 3.0
STILL_S = 2.0


def description(robot: str) -> Findings:
    """Load it, examine it as `gen robot check` does, and see whether it can be moved a little from
    its ready pose.
    """
    spec = load_robot(robot)
    case = examine(spec)
    named = f'{spec.display_name}, {spec.n} joints, {len(spec.streams)} streams'
    wrong = [finding.text for finding in case.findings if finding.level == ERROR]
    odd = tuple(f'{f.text} -> {f.fix}' for f in case.findings if f.level == WARNING)
    checks = [
        holds('URDF and YAML are read', True, named),
        holds('gen robot check finds no error', not wrong, '; '.join(wrong)),
        *_inside(spec),
        *_clear(spec, case.contacts),
    ]
    figures = {'sha256': spec.sha256, 'joints': list(spec.joint_names)}
    return Findings(tuple(checks), figures, odd)


def _clear(spec: RobotSpec, contacts: Contacts | None) -> list[Check]:
    """How near links and fences are at the ready pose; nothing where none are watched."""
    if contacts is None or spec.self_collision is None:
        return []
    what = f'clearance at the ready pose ({contacts.nearest})'
    return [between(what, contacts.clearance, spec.self_collision.margin, float('inf'), 'm')]


def _inside(spec: RobotSpec) -> list[Check]:
    """Whether every joint has room around its ready pose."""
    try:
        moved = motion(spec, spec.ready, 1.0)
    except GenError as error:
        return [holds('every joint has room around its ready pose', False, str(error))]
    return [
        holds('every joint has room around its ready pose', True),
        at_most('a turn of all joints around the ready pose', moved.seconds, 60.0, 's'),
    ]


def topics(bench: Bench) -> Findings:
    """Listen to everything that the robot YAML names."""
    counts: Counter[str] = Counter()
    names: set[str] = set()
    routes = stream_routes(bench.spec)
    operator = bench.rig.operator
    for route in routes.values():
        if bench.spec.streams[route.stream].type == 'audio' and not bench.real:
            continue  # nothing emulates a microphone
        qos = latched() if route.latched else sensor(max(10, round(route.rate_hz)))
        raw = route.type != 'sensor_msgs/msg/JointState'
        hear = partial(_count, counts, names, route)
        operator.listen(route.type, route.topic, hear, qos, raw=raw)
    bench.rig.until(lambda: all(counts[r.topic] for r in routes.values() if _due(bench, r)), 2.0)
    _begin(counts, routes)
    began = time.monotonic()
    bench.rig.wait(LISTEN_S)
    seconds = time.monotonic() - began
    lacking = [name for name in bench.spec.joint_names if name not in names]
    heard = [_heard(bench, route, counts[route.topic], seconds) for route in routes.values()]
    paths = [_path(bench, path) for path in bench.spec.control.paths]
    least = RATE_LEAST if bench.real else RATE_LEAST_EMULATED
    found = judge_topics(heard, lacking, bench.signals.permits, paths, least)
    return replace(found, notes=(*found.notes, *_safety_left_out(bench)))


def _safety_left_out(bench: Bench) -> list[str]:
    named = {topic.topic for topic in bench.spec.safety_topics}
    return [f'{topic} left out: {why}' for topic, why in bench.left_out.items() if topic in named]


def _due(bench: Bench, route: Route) -> bool:
    return bench.spec.streams[route.stream].required


def _begin(counts: Counter[str], routes: Mapping[str, Route]) -> None:
    """Begin to count; what is latched was published once and for all."""
    for topic, route in routes.items():
        if not route.latched:
            counts[topic] = 0


def _count(
    counts: Counter[str], names: set[str], route: Route, message: Any, info: Mapping[str, Any]
) -> None:
    counts[route.topic] += 1
    names.update(getattr(message, 'name', ()))


def _heard(bench: Bench, route: Route, count: int, seconds: float) -> Heard:
    stream = bench.spec.streams[route.stream]
    wanted = route.rate_hz if bench.real else min(route.rate_hz, STATE_RATE_HZ)
    emulated = bench.real or stream.type != 'audio'
    return Heard(
        route.stream,
        route.topic,
        0.0 if route.latched else wanted,
        count,
        seconds,
        stream.required and emulated,
    )


def _path(bench: Bench, path: CommandPath) -> Path:
    if path.topic in bench.left_out:
        return Path(path.topic, False, (), f'{path.topic} left out: {bench.left_out[path.topic]}')
    node = bench.rig.operator.node
    topic = f'{path.topic}/_action/status' if path.kind == GRIPPER_ACTION else path.topic
    publishers = node.get_publishers_info_by_topic(topic)
    if path.kind == GRIPPER_ACTION:  # the server publishes its status; clients cannot be told apart
        return Path(path.topic, bool(publishers), ())
    others = sorted({p.node_name for p in publishers if p.node_name != CONTROLLER})
    ears = node.get_subscriptions_info_by_topic(path.topic)
    taken = any(ear.node_name not in ('operator', 'data_recorder') for ear in ears)
    twice = sum(p.node_name == CONTROLLER for p in publishers) > 1
    return Path(path.topic, taken, (*others, *([f'a second {CONTROLLER}'] if twice else [])))


def still(bench: Bench) -> Findings:
    """Active, without chunks."""
    since_ns = bench.now_ns()
    bench.rig.wait(STILL_S)
    record = bench.record(since_ns)
    modes = [state.mode for state in bench.states(record)] or [_mode(bench)]
    count = len(record.commands) + len(record.sent)
    return judge_still(bench.spec, count, bench.measured(record), modes, STILL_S)


def _mode(bench: Bench) -> Mode:
    return bench.rig.state.mode if bench.rig.state else Mode.INACTIVE
