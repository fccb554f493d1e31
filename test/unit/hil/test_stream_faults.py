"""Sensors break on request, and only those that were asked to."""

import dataclasses

import numpy as np
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.hil.stream_faults import KINDS, Fault
from gen_nodes.types import CameraSample, JointSample, seconds_to_ns


@pytest.fixture
def samples(ur5e):
    ur5e.reset(0, 'reach', 0)
    return ur5e.step(seconds_to_ns(0.2))


def broken(text, ur5e, samples):
    fault = Fault(text, ur5e._spec)
    return [out for sample in samples for out in fault.apply(sample)]


def test_none_changes_nothing(ur5e, samples):
    assert broken('none', ur5e, samples) == samples


def test_black_blackens_one_camera(ur5e, samples):
    images = [s for s in broken('black front', ur5e, samples) if isinstance(s, CameraSample)]
    assert all(s.rgb_HxWx3.any() != (s.stream == 'front') for s in images)


def test_frozen_repeats_the_first_image_under_new_stamps(ur5e, samples):
    images = [s for s in broken('frozen front', ur5e, samples) if s.stream == 'front']
    assert len({s.capture_ns for s in images}) == len(images) > 3
    assert all(np.array_equal(s.rgb_HxWx3, images[0].rgb_HxWx3) for s in images)


def told(samples):
    """Everything that samples say, to be compared."""
    return [
        [x.tobytes() if isinstance(x, np.ndarray) else x for x in vars(sample).values()]
        for sample in samples
    ]


def changed(text, ur5e, samples, stream):
    """(sample, what the fault makes of it) of a stream whose samples stay in order."""
    before = [s for s in samples if s.stream == stream]
    return list(zip(before, broken(text, ur5e, before), strict=True))


def test_dark_leaves_little_light(ur5e, samples):
    for before, after in changed('dark front 0.1', ur5e, samples, 'front'):
        assert 0 < after.rgb_HxWx3.mean() < 0.11 * before.rgb_HxWx3.mean()


def test_pictures_out_of_order_are_all_there(ur5e, samples):
    before = [s.capture_ns for s in samples if s.stream == 'front']
    after = [
        s.capture_ns for s in broken('out_of_order front', ur5e, samples) if s.stream == 'front'
    ]
    assert after[:4] == [before[1], before[0], before[3], before[2]]


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [
        ('late front', -1.0),
        ('late front 0.3', -0.3),
        ('old joint_states', -10.0),
        ('future joint_states', 10.0),
        ('future wrench 2', 2.0),
    ],
)
def test_stamps_are_moved_and_nothing_else(ur5e, samples, text, seconds):
    for before, after in changed(text, ur5e, samples, text.split()[1]):
        assert after.capture_ns - before.capture_ns == seconds_to_ns(seconds)
        assert dataclasses.replace(after, capture_ns=before.capture_ns) == before


def test_a_stall_ends_after_its_time(ur5e, samples):
    first = next(s.capture_ns for s in samples if s.stream == 'joint_states')
    left = [
        s.capture_ns
        for s in broken('stall joint_states 0.1', ur5e, samples)
        if s.stream == 'joint_states'
    ]
    assert min(left) - first == pytest.approx(seconds_to_ns(0.1), abs=seconds_to_ns(0.01))


def test_joint_states_freeze_under_stamps_that_go_on(ur5e, samples):
    pairs = changed('frozen joint_states', ur5e, samples, 'joint_states')
    assert all(after.capture_ns == before.capture_ns for before, after in pairs)
    assert all(np.array_equal(after.position, pairs[0][0].position) for _, after in pairs)


def test_a_joint_goes_missing_with_its_values(ur5e, samples):
    for before, after in changed('missing joint_states 2', ur5e, samples, 'joint_states'):
        assert after.names == before.names[:2] + before.names[3:]
        assert after.position.tolist() == np.delete(before.position, 2).tolist()


def test_one_position_jumps(ur5e, samples):
    for before, after in changed('jump joint_states 0.3', ur5e, samples, 'joint_states'):
        assert after.position - before.position == pytest.approx([0.3, 0, 0, 0, 0, 0])


def test_permuted_names_take_their_values_along(ur5e, samples):
    for before, after in changed('permuted joint_states', ur5e, samples, 'joint_states'):
        assert after.names != before.names
        assert dict(zip(after.names, after.position, strict=True)) == dict(
            zip(before.names, before.position, strict=True)
        )


def test_swapped_values_stand_under_other_names(ur5e, samples):
    for before, after in changed('swapped joint_states', ur5e, samples, 'joint_states'):
        assert after.names == before.names
        assert not np.isclose(after.position, before.position).any()
        assert sorted(after.position) == sorted(before.position)


def test_wrong_names_are_none_of_the_robots(ur5e, samples):
    for before, after in changed('wrong_names joint_states', ur5e, samples, 'joint_states'):
        assert not set(after.names) & set(before.names)


def test_a_wrench_saturates_or_is_not_a_number(ur5e, samples):
    for _, after in changed('saturated wrench', ur5e, samples, 'wrench'):
        assert np.linalg.norm(after.force) == 5000.0
    for _, after in changed('nan wrench', ur5e, samples, 'wrench'):
        assert np.isnan(after.force).all()


@pytest.mark.parametrize('text', ['protective_stop', 'emergency_stop'])
def test_a_stop_of_the_robot_spoils_no_sensor(ur5e, samples, text):
    assert broken(text, ur5e, samples) == samples
    assert Fault(text, ur5e._spec).robot_stop == text.replace('_', ' ')


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_does_something_to_a_stream_that_can_have_it(ur5e, samples, kind):
    spec = ur5e._spec
    stream = next(name for name, s in spec.streams.items() if s.type in KINDS[kind].streams)
    assert told(broken(f'{kind} {stream}', ur5e, samples)) != told(samples)


def test_nan_spoils_joint_positions(ur5e, samples):
    joints = [s for s in broken('nan joint_states', ur5e, samples) if isinstance(s, JointSample)]
    assert joints and all(np.isnan(s.position).all() for s in joints)


def test_silent_says_nothing(ur5e, samples):
    assert {s.stream for s in broken('silent wrench', ur5e, samples)} == {
        s.stream for s in samples
    } - {'wrench'}


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('blakc front', "Did you mean 'black'"),
        ('black frnt', "Did you mean 'front'"),
        ('nan front', "for streams of type joint_states or wrench; 'front' is a camera"),
        ('', 'unknown fault'),
        ('black', "write 'black STREAM' or 'black STREAM NUMBER'"),
        ('late front 1 2', "write 'late STREAM'"),
        ('late front soon', 'how old stamps are .* .soon. is none'),
        ('late front nan', "'nan' is none"),
        ('black front 1', 'takes no number'),
        ('missing joint_states 6', 'valid: 0 to 5'),
        ('missing joint_states 0.5', 'no index of a joint'),
        ('protective_stop front', 'it takes no stream'),
        ('protective_stopp', "Did you mean 'protective_stop'"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_a_reason(ur5e, text, reason):
    with pytest.raises(ConfigError, match=reason):
        Fault(text, ur5e._spec)
