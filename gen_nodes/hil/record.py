"""What was heard of a running stack: commands, words of the controller, diagnostics, measurements.

Every entry has its arrival, on the listener's clock [ns since the epoch]. Stamps inside the entries
are the speaker's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from gen_nodes.types import CommandSample, ControllerState, JointSample, Mode

BAD = (1, 2)  # levels of a diagnostic that name something wrong: WARN, ERROR


@dataclass(frozen=True)
class Command:
    """One executed command (msg JointCommand)."""

    arrival_ns: int
    sample: CommandSample


@dataclass(frozen=True)
class Sent:
    """One message on one of the driver's own command topics; `values` (M,) in the path's order."""

    arrival_ns: int
    topic: str
    values: np.ndarray


@dataclass(frozen=True)
class Word:
    """What the controller said of itself (msg ControllerState)."""

    arrival_ns: int
    state: ControllerState


@dataclass(frozen=True)
class Remark:
    """One component's status on /diagnostics. level: 0 OK, 1 WARN, 2 ERROR, 3 STALE."""

    arrival_ns: int
    node: str
    component: str
    level: int
    cause: str
    next_step: str
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that a person reads of it, in lower case."""
        figures = ' '.join(f'{key} {value}' for key, value in self.values.items())
        return f'{self.node}: {self.component}: {self.cause} {self.next_step} {figures}'.lower()


@dataclass(frozen=True)
class Measured:
    """One joint state of the driver."""

    arrival_ns: int
    sample: JointSample


@dataclass(frozen=True)
class Beat:
    """One heartbeat: a node is there, and fit for its job or not and why."""

    arrival_ns: int
    node: str
    fit: bool
    cause: str


@dataclass(frozen=True)
class Record:
    """Everything heard in a stretch of time, each list in the order of arrival."""

    commands: tuple[Command, ...] = ()
    sent: tuple[Sent, ...] = ()
    words: tuple[Word, ...] = ()
    remarks: tuple[Remark, ...] = ()
    measured: tuple[Measured, ...] = ()
    beats: tuple[Beat, ...] = ()

    def modes(self, after_ns: int, *wanted: Mode) -> Iterator[Word]:
        """The controller's words in one of the modes, from an arrival on."""
        return (w for w in self.words if w.arrival_ns >= after_ns and w.state.mode in wanted)

    def complaints(self, after_ns: int) -> Iterator[Remark]:
        """Diagnostics that name something wrong, from an arrival on."""
        return (r for r in self.remarks if r.arrival_ns >= after_ns and r.level in BAD)

    def position_at(self, arrival_ns: int, names: tuple[str, ...]) -> np.ndarray | None:
        """The measured position (N,) that was known at an instant; None before any."""
        known = [m for m in self.measured if m.arrival_ns <= arrival_ns]
        if not known:
            return None
        sample = known[-1].sample
        return sample.position[[sample.names.index(name) for name in names]]
