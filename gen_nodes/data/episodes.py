"""Bags as episodes: the observations that a policy would have had, what was commanded, and how it
ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gen_nodes.data.bags import BagReader
from gen_nodes.data.episode_bags import NOTE
from gen_nodes.errors import BagError
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.routes import Route, bag_routes
from gen_nodes.streams.aggregator import EXECUTED, Aggregator
from gen_nodes.types import NS, CommandSample, EpisodeEvent, Frozen, Observation

TICK_HZ = 50.0


@dataclass(frozen=True)
class EpisodeInfo:
    """What a bag says about its episode; empty strings where it says nothing.

    verdict: 'good', 'bad' or '' (nobody judged the recording); finished: False where the recorder
    died.
    """

    path: Path
    id: str
    robot: str
    robot_sha256: str
    instruction: str
    task: str
    outcome: str
    verdict: str
    discarded: bool
    finished: bool
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class CommandCurve(Frozen):
    """Every command of an episode. stamps_ns (K,); values, rates (K, N) in the robot's joint
    order; marked (K,) bool: not the demonstrator's will."""

    stamps_ns: np.ndarray
    values: np.ndarray
    rates: np.ndarray
    marked: np.ndarray
    marks: tuple[tuple[str, ...], ...] = field(default=())


def episode_info(bag: BagReader) -> EpisodeInfo:
    """Episode of a bag: from its notes, its episode topic and its metadata."""
    note, custom = bag.notes.get(NOTE, {}), bag.custom
    said = {**note, **custom}
    start, end, outcome, discarded = bag.start_ns, bag.end_ns, said.get('outcome', ''), False
    for event in episode_events(bag):
        if event.event == EpisodeEvent.START:
            said.setdefault('instruction', event.instruction)
            said.setdefault('task', event.task)
            said.setdefault('id', event.id)
        else:
            outcome = event.outcome or outcome
            discarded = discarded or event.event == EpisodeEvent.DISCARD
    return EpisodeInfo(
        bag.path,
        said.get('id', bag.path.name),
        said.get('robot', ''),
        said.get('robot_sha256', ''),
        said.get('instruction', ''),
        said.get('task', ''),
        outcome,
        said.get('verdict', ''),
        discarded,
        bag.finished,
        start,
        end,
    )


def episode_events(bag: BagReader) -> list[convert.Episode]:
    """Events of the episode topic, in order."""
    topics = [t.name for t in bag.topics.values() if t.type == 'gen_stack/msg/Episode']
    return [convert.episode_of(message) for _, message in bag.decoded(topics)] if topics else []


def replay(
    bag: BagReader,
    spec: RobotSpec,
    *,
    tick_hz: float = TICK_HZ,
    ticks_ns: Iterable[int] | None = None,
    instruction: str | None = None,
    remap: Mapping[str, str] | None = None,
    aggregator: Aggregator | None = None,
) -> Iterator[Observation]:
    """Observations of a bag by the live aggregator's code: messages arrive at their log time.

    Observations close on multiples of the tick period, or at `ticks_ns`. `instruction` None: the
    bag's own. Pass `aggregator` to look at its counts afterwards. Raises BagError at damage and
    where nothing fits the robot.
    """
    routes = bag_routes(spec, {t.name: t.type for t in bag.topics.values()}, remap or {})
    if not any(route.stream == spec_joints(spec) for route in routes.values()):
        raise BagError(
            f"bag '{bag.path}' has no joint states of {spec.name} (topic {spec.state.topic}); "
            f'it has: {", ".join(bag.topics)}'
        )
    words = episode_info(bag).instruction if instruction is None else instruction
    core = aggregator or Aggregator(spec)
    ticks = iter(ticks_ns) if ticks_ns is not None else grid(bag.start_ns, bag.end_ns, tick_hz)
    tick = next(ticks, None)
    for message in bag.messages(routes):
        while tick is not None and message.log_ns > tick:
            yield core.close(tick, words)
            tick = next(ticks, None)
        offer(core, routes[message.topic], bag.decode(message), message.log_ns)
    while tick is not None:
        yield core.close(tick, words)
        tick = next(ticks, None)


def offer(core: Aggregator, route: Route, message: object, arrival_ns: int) -> str | None:
    """Hand a decoded message to an aggregator; returns the reason where it was dropped."""
    sample = route.sample(message, arrival_ns)
    if isinstance(sample, str):
        core.reject(route.stream, sample, arrival_ns)
        return sample
    return core.offer(sample)


def grid(start_ns: int, end_ns: int, tick_hz: float) -> Iterator[int]:
    """Multiples of the tick period from just after the start to just after the end."""
    period = round(NS / tick_hz)
    yield from range((start_ns // period + 1) * period, end_ns + period + 1, period)


def spec_joints(spec: RobotSpec) -> str:
    """Name of the robot's joint state stream."""
    return next(s.name for s in spec.streams.values() if s.type == 'joint_states')


def executed(bag: BagReader, spec: RobotSpec) -> CommandCurve:
    """The whole curve of executed commands, joints in the robot's order, duplicates and disorder
    removed.

    Raises BagError where a command lacks a joint of the robot.
    """
    routes = bag_routes(spec, {t.name: t.type for t in bag.topics.values()}, {})
    topics = [name for name, route in routes.items() if route.stream == EXECUTED]
    rows: dict[int, CommandSample] = {}
    for raw, message in bag.decoded(topics) if topics else ():
        command = convert.command_sample(message, EXECUTED, raw.log_ns)
        rows[command.capture_ns] = command
    commands = [rows[stamp] for stamp in sorted(rows)]
    order: dict[tuple[str, ...], list[int]] = {}
    for names in {c.names for c in commands}:
        missing = set(spec.joint_names) - set(names)
        if missing:
            raise BagError(
                f"bag '{bag.path}': commands lack {', '.join(sorted(missing))} of {spec.name}"
            )
        order[names] = [names.index(name) for name in spec.joint_names]
    shape = (len(commands), spec.n)
    values = np.array([c.values[order[c.names]] for c in commands]).reshape(shape)
    rates = np.array([c.rates[order[c.names]] for c in commands]).reshape(shape)
    return CommandCurve(
        np.array([c.capture_ns for c in commands], dtype=np.int64),
        values,
        rates,
        np.array([bool(c.marks) for c in commands], dtype=bool),
        tuple(c.marks for c in commands),
    )


def find_bags(folder: Path) -> list[Path]:
    """Bag folders below a folder, in order of name; unfinished ones too."""
    found = {path.parent for pattern in ('*.mcap', '*.db3') for path in Path(folder).rglob(pattern)}
    return sorted(found)


def usable(folder: Path) -> tuple[list[EpisodeInfo], Counter[str]]:
    """Episodes below a folder that may be trained on, and how many were left out for what
    reason.
    """
    good, left_out = [], Counter[str]()
    for path in find_bags(folder):
        try:
            info = episode_info(BagReader(path))
        except BagError:
            left_out['unreadable'] += 1
            continue
        reason = (
            'discarded'
            if info.discarded
            else 'recorded with losses'
            if info.verdict == 'bad'
            else 'unfinished'
            if not info.finished
            else ''
        )
        if reason:
            left_out[reason] += 1
        else:
            good.append(info)
    return good, left_out
