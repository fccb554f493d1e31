"""A driver's controllers: what they do with commands, and which they refuse."""

import numpy as np
import pytest

from gen_nodes.hil.driver import Driver, Grasp, Point, between
from gen_nodes.types import NS

NAMES = ('a', 'b', 'finger')
MS = NS // 1000


@pytest.fixture
def driver():
    one = Driver(NAMES, np.array([-2.0, -2, 0]), np.array([2.0, 2, 0.1]), np.array([3.0, 3, 0.2]))
    one.place(np.array([0.5, 0.0, 0.0]))
    return one


def point(seconds, position, velocity=None, acceleration=None):
    arrays = [None if x is None else np.array(x, float) for x in (velocity, acceleration)]
    return Point(round(seconds * NS), np.array(position, float), *arrays)


def run(driver, start_ns, end_ns, step_ns=2 * MS):
    """Set-points (T, N) at every step."""
    places = []
    for now_ns in range(start_ns, end_ns, step_ns):
        driver.advance(now_ns)
        places.append(driver.position.copy())
    return np.array(places)


REST = point(0.5, [0.7, 0.1], [0, 0], [0, 0])


def test_positions_are_taken_at_once_within_the_makers_range(driver):
    assert driver.move_to(('b', 'finger'), np.array([1.0, 9.0])) is None
    assert driver.position.tolist() == [0.5, 1.0, 0.1]


def test_a_velocity_is_integrated_until_no_command_came_for_a_tenth_of_a_second(driver):
    driver.move_at(('a', 'b'), np.array([0.5, -1.0]), 0)
    run(driver, 0, 50 * MS)
    driver.move_at(('a', 'b'), np.array([0.5, 0.0]), 50 * MS)
    run(driver, 50 * MS, 500 * MS)
    assert driver.position == pytest.approx([0.575, -0.05, 0.0])
    assert not driver.velocity.any()


def test_a_velocity_beyond_the_makers_is_cut(driver):
    driver.move_at(('a',), np.array([99.0]), 0)
    run(driver, 0, 20 * MS)
    assert driver.position[0] == pytest.approx(0.5 + 3 * 0.018)


def test_a_trajectory_passes_its_points_and_ends_at_rest(driver):
    points = [point(0.1, [0.2, 0.55], [0.5, 0.5], [0, 0]), point(0.5, [0.1, 0.7], [0, 0], [0, 0])]
    assert driver.follow(('b', 'a'), points, ('a', 'b'), 0) is None
    path = run(driver, 0, 600 * MS)
    assert path[0, :2] == pytest.approx([0.5, 0.0])
    assert path[50, :2] == pytest.approx([0.55, 0.2])
    assert path[-1, :2] == pytest.approx([0.7, 0.1])
    assert np.abs(np.diff(path, n=2, axis=0)).max() < 2e-3  # no corner
    assert driver.advance(NS).size == 0


def test_a_new_trajectory_replaces_the_old_without_a_corner(driver):
    driver.follow(('a', 'b'), [REST], ('a', 'b'), 0)
    before = run(driver, 0, 200 * MS)
    driver.follow(('a', 'b'), [point(0.4, [0.5, 0.0], [0, 0], [0, 0])], ('a', 'b'), 198 * MS)
    path = np.concatenate([before, run(driver, 200 * MS, 700 * MS)])
    assert path[-1, :2] == pytest.approx([0.5, 0.0])
    assert np.abs(np.diff(path, n=3, axis=0)).max() < 2e-4


def test_a_stream_of_trajectories_is_followed_as_a_curve(driver):
    period, brake = 10 * MS, 0.3

    def curve(ns):
        t = ns / NS
        return np.array([0.5 + 0.1 * (1 - np.cos(3 * t)), 0.0]), np.array([0.3 * np.sin(3 * t), 0])

    errors = []
    for now_ns in range(0, NS, period):
        q, v = curve(now_ns + period)
        stop = point(0.01 + brake, q + v * brake / 2, [0, 0], [0, 0])
        driver.follow(('a', 'b'), [Point(period, q, v), stop], ('a', 'b'), now_ns)
        for tick in range(now_ns, now_ns + period, 2 * MS):
            driver.advance(tick)
            errors.append(np.abs(driver.position[:2] - curve(tick)[0]).max())
    assert max(errors) < 1e-4


def test_without_another_message_the_robot_stands_where_the_trajectory_ends(driver):
    driver.follow(('a', 'b'), [REST], ('a', 'b'), 0)
    assert run(driver, 0, 5 * NS, 50 * MS)[-1, :2] == pytest.approx([0.7, 0.1])
    assert not driver.velocity.any()


@pytest.mark.parametrize('missing', [(), ('acceleration',), ('velocity', 'acceleration')])
def test_splines_meet_both_ends(missing):
    rng = np.random.default_rng(0)
    ends = []
    for after in (0.2, 0.5):
        keys = ('position', 'velocity', 'acceleration')
        values = {k: None if k in missing else rng.uniform(-1, 1, 2) for k in keys}
        ends.append(Point(round(after * NS), **values))
    for end in ends:
        here = between(*ends, end.after_ns)
        assert here.position == pytest.approx(end.position)
        if end.velocity is not None:
            assert here.velocity == pytest.approx(end.velocity)
        if end.acceleration is not None:
            assert here.acceleration == pytest.approx(end.acceleration)


@pytest.mark.parametrize(
    ('names', 'points', 'reason'),
    [
        (('a', 'c'), [REST], 'unknown joint c'),
        (('a',), [point(0.5, [0.7])], 'joint b is missing'),
        (('a', 'b', 'b'), [point(0.5, [0.7, 0, 0])], 'a joint stands twice'),
        (('a', 'b'), [], 'no points'),
        (('a', 'b'), [point(0.5, [0, 0]), point(0.5, [0, 0])], 'times do not increase'),
        (('a', 'b'), [point(-0.1, [0, 0])], 'times do not increase'),
        (('a', 'b'), [point(0.5, [0])], 'point 0 has 1 position values for 2 joints'),
        (('a', 'b'), [point(0.5, [0, np.nan])], 'point 0 is not finite'),
        (('a', 'b'), [point(0.5, [0, 0], [0, 1e-3])], 'its last point moves'),
    ],
)
def test_a_trajectory_that_the_controller_would_not_take_is_refused(driver, names, points, reason):
    assert reason in driver.follow(names, points, ('a', 'b'), 0)
    assert driver.advance(NS).size == 0


@pytest.mark.parametrize(
    ('values', 'reason'), [([1.0], '1 values for 2 joints'), ([1.0, np.inf], 'not finite')]
)
def test_a_command_that_makes_no_sense_moves_nothing(driver, values, reason):
    values = np.array(values)
    assert driver.move_to(('a', 'b'), values) == driver.move_at(('a', 'b'), values, 0) == reason
    assert driver.move_to(('a', 'x'), np.zeros(2)) == 'unknown joint x'
    run(driver, 0, 100 * MS)
    assert driver.position.tolist() == [0.5, 0.0, 0.0]


def test_a_gripper_goes_to_its_goal_at_the_makers_speed_or_slower(driver):
    driver.grip('finger', 0.05, 0)
    run(driver, 0, 101 * MS)
    assert driver.position[2] == pytest.approx(0.02)
    driver.grip('finger', 0.05, 100 * MS, speed=0.1)
    run(driver, 100 * MS, 201 * MS)
    assert driver.position[2] == pytest.approx(0.03)
    run(driver, 200 * MS, NS)
    assert driver.position[2] == 0.05


def test_a_halted_driver_ignores_commands_until_it_resumes_where_it_stands(driver):
    driver.follow(('a', 'b'), [REST], ('a', 'b'), 0)
    run(driver, 0, 100 * MS)
    driver.halt('protective stop', np.array([0.6, 0.0, 0.0]))
    assert driver.move_to(('a',), np.array([1.0])) == 'protective stop'
    assert driver.follow(('a', 'b'), [REST], ('a', 'b'), 100 * MS) == 'protective stop'
    assert driver.grip('finger', 0.1, 0) == 'protective stop'
    assert run(driver, 100 * MS, 300 * MS)[-1].tolist() == [0.6, 0.0, 0.0]
    driver.resume(np.array([0.61, 0.0, 0.0]))
    assert driver.position[0] == 0.61 and driver.move_to(('a',), np.array([1.0])) is None


def test_a_clock_that_is_set_changes_no_motion(driver):
    driver.follow(('a', 'b'), [REST], ('a', 'b'), 0)
    run(driver, 0, 100 * MS)
    driver.shift_clock(10 * NS)
    path = run(driver, 10 * NS + 100 * MS, 10 * NS + 600 * MS)
    assert np.abs(np.diff(path, axis=0)).max() < 3e-3 and path[-1, 0] == pytest.approx(0.7)


def test_a_grasp_is_reached_or_stalls():
    grasp = Grasp(0.04, 0.04, 0)
    assert not grasp.look(0.01, NS // 2)
    assert grasp.look(0.0399, NS) and grasp.reached and not grasp.stalled
    blocked = Grasp(0.04, 0.04, 0)
    assert not blocked.look(0.02, NS)
    assert not blocked.look(0.02001, NS + NS // 2)
    assert blocked.look(0.02001, 2 * NS) and blocked.stalled and not blocked.reached
