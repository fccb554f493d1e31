"""What is no chunk, or no longer one: ways to spoil a good one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gen_nodes.types import NS, ActionChunk


def _with(array: np.ndarray, value: float) -> np.ndarray:
    out = np.array(array)
    out.flat[out.size // 2] = value
    return out


def _changed(field: str, change: Callable) -> Callable[[ActionChunk], ActionChunk]:
    return lambda chunk: replace(chunk, **{field: change(getattr(chunk, field))})


SPOILS: dict[str, Callable[[ActionChunk], ActionChunk]] = {
    'nan': _changed('values', lambda values: _with(values, np.nan)),
    'inf': _changed('values', lambda values: _with(values, -np.inf)),
    'nan rate': _changed('rates', lambda rates: _with(rates, np.nan)),
    'inf time': _changed('times_s', lambda times: _with(times, np.inf)),
    'values too short': _changed('values', lambda values: values[:-1]),
    'rates too wide': _changed('rates', lambda rates: np.hstack([rates, rates])),
    'no knots': lambda chunk: replace(
        chunk, times_s=chunk.times_s[:0], values=chunk.values[:0], rates=chunk.rates[:0]
    ),
    'times backwards': lambda chunk: replace(
        chunk,
        times_s=np.append(chunk.times_s, chunk.times_s[0]),
        values=np.vstack([chunk.values, chunk.values[:1]]),
        rates=np.vstack([chunk.rates, chunk.rates[:1]]),
    ),
    'unknown joint': _changed('joint_names', lambda names: ('not_a_joint', *names[1:])),
    'joint twice': _changed('joint_names', lambda names: (names[-1], *names[1:])),
    'no joints': _changed('joint_names', lambda names: ()),
    'effort': _changed('interface', lambda _: 'effort'),
    'old': _changed('stamp_ns', lambda stamp_ns: stamp_ns - 2 * NS),
    'future': _changed('stamp_ns', lambda stamp_ns: stamp_ns + 3 * NS),
    'stamp before the epoch': _changed('stamp_ns', lambda stamp_ns: stamp_ns - 60 * 10**18),
    'repeated sequence': _changed('sequence', lambda sequence: max(sequence - 1, 0)),
    'sequence from the start': _changed('sequence', lambda _: 0),
    'denormal times': _changed('times_s', lambda times: times * 1e-300),
    'huge': _changed('values', lambda values: values * 1e300),
}
