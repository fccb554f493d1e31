"""From what was heard while a fault was tried to its row: when noticed, how stopped, how named, how
left. Pure functions; all instants are on the listener's clock unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from gen_nodes.hil.fault_list import Ending, Fault
from gen_nodes.hil.record import Command, Record, Remark, Word
from gen_nodes.types import NS, Mode

PERIODS = 2.0  # from noticing to the first braking command, at most
NAMED_S = 1.5  # from the cause to its name on /diagnostics, at most
JUMP = 1e-3  # [rad or m] between the first command after a resume and what is measured, at most
STILL = 1e-6  # [rad or m, per s] of a command that does not move
TRANSIT_NS = NS // 20  # a message sent before an instant has arrived so long after it
EARLY_NS = NS // 100  # a control tick notices at its deadline, which is a little ago
STEPPED_NS = 5 * NS  # a stamp so far from its arrival comes from a stepped clock
SILENT_NS = NS // 2  # heartbeats come ten times a second: a longer silence is noticed
FASTER = 1.02  # than the velocity limit between two commands: a jump
NAMERS = ('sensor_aggregator', 'harmonic_policy', 'embodiment_controller', 'data_recorder')
MOVED = 2e-3  # [rad or m] of a robot that does not stand


@dataclass(frozen=True)
class Body:
    """What the judge must know of the robot: joints, control period [s], velocity limits (N,)."""

    names: tuple[str, ...]
    period_s: float
    velocity: np.ndarray


@dataclass(frozen=True)
class Moments:
    """What was done when [ns]. reset_ns: a reset was granted; None: none was needed or it failed.
    step_ns: by how much the nodes' clock was ahead of ours. refusal: what a reset was answered
    while the cause lasted; '' granted, None not asked. gone_ns: the controller's process is gone.
    began_ns: from here on nothing may be commanded, where that is before the cause. fresh: a new
    controller took over: there is no stop to reset. trouble: what kept the trial from its end.
    """

    cause_ns: int
    mended_ns: int
    end_ns: int
    reset_ns: int | None = None
    step_ns: int = 0
    refusal: str | None = None
    gone_ns: int | None = None
    began_ns: int | None = None
    fresh: bool = False
    trouble: str = ''


@dataclass(frozen=True)
class Row:
    """One line of the result; None where a figure does not apply. `note`: why it is not ok."""

    fault: str
    detected_s: float | None
    stopped_s: float | None
    periods_to_stop: float | None
    commands_after_stop: int
    diagnosed_s: float | None
    resume_jump_rad: float | None
    ok: bool
    expected: str
    mode: str
    reason: str
    cause: str
    note: str


@dataclass
class Findings:
    """Figures of a trial on the way to its row, and what was not as it must be."""

    mode: str = Ending.RUNNING
    reason: str = ''
    detected_s: float | None = None
    stopped_s: float | None = None
    periods: float | None = None
    after: int = 0
    jump: float | None = None
    wrong: list[str] = field(default_factory=list)


def judge(fault: Fault, body: Body, moments: Moments, record: Record) -> Row:
    """The row of one trial. One that never came to its cause has no figures."""
    if not moments.cause_ns:
        return _not_tried(fault, moments.trouble)
    how = {
        Ending.RUNNING: went_on,
        Ending.WAITING: waited,
        Ending.SILENT: fell_silent,
    }.get(fault.ending, ended)
    found = how(fault, body, moments, record)
    named = naming(fault, record, moments.cause_ns)
    diagnosed_s = None if named is None else since(moments.cause_ns, named.arrival_ns)
    if fault.words and diagnosed_s is None:
        found.wrong.append(f'no diagnostic says {" and ".join(fault.words)}')
    elif diagnosed_s is not None and diagnosed_s > NAMED_S:
        found.wrong.append(f'named after {diagnosed_s:.2f} s only')
    if fault.refuses and moments.refusal == '':
        found.wrong.append('reset was granted while the cause lasted')
    if moments.trouble:
        found.wrong.append(moments.trouble)
    return Row(
        fault=fault.name,
        detected_s=rounded(found.detected_s),
        stopped_s=rounded(found.stopped_s),
        periods_to_stop=rounded(found.periods),
        commands_after_stop=found.after,
        diagnosed_s=rounded(diagnosed_s),
        resume_jump_rad=rounded(found.jump, 7),
        ok=not found.wrong,
        expected=str(fault.ending),
        mode=str(found.mode),
        reason=found.reason,
        cause='' if named is None else f'{named.node}: {named.component}: {named.cause}',
        note='; '.join(found.wrong),
    )


def _not_tried(fault: Fault, why: str) -> Row:
    nothing = (None, None, None, 0, None, None)
    return Row(fault.name, *nothing, False, str(fault.ending), 'NOT TRIED', '', '', why)


def ended(fault: Fault, body: Body, moments: Moments, record: Record) -> Findings:
    """HOLDING or STOPPED is expected."""
    found = Findings()
    words = record.modes(moments.cause_ns, Mode.HOLDING, Mode.STOPPED)
    word = next((w for w in words if noticed(w, moments) >= moments.cause_ns - EARLY_NS), None)
    if word is None:
        found.wrong.append('the motion went on')
        return found
    found.mode, found.reason = word.state.mode.name, word.state.reason
    noticed_ns = noticed(word, moments)
    found.detected_s = since(moments.cause_ns, noticed_ns)
    if found.mode != fault.ending:
        found.wrong.append(f'{found.mode} where {fault.ending} is expected')
    _brake(found, word, noticed_ns, body, moments, record)
    _resume(found, body, moments, record)
    return found


def _brake(
    found: Findings, word: Word, noticed_ns: int, body: Body, moments: Moments, record: Record
) -> None:
    """From noticing to standstill, and what was commanded after that."""
    release_ns = moments.reset_ns or _resumed_ns(record, moments)
    braking = [
        command
        for command in record.commands
        if not command.sample.sequence
        and noticed_ns - STEPPED_NS < command.arrival_ns < release_ns
        and when(command, moments) >= moments.cause_ns
    ]
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
    found.after = _after(braking[rest:], moments, record)
    if found.after:
        found.wrong.append(f'{found.after} commands after the stop')


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


def _resumed_ns(record: Record, moments: Moments) -> int:
    """Arrival of the first word that the motion goes on after the fault was mended."""
    word = next(record.modes(moments.mended_ns, Mode.RUNNING), None)
    return moments.end_ns if word is None else word.arrival_ns


def _resume(found: Findings, body: Body, moments: Moments, record: Record) -> None:
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
    begun_ns = moments.reset_ns or moments.mended_ns
    first = next(
        (c for c in record.commands if c.arrival_ns >= begun_ns and c.sample.sequence), None
    )
    if first is None:
        found.wrong.append('did not go on when it was mended')
        return
    measured = record.position_at(first.arrival_ns, body.names)
    order = [first.sample.names.index(name) for name in body.names]
    found.jump = float(np.abs(first.sample.values[order] - measured).max())
    if not found.jump <= JUMP:
        found.wrong.append(f'resumed {found.jump:.2g} rad away from where it stood')


def went_on(fault: Fault, body: Body, moments: Moments, record: Record) -> Findings:
    """RUNNING is expected: neither a stop nor a jump."""
    found = Findings()
    word = next(record.modes(moments.cause_ns, Mode.HOLDING, Mode.STOPPED), None)
    if word is not None:
        found.mode, found.reason = word.state.mode.name, word.state.reason
        found.detected_s = since(moments.cause_ns, word.arrival_ns)
        found.wrong.append('the motion was ended')
    commands = [c for c in record.commands if c.arrival_ns >= moments.cause_ns]
    if not commands:
        found.wrong.append('no command came')
    elif _fastest(commands, body) > FASTER:
        found.wrong.append('commands jumped')
    return found


def _fastest(commands: list[Command], body: Body) -> float:
    """Largest share of a velocity limit between two commands that are neighbours."""
    values = np.array([command.sample.values for command in commands])
    stamps = np.array([command.sample.capture_ns for command in commands])
    periods = np.maximum(np.diff(stamps) / NS, body.period_s)[:, None]
    return float((np.abs(np.diff(values, axis=0)) / periods / body.velocity).max(initial=0.0))


def waited(fault: Fault, body: Body, moments: Moments, record: Record) -> Findings:
    """WAITING is expected: no command before the fault is mended."""
    found = Findings()
    word = next(record.modes(moments.cause_ns, Mode.WAITING), None)
    if word is None:
        found.wrong.append('the controller never said that it waits')
    else:
        found.mode, found.reason = word.state.mode.name, word.state.reason
        found.detected_s = since(moments.cause_ns, word.arrival_ns)
        found.stopped_s, found.periods = found.detected_s, 0.0
    began_ns = moments.began_ns or moments.cause_ns
    early = [c for c in record.commands if began_ns <= c.arrival_ns < moments.mended_ns]
    found.after = len(early)
    if early:
        found.wrong.append(f'{found.after} commands before everything was there')
    _resume(found, body, moments, record)
    return found


def fell_silent(fault: Fault, body: Body, moments: Moments, record: Record) -> Findings:
    """The controller is gone: its heartbeat ends, no command follows, the robot stands."""
    found = Findings(mode=Ending.SILENT)
    controller = 'embodiment_controller'
    beats = [b.arrival_ns for b in record.beats if b.node == controller]
    last_ns = max((ns for ns in beats if ns < moments.mended_ns), default=None)
    if last_ns is None:
        found.wrong.append('no heartbeat of the controller was heard')
    else:
        found.detected_s = since(moments.cause_ns, last_ns + SILENT_NS)
    gone_ns = (moments.gone_ns or moments.cause_ns) + TRANSIT_NS
    late = [c for c in record.commands if gone_ns < c.arrival_ns < moments.mended_ns]
    found.after, found.periods = len(late), 0.0
    if late:
        found.wrong.append(f'{found.after} commands after the controller was gone')
    found.stopped_s = _stands_s(body, moments, record)
    if found.stopped_s is None:
        found.wrong.append('the robot moved on')
    _resume(found, body, moments, record)
    return found


def _stands_s(body: Body, moments: Moments, record: Record) -> float | None:
    """From the cause until the measured robot stands for the rest of the trial; None: never."""
    seen = [m for m in record.measured if moments.cause_ns <= m.arrival_ns < moments.mended_ns]
    if not seen:
        return None
    order = [seen[-1].sample.names.index(name) for name in body.names]
    last = seen[-1].sample.position[order]
    away = [n for n, m in enumerate(seen) if np.abs(m.sample.position[order] - last).max() > MOVED]
    stands = seen[away[-1] + 1] if away and away[-1] + 1 < len(seen) else seen[0]
    if since(stands.arrival_ns, seen[-1].arrival_ns) < 0.2:
        return None
    return since(moments.cause_ns, stands.arrival_ns)


def naming(fault: Fault, record: Record, cause_ns: int) -> Remark | None:
    """The first diagnostic after the cause that names it. What the emulator and intruders say does
    not count.
    """
    remarks = (r for r in record.complaints(cause_ns) if r.node in NAMERS)
    return first_naming(fault.words, remarks) if fault.words else None


def first_naming(words: tuple[str, ...], remarks: Iterable[Remark]) -> Remark | None:
    """The first remark with all of the words in it."""
    return next((r for r in remarks if all(word in r.text for word in words)), None)


def own(stamp_ns: int, arrival_ns: int, moments: Moments) -> int:
    """A node's stamp on our clock."""
    stepped = moments.step_ns and abs(stamp_ns - arrival_ns) > STEPPED_NS
    return stamp_ns - moments.step_ns if stepped else stamp_ns


def noticed(word: Word, moments: Moments) -> int:
    """When the cause of a mode was noticed, on our clock."""
    return own(word.state.since_ns or word.state.stamp_ns, word.arrival_ns, moments)


def when(command: Command, moments: Moments) -> int:
    """The instant that a command is for, on our clock."""
    return own(command.sample.capture_ns, command.arrival_ns, moments)


def speed(command: Command) -> float:
    """Largest rate of a command [rad or m, per s]."""
    return float(np.abs(command.sample.rates).max())


def since(start_ns: int, end_ns: int) -> float:
    return (end_ns - start_ns) / NS


def rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
