"""Sensors break on request, and only those that were asked to."""

import numpy as np
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.hil.faults import Fault
from gen_nodes.types import CameraSample, JointSample, seconds_to_ns


@pytest.fixture
def samples(ur5e):
    ur5e.reset(0, 'reach', 0)
    return ur5e.step(seconds_to_ns(0.2))


def broken(text, ur5e, samples):
    fault = Fault(text, ur5e._spec)
    return [out for out in (fault.apply(sample) for sample in samples) if out is not None]


def test_none_changes_nothing(ur5e, samples):
    assert broken('none', ur5e, samples) == samples


def test_black_blackens_one_camera(ur5e, samples):
    images = [s for s in broken('black front', ur5e, samples) if isinstance(s, CameraSample)]
    assert all(s.rgb_HxWx3.any() != (s.stream == 'front') for s in images)


def test_frozen_repeats_the_first_image_under_new_stamps(ur5e, samples):
    images = [s for s in broken('frozen front', ur5e, samples) if s.stream == 'front']
    assert len({s.capture_ns for s in images}) == len(images) > 3
    assert all(np.array_equal(s.rgb_HxWx3, images[0].rgb_HxWx3) for s in images)


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
        ('nan front', "for streams of type joint_states; 'front' is a camera"),
        ('', 'unknown fault'),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_a_reason(ur5e, text, reason):
    with pytest.raises(ConfigError, match=reason):
        Fault(text, ur5e._spec)
