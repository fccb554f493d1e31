"""Published commands as a Parquet file that anyone can check again.

One row per command and joint, in the order of time:

    stamp      int64    nominal instant on the steady time line [ns]: one control period apart
    joint      string
    value      float64  as published: rad, m; rad/s, m/s where `quantity` is velocity
    quantity   string   position or velocity
    segment    int64    commands without a pause since the controller was last started
    commanded  bool     false: no command but where the robot stood before the segment's first one
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gen_nodes.errors import ConfigError
from gen_nodes.hil.checker.published import Segment
from gen_nodes.types import seconds_to_ns

QUANTITIES = ('position', 'velocity')
WORDS = pa.dictionary(pa.int8(), pa.string())
SCHEMA = pa.schema(
    {
        'stamp': pa.int64(),
        'joint': WORDS,
        'value': pa.float64(),
        'quantity': WORDS,
        'segment': pa.int64(),
        'commanded': pa.bool_(),
    }
)
OPTIONS = {'compression': 'zstd', 'use_dictionary': ['joint', 'quantity', 'segment']}


class CommandWriter:
    """Context manager. Whole segments go in, and one row group comes out per `flush`. The file is
    there once all is written; where the writing is broken off, there is none.
    """

    def __init__(
        self, path: Path, joints: tuple[str, ...], period_s: float, about: Mapping[str, str]
    ) -> None:
        self._joints, self._period_ns = joints, seconds_to_ns(period_s)
        self._waiting: list[pa.Table] = []
        schema = SCHEMA.with_metadata({**about, 'period_s': repr(period_s)})
        self._path, self._partial = path, path.with_name(f'.{path.name}.part')
        self._file = pq.ParquetWriter(self._partial, schema, **OPTIONS)

    def __enter__(self) -> CommandWriter:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
            self._file.close()
            if kind is None:
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)

    def add(self, segment: Segment) -> None:
        """One more segment."""
        rows, n = len(segment.values) + 1, len(self._joints)
        stamps = np.concatenate([segment.stamps_ns[:1] - self._period_ns, segment.stamps_ns])
        by_rate = np.zeros(n, bool) if segment.by_rate is None else segment.by_rate
        quantity = np.vstack(
            [np.zeros(n, np.int8), np.tile(by_rate.astype(np.int8), (rows - 1, 1))]
        )
        columns = [
            pa.array(np.repeat(stamps, n)),
            _words(np.tile(np.arange(n, dtype=np.int8), rows), self._joints),
            pa.array(np.vstack([segment.start, segment.values]).ravel()),
            _words(quantity.ravel(), QUANTITIES),
            pa.array(np.full(rows * n, segment.number)),
            pa.array(np.repeat(np.arange(rows) > 0, n)),
        ]
        self._waiting.append(pa.Table.from_arrays(columns, schema=SCHEMA))

    def flush(self) -> None:
        """Write what was added since the last time."""
        if self._waiting:
            self._write(pa.concat_tables(self._waiting))
            self._waiting.clear()

    def append(self, path: Path) -> None:
        """All that another such file holds, one row group after another."""
        with pq.ParquetFile(path) as part:
            for group in range(part.num_row_groups):
                self._write(part.read_row_group(group))

    def _write(self, table: pa.Table) -> None:
        table = table.replace_schema_metadata(self._file.schema.metadata)
        self._file.write_table(table, row_group_size=max(len(table), 1))


def _words(indices: np.ndarray, words: tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(words))


def read_segments(path: Path, joints: tuple[str, ...]) -> Iterator[Segment]:
    """The segments of a file, one row group in memory at a time; values in the order of `joints`.
    Raises ConfigError where it is no such file.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"'{path}' is no Parquet file: {error}") from error
    if missing := set(SCHEMA.names) - set(file.schema_arrow.names):
        raise ConfigError(f"'{path}' holds no commands: it lacks column '{min(missing)}'")
    with file:
        for group in range(file.num_row_groups):
            yield from _segments(file.read_row_group(group), joints)


def _segments(table: pa.Table, joints: tuple[str, ...]) -> Iterator[Segment]:
    columns = {name: table[name] for name in SCHEMA.names}
    names = np.asarray(columns['joint'].cast(pa.string()))
    order = [list(joints).index(name) for name in names[: len(joints)]]
    shape = -1, len(joints)
    stamp, value, number, commanded = (
        columns[name].to_numpy().reshape(shape)
        for name in ('stamp', 'value', 'segment', 'commanded')
    )
    rate = (np.asarray(columns['quantity'].cast(pa.string())) == 'velocity').reshape(shape)
    begins = np.flatnonzero(~commanded[:, 0])
    for begin, end in zip(begins, [*begins[1:], len(stamp)], strict=True):
        back = np.argsort(order)
        rows = slice(begin + 1, end)
        yield Segment(
            int(number[begin, 0]),
            value[begin, back],
            stamp[rows, 0],
            value[rows][:, back],
            rate[rows][0, back],
        )
