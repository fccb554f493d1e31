"""Shadow mode without ROS: moving a recording to the present, accounting for its messages, judging
the next action.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from gen_nodes.data.bags import BagMessage, BagReader
from gen_nodes.errors import BagError
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.routes import Route, bag_routes
from gen_nodes.streams.aggregator import EXECUTED
from gen_nodes.streams.joints import in_order
from gen_nodes.types import NS, ActionChunk, StreamHealth

STAMP_OFFSET = 4  # CDR: four bytes of encapsulation, then header.stamp
SAME_CLOCK_NS = NS  # log time and capture stamps further apart than this come from different clocks
HORIZON_NS = NS // 5  # the next action: what is commanded for the next 0.2 s
GRID_NS = NS // 25
LOST, LEFT, NO_STREAM = 'lost in transport', 'left at the end', 'no stream of this robot'


@dataclass(frozen=True)
class Shift:
    """From a recording's time to the present [ns]. clock_ns: log time minus capture stamps where
    their clocks differ.
    """

    first_ns: int
    start_ns: int
    rate: float = 1.0
    clock_ns: int = 0

    def slipped(self, by_ns: int) -> Shift:
        """The same, later: the player fell behind, which is not the recording's lateness."""
        return replace(self, start_ns=self.start_ns + by_ns)

    def publish_ns(self, log_ns: int) -> int:
        """When a message is to be published."""
        return self.start_ns + round((log_ns - self.first_ns) / self.rate)

    def stamp_ns(self, capture_ns: int) -> int:
        """The capture stamp that a message gets: as late against its publication as it was
        recorded.
        """
        return self.publish_ns(capture_ns + self.clock_ns)

    def restamp(self, raw: bytes) -> bytes:
        """A serialised message whose first field is a header, with the stamp moved to the
        present.
        """
        order = '<' if raw[1] else '>'
        seconds, nanoseconds = struct.unpack_from(f'{order}iI', raw, STAMP_OFFSET)
        moved = self.stamp_ns(seconds * NS + nanoseconds)
        return (
            raw[:STAMP_OFFSET]
            + struct.pack(f'{order}iI', moved // NS, moved % NS)
            + raw[STAMP_OFFSET + 8 :]
        )


@dataclass(frozen=True)
class Recording:
    """What of a bag a robot's stack can hear. counts: messages per stream; silent: topics of no
    stream with theirs.
    """

    bag: BagReader
    routes: Mapping[str, Route]
    counts: Mapping[str, int]
    silent: Mapping[str, int]
    clock_ns: int
    reference: tuple[
        np.ndarray, np.ndarray
    ]  # capture stamps (K,), positions (K, N): what the robot did

    def messages(self) -> Iterator[BagMessage]:
        """What is played, in order of log time."""
        return self.bag.messages(self.routes)


def open_recording(bag: BagReader, spec: RobotSpec, remap: Mapping[str, str]) -> Recording:
    """Match a bag's topics with a robot's streams. Raises BagError where not even joint states
    fit.
    """
    types = {t.name: t.type for t in bag.topics.values()}
    for name in remap:
        if name not in types:
            raise BagError(
                f"--remap: bag '{bag.path}' has no topic '{name}'; it has: {', '.join(types)}"
            )
    routes = {
        name: route
        for name, route in bag_routes(spec, types, remap).items()
        if route.stream != EXECUTED
    }
    states = [
        name for name, route in routes.items() if spec.streams[route.stream].type == 'joint_states'
    ]
    if not states:
        raise BagError(
            f"bag '{bag.path}' has no joint states for {spec.name}; it has: {', '.join(types)}. "
            f'Give one: --remap TOPIC:={spec.state.topic}'
        )
    counts = dict.fromkeys(spec.streams, 0)
    for name, route in routes.items():
        counts[route.stream] += bag.topics[name].count
    silent = {name: topic.count for name, topic in bag.topics.items() if name not in routes}
    reference = did(bag, spec, states)
    if not len(reference[0]) and any(bag.topics[name].count for name in states):
        names = next(iter(bag.decoded(states)))[1].name
        raise BagError(
            f"bag '{bag.path}' is not of {spec.name}: its joint states hold {', '.join(names)}"
        )
    return Recording(bag, routes, counts, silent, clock_offset(bag, states), reference)


def clock_offset(bag: BagReader, topics: Sequence[str]) -> int:
    """How far log time is ahead of capture stamps where that is no delay but another clock, else 0
    [ns].
    """
    offsets = []
    for raw, message in bag.decoded(topics):
        offsets.append(raw.log_ns - convert.stamp_ns(message))
        if len(offsets) == 50:
            break
    typical = round(median(offsets)) if offsets else 0
    return typical if abs(typical) > SAME_CLOCK_NS else 0


def did(bag: BagReader, spec: RobotSpec, topics: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Where the robot was: stamps (K,) ascending and positions (K, N) of all usable joint
    states.
    """
    rows: dict[int, np.ndarray] = {}
    for raw, message in bag.decoded(topics):
        try:
            sample = in_order(convert.joint_sample(message, '', raw.log_ns), spec.joint_names)
        except ValueError:
            continue
        if not isinstance(sample, str):
            rows[sample.capture_ns] = sample.position
    stamps = sorted(rows)
    return np.array(stamps, dtype=np.int64), np.array([rows[s] for s in stamps]).reshape(
        len(stamps), spec.n
    )


@dataclass
class Account:
    """Fate of a recording's messages, per stream."""

    recorded: Mapping[str, int]
    silent: Mapping[str, int]
    health: Mapping[str, StreamHealth] = field(default_factory=dict)

    def streams(self) -> dict[str, dict[str, Any]]:
        """Per stream: recorded = used + everything dropped; received by the aggregator."""
        out: dict[str, dict[str, Any]] = {}
        for name, recorded in self.recorded.items():
            h = self.health.get(name)
            received, used = (h.received, h.used) if h else (0, 0)
            dropped = dict(h.dropped) if h else {}
            left = received - used - sum(dropped.values())
            for reason, count in ((LEFT, left), (LOST, recorded - received)):
                if count:
                    dropped[reason] = count
            out[name] = {
                'recorded': recorded,
                'received': received,
                'used': used,
                'dropped': dropped,
            }
        for name, recorded in self.silent.items():
            out[name] = {
                'recorded': recorded,
                'received': 0,
                'used': 0,
                'dropped': {NO_STREAM: recorded} if recorded else {},
            }
        return out


def moved_stamps(shifts: Sequence[tuple[int, Shift]], stamps: np.ndarray) -> np.ndarray:
    """Capture stamps (K,) in the present. shifts: each with the log time from which it held."""
    clock_ns = shifts[0][1].clock_ns
    held = np.searchsorted([begin for begin, _ in shifts], stamps + clock_ns, side='right') - 1
    return np.array(
        [shifts[max(0, i)][1].stamp_ns(int(s)) for i, s in zip(held, stamps, strict=True)],
        dtype=np.int64,
    )


def next_action_errors(
    chunks: Sequence[ActionChunk], reference: tuple[np.ndarray, np.ndarray], names: tuple[str, ...]
) -> tuple[float | None, float | None]:
    """Mean squared distance [rad^2, m^2] from what the robot did in the next 0.2 s: of the chunks,
    and of holding still.

    Without chunks the first is None, and holding is judged 25 times a second. reference: stamps
    (K,) in the chunks' clock and positions (K, N).
    """
    stamps, positions = reference
    if len(stamps) < 2:
        return None, None
    policy, hold = [], []
    if not chunks:
        for now in range(int(stamps[0]), int(stamps[-1]) - HORIZON_NS, GRID_NS):
            ahead = at(stamps, positions, now + np.linspace(0.02, 0.2, 10) * NS)
            hold.append(np.mean((ahead - at(stamps, positions, np.array([now]))) ** 2))
        return None, mean(hold)
    for chunk in chunks:
        times = chunk.stamp_ns + chunk.times_s * NS
        near = (
            (chunk.times_s > 0)
            & (chunk.times_s * NS <= HORIZON_NS)
            & (times >= stamps[0])
            & (times <= stamps[-1])
        )
        if not near.any():
            continue
        ahead = at(stamps, positions, times[near])
        columns = [chunk.joint_names.index(name) for name in names]
        policy.append(np.mean((chunk.values[near][:, columns] - ahead) ** 2))
        hold.append(np.mean((ahead - at(stamps, positions, np.array([chunk.stamp_ns]))) ** 2))
    return mean(policy), mean(hold)


def at(stamps: np.ndarray, positions: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Positions (T, N) at instants [ns], interpolated."""
    first = stamps[0]
    seconds, wanted = (stamps - first) / NS, (np.asarray(times, dtype=np.float64) - first) / NS
    return np.stack([np.interp(wanted, seconds, column) for column in positions.T], axis=1)


def mean(values: Sequence[float]) -> float | None:
    """Mean, None of nothing."""
    return float(np.mean(values)) if values else None
