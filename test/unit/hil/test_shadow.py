"""Shadow mode without ROS: stamps moved, messages accounted for, the next action judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gen_nodes.data.bags import BagReader, BagWriter
from gen_nodes.data.messages import RosbagsMessages
from gen_nodes.errors import BagError
from gen_nodes.hil.shadow import Account, Shift, moved_stamps, next_action_errors, open_recording
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.types import NS, ActionChunk, JointSample, StreamHealth, StreamState

SPEC = load_robot('ur5e')
M = RosbagsMessages()
STATE = 'sensor_msgs/msg/JointState'


def record(path: Path, topic: str = '/joint_states', clock_ns: int = 0) -> BagReader:
    """0.5 s of joint states moving at 1 rad/s, log time 1 ms behind capture (and `clock_ns`
    apart).
    """
    bag = BagWriter(path)
    bag.add_topic(topic, STATE)
    bag.add_topic('/other', 'std_msgs/msg/String')
    for i in range(50):
        at, q = 1000 * NS + i * 10_000_000, np.full(6, i * 0.01)
        message = convert.joint_state_message(M, JointSample('', at, at, SPEC.joint_names, q, q, q))
        bag.write_message(topic, message, at + 1_000_000 + clock_ns, at + clock_ns)
    bag.write_message('/other', M.make('std_msgs/msg/String', data='x'), 1000 * NS + clock_ns, 1)
    bag.close()
    return BagReader(path)


def test_a_moved_message_is_as_late_as_it_was_and_otherwise_unchanged(tmp_path) -> None:
    recording = open_recording(record(tmp_path / 'a'), SPEC, {})
    shift = Shift(recording.bag.start_ns, 2000 * NS)
    for raw in recording.messages():
        before, after = M.deserialize(STATE, raw.raw), M.deserialize(STATE, shift.restamp(raw.raw))
        assert shift.publish_ns(raw.log_ns) - convert.stamp_ns(
            after
        ) == raw.log_ns - convert.stamp_ns(before)
        assert np.array_equal(before.position, after.position) and before.name == after.name


def test_at_double_rate_stamps_come_twice_as_fast() -> None:
    shift = Shift(1000 * NS, 2000 * NS, rate=2.0)
    assert shift.publish_ns(1001 * NS) == 2000 * NS + NS // 2


def test_another_clock_in_the_stamps_is_not_taken_for_lateness(tmp_path) -> None:
    recording = open_recording(record(tmp_path / 'a', clock_ns=5000 * NS), SPEC, {})
    shift = Shift(recording.bag.start_ns, 9000 * NS, clock_ns=recording.clock_ns)
    first = next(recording.messages())
    moved = convert.stamp_ns(M.deserialize(STATE, shift.restamp(first.raw)))
    assert abs(moved - shift.publish_ns(first.log_ns)) < 10_000_000


def test_a_slow_player_slips_and_what_the_robot_did_slips_with_it() -> None:
    shift = Shift(1000 * NS, 2000 * NS)
    shifts = [(1000 * NS, shift), (1003 * NS, shift.slipped(NS // 2))]
    stamps = np.array([1000, 1002, 1003, 1004]) * NS
    moved = moved_stamps(shifts, stamps) - 2000 * NS
    assert moved.tolist() == [0, 2 * NS, 3.5 * NS, 4.5 * NS]


def test_every_recorded_message_has_a_fate(tmp_path) -> None:
    recording = open_recording(record(tmp_path / 'a'), SPEC, {})
    health = StreamHealth('joint_states', StreamState.LIVE, 1.0, 0.0, 45, 20, {'decimated': 22})
    streams = Account(recording.counts, recording.silent, {'joint_states': health}).streams()
    for stream in streams.values():
        assert stream['recorded'] == stream['used'] + sum(stream['dropped'].values())
    assert streams['joint_states']['dropped'] == {
        'decimated': 22,
        'left at the end': 3,
        'lost in transport': 5,
    }
    assert streams['/other']['dropped'] == {'no stream of this robot': 1}
    assert sum(stream['recorded'] for stream in streams.values()) == recording.bag.count


def test_a_bag_without_the_robots_joints_is_refused_and_a_remap_helps(tmp_path) -> None:
    bag = record(tmp_path / 'a', '/arm/state')
    with pytest.raises(BagError, match='--remap TOPIC:=/joint_states'):
        open_recording(bag, SPEC, {})
    assert open_recording(bag, SPEC, {'/arm/state': '/joint_states'}).counts['joint_states'] == 50
    with pytest.raises(BagError, match="has no topic '/nowhere'"):
        open_recording(bag, SPEC, {'/nowhere': '/joint_states'})


def chunk(stamp_ns: int, value) -> ActionChunk:
    times = np.linspace(0.02, 0.8, 40)
    values = np.array([np.broadcast_to(value(t), 6) for t in times])
    return ActionChunk(
        stamp_ns,
        stamp_ns,
        1,
        tuple(reversed(SPEC.joint_names)),
        'position',
        times,
        values,
        np.zeros_like(values),
    )


def test_the_next_action_is_judged_against_what_the_robot_did(tmp_path) -> None:
    reference = open_recording(record(tmp_path / 'a'), SPEC, {}).reference  # 1 rad/s
    now = 1000 * NS + NS // 10
    exact, hold = next_action_errors([chunk(now, lambda t: 0.1 + t)], reference, SPEC.joint_names)
    assert exact == pytest.approx(0, abs=1e-20)
    assert hold == pytest.approx(np.mean(np.arange(0.02, 0.201, 0.02) ** 2))
    off, _ = next_action_errors([chunk(now, lambda t: 0.2 + t)], reference, SPEC.joint_names)
    assert off == pytest.approx(0.01)


def test_without_decisions_only_holding_is_judged(tmp_path) -> None:
    reference = open_recording(record(tmp_path / 'a'), SPEC, {}).reference
    policy, hold = next_action_errors([], reference, SPEC.joint_names)
    assert policy is None and hold == pytest.approx(np.mean(np.linspace(0.02, 0.2, 10) ** 2))
