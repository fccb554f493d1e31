"""The small motions: inside the limits, small, smooth; what the limits say about stopping."""

import numpy as np
import pytest

from gen_nodes.embodiment.limits import limits_of
from gen_nodes.hil.acceptance.motion import (
    AMOUNT,
    BOTH_WAYS,
    ONE_WAY,
    NoRoom,
    greatest,
    motion,
    shape,
    stop_within,
)
from gen_nodes.robot import known_robots, load_robot

FINE = 4000


def differences(curve, seconds):
    time = np.linspace(0, seconds, FINE + 1)
    q, h = curve(time), seconds / FINE
    return [np.diff(q, k, axis=0) / h**k for k in (1, 2, 3)]


@pytest.mark.parametrize('terms', [BOTH_WAYS, ONE_WAY])
def test_a_turn_begins_and_ends_at_rest(terms):
    for order in (0, 1, 2):
        assert shape(terms, np.array([0.0, 1.0, 2.0]), order) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize('terms', [BOTH_WAYS, ONE_WAY])
@pytest.mark.parametrize('order', [1, 2, 3])
def test_derivatives_of_a_shape_are_its_own(terms, order):
    t = np.linspace(0, 1, 2001)
    numeric = np.gradient(shape(terms, t, order - 1), t)
    assert shape(terms, t, order)[1:-1] == pytest.approx(numeric[1:-1], abs=1e-2)


@pytest.mark.parametrize('robot', known_robots())
@pytest.mark.parametrize('speed', [0.1, 0.3, 1.0])
def test_every_robot_moves_a_little_and_inside_its_limits_around_its_ready_pose(robot, speed):
    spec = load_robot(robot)
    curve = motion(spec, spec.ready, speed)
    reach = np.abs(curve.at(np.linspace(0, curve.seconds, FINE)) - spec.ready).max(axis=0)
    most = np.array([AMOUNT[joint.type] for joint in spec.joints])
    assert (reach <= most * (1 + 1e-9)).all()
    assert (reach <= 0.05 * (spec.upper - spec.lower) * (1 + 1e-9)).all()
    for value, cap in zip(
        differences(curve.at, curve.seconds),
        (speed * spec.velocity, spec.acceleration, spec.jerk),
        strict=True,
    ):
        assert (np.abs(value) <= cap).all()


def test_a_slow_joint_takes_the_time_and_a_quick_one_turns_more_often():
    spec = load_robot('openarm_bimanual')
    curve = motion(spec, spec.ready, 0.2)
    assert curve.turns.min() >= 1 and (curve.turns == curve.turns.round()).all()
    assert curve.at(curve.seconds) == pytest.approx(spec.ready)


def test_joints_that_are_not_to_move_stay_where_they_are():
    spec = load_robot('ur5e')
    alone = motion(spec, spec.ready, 0.2, np.arange(spec.n) == 2)
    q = alone.at(np.linspace(0, alone.seconds, 100))
    assert (q[:, [0, 1, 3, 4, 5]] == spec.ready[[0, 1, 3, 4, 5]]).all()
    assert np.ptp(q[:, 2]) > 0.1


def test_near_a_limit_a_joint_moves_to_the_free_side_only():
    spec = load_robot('ur5e')
    limits, start = limits_of(spec), spec.ready.copy()
    start[2] = limits.upper[2] - 0.002
    curve = motion(spec, start, 1.0)
    q = curve.at(np.linspace(0, curve.seconds, 1000))[:, 2]
    assert q.max() <= start[2] + 1e-12 and q.min() < start[2] - 0.09


def test_a_joint_that_stands_outside_its_limits_is_named_and_not_moved():
    spec = load_robot('ur5e')
    start = spec.ready.copy()
    start[2] = spec.upper[2] + 0.01
    with pytest.raises(NoRoom, match=r"'elbow_joint' stands at .* outside its limits"):
        motion(spec, start, 1.0)
    assert motion(spec, start, 1.0, np.arange(spec.n) == 0).turns[2] == 0, 'another one may move'


def test_repeating_a_motion_changes_neither_its_pace_nor_its_reach():
    spec = load_robot('ur5e')
    once = motion(spec, spec.ready, 0.2)
    thrice = once.repeated(3)
    assert thrice.seconds == pytest.approx(3 * once.seconds)
    time = np.linspace(0.1, once.seconds - 0.1, 50)
    assert thrice.at(time + once.seconds) == pytest.approx(once.at(time), abs=1e-12)


def test_the_fastest_instant_is_the_fastest():
    spec = load_robot('ur5e')
    curve = motion(spec, spec.ready, 0.2)
    speed = np.abs(curve.at(np.linspace(0, curve.seconds, 999), 1)).sum(axis=1)
    at = np.abs(curve.at(np.array([curve.fastest_s(spec.velocity)]), 1)).sum()
    assert at == pytest.approx(speed.max(), rel=1e-3)
    assert greatest(BOTH_WAYS, 0) == pytest.approx(0.65, abs=0.01)


@pytest.mark.parametrize('robot', ['ur5e', 'franka_fr3'])
@pytest.mark.parametrize('share', [0.05, 0.3, 0.9])
def test_the_predicted_stop_is_the_one_that_the_limits_allow(robot, share):
    """Integrated step by step with full jerk and no more than the acceleration limit."""
    spec = load_robot(robot)
    v0, a_max, j = share * spec.velocity, spec.acceleration, spec.jerk
    time, distance = stop_within(v0, np.zeros(spec.n), a_max, j)
    a = np.minimum(a_max, np.sqrt(v0 * j))
    for n in range(spec.n):
        t = np.linspace(0, time[n], 20001)
        ramp = a[n] / j[n]
        slow = np.minimum(np.minimum(t, time[n] - t) / ramp, 1.0) * a[n]
        v = v0[n] - np.concatenate([[0], np.cumsum((slow[1:] + slow[:-1]) / 2 * np.diff(t))])
        assert v[-1] == pytest.approx(0, abs=1e-3)
        assert distance[n] == pytest.approx(np.trapezoid(v, t), rel=2e-3)


def test_an_acceleration_that_drives_on_makes_the_stop_longer_and_one_that_brakes_does_not():
    spec = load_robot('ur5e')
    v = 0.2 * spec.velocity
    plain, _ = stop_within(v, np.zeros(6), spec.acceleration, spec.jerk)
    driven, far = stop_within(v, 0.5 * spec.acceleration, spec.acceleration, spec.jerk)
    braking, _ = stop_within(v, -0.5 * spec.acceleration, spec.acceleration, spec.jerk)
    assert (driven > plain).all() and (braking == plain).all() and (far > 0).all()
    mirrored, _ = stop_within(-v, -0.5 * spec.acceleration, spec.acceleration, spec.jerk)
    assert mirrored == pytest.approx(driven)


def test_a_joint_that_stands_needs_no_time():
    time, distance = stop_within(np.zeros(2), np.zeros(2), np.ones(2), np.ones(2))
    assert (time == 0).all() and (distance == 0).all()
