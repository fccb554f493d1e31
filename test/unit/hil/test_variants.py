"""Descriptions that are nearly a robot's, for a controller to be started with."""

import numpy as np
import pytest

from gen_nodes.hil.variants import moved_limits, renamed, with_wrench_limit
from gen_nodes.robot import load_robot


@pytest.fixture(params=['ur5e', 'franka_fr3', 'openarm_bimanual'])
def spec(request):
    return load_robot(request.param)


def test_the_first_joint_has_another_name_and_nothing_else_differs(spec, tmp_path):
    other = load_robot(str(renamed(spec, tmp_path)))
    assert other.joint_names == (f'{spec.joint_names[0]}_other', *spec.joint_names[1:])
    assert np.array_equal(other.upper, spec.upper) and other.name == spec.name


def test_the_ready_pose_lies_outside_the_moved_limits_of_the_first_joint(spec, tmp_path):
    other = load_robot(str(moved_limits(spec, tmp_path)))
    assert not other.lower[0] <= spec.ready[0] <= other.upper[0]
    assert np.array_equal(other.upper[1:], spec.upper[1:])


def test_a_wrench_limit_is_added(spec, tmp_path):
    other = load_robot(str(with_wrench_limit(spec, tmp_path)))
    assert other.wrench_limit is not None and spec.streams[other.wrench_limit.stream]
