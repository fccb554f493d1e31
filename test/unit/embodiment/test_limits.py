"""The limits in force, and the table of velocities that fall towards the ends of travel."""

from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.embodiment.limits import GRID, VelocityTable, limits_of
from gen_nodes.robot import RobotSpec, load_robot

UR5E, FR3 = load_robot('ur5e'), load_robot('franka_fr3')


def between(spec: RobotSpec, lower: float, upper: float) -> RobotSpec:
    """The robot with other ends of travel, of all joints."""
    return replace(spec, joints=tuple(replace(j, lower=lower, upper=upper) for j in spec.joints))


def test_soft_limits_lie_half_a_percent_of_the_range_inside_but_at_most_a_hundredth():
    narrow = between(UR5E, -0.5, 0.5)
    limits = limits_of(narrow)
    assert limits.lower == pytest.approx(np.full(UR5E.n, -0.495))
    assert limits.upper == pytest.approx(np.full(UR5E.n, 0.495))
    assert (limits.hard_lower == narrow.lower).all()
    assert (limits.hard_upper == narrow.upper).all()
    wide = limits_of(UR5E)
    assert wide.lower == pytest.approx(UR5E.lower + 0.01)
    assert wide.upper == pytest.approx(UR5E.upper - 0.01)


def test_a_joint_without_ends_has_no_soft_limits():
    limits = limits_of(between(UR5E, -np.inf, np.inf))
    assert (limits.lower == -np.inf).all()
    assert (limits.upper == np.inf).all()
    assert limits.bounds is None


def test_the_description_says_velocity_acceleration_and_jerk():
    limits = limits_of(UR5E)
    assert limits.names == UR5E.joint_names
    assert (limits.velocity == UR5E.velocity).all()
    assert (limits.acceleration == UR5E.acceleration).all()
    assert (limits.jerk == UR5E.jerk).all()


def test_without_bounds_full_speed_is_allowed_between_the_soft_limits():
    limits = limits_of(UR5E)
    assert limits.bounds is None
    lower, upper = limits.full_speed()
    assert (lower == limits.lower).all()
    assert (upper == limits.upper).all()


@pytest.mark.parametrize('free', [{'q_up': 1e3}, {'q_lo': 1e3}])
def test_bounds_that_fall_towards_one_end_only_are_kept(free):
    joints = []
    for joint in FR3.joints:
        rule = replace(joint.published.position_velocity, **free)
        joints.append(replace(joint, published=replace(joint.published, position_velocity=rule)))
    bounds = limits_of(replace(FR3, joints=tuple(joints))).bounds
    up, down = bounds.speeds(FR3.upper[None]), bounds.speeds(FR3.lower[None])
    assert ((up[0] < FR3.velocity).all(), (down[1] < FR3.velocity).all()) == (
        'q_lo' in free,
        'q_up' in free,
    )


def test_full_speed_ends_where_the_makers_bounds_begin_to_fall():
    limits = limits_of(FR3)
    lower, upper = limits.full_speed()
    low, high = FR3.velocity_bounds(np.stack([lower, upper]))
    assert (high >= FR3.velocity - 1e-9).all()
    assert (low <= -FR3.velocity + 1e-9).all()
    row = limits.bounds.spacing
    low, high = FR3.velocity_bounds(np.stack([lower - row, upper + row]))
    assert ((high < FR3.velocity) | (low > -FR3.velocity)).any(axis=0).all()
    assert (limits.lower < lower).all()
    assert (upper < limits.upper).all()


def test_no_position_is_reached_at_more_than_the_bounds_allow():
    limits = limits_of(FR3)
    lower, upper = limits.bounds.reaching(2 * FR3.velocity)
    assert (lower == np.inf).all()
    assert (upper == -np.inf).all()


def test_the_table_never_says_more_than_the_makers_bounds_and_little_less():
    random, limits = np.random.default_rng(1), limits_of(FR3)
    q = random.uniform(FR3.lower, FR3.upper, (2000, FR3.n))
    low, high = FR3.velocity_bounds(q)
    up, down = limits.bounds.speeds(q)
    assert (up <= high + 1e-9).all()
    assert (down <= -low + 1e-9).all()
    assert np.median(high - up) < 0.01
    assert np.median(-low - down) < 0.01
    assert limits.bounds.origin == pytest.approx(FR3.lower)
    end = limits.bounds.origin + (GRID - 1) * limits.bounds.spacing
    assert end == pytest.approx(FR3.upper)


def table() -> VelocityTable:
    """Of one joint: a row per tenth from 1.0 on; speeds are 10 upwards, and fall downwards."""
    up, down = np.full((GRID, 1), 10.0), np.arange(GRID, 0, -1.0)[:, None]
    return VelocityTable(np.array([1.0]), np.array([0.1]), up, down, 2 * up, 2 * down)


@pytest.mark.parametrize(
    ('q', 'down'),
    [(1.05, GRID - 1), (1.15, GRID - 2), (0.0, GRID - 1), (1e3, 1.0), (1 + 0.1 * (GRID - 1), 1.0)],
)
def test_between_two_rows_the_lesser_speed_holds_and_beyond_the_ends_the_last_one(q, down):
    up, got = table().speeds(np.array([[q]]))
    assert (up[0, 0], got[0, 0]) == (10.0, down)
    up, got = table().ceilings(np.array([[q]]))
    assert (up[0, 0], got[0, 0]) == (20.0, 2 * down)


def test_both_speeds_must_reach_a_velocity():
    lower, upper = table().reaching(np.array([5.0]))
    assert (lower[0], upper[0]) == (1.0, pytest.approx(1 + 0.1 * (GRID - 5)))
    lower, upper = table().reaching(np.array([11.0]))
    assert (lower[0], upper[0]) == (np.inf, -np.inf)


def test_below_its_ceiling_eight_tenths_of_the_acceleration_are_enough_to_stay_below():
    limits = limits_of(FR3)
    bounds = limits.bounds
    most = 2 * 0.8 * FR3.acceleration * bounds.spacing
    assert (-np.diff(bounds.ceiling_up**2, axis=0) <= most * (1 + 1e-9)).all()
    assert (np.diff(bounds.ceiling_down**2, axis=0) <= most * (1 + 1e-9)).all()
    for ceiling, speed in ((bounds.ceiling_up, bounds.up), (bounds.ceiling_down, bounds.down)):
        assert (ceiling <= speed).all()
        lowered = (ceiling < speed - 1e-9).mean(axis=0)
        assert (lowered < 0.2).all()
    falls = np.isclose(-np.diff(bounds.ceiling_up**2, axis=0), most, rtol=1e-6)
    assert (falls[(bounds.ceiling_up < bounds.up - 1e-9)[:-1]]).all()


def test_a_joint_without_ends_is_tabled_over_one_turn():
    bounds = limits_of(between(FR3, -np.inf, np.inf)).bounds
    assert bounds.origin == pytest.approx(-np.pi)
    assert bounds.origin + (GRID - 1) * bounds.spacing == pytest.approx(np.pi)
