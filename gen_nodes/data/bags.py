"""Reads any bag: this package's, other people's MCAP and sqlite ones, and what a killed recorder
left behind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml
from rosbags.rosbag2 import Reader as RosbagsReader
from rosbags.rosbag2 import ReaderError

from gen_nodes.data.bag_writer import BagWriter
from gen_nodes.data.mcap_files import BagMessage, Contents, McapFile
from gen_nodes.data.messages import RosbagsMessages
from gen_nodes.data.rosbag2 import TopicInfo
from gen_nodes.errors import BagError

__all__ = ['BagMessage', 'BagReader', 'BagWriter']

LFS = b'version https://git-lfs'


class BagReader:
    """A bag, by folder or file. Raises BagError where nothing of it can be used; `warnings` tell
    what is odd.

    topics: name -> TopicInfo with counts. custom: metadata.yaml's custom_data. notes: MCAP
    metadata records by name. attachments: files inside. finished: False where the recorder died.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise BagError(f"there is no bag '{self.path}'")
        self.warnings: list[str] = []
        self.codec = RosbagsMessages()
        self.information = self.read_metadata()
        self.custom: Mapping[str, str] = dict(self.information.get('custom_data') or {})
        self.storage: Storage = self.open_storage()
        self.topics = {topic.name: topic for topic in self.storage.topics()}
        self.count = sum(topic.count for topic in self.topics.values())
        self.start_ns, self.end_ns = self.storage.span()
        self.warnings += self.storage.warnings()
        self.finished = self.storage.finished
        self.notes, self.attachments = self.storage.notes, self.storage.attachments
        self.check_count()

    def read_metadata(self) -> dict[str, Any]:
        """metadata.yaml beside the data, {} where there is none."""
        path = self.path / 'metadata.yaml'
        if not (self.path.is_dir() and path.is_file()):
            return {}
        try:
            return dict(yaml.safe_load(path.read_text())['rosbag2_bagfile_information'])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            self.warnings.append(f"'{path}' cannot be used: {' '.join(str(error).split())}")
            return {}

    def open_storage(self) -> Storage:
        """MCAP files are read here, all else by rosbags."""
        files = self.data_files()
        for path in files:
            with path.open('rb') as stream:
                if stream.read(len(LFS)) == LFS:
                    raise BagError(
                        f"'{path}' is a git-lfs pointer, not data; run 'git lfs pull' at its source"
                    )
        if files[0].suffix == '.mcap' and not self.information.get('compression_mode'):
            return McapStorage([McapFile(path) for path in files])
        return RosbagsStorage(self.path if self.information else files[0], self.codec)

    def data_files(self) -> list[Path]:
        """Data files in order. Raises BagError where one is missing."""
        if not self.path.is_dir():
            return [self.path]
        named = [
            self.path / Path(name).name for name in self.information.get('relative_file_paths', ())
        ]
        missing = [path.name for path in named if not path.exists()]
        found = sorted(
            (p for p in self.path.iterdir() if p.suffix in ('.mcap', '.db3')), key=natural
        )
        if missing and not found:
            raise BagError(f"bag '{self.path}': its data is missing: {', '.join(missing)}")
        if missing:
            self.warnings.append(
                f'metadata.yaml names {", ".join(missing)}, which is not there; '
                f'read instead: {", ".join(p.name for p in found)}'
            )
        files = found if missing or not named else named
        if not files:
            raise BagError(f"'{self.path}' holds no bag (no .mcap or .db3 file)")
        return files

    def check_count(self) -> None:
        """Note where metadata.yaml and data disagree."""
        said = self.information.get('message_count')
        if said is not None and said != self.count:
            self.warnings.append(f'metadata.yaml says {said} messages, the data holds {self.count}')

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Serialised messages in order of log time. Raises BagError at damage."""
        yield from self.storage.messages(None if topics is None else set(topics))

    def decoded(self, topics: Collection[str] | None = None) -> Iterator[tuple[BagMessage, Any]]:
        """Messages with their decoded form."""
        for message in self.messages(topics):
            yield message, self.decode(message)

    def decode(self, message: BagMessage) -> Any:
        """A message by its type; a foreign type is learnt from the bag. Raises BagError."""
        if not self.codec.knows(message.type):
            definition = self.topics[message.topic].definition
            if not definition:
                raise BagError(
                    f"'{message.topic}': type {message.type} is unknown, and not defined in the bag"
                )
            self.codec.learn(message.type, definition)
        return self.codec.deserialize(message.type, message.raw)

    def robot_files(self) -> dict[str, str]:
        """Robot description inside the bag: {'robot.urdf': text, 'robot.yaml': text}, as far as it
        is there.
        """
        return {
            name: data.decode()
            for name, data in self.attachments.items()
            if name in ('robot.urdf', 'robot.yaml')
        }


class Storage(Protocol):
    """The data of a bag."""

    finished: bool
    notes: dict[str, dict[str, str]]
    attachments: dict[str, bytes]

    def topics(self) -> list[TopicInfo]:
        """All topics with counts."""

    def span(self) -> tuple[int, int]:
        """First and last log time [ns], (0, 0) where there is no message."""

    def warnings(self) -> list[str]:
        """What is odd."""

    def messages(self, topics: set[str] | None) -> Iterator[BagMessage]:
        """Messages in order of log time."""


class McapStorage:
    """One or more MCAP files, one after the other."""

    def __init__(self, files: list[McapFile]) -> None:
        self.files = files
        contents = [file.contents for file in files]
        wrong = {c.message_encoding for one in contents for c in one.channels.values()} - {'cdr'}
        if wrong:
            raise BagError(
                f"'{files[0].path}': serialised as {', '.join(sorted(wrong))}; only cdr is known"
            )
        self.finished = all(one.finished for one in contents)
        self.notes = {name: values for one in contents for name, values in one.notes.items()}
        self.attachments = {
            name: data for one in contents for name, data in one.attachments.items()
        }

    def topics(self) -> list[TopicInfo]:
        counts: Counter[str] = Counter()
        infos: dict[str, TopicInfo] = {}
        for contents in (file.contents for file in self.files):
            for channel in contents.channels.values():
                counts[channel.topic] += contents.counts[channel.id]
                infos[channel.topic] = info_of(contents, channel.id)
        return [
            TopicInfo(t.name, t.type, t.qos, t.definition, t.type_hash, counts[t.name])
            for t in infos.values()
        ]

    def span(self) -> tuple[int, int]:
        filled = [file.contents for file in self.files if sum(file.contents.counts.values())]
        return (
            (min(c.start_ns for c in filled), max(c.end_ns for c in filled)) if filled else (0, 0)
        )

    def warnings(self) -> list[str]:
        return [warning for file in self.files for warning in file.contents.warnings]

    def messages(self, topics: set[str] | None) -> Iterator[BagMessage]:
        for file in self.files:
            yield from file.messages(topics)


def info_of(contents: Contents, channel_id: int) -> TopicInfo:
    """TopicInfo of an MCAP channel. QoS stays as the YAML text of the bag and is not taken
    apart.
    """
    channel = contents.channels[channel_id]
    schema = contents.schemas.get(channel.schema_id)
    definition = (
        schema.data.decode(errors='replace') if schema and schema.encoding == 'ros2msg' else ''
    )
    return TopicInfo(
        channel.topic,
        contents.type_of(channel),
        (),
        definition,
        channel.metadata.get('topic_type_hash', ''),
    )


class RosbagsStorage:
    """Everything that rosbags reads: sqlite, compressed files, compressed messages."""

    finished = True

    def __init__(self, path: Path, codec: RosbagsMessages) -> None:
        self.path = path
        self.notes: dict[str, dict[str, str]] = {}
        self.attachments: dict[str, bytes] = {}
        try:
            with RosbagsReader(path) as reader:
                self.infos = [
                    TopicInfo(name, topic.msgtype or '', (), topic.msgdef.data, '', topic.msgcount)
                    for name, topic in reader.topics.items()
                ]
                filled = reader.message_count > 0
                self.limits = (reader.start_time, reader.end_time - 1) if filled else (0, 0)
        except (ReaderError, OSError, ValueError) as error:
            raise BagError(
                f"bag '{path}' cannot be read: {' '.join(str(error).split())}"
            ) from error

    def topics(self) -> list[TopicInfo]:
        return self.infos

    def span(self) -> tuple[int, int]:
        return self.limits

    def warnings(self) -> list[str]:
        return []

    def messages(self, topics: set[str] | None) -> Iterator[BagMessage]:
        try:
            with RosbagsReader(self.path) as reader:
                wanted = [c for c in reader.connections if topics is None or c.topic in topics]
                for connection, stamp, raw in reader.messages(wanted) if wanted else ():
                    yield BagMessage(connection.topic, connection.msgtype, stamp, stamp, bytes(raw))
        except ReaderError as error:
            raise BagError(
                f"bag '{self.path}' cannot be read: {' '.join(str(error).split())}"
            ) from error


def natural(path: Path) -> list[Any]:
    """Sort key: numbers in names by value, so that part 10 follows part 9."""
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r'(\d+)', path.name)]
