"""Frozen values with stamps in nanoseconds: what flows between cores.

Stamps are ROS time, integer nanoseconds since the epoch (`*_ns`). Values are SI, joints are named.
Arrays are made read-only on construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

NS = 1_000_000_000


def seconds_to_ns(seconds: float) -> int:
    """Seconds to whole nanoseconds."""
    return round(seconds * NS)


class Frozen:
    """Mixin: numpy fields of a frozen dataclass become read-only on construction."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray) and value.flags.writeable:
                view = value.view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)


@dataclass(frozen=True)
class Sample(Frozen):
    """One reading of a stream: when it was captured and when it became known here."""

    stream: str
    capture_ns: int
    arrival_ns: int


@dataclass(frozen=True)
class JointSample(Sample):
    """Measured joint state, (N,) in the order of `names`; NaN where a driver reports nothing."""

    names: tuple[str, ...]
    position: np.ndarray
    velocity: np.ndarray
    effort: np.ndarray


@dataclass(frozen=True)
class CommandSample(Sample):
    """One command sent to the robot (msg JointCommand); `capture_ns`: the instant it is for."""

    sequence: int
    interface: str
    names: tuple[str, ...]
    values: np.ndarray
    rates: np.ndarray
    limits: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class CameraSample(Sample):
    """One image at policy resolution. Optical frame after REP-103: z forward, x right, y down."""

    frame: str
    rgb_HxWx3: np.ndarray  # uint8
    depth_mm_HxW: np.ndarray | None  # uint16, 0 = no return; registered to rgb
    k_3x3: np.ndarray  # float64 [pixel]
    base_from_camera_4x4: np.ndarray  # float64 [m]


@dataclass(frozen=True)
class WrenchSample(Sample):
    """Force [N] and torque [N m], (3,) each, in `frame`."""

    frame: str
    force: np.ndarray
    torque: np.ndarray


@dataclass(frozen=True)
class TactileSample(Sample):
    """Normal force per taxel [N], (rows, columns)."""

    frame: str
    force_RxC: np.ndarray


@dataclass(frozen=True)
class AudioSample(Sample):
    """Interleaved PCM, int16, (frames, channels)."""

    sample_rate: int
    samples_FxC: np.ndarray


class StreamState(IntEnum):
    """As in msg StreamHealth."""

    WAITING = 0
    LIVE = 1
    STALE = 2
    FAULTY = 3


@dataclass(frozen=True)
class StreamHealth:
    """As in msg StreamHealth; `age_s` is -1 before the first sample."""

    stream: str
    state: StreamState
    rate_hz: float
    age_s: float
    received: int
    used: int
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """All samples that arrived since the previous observation, each with arrival_ns = stamp_ns."""

    stamp_ns: int
    sequence: int
    instruction: str
    samples: tuple[Sample, ...]
    health: tuple[StreamHealth, ...] = ()


@dataclass(frozen=True)
class ActionChunk(Frozen):
    """A curve of future commands at absolute times stamp_ns + times_s.

    times_s (T,) strictly increasing; values, rates, spread (T, N) in the order of joint_names;
    spread may be None.
    """

    stamp_ns: int
    newest_capture_ns: int
    sequence: int
    joint_names: tuple[str, ...]
    interface: str
    times_s: np.ndarray
    values: np.ndarray
    rates: np.ndarray
    spread: np.ndarray | None = None


class Mode(IntEnum):
    """Controller mode, as in msg ControllerState."""

    INACTIVE = 0
    WAITING = 1
    RUNNING = 2
    HOLDING = 3
    STOPPED = 4


@dataclass(frozen=True)
class ControllerState:
    """What the controller does and why (msg ControllerState)."""

    stamp_ns: int
    mode: Mode
    reason: str
    next_step: str
    chunk_age_s: float
    state_age_s: float
    chunk_sequence: int
    ticks: int
    missed: int
    worst_gap_s: float
    since_ns: int = 0


@dataclass(frozen=True)
class Heartbeat:
    """A node says that it is there and whether it can do its job (msg Heartbeat)."""

    stamp_ns: int
    node: str
    fit: bool
    since_ns: int
    cause: str = ''
    next_step: str = ''
    instance: int = 0


class EpisodeEvent(IntEnum):
    """As in msg Episode."""

    START = 0
    STOP = 1
    DISCARD = 2


@dataclass(frozen=True)
class Episode:
    """An episode's start or end (msg Episode)."""

    stamp_ns: int
    event: EpisodeEvent
    id: str
    instruction: str
    task: str = ''
    outcome: str = ''
    note: str = ''
