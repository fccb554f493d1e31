"""From what was heard while a fault was tried to its row: when noticed, how stopped, how named, how
left. Pure functions.
"""

from __future__ import annotations

import numpy as np

from gen_nodes.hil.faults.brake import brake, resume
from gen_nodes.hil.faults.catalogue import Ending, Fault
from gen_nodes.hil.faults.trial import (
    NAMED_S,
    TRANSIT_NS,
    Body,
    Findings,
    Moments,
    Row,
    naming,
    noticed,
    since,
)
from gen_nodes.hil.record import Command, Record
from gen_nodes.types import NS, Mode

EARLY_NS = NS // 100  # a control tick notices at its deadline, which is a little ago
GAP_S = 0.3  # without a command: longer than a machine that stalls explains
FASTER = 1.02  # than the velocity limit between two commands: a jump
MOVED = 2e-3  # [rad or m] of a robot that does not stand


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
    found.detected_s = since(moments.cause_ns, noticed(word, moments))
    if found.mode != fault.ending:
        found.wrong.append(f'{found.mode} where {fault.ending} is expected')
    brake(found, fault, word, body, moments, record)
    resume(found, body, moments, record)
    return found


def went_on(fault: Fault, body: Body, moments: Moments, record: Record) -> Findings:
    """RUNNING is expected: neither a stop nor a jump."""
    found = Findings()
    word = next(record.modes(moments.cause_ns, Mode.HOLDING, Mode.STOPPED), None)
    if word is not None:
        found.mode, found.reason = word.state.mode.name, word.state.reason
        found.detected_s = since(moments.cause_ns, word.arrival_ns)
        found.wrong.append('the motion was ended')
    commands = [c for c in record.commands if c.arrival_ns >= moments.cause_ns]
    if _longest_gap_s(commands, moments) > GAP_S:
        found.wrong.append('commands ceased')
    elif _fastest(commands, body) > FASTER:
        found.wrong.append('commands jumped')
    return found


def _longest_gap_s(commands: list[Command], moments: Moments) -> float:
    """Longest time without a command between the cause and the end of the trial [s]."""
    arrivals = [moments.cause_ns, *(command.arrival_ns for command in commands), moments.end_ns]
    return float(np.diff(arrivals).max()) / NS


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
    began_ns = moments.began_ns or moments.cause_ns
    early = [c for c in record.commands if began_ns <= c.arrival_ns < moments.mended_ns]
    found.after = len(early)
    if early:
        found.wrong.append(f'{found.after} commands before everything was there')
    resume(found, body, moments, record)
    return found


def fell_silent(fault: Fault, body: Body, moments: Moments, record: Record) -> Findings:
    """The controller is gone: another node notices, no command follows, the robot stands."""
    found = Findings(mode=Ending.SILENT)
    named = naming(fault, record, moments.cause_ns)
    if named is not None:
        found.detected_s = since(moments.cause_ns, named.arrival_ns)
    gone_ns = (moments.gone_ns or moments.cause_ns) + TRANSIT_NS
    late = [c for c in record.commands if gone_ns < c.arrival_ns < moments.mended_ns]
    found.after = len(late)
    if late:
        found.wrong.append(f'{found.after} commands after the controller was gone')
    found.stopped_s = _stands_s(body, moments, record)
    if found.stopped_s is None:
        found.wrong.append('the robot moved on')
    resume(found, body, moments, record)
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


def rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)
