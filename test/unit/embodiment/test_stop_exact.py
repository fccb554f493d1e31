"""Stops against figures worked out by hand, and what a stop says joint by joint."""

import numpy as np
import pytest

from gen_nodes.embodiment.limits import Limits
from gen_nodes.embodiment.stop import (
    EnvelopeError,
    State,
    Stop,
    StopBound,
    StopSamples,
    solved,
    stoppable,
)

# Two joints; the second one is half as fast and brakes half as hard.
ONE, VELOCITY = np.ones(2), np.array([2.0, 1.0])
ACCELERATION, JERK = np.array([4.0, 2.0]), np.array([40.0, 20.0])
LIMITS = Limits(
    ('a', 'b'), -9 * ONE, 9 * ONE, -9 * ONE, 9 * ONE, VELOCITY, ACCELERATION, JERK, None
)
PLACE = np.array([1.0, -1.0])
NEAR = {'rel': 2e-2}  # plans keep 0.1 % below the acceleration and 1 % below the jerk


def stopping(v: tuple, a: tuple = (0.0, 0.0)) -> Stop:
    stop = Stop(LIMITS)
    stop.solve(State(PLACE, np.array(v), np.array(a)))
    return stop


def by_hand(v: np.ndarray) -> np.ndarray:
    """Length of a stop at full jerk and acceleration from speeds that reach it: v^2/2a + v a/2j."""
    return v**2 / (2 * ACCELERATION) + v * ACCELERATION / (2 * JERK)


def test_a_state_takes_each_joint_from_one_of_two():
    one, other = (State(x * ONE, (x + 1) * ONE, (x + 2) * ONE) for x in (1.0, 5.0))
    mixed = one.where(np.array([True, False]), other)
    assert mixed.p.tolist() == [1.0, 5.0]
    assert mixed.v.tolist() == [2.0, 6.0]
    assert mixed.a.tolist() == [3.0, 7.0]


def test_joints_stop_one_by_one_each_as_fast_as_its_own_limits_allow():
    stop = stopping((2.0, -0.5))
    lowest, highest = stop.extrema()
    length = by_hand(np.array([2.0, 0.5]))
    assert highest[0] - 1.0 == pytest.approx(length[0], **NEAR)
    assert -1.0 - lowest[1] == pytest.approx(length[1], **NEAR)
    assert (lowest[0], highest[1]) == (1.0, -1.0)
    assert stop.duration == pytest.approx(2.0 / 4.0 + 4.0 / 40.0, **NEAR)
    between = stop.after(0.45)
    assert between.v[0] > 0.1
    assert stop.after(0.3).a[0] == pytest.approx(-0.999 * 4.0)
    assert stop.after(0.15).a == pytest.approx([-0.999 * 4.0, 0.999 * 2.0])
    assert (between.v[1], between.a[1]) == (0.0, 0.0)
    assert between.p[1] == pytest.approx(lowest[1])


def test_a_stop_keeps_below_the_limits_of_jerk_and_acceleration():
    stop, h = stopping((2.0, 1.0)), 1e-4
    p, v = stop.samples(np.arange(0.0, stop.duration, h))
    acceleration = np.diff(v, axis=0) / h
    assert np.abs(acceleration).max(axis=0) == pytest.approx(0.999 * ACCELERATION, rel=1e-6)
    jerk = np.abs(np.diff(acceleration, axis=0)) / h
    assert jerk.max(axis=0) == pytest.approx(0.99 * JERK, rel=1e-3)
    assert np.diff(p, axis=0) / h == pytest.approx((v[1:] + v[:-1]) / 2, abs=1e-6)
    assert p[0] == pytest.approx(PLACE)


def test_speed_grows_on_the_way_while_acceleration_points_along_it():
    stop = stopping((0.5, -0.5), (4.0, 2.0))
    grown = 0.5 + 4.0**2 / (2 * 0.99 * 40.0)
    assert stop.fastest() == pytest.approx([grown, 0.5])
    stop = stopping((-0.5, 0.01), (-4.0, -2.0))
    assert stop.fastest() == pytest.approx([grown, 2.0**2 / (2 * 0.99 * 20.0) - 0.01])


def test_the_stop_that_is_told_is_the_one_that_was_solved_last():
    stop = stopping((2.0, 0.0))
    stop.solve(State(PLACE + 1, np.zeros(2), np.zeros(2)))
    assert stop.duration == 0.0
    assert stop.extrema()[1].tolist() == [2.0, 0.0]


def test_a_state_without_a_stop_is_shown():
    state = State(PLACE, np.array([np.nan, 0.0]), np.zeros(2))
    with pytest.raises(EnvelopeError) as error:
        Stop(LIMITS).solve(state)
    assert str(error.value) == f'no stop found from {state}'


def test_a_path_has_equal_times_from_the_command_to_rest():
    stop = stopping((2.0, -0.5), (0.4, 0.0))
    path = stop.path(0.01, 5)
    assert path.times_s == pytest.approx(np.linspace(0, stop.duration, 5))
    assert path.accelerations[0].tolist() == [0.4, 0.0]
    for row in (1, 2, 3):
        state = stop.after(path.times_s[row])
        assert path.positions[row] == pytest.approx(state.p)
        assert path.velocities[row] == pytest.approx(state.v)
        assert path.accelerations[row] == pytest.approx(state.a)
    assert path.positions[4] == pytest.approx(stop.after(stop.duration).p)


def test_samples_are_solved_when_asked_for_and_only_once():
    stop, state = Stop(LIMITS), State(PLACE, np.array([2.0, 0.0]), np.zeros(2))
    samples = StopSamples(stop, state, ACCELERATION)
    stop.solve(State(PLACE, np.zeros(2), np.zeros(2)))  # of somebody else, before
    ends = samples(np.array([0.0, 1.0]))
    assert ends[0] == pytest.approx(PLACE)
    assert ends[1] == pytest.approx(PLACE + by_hand(np.array([2.0, 0.0])), rel=1e-2)
    stop.solve(State(PLACE, np.zeros(2), np.zeros(2)))  # and after: not solved again
    assert (samples(np.array([0.0, 1.0])) == PLACE).all()


def test_lengths_between_samples_bound_the_motion_by_speed_and_acceleration():
    stop, state = Stop(LIMITS), State(PLACE, np.array([2.0, 0.0]), np.zeros(2))
    lengths = StopSamples(stop, state, ACCELERATION).lengths([0.0, 0.5, 1.0])
    half = stop.duration / 2
    _, middle = stop.samples([half])
    assert lengths[0] == pytest.approx(half * (np.array([2.0, 0]) + 0.5 * ACCELERATION * half))
    assert lengths[1] == pytest.approx(half * (middle[0] + 0.5 * ACCELERATION * half))


def test_the_bound_first_ends_the_acceleration_and_then_stops():
    bound = StopBound(LIMITS)
    jerk, most = 0.99 * JERK, 0.999 * ACCELERATION
    speed, bend = np.array([1.0, 0.5]), np.array([4.0, 1.0])
    peak = bound.peak(speed, bend)
    assert peak == pytest.approx(speed + bend**2 / (2 * jerk))
    stop = peak**2 / (2 * most) + peak * most / (2 * jerk)
    assert bound.reach(peak, bend) == pytest.approx(peak * bend / jerk + stop)


def test_from_the_stoppable_speed_the_stop_is_as_long_as_the_distance():
    assert by_hand(stoppable(np.array([0.6, 0.3]), LIMITS)) == pytest.approx([0.6, 0.3])
    assert stoppable(np.array([-1.0, 0.0]), LIMITS).tolist() == [0.0, 0.0]


def test_a_plan_that_ruckig_refuses_or_does_not_find_is_not_solved():
    stop = stopping((2.0, 0.0))
    given = stop._given
    assert solved(stop._solver, given, stop._trajectory) is True
    given.max_jerk = [-1.0, 1.0]
    assert solved(stop._solver, given, stop._trajectory) is False
