"""How a motion was ended and how it went on: braking, rest, commands after it, the resume."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gen_nodes.hil.faults.catalogue import Fault
from gen_nodes.hil.faults.trial import (
    JUMP,
    PERIODS,
    STILL,
    TRANSIT_NS,
    Body,
    Findings,
    Moments,
    noticed,
    own,
    since,
    speed,
    when,
)
from gen_nodes.hil.record import Command, Record, Word
from gen_nodes.types import NS, Mode


def brake(
    found: Findings, fault: Fault, word: Word, body: Body, moments: Moments, record: Record
) -> None:
    """From noticing to standstill, and what was commanded after that."""
    noticed_ns = noticed(word, moments)
    release_ns = moments.reset_ns or _resumed_ns(record, moments)
    commands = [c for c in record.commands if moments.cause_ns <= when(c, moments) < release_ns]
    braking = [c for c in commands if not c.sample.sequence]
    _refuse_to_follow(found, commands, noticed_ns, body, moments)
    if not braking and _moved_last(noticed_ns, moments, record):
        found.wrong.append('fell silent while it moved')
    first_ns = (
        when(braking[0], moments) if braking else own(word.state.stamp_ns, word.arrival_ns, moments)
    )
    found.periods = (first_ns - noticed_ns) / NS / body.period_s
    if found.periods > PERIODS:
        found.wrong.append(f'braked {found.periods:.1f} periods after it was noticed')
    rest = _rest(braking)
    if rest is None:
        found.wrong.append('never commanded to rest')
        return
    rest_ns = when(braking[rest], moments) if braking else first_ns
    found.stopped_s = since(moments.cause_ns, rest_ns)
    found.after += _after(braking[rest:], moments, record)
    if braking and word.state.mode == Mode.STOPPED and not fault.foreign:
        found.after = max(found.after, _sent_after(braking[rest], release_ns, record))
    if found.after:
        found.wrong.append(f'{found.after} commands after the stop')


def _refuse_to_follow(
    found: Findings, commands: list[Command], noticed_ns: int, body: Body, moments: Moments
) -> None:
    """After a cause was noticed no chunk is followed any more."""
    latest_ns = noticed_ns + PERIODS * body.period_s * NS
    found.after = sum(c.sample.sequence > 0 and when(c, moments) > latest_ns for c in commands)


def _moved_last(noticed_ns: int, moments: Moments, record: Record) -> bool:
    """Whether the last command before the cause was noticed, or just after it, had a speed."""
    latest_ns = noticed_ns + TRANSIT_NS
    before = [c for c in record.commands if when(c, moments) <= latest_ns]
    return bool(before) and speed(before[-1]) > STILL


def _rest(braking: list[Command]) -> int | None:
    """Place of the command that came to rest: the first without speed, or one right after it that
    repeats its position: only with that do the commands stand. None: all of them move.
    """
    if not braking:
        return 0
    rest = next((n for n, command in enumerate(braking) if speed(command) <= STILL), None)
    if rest is None:
        return None
    for here, following in pairwise(braking[rest:]):
        apart = np.abs(following.sample.values - here.sample.values).max()
        prompt = following.sample.capture_ns - here.sample.capture_ns < TRANSIT_NS
        if not prompt or apart > STILL:
            return rest
        rest += 1
        if not apart:
            return rest
    return rest


def _after(resting: list[Command], moments: Moments, record: Record) -> int:
    """Commands after the one that came to rest: in a hold those that move, in a stop all of them.
    A hold may become a stop.
    """
    if not resting:
        return 0
    here = resting[0].sample.values
    stop = next(record.modes(moments.cause_ns, Mode.STOPPED), None)
    stopped_ns = moments.end_ns if stop is None else noticed(stop, moments) + TRANSIT_NS
    return sum(
        when(command, moments) > stopped_ns
        or bool(np.abs(command.sample.values - here).max() > STILL)
        for command in resting[1:]
    )


def _sent_after(rest: Command, release_ns: int, record: Record) -> int:
    """Messages to the driver itself after the command that came to rest."""
    from_ns = rest.arrival_ns + TRANSIT_NS
    return sum(from_ns < sent.arrival_ns < release_ns for sent in record.sent)


def _resumed_ns(record: Record, moments: Moments) -> int:
    """When the motion went on after mending began."""
    word = next(record.modes(moments.mended_ns, Mode.RUNNING), None)
    return moments.end_ns if word is None else noticed(word, moments)


def _went_on_meanwhile(record: Record, moments: Moments) -> bool:
    """Whether a motion that had been ended began again before anybody mended the fault."""
    ended = next(record.modes(moments.cause_ns, Mode.HOLDING, Mode.STOPPED), None)
    if ended is None:
        return False
    again = (noticed(w, moments) for w in record.modes(ended.arrival_ns, Mode.RUNNING))
    return any(noticed(ended, moments) < since_ns < moments.mended_ns for since_ns in again)


def resume(found: Findings, body: Body, moments: Moments, record: Record) -> None:
    """The first command after the fault was mended, and a stop reset, against what is measured."""
    if (
        moments.reset_ns is None
        and not moments.fresh
        and any(
            w.state.mode == Mode.STOPPED for w in record.words if w.arrival_ns > moments.cause_ns
        )
    ):
        found.wrong.append('not reset')
        return
    if _went_on_meanwhile(record, moments):
        found.wrong.append('went on while the cause lasted')
    following = (c for c in record.commands if c.sample.sequence)
    if moments.reset_ns is not None:  # our own clock, whatever was done to theirs
        first = next((c for c in following if c.arrival_ns >= moments.reset_ns), None)
    else:
        resumed_ns = _resumed_ns(record, moments)
        first = next((c for c in following if when(c, moments) >= resumed_ns), None)
    if first is None:
        found.wrong.append('did not go on when it was mended')
        return
    measured = record.position_at(first.arrival_ns, body.names)
    order = [first.sample.names.index(name) for name in body.names]
    found.jump = float(np.abs(first.sample.values[order] - measured).max())
    if not found.jump <= JUMP:
        found.wrong.append(f'resumed {found.jump:.2g} rad away from where it stood')
