"""Episodes: what the aggregator saw live is what a bag of the same messages gives offline, to the
bit.
"""

from __future__ import annotations

import heapq
from dataclasses import fields, replace

import numpy as np
import pytest

from gen_nodes.data.bags import BagReader
from gen_nodes.data.episode_bags import EpisodeWriter
from gen_nodes.data.episodes import episode_info, executed, replay, usable
from gen_nodes.errors import BagError
from gen_nodes.robot import load_robot
from gen_nodes.streams.aggregator import Aggregator
from gen_nodes.types import (
    CameraSample,
    CommandSample,
    Episode,
    EpisodeEvent,
    JointSample,
    TactileSample,
    WrenchSample,
)

SPEC = load_robot('ur5e')
MS = 1_000_000
START = 1_700_000_000_000 * MS
EPISODE = Episode(START, EpisodeEvent.START, 'one', 'touch the red ball', 'reach')


def world(seconds: float = 1.0) -> list:
    """What a driver and a controller would send, with delays, in order of arrival."""
    rng = np.random.default_rng(0)
    out = []

    def put(sample, delay: int) -> None:
        heapq.heappush(
            out,
            (
                sample.capture_ns + delay,
                len(out),
                replace(sample, arrival_ns=sample.capture_ns + delay),
            ),
        )

    for at in range(START, START + round(seconds * 1000) * MS, 2 * MS):
        q = SPEC.ready + rng.normal(size=6) * 0.01
        put(
            JointSample('joint_states', at, at, SPEC.joint_names, q, q, np.full(6, np.nan)),
            int(rng.integers(0, 3 * MS)),
        )
        put(WrenchSample('wrench', at, at, 'tool0', rng.normal(size=3), rng.normal(size=3)), MS)
        if (at - START) % (8 * MS) == 0:
            marks = ('disturbance',) if (at // MS) % 100 == 0 else ()
            put(
                CommandSample(
                    'executed', at, at, 1, 'position', SPEC.joint_names, q, q, marks=marks
                ),
                0,
            )
        if (at - START) % (34 * MS) == 0:
            for stream in ('front', 'wrist'):
                rgb = rng.integers(1, 255, (96, 96, 3), dtype=np.uint8)
                pose = np.eye(4)
                pose[:3, 3] = (0.1, 0.2, 0.3)
                put(
                    CameraSample(
                        stream,
                        at,
                        at,
                        'optical',
                        rgb,
                        rgb[..., 0].astype(np.uint16),
                        np.diag([80.0, 80, 1]),
                        pose,
                    ),
                    int(rng.integers(8 * MS, 30 * MS)),
                )
        if (at - START) % (10 * MS) == 0:
            put(TactileSample('tactile', at, at, 'tip', rng.random((4, 4)).astype(np.float32)), MS)
    return [heapq.heappop(out)[2] for _ in range(len(out))]


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    """Observations of a live aggregator and the bag of the same messages."""
    path = tmp_path_factory.mktemp('bags') / 'one'
    core, writer, live, tick = (
        Aggregator(SPEC),
        EpisodeWriter(path, SPEC, EPISODE),
        [],
        START + 20 * MS,
    )
    for sample in world():
        while sample.arrival_ns > tick:
            live.append(core.close(tick, EPISODE.instruction))
            tick += 20 * MS
        core.offer(sample)
        if isinstance(sample, CommandSample):
            writer.command(sample)
        else:
            writer.sample(sample, sample.arrival_ns)
    writer.close(tick, 'success')
    return live, BagReader(path)


def identical(a, b) -> bool:
    return type(a) is type(b) and all(
        x.tobytes() == y.tobytes() if isinstance(x, np.ndarray) else x == y
        for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    )


def test_a_replayed_bag_gives_the_samples_that_were_seen_live_to_the_bit(recorded) -> None:
    live, bag = recorded
    offline = list(replay(bag, SPEC, ticks_ns=[o.stamp_ns for o in live]))
    assert len(live) == len(offline) > 45
    for one, other in zip(live, offline, strict=True):
        assert (one.stamp_ns, one.sequence, one.instruction) == (
            other.stamp_ns,
            other.sequence,
            other.instruction,
        )
        assert len(one.samples) == len(other.samples)
        assert all(identical(a, b) for a, b in zip(one.samples, other.samples, strict=True))
    kinds = {s.stream for o in offline for s in o.samples}
    assert kinds == {*SPEC.streams, 'executed'}


def test_a_bag_tells_its_episode(recorded) -> None:
    info = episode_info(recorded[1])
    assert (info.id, info.robot, info.task, info.outcome, info.verdict) == (
        'one',
        'ur5e',
        'reach',
        'success',
        'good',
    )
    assert (
        info.instruction == 'touch the red ball'
        and info.robot_sha256 == SPEC.sha256
        and info.finished
    )


def test_the_whole_executed_curve_is_there_with_its_marks(recorded) -> None:
    curve = executed(recorded[1], SPEC)
    assert curve.values.shape == (125, 6) and np.all(np.diff(curve.stamps_ns) == 8 * MS)
    assert 0 < curve.marked.sum() < 125


def test_a_bag_of_another_robot_is_refused_with_what_it_holds(recorded) -> None:
    other = replace_state_topic()
    with pytest.raises(BagError, match=r'no joint states of ur5e.*joint_states'):
        next(replay(recorded[1], other))


def replace_state_topic():
    stream = SPEC.streams['joint_states']
    return replace_spec(
        {**SPEC.streams, 'joint_states': replace(stream, topics={'data': '/elsewhere'})}
    )


def replace_spec(streams):
    values = {f.name: getattr(SPEC, f.name) for f in fields(SPEC) if f.init}
    return type(SPEC)(**{**values, 'streams': streams})


def test_another_topic_name_can_be_remapped(recorded) -> None:
    other = replace_state_topic()
    first = next(
        o for o in replay(recorded[1], other, remap={'/joint_states': '/elsewhere'}) if o.samples
    )
    assert any(isinstance(s, JointSample) for s in first.samples)


def test_unfinished_discarded_and_lossy_episodes_are_not_trained_on(tmp_path) -> None:
    def write(name: str, event=None, **custom: str):
        writer = EpisodeWriter(tmp_path / name, SPEC, replace(EPISODE, id=name))
        if event is not None:
            writer.say(replace(EPISODE, stamp_ns=START + MS, event=event))
        return writer

    write('good').close(START + MS, 'success')
    write('lossy').close(START + MS, 'success', {'verdict': 'bad'})
    write('thrown', EpisodeEvent.DISCARD).close(START + MS, '')
    write('killed').bag.flush()
    good, left_out = usable(tmp_path)
    assert [info.id for info in good] == ['good']
    assert left_out == {'recorded with losses': 1, 'discarded': 1, 'unfinished': 1}
