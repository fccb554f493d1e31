"""MCAP files: the whole ones by index, the broken ones as far as they go. CRCs are always
checked.
"""

from __future__ import annotations

import heapq
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import zstandard
from mcap.exceptions import McapError
from mcap.reader import SeekingReader
from mcap.records import Attachment, Channel, Chunk, Footer, Message, Metadata, Schema
from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk
from mcap.summary import Summary

from gen_nodes.errors import BagError
from gen_nodes.types import NS

MAGIC = b'\x89MCAP0\r\n'
DAMAGE = (
    McapError,
    CRCValidationError,
    struct.error,
    zstandard.ZstdError,
    UnicodeDecodeError,
    KeyError,
    AttributeError,
    ValueError,
)
ORDER_WINDOW_NS = 2 * NS  # messages of an unfinished file are put in order within this span


class BagMessage(NamedTuple):
    """One message as it lies in a bag."""

    topic: str
    type: str
    log_ns: int
    publish_ns: int
    raw: bytes


@dataclass
class Contents:
    """What a file holds."""

    channels: dict[int, Channel] = field(default_factory=dict)
    schemas: dict[int, Schema] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    start_ns: int = 0
    end_ns: int = 0
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    attachments: dict[str, bytes] = field(default_factory=dict)
    finished: bool = True
    warnings: list[str] = field(default_factory=list)

    def type_of(self, channel: Channel) -> str:
        """Message type of a channel."""
        schema = self.schemas.get(channel.schema_id)
        return schema.name if schema else ''


class McapFile:
    """One MCAP file. Raises BagError on opening where nothing can be read, on reading where a
    chunk is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open('rb') as stream:
            head = stream.read(len(MAGIC))
        if head != MAGIC:
            raise BagError(
                f"'{path}' "
                + ('is empty' if not head else 'is not an MCAP file (wrong first bytes)')
            )
        self.indexed = False
        try:
            self.contents = self.by_index()
            self.indexed = True
        except DAMAGE:
            self.contents = self.by_scan()

    def by_index(self) -> Contents:
        """Contents from the summary at the end. Raises one of DAMAGE where there is none."""
        with self.path.open('rb') as stream:
            reader = SeekingReader(stream)
            summary: Summary | None = reader.get_summary()
            if (
                summary is None
                or summary.statistics is None
                or not (summary.chunk_indexes or summary.statistics.message_count == 0)
            ):
                raise McapError('no summary')
            statistics = summary.statistics
            return Contents(
                dict(summary.channels),
                dict(summary.schemas),
                Counter(statistics.channel_message_counts),
                statistics.message_start_time,
                statistics.message_end_time,
                {m.name: dict(m.metadata) for m in reader.iter_metadata()},
                {a.name: a.data for a in reader.iter_attachments()},
            )

    def by_scan(self) -> Contents:
        """Contents of a file without a usable end."""
        found = Contents()
        stamps: list[int] = []
        for batch in self.steps(found):
            found.counts.update(channel.id for channel, _ in batch)
            stamps += (message.log_time for _, message in batch)
        if not found.finished and not found.counts:
            raise BagError(f"'{self.path}' ends inside its first chunk: nothing can be recovered")
        found.start_ns, found.end_ns = (min(stamps), max(stamps)) if stamps else (0, 0)
        total = sum(found.counts.values())
        found.warnings.append(
            f"'{self.path.name}' has bytes behind its end, which are ignored"
            if found.finished
            else f"'{self.path.name}' is unfinished or damaged: {total} messages recovered"
        )
        return found

    def steps(self, found: Contents) -> Iterator[list[tuple[Channel, Message]]]:
        """Messages record by record, as far as it goes; the rest is remembered in `found`."""
        found.finished = False
        try:
            with self.path.open('rb') as stream:
                for record in StreamReader(stream, emit_chunks=True).records:
                    inside = (
                        breakup_chunk(record, validate_crc=True)
                        if isinstance(record, Chunk)
                        else [record]
                    )
                    batch = []
                    for one in inside:
                        if isinstance(one, Message):
                            batch.append((found.channels[one.channel_id], one))
                        else:
                            remember(found, one)
                    yield batch
                    if isinstance(record, Footer):
                        found.finished = True
                        return
        except DAMAGE:
            return

    def messages(self, topics: Collection[str] | None) -> Iterator[BagMessage]:
        """Messages in order of log time."""
        return self.indexed_messages(topics) if self.indexed else self.scanned_messages(topics)

    def indexed_messages(self, topics: Collection[str] | None) -> Iterator[BagMessage]:
        """Through the index; only chunks that hold a wanted topic are read."""
        with self.path.open('rb') as stream:
            reader = SeekingReader(stream, validate_crcs=True)
            try:
                for schema, channel, message in reader.iter_messages(topics=topics):
                    yield BagMessage(
                        channel.topic,
                        schema.name if schema else '',
                        message.log_time,
                        message.publish_time,
                        message.data,
                    )
            except DAMAGE as error:
                raise BagError(f"'{self.path}' is damaged: {error}") from error

    def scanned_messages(self, topics: Collection[str] | None) -> Iterator[BagMessage]:
        """Record by record, put in order within a window."""
        heap: list[tuple[int, int, BagMessage]] = []
        found, newest, count = Contents(), 0, 0
        for batch in self.steps(found):
            for channel, message in batch:
                if topics is not None and channel.topic not in topics:
                    continue
                count += 1
                newest = max(newest, message.log_time)
                heapq.heappush(
                    heap,
                    (
                        message.log_time,
                        count,
                        BagMessage(
                            channel.topic,
                            found.type_of(channel),
                            message.log_time,
                            message.publish_time,
                            message.data,
                        ),
                    ),
                )
            while heap and heap[0][0] < newest - ORDER_WINDOW_NS:
                yield heapq.heappop(heap)[2]
        while heap:
            yield heapq.heappop(heap)[2]


def remember(found: Contents, record: object) -> None:
    """Take over a record that describes."""
    if isinstance(record, Channel):
        found.channels[record.id] = record
    elif isinstance(record, Schema):
        found.schemas[record.id] = record
    elif isinstance(record, Metadata):
        found.notes[record.name] = dict(record.metadata)
    elif isinstance(record, Attachment):
        found.attachments[record.name] = record.data
