"""The aggregator's promises: every message counted, order and names checked, captures paired,
faults named.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.robot import load_robot
from gen_nodes.streams.aggregator import Aggregator
from gen_nodes.streams.images import ColourSample, DepthSample, IntrinsicsSample, PoseSample
from gen_nodes.streams.pose import from_xyz_rpy
from gen_nodes.types import CameraSample, CommandSample, JointSample, StreamState, WrenchSample

SPEC = load_robot('ur5e')
MS = 1_000_000
START = 1_700_000_000_000 * MS
TICK = 20 * MS
NOISE = np.random.default_rng(0)


def joints(
    at: int,
    q: np.ndarray | None = None,
    names: tuple[str, ...] = SPEC.joint_names,
    arrival: int | None = None,
) -> JointSample:
    position = NOISE.normal(size=len(names)) if q is None else q
    nothing = np.full(len(names), np.nan)
    return JointSample(
        'joint_states', at, at if arrival is None else arrival, names, position, nothing, nothing
    )


def picture(at: int, stream: str = 'front', size: int = 96) -> CameraSample:
    rgb = NOISE.integers(1, 255, (size, size, 3), dtype=np.uint8)
    k = np.array([[size, 0, size / 2 - 0.5], [0, size, size / 2 - 0.5], [0, 0, 1.0]])
    return CameraSample(
        stream, at, at, 'optical', rgb, rgb[..., 0].astype(np.uint16) + 500, k, np.eye(4)
    )


def pieces(c: CameraSample) -> list:
    return [
        PoseSample(c.stream, c.capture_ns, c.arrival_ns, c.base_from_camera_4x4),
        IntrinsicsSample(c.stream, c.capture_ns, c.arrival_ns, *c.rgb_HxWx3.shape[1::-1], c.k_3x3),
        DepthSample(c.stream, c.capture_ns, c.arrival_ns, c.depth_mm_HxW),
        ColourSample(c.stream, c.capture_ns, c.arrival_ns, c.frame, c.rgb_HxWx3),
    ]


def offer(core: Aggregator, *samples) -> list:
    return [core.offer(sample) for sample in samples]


def seen(core: Aggregator, at: int, stream: str) -> list:
    return [s for s in core.close(at, '').samples if s.stream == stream]


def test_every_message_is_used_dropped_for_a_reason_or_pending() -> None:
    core = Aggregator(SPEC)
    for i in range(500):
        at = START + i * 2 * MS
        offer(core, joints(at, arrival=at + int(NOISE.integers(0, 700)) * MS // 2))
        if i % 16 == 0:
            offer(core, *pieces(picture(at)))
        if i % 10 == 9:
            core.close(at, '')
    for h in core.counts(START + 1000 * MS).values():
        pending = sum(core.lane_of(h.stream).messages(s) for s in core.lane_of(h.stream).pending)
        assert h.received == h.used + sum(h.dropped.values()) + pending, h
    assert core.counts(START + 1000 * MS)['front'].received == 4 * 32


def test_joint_states_come_at_the_policy_rate_and_the_newest_wins() -> None:
    core = Aggregator(SPEC)
    captures = []
    for i in range(1, 501):
        at = START + i * 2 * MS
        offer(core, joints(at))
        if i % 10 == 0:
            captures += [s.capture_ns for s in seen(core, at, 'joint_states')]
    assert 50 <= len(captures) <= 51
    assert set(np.diff(captures[2:])) == {TICK}
    assert (START + 1000 * MS) - captures[-1] == 2 * MS  # settled, but fresh


def test_which_joint_states_enter_does_not_depend_on_when_they_arrive() -> None:
    def run(delay: int) -> list[int]:
        core, out = Aggregator(SPEC), []
        sent = sorted([(START + i * 2 * MS + delay, START + i * 2 * MS) for i in range(1, 501)])
        for tick in range(START + TICK, START + 1000 * MS, TICK):
            while sent and sent[0][0] <= tick:
                arrival, at = sent.pop(0)
                offer(core, joints(at, np.full(6, float(at % 1000_000_000)), arrival=arrival))
            out += [s.capture_ns for s in seen(core, tick, 'joint_states')]
        return out

    assert run(0) == run(MS // 2) == run(2 * MS - 1)


@pytest.mark.parametrize(
    ('sample', 'reason'),
    [
        (joints(START + 60 * MS, arrival=START), 'future'),
        (joints(START - 501 * MS, arrival=START), 'late'),
        (joints(START, np.full(6, np.nan)), 'not finite'),
        (joints(START, names=SPEC.joint_names[:5]), 'missing joint'),
        (joints(START, names=('a', 'b')), 'unknown joint'),
        (replace(joints(START), velocity=np.array([0, 0, np.inf, 0, 0, 0.0])), 'not finite'),
    ],
)
def test_an_unusable_joint_state_is_dropped_for_a_named_reason(sample, reason) -> None:
    core = Aggregator(SPEC)
    assert core.offer(sample) == reason
    assert core.close(START, '').samples == ()


def test_stamps_that_repeat_or_go_backwards_are_named() -> None:
    core = Aggregator(SPEC)
    assert offer(core, joints(START), joints(START), joints(START - MS)) == [
        None,
        'repeated',
        'backwards',
    ]


def test_joints_come_in_the_robots_order_whatever_the_driver_sends() -> None:
    core = Aggregator(SPEC)
    shuffled = (*reversed(SPEC.joint_names), 'gripper')
    core.offer(joints(START, np.arange(7.0), shuffled))
    (sample,) = seen(core, START + TICK, 'joint_states')
    assert sample.names == SPEC.joint_names and list(sample.position) == [5, 4, 3, 2, 1, 0]


def test_repeated_rows_are_named_but_a_robot_at_rest_is_not_silent() -> None:
    core = Aggregator(SPEC)
    for i in range(500):
        at = START + i * 2 * MS
        core.offer(joints(at, np.ones(6)))
        if i % 10 == 9:
            core.close(at, '')
    health = core.counts(at)['joint_states']
    assert health.dropped['repeated'] > 400 and health.used >= 49
    assert health.state == StreamState.LIVE


def test_a_capture_in_pieces_equals_the_capture_in_one() -> None:
    whole, parts = Aggregator(SPEC), Aggregator(SPEC)
    for i in range(3):
        c = picture(START + i * 33 * MS)
        offer(whole, c)
        offer(parts, *NOISE.permutation(np.array(pieces(c), dtype=object)))
    one, other = (seen(core, START + 70 * MS, 'front') for core in (whole, parts))
    assert len(one) == len(other) == 3
    for a, b in zip(one, other, strict=True):
        for name in ('rgb_HxWx3', 'depth_mm_HxW', 'k_3x3', 'base_from_camera_4x4'):
            assert np.array_equal(getattr(a, name), getattr(b, name))


def test_depth_is_paired_by_capture_stamp_and_leftovers_are_named() -> None:
    core = Aggregator(SPEC)
    a, b = picture(START), picture(START + 33 * MS)
    offer(core, *pieces(a)[:2], pieces(a)[3], pieces(b)[2], pieces(b)[3])
    assert [s.capture_ns for s in seen(core, START + 40 * MS, 'front')] == []
    (sample,) = seen(core, START + 140 * MS, 'front')
    assert sample.capture_ns == b.capture_ns and np.array_equal(sample.depth_mm_HxW, b.depth_mm_HxW)
    assert core.counts(START + 140 * MS)['front'].dropped == {'no depth': 1}
    core.offer(replace(pieces(b)[2], capture_ns=START + 160 * MS, arrival_ns=START + 160 * MS))
    core.close(START + 500 * MS, '')
    assert core.counts(START + 500 * MS)['front'].dropped['unpaired'] == 1


def test_images_are_resized_and_intrinsics_follow() -> None:
    core = Aggregator(SPEC)
    core.offer(picture(START, size=192))
    (sample,) = seen(core, START + TICK, 'front')
    assert sample.rgb_HxWx3.shape == (96, 96, 3) and sample.depth_mm_HxW.shape == (96, 96)
    assert sample.k_3x3[0, 0] == 96 and sample.k_3x3[0, 2] == 47.5


def test_a_mounted_cameras_pose_follows_the_joints_at_the_capture() -> None:
    core = Aggregator(SPEC)
    mount = SPEC.streams['wrist'].mount
    q0, q1 = np.array(SPEC.ready), np.array(SPEC.ready) + 0.1
    offer(core, joints(START, q0), picture(START + 5 * MS, 'wrist'))
    assert (
        seen(core, START + 6 * MS, 'wrist') == []
    )  # the joints behind the capture are not known yet
    core.offer(joints(START + 10 * MS, q1))
    (sample,) = seen(core, START + TICK, 'wrist')
    expected = SPEC.kinematics().frame(mount.parent, (q0 + q1) / 2) @ from_xyz_rpy(
        mount.xyz, mount.rpy
    )
    assert np.allclose(sample.base_from_camera_4x4, expected, atol=1e-9)


@pytest.mark.parametrize('fault', ['black', 'frozen'])
def test_a_black_or_frozen_camera_is_faulty_and_recovers(fault) -> None:
    core = Aggregator(SPEC)
    still = picture(START)
    for i in range(30):
        at = START + i * 33 * MS
        rgb = np.full((96, 96, 3), 1, np.uint8) if fault == 'black' else still.rgb_HxWx3
        core.offer(replace(still, capture_ns=at, arrival_ns=at, rgb_HxWx3=rgb))
        core.close(at, '')
    health = core.counts(at)['front']
    assert health.state == StreamState.FAULTY and health.dropped[fault] >= 10
    core.offer(picture(at + 33 * MS))
    core.close(at + 34 * MS, '')
    assert core.counts(at + 34 * MS)['front'].state == StreamState.LIVE


def test_a_dead_stream_is_stale_and_never_filled_in() -> None:
    core = Aggregator(SPEC)
    core.offer(joints(START))
    assert core.counts(START)['joint_states'].state == StreamState.LIVE
    assert core.counts(START)['front'].state == StreamState.WAITING
    core.close(START + TICK, '')
    observation = core.close(START + 300 * MS, 'go')
    assert observation.samples == () and observation.sequence == 2
    assert {h.stream: h.state for h in observation.health}['joint_states'] == StreamState.STALE


def test_a_mark_on_a_dropped_command_stays_known() -> None:
    core = Aggregator(SPEC)
    for i in range(4):
        at = START + i * 4 * MS
        marks = ('disturbance',) if i == 1 else ()
        core.offer(
            CommandSample(
                'executed',
                at,
                at,
                i,
                'position',
                SPEC.joint_names,
                np.zeros(6),
                np.zeros(6),
                marks=marks,
            )
        )
    (command,) = seen(core, START + 30 * MS, 'executed')
    assert command.sequence == 3 and command.marks == ('disturbance',)


def test_a_clock_set_back_starts_order_anew() -> None:
    core = Aggregator(SPEC)
    back = START - 10_000 * MS
    offer(core, joints(START), joints(back, arrival=back))
    assert [s.capture_ns for s in seen(core, back + TICK, 'joint_states')] == [back]


@pytest.mark.parametrize('step_s', [-10, 10])
def test_what_a_camera_says_once_outlives_a_step_of_the_clock(step_s) -> None:
    core = Aggregator(SPEC)
    offer(core, *pieces(picture(START)))
    core.clock_stepped()
    later = START + step_s * 1000 * MS
    for capture in (later, later + 33 * MS):  # the first may be given up for the step
        offer(core, *pieces(picture(capture))[2:])
    assert [s.capture_ns for s in seen(core, later + 400 * MS, 'front')][-1] == later + 33 * MS


def test_other_streams_values_must_be_finite() -> None:
    core = Aggregator(SPEC)
    assert (
        core.offer(
            WrenchSample('wrench', START, START, 'tool0', np.array([0, np.nan, 0]), np.zeros(3))
        )
        == 'not finite'
    )


def test_an_unknown_stream_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown stream 'font'.*front"):
        Aggregator(SPEC).offer(picture(START, 'font'))
