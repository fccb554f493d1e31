"""What a recorder does with the messages it hears: one bag per episode, every known loss counted.
No ROS, no clock.

One thread calls `hear`, `start` and `stop` and never waits; another calls `work` every few
milliseconds and writes. A bag holds what was published from the episode's start stamp to its stop
stamp, however late it arrives. Stamps are ROS time; what has to happen after a while goes by the
steady clock, which no clock step reaches.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gen_nodes.data.bag_writer import BagWriter
from gen_nodes.data.episode_bags import describe
from gen_nodes.data.rosbag2 import TopicQos
from gen_nodes.errors import BagError
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, Episode, EpisodeEvent

QUEUE_BYTES = 256 << 20
PREROLL_NS = NS  # messages may overtake the episode's start on their way here
PREROLL_BYTES = 64 << 20
GRACE_NS = NS * 3 // 10  # messages may be overtaken by the episode's stop
FLUSH_NS = NS // 10
STALL_NS = NS  # a flush that is late by more than this: the disk or the processor stalled
CLOCK_STEP_NS = NS // 2  # a topic that goes back by more was stamped by a clock that was set back
SAFE_ID = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}')  # becomes the name of a folder


@dataclass(frozen=True)
class Heard:
    """One serialised message. missing: messages before it that never came."""

    topic: str
    raw: bytes
    log_ns: int
    publish_ns: int
    missing: int = 0


@dataclass(frozen=True)
class RecordedTopic:
    """A topic to record. silence_ns: a longer silence during an episode is a stall (None: may be
    silent); required: without a single message the episode is not good."""

    name: str
    type: str
    latched: bool = False
    silence_ns: int | None = None
    required: bool = False
    qos: tuple[TopicQos, ...] = (TopicQos(),)
    definition: str = ''


@dataclass(frozen=True)
class Verdict:
    """How a recording went. reasons: why it is not good, empty where it is."""

    id: str
    path: Path
    recorded: Mapping[str, int]
    lost: Mapping[str, int]
    reasons: tuple[str, ...]
    outcome: str
    discarded: bool

    @property
    def good(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.reasons


@dataclass
class OpenBag:
    """The bag of the running episode."""

    episode: Episode
    bag: BagWriter
    flushed_ns: int  # steady clock
    overflow_before: Counter[str]
    transport_before: Counter[str]
    stop: Episode | None = None
    close_ns: int = 0  # steady clock
    attempted: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    failed: str = ''
    last_ns: dict[str, int] = field(default_factory=dict)  # newest publish stamp per topic
    silences: Counter[str] = field(default_factory=Counter)
    unplaced: Counter[str] = field(default_factory=Counter)  # stamped by a clock that was set back
    stepped_s: float = 0.0  # by how much ROS time stepped meanwhile
    stalls: int = 0


class Recording:
    """The core of data_recorder."""

    def __init__(self, spec: RobotSpec, folder: Path, queue_bytes: int = QUEUE_BYTES) -> None:
        self.spec, self.folder, self.queue_bytes = spec, Path(folder), queue_bytes
        self.topics: dict[str, RecordedTopic] = {}
        self.queue: deque[Heard | Episode] = deque()
        self.queued = 0  # bytes ever queued and, below, ever taken: one writer each
        self.taken = 0
        self.overflow: Counter[str] = Counter()
        self.transport: Counter[str] = Counter()  # losses that the transport reported
        self.preroll: deque[Heard] = deque()
        self.preroll_bytes = 0
        self.listening_ns: int | None = None  # since when messages are recorded; None: at rest
        self.latched: dict[str, Heard] = {}
        self.open: OpenBag | None = None  # of the running episode
        self.closing: list[OpenBag] = []  # of stopped ones: the last messages are on their way
        self.verdicts: deque[Verdict] = deque()
        self.problem = ''  # why the last episode is recorded no further; '' once one begins well

    # The hearing thread

    def listen(self, now_ns: int) -> None:
        """Record from now on. Before `work` is called."""
        self.listening_ns = now_ns

    def rest(self) -> None:
        """Record nothing more and keep only latched messages. After the last call of `work`."""
        self.listening_ns = None
        self.preroll.clear()
        self.preroll_bytes = 0

    def add_topic(self, topic: RecordedTopic) -> None:
        """Declare a topic before it is heard."""
        self.topics[topic.name] = topic

    def hear(self, heard: Heard) -> None:
        """Take a message; never waits. Beyond the queue's limit it is lost and counted."""
        if self.listening_ns is None:
            if self.topics[heard.topic].latched:
                self.latched[heard.topic] = heard
            return
        if self.queued - self.taken + len(heard.raw) > self.queue_bytes:
            self.overflow[heard.topic] += 1 + heard.missing
            return
        self.queued += len(heard.raw)
        self.queue.append(heard)

    def report_lost(self, topic: str, count: int) -> None:
        """The transport says that messages were lost."""
        self.transport[topic] += count

    def clock_stepped(self, seconds: float) -> None:
        """ROS time made a step: the stamps of what is being recorded do not fit together."""
        for current in self.bags():
            current.stepped_s = seconds

    def tell(self, episode: Episode) -> None:
        """An episode starts or ends. At rest only the newest event matters."""
        if self.listening_ns is None:
            self.queue.clear()
        self.queue.append(episode)

    # The writing thread

    def work(self, steady_ns: int) -> None:
        """Write what was heard; open and close bags. Called often, with steady time."""
        while self.queue:
            item = self.queue.popleft()
            if isinstance(item, Episode):
                self.turn(item, steady_ns)
            else:
                self.taken += len(item.raw)
                self.keep(item)
                self.record(item)
        for bag in self.bags():
            self.flush(bag, steady_ns)
        for bag in [one for one in self.closing if steady_ns >= one.close_ns]:
            self.close(bag)

    def bags(self) -> tuple[OpenBag, ...]:
        """All bags that messages may belong to."""
        return (*self.closing, *([self.open] if self.open else []))

    def turn(self, episode: Episode, steady_ns: int) -> None:
        """Start or stop as the episode says."""
        running = self.open
        if episode.event == EpisodeEvent.START:
            if running is not None and running.episode.id == episode.id:
                return
            self.interrupt('the next episode began before it was stopped')
            self.begin(episode, steady_ns)
        elif running is not None and episode.id in ('', running.episode.id):
            running.stop, running.close_ns = episode, steady_ns + GRACE_NS
            self.closing.append(running)
            self.open = None

    def begin(self, episode: Episode, steady_ns: int) -> None:
        """Open a bag and put into it what was heard since the start stamp."""
        path = self.folder / episode.id
        try:
            if not SAFE_ID.fullmatch(episode.id):
                raise BagError(
                    f"episode id '{brief(episode.id)}' is no file name: use up to 100 letters, "
                    "digits, '_', '.', '-', not beginning with '.' or '-'"
                )
            path = unused(path)
            bag = described(path, self.spec, episode)
        except (BagError, OSError) as error:
            self.refuse(episode, path, ' '.join(str(error).split()))
            return
        self.problem = ''
        self.open = OpenBag(
            episode, bag, steady_ns, Counter(self.overflow), Counter(self.transport)
        )
        for heard in self.latched.values():
            if heard.publish_ns < episode.stamp_ns:
                self.write(self.open, heard, episode.stamp_ns)
        for heard in self.preroll:
            self.place(self.open, heard)

    def refuse(self, episode: Episode, path: Path, reason: str) -> None:
        """An episode that cannot be recorded gets its verdict at once."""
        self.problem = reason
        self.verdicts.append(Verdict(brief(episode.id), path, {}, {}, (reason,), '', False))

    def keep(self, heard: Heard) -> None:
        """Remember the last second, and the last message of latched topics."""
        if self.topics[heard.topic].latched:
            self.latched[heard.topic] = heard
        if self.preroll and heard.log_ns < self.preroll[-1].log_ns - PREROLL_NS:
            self.preroll.clear()  # from before the clock was set back
            self.preroll_bytes = 0
        self.preroll.append(heard)
        self.preroll_bytes += len(heard.raw)
        while self.preroll and (
            self.preroll[0].log_ns < heard.log_ns - PREROLL_NS or self.preroll_bytes > PREROLL_BYTES
        ):
            self.preroll_bytes -= len(self.preroll.popleft().raw)

    def record(self, heard: Heard) -> None:
        """Write a message into the bags of the episodes during which it was published."""
        for current in self.bags():
            self.place(current, heard)

    def place(self, current: OpenBag, heard: Heard) -> None:
        """Write a message if it was published during the episode."""
        if heard.publish_ns < current.episode.stamp_ns:
            went_back_ns = current.last_ns.get(heard.topic, 0) - heard.publish_ns
            current.unplaced[heard.topic] += went_back_ns > CLOCK_STEP_NS
            return
        current.missing[heard.topic] += heard.missing
        if current.stop is not None and heard.publish_ns > current.stop.stamp_ns:
            return
        self.note_silence(current, heard.topic, heard.publish_ns)
        current.last_ns[heard.topic] = heard.publish_ns
        self.write(current, heard, heard.log_ns)

    def write(self, current: OpenBag, heard: Heard, log_ns: int) -> None:
        """Hand a message to the bag; a refusal is remembered, not raised."""
        current.attempted[heard.topic] += 1
        try:
            if heard.topic not in current.bag.topics:
                topic = self.topics[heard.topic]
                current.bag.add_topic(topic.name, topic.type, topic.qos, topic.definition)
            current.bag.write(heard.topic, heard.raw, log_ns, heard.publish_ns)
        except BagError as error:
            self.fail(current, str(error))

    def note_silence(self, current: OpenBag, topic: str, until_ns: int) -> None:
        """Count a stall where a stream was silent for too long."""
        limit = self.topics[topic].silence_ns
        if (
            limit is not None
            and until_ns - current.last_ns.get(topic, current.episode.stamp_ns) > limit
        ):
            current.silences[topic] += 1

    def flush(self, current: OpenBag, steady_ns: int) -> None:
        """Hand everything to the operating system ten times a second."""
        late_ns = steady_ns - current.flushed_ns - FLUSH_NS
        if late_ns < 0:
            return
        current.stalls += late_ns > STALL_NS
        current.flushed_ns = steady_ns
        if not current.failed:
            try:
                current.bag.flush()
            except BagError as error:
                self.fail(current, str(error))

    def fail(self, current: OpenBag, reason: str) -> None:
        """Remember why writing failed, say it once."""
        if not current.failed:
            current.failed = reason
            self.problem = f'{reason}; the episode is recorded no further'

    def interrupt(self, reason: str) -> None:
        """Close the running episode's bag before it was stopped; it is not good."""
        if self.open is not None:
            self.close(self.open, reason)

    def finish(self, reason: str) -> None:
        """Close every bag; a running episode is not good for that reason."""
        self.interrupt(reason)
        for bag in list(self.closing):
            self.close(bag)

    def close(self, current: OpenBag, interrupted: str = '') -> None:
        """Judge and close a bag."""
        if current is self.open:
            self.open = None
        else:
            self.closing.remove(current)
        end_ns = current.stop.stamp_ns if current.stop else max(current.last_ns.values(), default=0)
        for topic in list(current.last_ns):
            self.note_silence(current, topic, end_ns)
        try:
            current.bag.flush()
        except BagError as error:
            self.fail(current, str(error))
        lost = self.losses(current)
        reasons = self.reasons(current, lost, interrupted)
        stop = current.stop
        outcome, discarded = (
            (stop.outcome, stop.event == EpisodeEvent.DISCARD) if stop else ('', False)
        )
        custom = {
            'robot': self.spec.name,
            'id': current.episode.id,
            'task': current.episode.task,
            'instruction': current.episode.instruction,
            'outcome': outcome,
            'discarded': str(discarded).lower(),
            'note': stop.note if stop else '',
            'verdict': 'bad' if reasons else 'good',
            'reasons': '; '.join(reasons),
            'recorded': str(sum(current.bag.counts.values())),
            'lost': str(sum(lost.values())),
            'lost_by_topic': json.dumps(lost),
        }
        recorded = current.bag.close(custom)
        if current.bag.failed and not current.failed:
            self.fail(current, current.bag.failed)
            reasons = (*reasons, current.bag.failed)
        self.verdicts.append(
            Verdict(
                current.episode.id, current.bag.path, recorded, lost, reasons, outcome, discarded
            )
        )

    def losses(self, current: OpenBag) -> dict[str, int]:
        """Messages lost per topic: missing in the publisher's count (or reported lost), overflown,
        not written, or stamped by a clock that was set back.

        A loss at the edges of the episode counts, since nobody can tell on which side it lay.
        """
        lost = {}
        for topic in tuple(self.topics):
            reported = self.transport[topic] - current.transport_before[topic]
            overflown = self.overflow[topic] - current.overflow_before[topic]
            unwritten = current.attempted[topic] - current.bag.counts.get(topic, 0)
            count = max(current.missing[topic], reported) + overflown + unwritten
            count += current.unplaced[topic]
            if count > 0:
                lost[topic] = count
        return lost

    def reasons(
        self, current: OpenBag, lost: Mapping[str, int], interrupted: str
    ) -> tuple[str, ...]:
        """Why an episode is not good."""
        late = current.episode.stamp_ns < (self.listening_ns or 0)
        unplaced = sum(current.unplaced.values())
        silent = [
            t.name
            for t in tuple(self.topics.values())
            if t.required and not current.attempted[t.name]
        ]
        return tuple(
            reason
            for reason in (
                interrupted,
                current.failed,
                'the episode began before the recorder listened' if late else '',
                f'lost: {", ".join(f"{n} of {t}" for t, n in lost.items())}' if lost else '',
                f'stalled: {", ".join(f"{t} {n} times" for t, n in current.silences.items())}'
                if current.silences
                else '',
                f'writing stalled {current.stalls} times' if current.stalls else '',
                f'the clock stepped by {current.stepped_s:+.3f} s' if current.stepped_s else '',
                f'stamped before the start by a clock that was set back: {unplaced} messages'
                if unplaced
                else '',
                f'never heard: {", ".join(silent)}' if silent else '',
            )
            if reason
        )


def described(path: Path, spec: RobotSpec, episode: Episode) -> BagWriter:
    """A new bag with the robot's description in it. Raises BagError and leaves nothing open."""
    bag = BagWriter(path)
    try:
        describe(bag, spec, episode)
    except BagError as error:
        bag.close({'id': episode.id, 'verdict': 'bad', 'reasons': str(error)})
        raise
    return bag


def brief(text: str) -> str:
    """At most 100 characters of a text."""
    return text if len(text) <= 100 else f'{text[:97]}...'


def unused(path: Path) -> Path:
    """The path, or with _2, _3, ... behind it where it is taken."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f'{path.name}_{number}')
    return candidate


class GapCounter:
    """Finds messages that never came, from the publisher's own count. Valid for topics with one
    publisher.
    """

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def missing(self, topic: str, sequence: int | None, alone: bool, kept: bool) -> int:
        """How many are missing before this message. `kept`: the publisher keeps old messages for
        late joiners, so that the first one heard need not be its first."""
        if not sequence or not alone:
            self.last.pop(topic, None)
            return 0
        before = self.last.get(topic)
        self.last[topic] = sequence
        if (
            before is None or sequence <= before
        ):  # a publisher that we have not heard before, or that started anew
            return 0 if kept else sequence - 1
        return sequence - before - 1
