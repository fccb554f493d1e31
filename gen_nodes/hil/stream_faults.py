"""Faults on request: what a sensor gives when it breaks, and stops that the robot makes by itself.

'KIND STREAM [NUMBER]', such as 'black front' or 'stall joint_states 0.5', or 'KIND' for the robot's
own. Spoilt samples keep what the fault does not spoil.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gen_nodes.errors import ConfigError, unknown_name
from gen_nodes.robot import RobotSpec
from gen_nodes.types import CameraSample, JointSample, Sample, WrenchSample, seconds_to_ns

NONE = 'none'
EVERY = ('joint_states', 'camera', 'wrench', 'tactile')
ROBOT_STOPS = {'protective_stop': 'protective stop', 'emergency_stop': 'emergency stop'}
Samples = tuple[Sample, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: which streams can have it, and what its number means."""

    streams: tuple[str, ...]
    meaning: str = ''
    default: float = 0.0


KINDS = {
    'black': Kind(('camera',)),
    'dark': Kind(('camera',), 'share of the light that is left', 0.02),
    'frozen': Kind(('camera', 'joint_states')),
    'out_of_order': Kind(('camera',)),
    'nan': Kind(('joint_states', 'wrench')),
    'missing': Kind(('joint_states',), 'index of the joint', 0),
    'jump': Kind(('joint_states',), 'step of the first joint [rad or m]', 0.5),
    'wrong_names': Kind(('joint_states',)),
    'permuted': Kind(('joint_states',)),
    'swapped': Kind(('joint_states',)),
    'saturated': Kind(('wrench',), 'force [N]', 5000.0),
    'late': Kind(EVERY, 'how old stamps are [s]', 1.0),
    'old': Kind(EVERY, 'how old stamps are [s]', 10.0),
    'future': Kind(EVERY, 'how far ahead stamps are [s]', 10.0),
    'silent': Kind(EVERY),
    'stall': Kind(EVERY, 'how long nothing comes [s]', 1.0),
}


def meanings() -> str:
    """The kinds in words, for a parameter's description."""
    kinds = ', '.join(
        f'{name} ({kind.meaning}, {kind.default:g})' if kind.meaning else name
        for name, kind in KINDS.items()
    )
    return f'{NONE}, {", ".join(ROBOT_STOPS)}, or KIND STREAM [NUMBER] with KIND one of {kinds}'


class Fault:
    """One broken stream, or a robot that stopped by itself, or none."""

    def __init__(self, text: str, spec: RobotSpec) -> None:
        """`text`: 'none', 'KIND' or 'KIND STREAM [NUMBER]'. Raises ConfigError."""
        self.text = text
        self.robot_stop = ROBOT_STOPS.get(text, '')  # in words; '' where the robot goes on
        self._stream, self._spoil = '', _nothing
        if text == NONE or self.robot_stop:
            return
        kind, stream, number = _words(text)
        _check_stream(kind, stream, spec)
        self._stream = stream
        self._spoil = _maker(kind, stream, _number(kind, number, spec), spec)

    def apply(self, sample: Sample) -> Samples:
        """What the broken sensor gives in place of a sample: mostly one, maybe none or two."""
        return self._spoil(sample) if sample.stream == self._stream else (sample,)


def _words(text: str) -> tuple[str, str, str]:
    kind, *rest = text.split(' ')
    if kind in ROBOT_STOPS:
        raise ConfigError(f"fault '{kind}' is the robot's own: it takes no stream ('{text}')")
    if kind not in KINDS:
        raise unknown_name('fault', kind, [NONE, *ROBOT_STOPS, *KINDS])
    if not 1 <= len(rest) <= 2:
        raise ConfigError(f"fault '{text}': write '{kind} STREAM' or '{kind} STREAM NUMBER'")
    return kind, rest[0], rest[1] if len(rest) == 2 else ''


def _check_stream(kind: str, stream: str, spec: RobotSpec) -> None:
    if stream not in spec.streams:
        raise unknown_name('stream', stream, spec.streams)
    types = KINDS[kind].streams
    if spec.streams[stream].type not in types:
        raise ConfigError(
            f"fault '{kind}' is for streams of type {' or '.join(types)}; "
            f"'{stream}' is a {spec.streams[stream].type}"
        )


def _number(kind: str, text: str, spec: RobotSpec) -> float:
    if not text:
        return KINDS[kind].default
    if not KINDS[kind].meaning:
        raise ConfigError(f"fault '{kind}' takes no number; '{text}' does not do")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"fault '{kind}': number ({KINDS[kind].meaning}) '{text}' is none")
    if kind == 'missing' and number not in range(spec.n):
        raise ConfigError(
            f"fault 'missing': '{text}' is no index of a joint; valid: 0 to {spec.n - 1}"
        )
    return number


def _maker(kind: str, stream: str, number: float, spec: RobotSpec) -> Callable[[Sample], Samples]:
    """What spoils samples of the stream."""
    if kind in ('late', 'old', 'future'):
        by_ns = seconds_to_ns(number if kind == 'future' else -number)
        return lambda sample: (dataclasses.replace(sample, capture_ns=sample.capture_ns + by_ns),)
    makers = {
        'silent': lambda: _nothing,
        'stall': lambda: _Stall(number),
        'out_of_order': _OutOfOrder,
        'frozen': _Frozen,
        'black': lambda: _Dark(0.0),
        'dark': lambda: _Dark(number),
        'saturated': lambda: _Saturated(number),
        'nan': lambda: _not_finite,
    }
    return makers[kind]() if kind in makers else _Joints(kind, number)


def _nothing(sample: Sample) -> Samples:
    return ()


def _not_finite(sample: Sample) -> Samples:
    key = 'force' if isinstance(sample, WrenchSample) else 'position'
    return (dataclasses.replace(sample, **{key: np.full_like(getattr(sample, key), np.nan)}),)


class _Stall:
    """Silent for a time, from the first sample on."""

    def __init__(self, seconds: float) -> None:
        self._for_ns, self._until_ns = seconds_to_ns(seconds), None

    def __call__(self, sample: Sample) -> Samples:
        if self._until_ns is None:
            self._until_ns = sample.capture_ns + self._for_ns
        return () if sample.capture_ns < self._until_ns else (sample,)


class _OutOfOrder:
    """Every second one waits for the next and comes after it."""

    def __init__(self) -> None:
        self._waiting: Sample | None = None

    def __call__(self, sample: Sample) -> Samples:
        if self._waiting is None:
            self._waiting = sample
            return ()
        first, self._waiting = self._waiting, None
        return sample, first


class _Frozen:
    """The first values again and again, under stamps that go on."""

    def __init__(self) -> None:
        self._still: Sample | None = None

    def __call__(self, sample: Sample) -> Samples:
        self._still = self._still or sample
        picture = isinstance(sample, CameraSample)
        keys = ('rgb_HxWx3', 'depth_mm_HxW') if picture else ('position', 'velocity', 'effort')
        return (dataclasses.replace(sample, **{key: getattr(self._still, key) for key in keys}),)


class _Dark:
    """A camera that gets a share of the light."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, sample: CameraSample) -> Samples:
        rgb = (sample.rgb_HxWx3 * self._share).clip(0, 255).astype(np.uint8)
        return (dataclasses.replace(sample, rgb_HxWx3=rgb),)


class _Saturated:
    """A force against the end of the sensor's range."""

    def __init__(self, newton: float) -> None:
        self._newton = newton

    def __call__(self, sample: WrenchSample) -> Samples:
        return (dataclasses.replace(sample, force=np.array([0.0, 0.0, self._newton])),)


class _Joints:
    """Joint states whose names and values are not what they should be."""

    def __init__(self, kind: str, number: float) -> None:
        self._spoil = getattr(self, kind)
        self._number = number

    def __call__(self, sample: JointSample) -> Samples:
        return (self._spoil(sample),)

    def missing(self, sample: JointSample) -> JointSample:
        index = int(self._number)
        return _picked(sample, np.delete(np.arange(len(sample.names)), index))

    def permuted(self, sample: JointSample) -> JointSample:
        return _picked(sample, np.roll(np.arange(len(sample.names)), 1))

    def swapped(self, sample: JointSample) -> JointSample:
        return dataclasses.replace(self.permuted(sample), names=sample.names)

    def wrong_names(self, sample: JointSample) -> JointSample:
        return dataclasses.replace(sample, names=tuple(f'other_{name}' for name in sample.names))

    def jump(self, sample: JointSample) -> JointSample:
        position = sample.position.copy()
        position[0] += self._number
        return dataclasses.replace(sample, position=position)


def _picked(sample: JointSample, index: np.ndarray) -> JointSample:
    """Names and values together, in another order or fewer."""
    return dataclasses.replace(
        sample,
        names=tuple(sample.names[i] for i in index),
        position=sample.position[index],
        velocity=sample.velocity[index],
        effort=sample.effort[index],
    )
