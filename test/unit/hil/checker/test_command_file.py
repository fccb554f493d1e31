"""Commands survive a file bit by bit, and what is no such file is named."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.hil.checker.command_file import SCHEMA, CommandWriter, read_segments
from gen_nodes.hil.checker.published import Segment

JOINTS = ('a', 'b', 'c')


def segments() -> list[Segment]:
    random = np.random.default_rng(0)
    return [
        Segment(
            number,
            random.normal(size=3),
            np.arange(1, rows + 1) * 10_000_000 + number * 10**9,
            random.normal(size=(rows, 3)),
            np.array([False, True, False]),
        )
        for number, rows in enumerate((5, 1, 40))
    ]


def write(path, flushes: bool) -> None:
    with CommandWriter(path, JOINTS, 0.01, {'robot': 'x'}) as out:
        for segment in segments():
            out.add(segment)
            if flushes:
                out.flush()


@pytest.mark.parametrize('flushes', [True, False])
def test_segments_come_back_as_they_went_in(tmp_path, flushes):
    write(tmp_path / 'a.parquet', flushes)
    read = list(read_segments(tmp_path / 'a.parquet', JOINTS))
    for given, got in zip(segments(), read, strict=True):
        assert got.number == given.number
        for key in ('start', 'stamps_ns', 'values', 'by_rate'):
            assert (getattr(got, key) == getattr(given, key)).all(), key


def test_joints_are_found_by_name_whatever_order_is_asked_for(tmp_path):
    write(tmp_path / 'a.parquet', False)
    got = next(read_segments(tmp_path / 'a.parquet', ('c', 'a', 'b')))
    assert (got.values == segments()[0].values[:, [2, 0, 1]]).all()
    assert (got.by_rate == [False, False, True]).all()


def test_each_row_says_what_it_is(tmp_path):
    write(tmp_path / 'a.parquet', True)
    table = pq.read_table(tmp_path / 'a.parquet')
    assert table.schema.names == list(SCHEMA.names)
    assert table.schema.metadata[b'period_s'] == b'0.01'
    first = table.slice(0, 6).to_pylist()
    assert [row['joint'] for row in first] == ['a', 'b', 'c'] * 2
    assert [row['commanded'] for row in first] == [False] * 3 + [True] * 3
    assert [row['quantity'] for row in first] == ['position'] * 4 + ['velocity', 'position']
    assert first[3]['stamp'] - first[0]['stamp'] == 10_000_000
    assert pq.ParquetFile(tmp_path / 'a.parquet').num_row_groups == 3


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'a.parquet'
    with pytest.raises(KeyboardInterrupt), CommandWriter(path, JOINTS, 0.01, {}) as out:
        out.add(segments()[0])
        out.flush()
        assert not path.exists()
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_file_that_holds_no_commands_is_named(tmp_path):
    path = tmp_path / 'x.parquet'
    path.write_bytes(b'nothing')
    with pytest.raises(ConfigError, match='is no Parquet file'):
        list(read_segments(path, JOINTS))
    pq.write_table(pa.table({'stamp': [1], 'joint': ['a']}), path)
    with pytest.raises(ConfigError, match="lacks column 'commanded'"):
        list(read_segments(path, JOINTS))
