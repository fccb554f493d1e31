"""Acceptance steps about time and record: latency, and an episode that is written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gen_nodes.cli.acceptance.bench import Bench
from gen_nodes.cli.account import account, in_bag
from gen_nodes.cli.stage_config import RELAY
from gen_nodes.data.bags import BagReader
from gen_nodes.hil.acceptance.latency import judge_latency
from gen_nodes.hil.acceptance.results import Check, Findings, at_most, holds
from gen_nodes.ros import convert
from gen_nodes.ros.graph import ProcessSpec
from gen_nodes.ros.messages_rclpy import RclpyMessages
from gen_nodes.ros.qos import latched, reliable, sensor
from gen_nodes.ros.relay import header_stamp_ns
from gen_nodes.types import NS

SECONDS = 4.0
RELAY_S = 15.0  # until the relay speaks
VERDICT_S = 8.0
STATE = 'sensor_msgs/msg/JointState'
COMMAND = 'gen_stack/msg/JointCommand'
EXECUTED = '/executed'
OPENS_S = 0.5  # until the recorder has heard of the episode and opened its bag
SHARE = 0.9  # of the commands of an episode's length that must be in the bag at least


# Latency


def latency(bench: Bench) -> Findings:
    """Times every command, beside a process that only passes messages on."""
    sent: list[tuple[bytes, int]] = []
    floor: list[float] = []
    listen = bench.rig.operator.listen
    listen(
        COMMAND,
        'executed',
        lambda raw, info: sent.append((raw, _sent_ns(info))),
        reliable(250),
        raw=True,
    )
    listen(
        'std_msgs/msg/Float32MultiArray',
        'relay_floor',
        lambda message, info: floor.extend(message.data),
        reliable(10),
    )
    _with_relay(bench, floor)
    bench.may_go(bench.speed)
    captures: dict[int, int] = {}
    newest: list[int] = [0]
    listen(
        STATE,
        bench.spec.state.topic,
        lambda raw, info: newest.__setitem__(0, header_stamp_ns(raw)),
        sensor(5),
        raw=True,
    )
    bench.falsify = lambda message: (_rests_on(newest[0], message, captures),)
    motion = bench.motion(bench.speed)
    turns = max(1, round(SECONDS / motion.seconds))
    bench.play(bench.plan(motion.repeated(turns), speed=bench.speed))
    bench.falsify = lambda message: (message,)
    bench.rig.end(RELAY)
    codec = RclpyMessages()
    commands = [(sent_ns, codec.deserialize(COMMAND, raw).sequence) for raw, sent_ns in sent]
    chunks = {n: (bench.chunks[n], at) for n, at in captures.items() if n in bench.chunks}
    return judge_latency(bench.spec, chunks, commands, floor)


def _sent_ns(info: Mapping[str, Any]) -> int:
    return info['source_timestamp']


def _with_relay(bench: Bench, floor: list[float]) -> None:
    """Start the relay beside the stack, until it has spoken."""
    graph = bench.rig.graph
    graph.processes[RELAY] = ProcessSpec(
        RELAY, 'gen_nodes.ros.relay', {'robot': str(bench.spec.source)}
    )
    graph.restart(RELAY)
    bench.rig.until(lambda: bool(floor), RELAY_S)
    floor.clear()


def _rests_on(newest_ns: int, message: Any, captures: dict[int, int]) -> Any:
    """The chunk, decided on the newest joint state that was heard."""
    captures[message.sequence] = newest_ns
    message.newest_capture.sec, message.newest_capture.nanosec = divmod(newest_ns, NS)
    return message


# Recorder


def recorder(bench: Bench) -> Findings:
    """A short episode, read back."""
    verdicts: dict[str, dict] = {}
    published: dict[str, dict] = {}
    listen = bench.rig.operator.listen
    string = 'std_msgs/msg/String'
    listen(string, 'recording', lambda message, info: _keep(verdicts, message), latched())
    listen(string, 'published', lambda message, info: _keep(published, message), latched())
    bench.may_go(bench.speed)
    motion = bench.motion(bench.speed)
    id = f'acceptance_{bench.now_ns() // 10**9}'
    begun_ns = bench.now_ns()
    bench.rig.begin_episode(id, 'move a little', 'acceptance')
    bench.play(bench.plan(motion, speed=bench.speed))
    seconds = (bench.now_ns() - begun_ns) / 1e9
    bench.rig.end_episode()
    awaited = [verdicts] if bench.real else [verdicts, published]
    bench.rig.until(lambda: all(id in heard for heard in awaited), VERDICT_S)
    return _judge_bag(bench, verdicts.get(id), published.get(id), begun_ns, seconds)


def _keep(heard: dict[str, dict], message: Any) -> None:
    said = json.loads(message.data)
    heard[said['id']] = said


def _judge_bag(
    bench: Bench, verdict: dict | None, published: dict | None, begun_ns: int, seconds: float
) -> Findings:
    if verdict is None:
        return Findings((holds('the recorder gave its verdict', False, 'it said nothing'),))
    bag = Path(verdict['path'])
    good = verdict['verdict'] == 'good'
    lost = sum(verdict.get('lost', {}).values())
    checks = [
        holds('verdict good', good, '; '.join(verdict.get('reasons', ())) or verdict['verdict']),
        at_most('messages lost', lost, 0),
    ]
    counts = in_bag(bag, begun_ns, bench.now_ns())
    commands = counts.get(EXECUTED, 0)
    least = SHARE * bench.spec.control.rate_hz * (seconds - 1.0)
    checks.append(holds('commands are in the bag', commands >= least, f'{commands} commands'))
    ended_ns = begun_ns + round(seconds * NS)
    checks += _same_commands(bench, bag, begun_ns + round(OPENS_S * NS), ended_ns, least)
    figures = {'bag': bag.name, 'messages': sum(counts.values()), 'seconds': seconds, 'lost': lost}
    if published is not None:
        inside = {published['id']: in_bag(bag, published['start_ns'], published['stop_ns'])}
        sums = account({published['id']: published}, inside, {verdict['id']: verdict})
        figures |= {key: sums[key] for key in ('published', 'recorded', 'unaccounted')}
        checks.append(at_most('messages neither in the bag nor counted', sums['unaccounted'], 0))
    return Findings(tuple(checks), figures)


def _same_commands(
    bench: Bench, bag: Path, since_ns: int, until_ns: int, least: float
) -> tuple[Check, Check]:
    """The bag read back holds every command that was heard between two instants of the episode."""
    recorded = {convert.stamp_ns(message) for _, message in BagReader(bag).decoded([EXECUTED])}
    heard = {c.sample.capture_ns for c in bench.record(since_ns).commands}
    due = {stamp for stamp in heard if since_ns <= stamp <= until_ns}
    return (
        holds('commands are heard here', len(due) >= least, f'{len(due)} commands'),
        at_most('commands heard here and missing in the bag', len(due - recorded), 0),
    )
