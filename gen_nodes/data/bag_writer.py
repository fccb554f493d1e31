"""Writes one bag: a folder with an MCAP file and metadata.yaml that ros2 bag, Foxglove and rosbags
read.

Small and large messages go to chunks of their own, so that reading joints does not mean reading
images. `flush` hands everything to the operating system: what was flushed survives the death of
this process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from mcap.writer import CompressionType, Writer

from gen_nodes.data.messages import RosbagsMessages
from gen_nodes.data.rosbag2 import (
    TopicInfo,
    TopicQos,
    bag_information,
    metadata_yaml,
    plain_yaml,
    qos_yaml,
)
from gen_nodes.errors import BagError
from gen_nodes.version import VERSION

LARGE_BYTES = 4096
LANE_BYTES = 4 << 20  # a lane is written when it holds this much, flush or not
RESERVE_BYTES = 1 << 20  # kept free for the end of the file, should the disk fill up


class BagFile:
    """Unbuffered file: what `write` returned from is with the operating system."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self.offset = 0

    def write(self, data: bytes) -> int:
        """Write all of it or raise OSError."""
        view = memoryview(data)
        while view:
            written = os.write(self.descriptor, view)
            self.offset += written
            view = view[written:]
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self.offset

    def flush(self) -> None:
        """Nothing is buffered here."""

    def cut(self, offset: int) -> None:
        """Drop everything behind `offset`."""
        os.ftruncate(self.descriptor, offset)
        os.lseek(self.descriptor, offset, os.SEEK_SET)
        self.offset = offset

    def close(self) -> None:
        """Close for good."""
        os.close(self.descriptor)


def reserve(folder: Path) -> IO[bytes]:
    """Space on the disk of a folder, taken by a file without a name: it is free again when the file
    is closed, or its process dies. Raises OSError where there is not that much."""
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  the bag closes it
    try:
        os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
    except OSError:
        file.close()
        raise
    return file


class BagWriter:
    """One bag at `path` (a folder that must not exist yet). Not thread-safe.

    After a failed write (disk full) the file is cut back to its last whole record, `failed` says
    why, and every further write raises BagError; `close` still makes what is there readable.
    """

    def __init__(self, path: Path, messages: RosbagsMessages | None = None) -> None:
        self.path = Path(path)
        self.messages = messages or RosbagsMessages()
        self.topics: dict[str, TopicInfo] = {}
        self.channels: dict[str, int] = {}
        self.schemas: dict[str, int] = {}
        self.lanes: tuple[list[tuple[int, int, bytes, int]], ...] = ([], [])
        self.lane_bytes = [0, 0]
        self.counts: dict[str, int] = {}
        self.start_ns, self.end_ns = 0, 0
        self.failed = ''
        try:
            self.path.mkdir(parents=True)
            self.reserve = reserve(self.path)
            self.file = BagFile(self.path / f'{self.path.name}_0.mcap')
        except OSError as error:
            raise BagError(f"cannot create bag '{self.path}': {error.strerror or error}") from error
        self.writer = Writer(self.file, chunk_size=4 * LANE_BYTES, compression=CompressionType.ZSTD)
        try:
            self.guarded(lambda: self.writer.start('ros2', f'gen_stack {VERSION}'))
        except BagError:
            self.reserve.close()
            self.file.close()
            raise

    def add_topic(
        self,
        name: str,
        type_name: str,
        qos: Sequence[TopicQos] = (TopicQos(),),
        definition: str = '',
        type_hash: str = '',
    ) -> None:
        """Declare a topic once; definition and hash are known for common types. Raises BagError."""
        if name in self.topics:
            raise BagError(f"topic '{name}' was added twice")
        if not self.messages.knows(type_name) and not definition:
            raise BagError(f"topic '{name}': type {type_name} is unknown; give its definition")
        info = TopicInfo(
            name,
            type_name,
            tuple(qos),
            definition or self.messages.definition(type_name),
            type_hash
            or (self.messages.type_hash(type_name) if self.messages.knows(type_name) else ''),
        )
        if type_name not in self.schemas:
            self.schemas[type_name] = self.writer.register_schema(
                type_name, 'ros2msg', info.definition.encode()
            )
        self.channels[name] = self.writer.register_channel(
            name,
            'cdr',
            self.schemas[type_name],
            {'offered_qos_profiles': qos_yaml(info.qos), 'topic_type_hash': info.type_hash},
        )
        self.topics[name] = info
        self.counts[name] = 0

    def write(self, topic: str, cdr: bytes, log_ns: int, publish_ns: int) -> None:
        """Queue one serialised message. Raises BagError where the topic is unknown or the disk
        refused.
        """
        if topic not in self.channels:
            raise BagError(f"topic '{topic}' was not added to bag '{self.path}'")
        if self.failed:
            raise BagError(self.failed)
        lane = int(len(cdr) >= LARGE_BYTES)
        self.lanes[lane].append((self.channels[topic], log_ns, cdr, publish_ns))
        self.lane_bytes[lane] += len(cdr)
        self.counts[topic] += 1
        self.start_ns = min(self.start_ns, log_ns) if self.start_ns else log_ns
        self.end_ns = max(self.end_ns, log_ns)
        if self.lane_bytes[lane] >= LANE_BYTES:
            self.flush_lane(lane)

    def write_message(self, topic: str, message: Any, log_ns: int, publish_ns: int) -> None:
        """Serialise a message of this package's factory and write it."""
        self.write(
            topic, self.messages.serialize(self.topics[topic].type, message), log_ns, publish_ns
        )

    def attach(self, name: str, media_type: str, data: bytes, stamp_ns: int) -> None:
        """Put a file into the bag."""
        self.guarded(lambda: self.writer.add_attachment(stamp_ns, stamp_ns, name, media_type, data))

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Put a metadata record into the bag."""
        self.guarded(lambda: self.writer.add_metadata(name, dict(values)))

    def flush(self) -> None:
        """Hand everything to the operating system. Raises BagError where the disk refused."""
        for lane in range(len(self.lanes)):
            self.flush_lane(lane)

    def flush_lane(self, lane: int) -> None:
        """Write one lane as a chunk of its own."""
        if not self.lanes[lane]:
            return
        queued, self.lanes[lane][:], self.lane_bytes[lane] = list(self.lanes[lane]), [], 0

        def chunk() -> None:
            for channel, log_ns, cdr, publish_ns in queued:
                self.writer.add_message(channel, log_ns, cdr, publish_ns)
            self.writer.flush()

        try:
            self.guarded(chunk)
        except BagError:
            names = {number: name for name, number in self.channels.items()}
            for channel, *_ in queued:
                self.counts[names[channel]] -= 1
            raise

    def guarded(self, action: Any) -> None:
        """Run something that writes; on failure cut the file back and remember why."""
        if self.failed:
            raise BagError(self.failed)
        whole = self.file.offset
        try:
            action()
        except OSError as error:
            self.failed = f"bag '{self.path}' cannot be written: {error.strerror or error}"
            self.file.cut(whole)
            raise BagError(self.failed) from error

    def close(self, custom: Mapping[str, str] | None = None) -> dict[str, int]:
        """Finish the bag; `custom` goes to metadata.yaml's custom_data. Returns messages written
        per topic.

        Does not raise on a full disk: what was written stays readable and `failed` says why.
        """
        values = {str(k): str(v) for k, v in (custom or {}).items()}
        if not self.failed:
            try:
                self.flush()
            except BagError:
                pass
        self.reserve.close()
        topics = [replace(t, count=self.counts[t.name]) for t in self.topics.values()]
        if self.failed:
            values = {**values, 'failed': self.failed, 'verdict': 'bad'}
        information = bag_information(
            f'{self.path.name}_0.mcap', topics, self.start_ns, self.end_ns, values
        )
        try:
            if not self.failed:
                self.note('rosbag2', {'serialized_metadata': plain_yaml(information)})
                self.guarded(self.writer.finish)
            temporary = self.path / 'metadata.yaml.tmp'
            temporary.write_text(metadata_yaml(information))
            temporary.replace(self.path / 'metadata.yaml')
        except (BagError, OSError) as error:
            self.failed = self.failed or str(error)
        self.file.close()
        return dict(self.counts)
