"""Judges whether a robot is wired as its description says, and stands still while nobody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gen_nodes.hil.acceptance.results import Findings, at_most, between, holds
from gen_nodes.hil.acceptance.track import STILL, Track, excursion
from gen_nodes.robot import RobotSpec
from gen_nodes.types import Mode

RATE_LEAST, RATE_MOST = 0.8, 1.25  # of the YAML's rate: beyond, thinning picks the wrong samples
RATE_LEAST_EMULATED = 0.5  # an emulator draws its pictures on the processor that runs all else

STANDS_S = 0.5  # joint states are averaged over so long where nothing should move


@dataclass(frozen=True)
class Heard:
    """One topic of a stream, listened to for `seconds`. wanted_hz 0: latched, once is enough."""

    stream: str
    topic: str
    wanted_hz: float
    count: int
    seconds: float
    required: bool


@dataclass(frozen=True)
class Path:
    """One command path: is somebody there to take commands, does anybody else give them?"""

    topic: str
    taken: bool
    others: tuple[str, ...]
    left_out: str = ''


def judge_topics(
    heard: Sequence[Heard],
    lacking: Sequence[str],
    safety: Mapping[str, bool | None],
    paths: Sequence[Path],
    rate_least: float = RATE_LEAST,
) -> Findings:
    """lacking: joints that the joint states do not name. safety: what each safety topic permits,
    None: not heard. rate_least: of the wanted rates, as a share.
    """
    checks, notes, rates = [], [], {}
    for one in heard:
        rate = one.count / one.seconds
        rates[one.topic] = {'hz': rate, 'wanted_hz': one.wanted_hz, 'stream': one.stream}
        if not one.required and not one.count:
            notes.append(f"{one.topic} (stream '{one.stream}', not required) is silent")
        elif not one.wanted_hz:
            checks.append(holds(f'{one.topic} heard', one.count > 0))
        else:
            least, most = rate_least * one.wanted_hz, RATE_MOST * one.wanted_hz
            checks.append(between(f'rate of {one.topic}', rate, least, most, 'Hz'))
    named = 'all' if not lacking else f'lack {", ".join(lacking)}'
    checks.append(holds('joint states name every joint', not lacking, named))
    for topic, permits in safety.items():
        words = {None: 'not heard', True: 'heard, permits motion', False: 'heard, FORBIDS motion'}
        checks.append(holds(f'safety topic {topic} permits motion', bool(permits), words[permits]))
    for path in paths:
        if path.left_out:
            notes.append(path.left_out)
            continue
        checks.append(holds(f'{path.topic} is listened to', path.taken))
        who = ', '.join(path.others) or 'nobody'
        checks.append(holds(f'nobody else commands on {path.topic}', not path.others, who))
    return Findings(tuple(checks), {'rates': rates, 'safety': dict(safety)}, tuple(notes))


def judge_still(
    spec: RobotSpec, commands: int, measured: Track, modes: Sequence[Mode], seconds: float
) -> Findings:
    """Nobody asks for motion. commands: on `executed` and the driver's topics together."""
    moved = float((excursion(measured, STANDS_S) / spec.units).max(initial=0.0))
    other = [mode.name for mode in modes if mode not in (Mode.WAITING, Mode.STOPPED)]
    heard = len(measured.stamp_ns)
    return Findings(
        (
            at_most(f'commands in {seconds:g} s without chunks', commands, 0),
            holds('joint states heard', heard > 0, str(heard)),
            at_most('greatest motion of a joint', moved, STILL, 'rad'),
            holds('the controller waits', bool(modes) and not other, ', '.join(other) or 'yes'),
        ),
        {'commands': commands, 'moved': moved, 'joint_states': heard},
    )
