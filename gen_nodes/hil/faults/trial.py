"""What a trial of a fault is: the robot, the instants, what is demanded, and its row.

All instants are on the listener's clock unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from gen_nodes.hil.faults.catalogue import Ending, Fault
from gen_nodes.hil.record import Command, Record, Remark, Word
from gen_nodes.types import NS

PERIODS = 2.0  # from noticing to the first braking command, at most
NAMED_S = 1.5  # from the cause to its name on /diagnostics, at most
JUMP = 1e-3  # [rad or m] between the first command after a resume and what is measured, at most
STILL = 1e-6  # [rad or m, per s] of a command that does not move
TRANSIT_NS = NS // 20  # a message sent before an instant has arrived so long after it
STEPPED_NS = 5 * NS  # a stamp so far from its arrival comes from a stepped clock
NAMERS = ('sensor_aggregator', 'harmonic_policy', 'embodiment_controller', 'data_recorder')


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
