"""Bags: what was written is read, by us and by others; damage is found and said; real and hard
bags are survived.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from gen_nodes.data.bags import BagReader, BagWriter
from gen_nodes.data.rosbag2 import TopicQos
from gen_nodes.errors import BagError

STRING = 'std_msgs/msg/String'
IMAGE = 'sensor_msgs/msg/Image'
SHARED = Path(__file__).parents[3] / '../shared/data'


def write(path: Path, count: int = 300, flush_every: int = 50) -> BagWriter:
    bag = BagWriter(path)
    bag.add_topic('/words', STRING, (TopicQos('reliable', 'transient_local', 1),))
    bag.add_topic('/pictures', IMAGE, (TopicQos('best_effort'),))
    noise = np.random.default_rng(0)
    for i in range(count):
        bag.write_message('/words', bag.messages.make(STRING, data=f'word {i}'), 1000 + i, 990 + i)
        if i % 10 == 0:
            pixels = noise.integers(0, 255, 8000, dtype=np.uint8)
            bag.write_message('/pictures', bag.messages.make(IMAGE, data=pixels), 1000 + i, 990 + i)
        if i % flush_every == 0:
            bag.flush()
    return bag


def test_a_bag_reads_back_in_order_of_time(tmp_path) -> None:
    write(tmp_path / 'a').close({'verdict': 'good'})
    bag = BagReader(tmp_path / 'a')
    words = [message.data for _, message in bag.decoded(['/words'])]
    assert words == [f'word {i}' for i in range(300)]
    stamps = [m.log_ns for m in bag.messages()]
    assert len(stamps) == bag.count == 330 and stamps == sorted(stamps)
    assert (bag.start_ns, bag.end_ns) == (1000, 1299)
    assert bag.finished and bag.custom == {'verdict': 'good'} and not bag.warnings


def test_rosbags_and_mcap_open_it_with_types_qos_and_hashes(tmp_path) -> None:
    write(tmp_path / 'a').close()
    with Reader(tmp_path / 'a') as reader:
        assert len(list(reader.messages())) == 330
        qos = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
        assert qos['/words'].durability.name == 'TRANSIENT_LOCAL'
        assert qos['/pictures'].reliability.name == 'BEST_EFFORT'
        assert all(c.msgdef.data and c.digest.startswith('RIHS01_') for c in reader.connections)
    with (tmp_path / 'a/a_0.mcap').open('rb') as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert reader.get_header().profile == 'ros2'
        assert {s.encoding for s in reader.get_summary().schemas.values()} == {'ros2msg'}
        record = next(m for m in reader.iter_metadata() if m.name == 'rosbag2')
    beside = yaml.safe_load((tmp_path / 'a/metadata.yaml').read_text())[
        'rosbag2_bagfile_information'
    ]
    assert yaml.safe_load(record.metadata['serialized_metadata']) == beside
    assert beside['version'] == 9 and beside['message_count'] == 330


def test_small_messages_lie_in_chunks_without_pictures(tmp_path) -> None:
    write(tmp_path / 'a').close()
    with (tmp_path / 'a/a_0.mcap').open('rb') as stream:
        for chunk in make_reader(stream).get_summary().chunk_indexes:
            assert len(chunk.message_index_offsets) == 1


def test_what_was_flushed_survives_the_end_of_the_process(tmp_path) -> None:
    write(tmp_path / 'a', count=201, flush_every=200)  # and never closed
    bag = BagReader(tmp_path / 'a')
    assert not bag.finished and 'unfinished' in bag.warnings[0]
    assert [m.data for _, m in bag.decoded(['/words'])] == [f'word {i}' for i in range(201)]


def test_a_cut_file_gives_what_is_whole(tmp_path) -> None:
    write(tmp_path / 'a').close()
    path = tmp_path / 'a/a_0.mcap'
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    bag = BagReader(tmp_path / 'a')
    assert not bag.finished and 0 < bag.count < 330
    assert len(list(bag.messages())) == bag.count
    assert any('metadata.yaml says 330' in warning for warning in bag.warnings)


def test_flipped_bits_are_found_and_never_used(tmp_path) -> None:
    write(tmp_path / 'a').close()
    path = tmp_path / 'a/a_0.mcap'
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BagError, match='damaged'):
        list(BagReader(tmp_path / 'a').messages())


FULL = """
import signal, sys
from pathlib import Path
from test_bags import write
from gen_nodes.errors import BagError
bag = None
try:
    bag = write(Path(sys.argv[1]), 100000, 50)
except BagError as error:
    print(error)
"""
CLOSE_FULL = (
    FULL.replace(
        'bag = write', 'import test_bags; test_bags.BagWriter = Kept; bag = write'
    ).replace(
        'bag = None',
        """
from gen_nodes.data.bag_writer import BagWriter
kept = []
class Kept(BagWriter):
    def __init__(self, path):
        super().__init__(path)
        kept.append(self)
""",
    )
    + "counts = kept[0].close({'verdict': 'good'})\nprint(sum(counts.values()))\n"
)


def test_a_full_disk_leaves_a_readable_bag_that_is_not_good(tmp_path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000))

    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join([*sys.path, str(Path(__file__).parent)]),
    }
    done = subprocess.run(
        [sys.executable, '-c', CLOSE_FULL, str(tmp_path / 'a')],
        preexec_fn=limit,
        text=True,
        capture_output=True,
        env=environment,
        check=True,
    )
    said, count = done.stdout.splitlines()
    assert 'cannot be written: File too large' in said
    bag = BagReader(tmp_path / 'a')
    assert bag.count == int(count) == len(list(bag.messages())) > 0
    assert bag.custom['verdict'] == 'bad' and 'cannot be written' in bag.custom['failed']


def test_what_cannot_be_written_or_read_is_refused_clearly(tmp_path) -> None:
    bag = write(tmp_path / 'a', 1)
    for action, words in (
        (lambda: bag.write('/other', b'', 1, 1), 'was not added'),
        (lambda: bag.add_topic('/words', STRING), 'added twice'),
        (lambda: bag.add_topic('/x', 'other_msgs/msg/Thing'), 'give its definition'),
        (lambda: BagWriter(tmp_path / 'a'), 'cannot create bag'),
        (lambda: BagReader(tmp_path / 'b'), 'there is no bag'),
        (lambda: BagReader(tmp_path), 'holds no bag'),
    ):
        with pytest.raises(BagError, match=words):
            action()
    bag.close()


def test_a_foreign_type_is_learnt_from_the_bag(tmp_path) -> None:
    bag = BagWriter(tmp_path / 'a')
    bag.add_topic(
        '/thing',
        'other_msgs/msg/Thing',
        definition='float64 x\nstd_msgs/Header header\n'
        + '=' * 80
        + '\nMSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n',
    )
    header = bag.messages.make('std_msgs/msg/Header')
    bag.write(
        '/thing',
        bytes([0, 1, 0, 0])
        + np.array([2.5]).tobytes()
        + bag.messages.serialize('std_msgs/msg/Header', header)[4:],
        1,
        1,
    )
    bag.close()
    assert [m.x for _, m in BagReader(tmp_path / 'a').decoded()] == [2.5]


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f'{name} is not on this machine')
    return path


@pytest.mark.parametrize(
    ('name', 'count', 'warning'),
    [
        ('01_empty_db3', 0, ''),
        ('02_split_mcap_no_metadata', 3177, ''),
        ('03_split_mcap_with_metadata', 6074, ''),
        ('04_file_compression_db3_zstd', 775, ''),
        ('08_tiny_seek_bag_epoch1s', 5, ''),
        ('d01_ur10_mcap_ok', 600, ''),
        ('d02_ur10_mcap_zstd_chunks', 600, ''),
        ('d03_ur10_mcap_message_zstd', 600, ''),
        ('d04_ur10_sqlite_ok', 600, ''),
        ('d09_mcap_trailing_garbage', 600, 'bytes behind its end'),
        ('d11_metadata_count_and_file_mismatch', 600, 'metadata.yaml says 999'),
        ('d14_mcap_unfinished_recoverable_zstd', 334, 'unfinished'),
    ],
)
def test_hard_bags_give_what_is_in_them(name, count, warning) -> None:
    bag = BagReader(shared(f'corner/{name}'))
    assert len(list(bag.messages())) == bag.count == count
    assert warning in '; '.join(bag.warnings) and bool(warning) == bool(bag.warnings)


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('06_wrong_serialization_format', 'wrong_format'),
        ('11_git_lfs_pointer_as_db3', 'git-lfs pointer'),
        ('d05_mcap_unfinished_no_footer', 'nothing can be recovered'),
        ('d06_mcap_zero_bytes', 'is empty'),
        ('d12_metadata_only_data_file_missing', 'data is missing'),
    ],
)
def test_hopeless_bags_are_refused_with_the_reason(name, words) -> None:
    with pytest.raises(BagError, match=words):
        BagReader(shared(f'corner/{name}'))


def test_a_real_bag_with_flipped_bits_is_refused_while_reading() -> None:
    with pytest.raises(BagError, match='damaged'):
        list(BagReader(shared('corner/d18_mcap_bit_flips_with_crc')).messages())


@pytest.mark.parametrize(
    ('name', 'count'),
    [
        ('ur10_exciting', 3441),
        ('ur10_raw_db3', 3441),
        ('fr3_teleop_162853', 30144),
        ('g1_pick_bottle_ep29', 663),
    ],
)
def test_real_recordings_decode(name, count) -> None:
    bag = BagReader(shared(f'real/{name}'))
    assert bag.count == count
    seen = set()
    for raw in bag.messages():
        if raw.topic not in seen:
            seen.add(raw.topic)
            assert bag.decode(raw).header is not None
    assert seen == set(bag.topics)
