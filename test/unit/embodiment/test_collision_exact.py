"""Clearance of three balls on rails, whose distances are known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from rails import SHAPES, SPEC, WATCHED, Path, gap, on_rails, place
from solids import Braking

from gen_nodes.embodiment.collision import LEEWAY, NOISE, SLOWEST, Collision, collision_of
from gen_nodes.embodiment.collision_pairs import Watched
from gen_nodes.embodiment.collision_shapes import Shapes
from gen_nodes.safety import CollisionSpec, Fence

VELOCITY = np.array([2.0, 1.0, 1.0])
LIMIT = WATCHED.margin + LEEWAY
SLOW = 0.06
NONE, LEFT, RIGHT, UP = np.zeros(3), *np.eye(3)
NEAR = {'abs': 5e-6}  # distances are told 2e-6 m too small


def at(distance: float, **changes) -> tuple[Collision, np.ndarray]:
    """Begun with left and right so far apart, and up far away from both."""
    collision = Collision(SHAPES, replace(WATCHED, **changes), VELOCITY)
    assert collision.refused == ''
    collision.start(place(distance))
    return collision, place(distance)


def stops(collision: Collision, q: np.ndarray, way: np.ndarray) -> bool:
    return collision.proves(q, np.abs(way), Braking(q, way))


def test_distances_and_motion_are_as_worked_out_by_hand():
    q = np.array([0.3, -0.2, 0.1])
    SHAPES.place(q)
    assert SHAPES.distances(np.arange(2))[0] == pytest.approx(gap(q), **NEAR)
    assert WATCHED.motion == pytest.approx(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]))


def test_the_nearest_pair_is_named_with_its_clearance():
    collision, q = at(0.3)
    assert collision.nearest() == ('left and right', pytest.approx(0.3, **NEAR))
    collision.start(q + 9 * RIGHT)
    assert collision.nearest()[0] == 'left and up'


def test_what_was_not_measured_again_is_bounded_by_the_motion():
    collision, q = at(0.3)
    collision.accept(q - 0.1 * LEFT)  # away from each other
    assert collision.nearest() == ('left and right', pytest.approx(0.2, **NEAR))
    collision.accept(q - 0.1 * LEFT)
    assert collision.nearest()[1] == pytest.approx(0.2, **NEAR)
    collision.accept(q)
    assert collision.nearest()[1] == pytest.approx(0.1, **NEAR)


def test_it_keeps_its_own_copy_of_where_the_robot_is():
    collision, q = at(0.3)
    where = q.copy()
    collision.start(where)
    where += 0.1
    collision.accept(q)
    assert collision.nearest()[1] == pytest.approx(0.3, **NEAR)
    where = q - 0.1 * LEFT
    collision.accept(where)
    where += 0.1 * LEFT
    collision.accept(q - 0.1 * LEFT)
    assert collision.nearest()[1] == pytest.approx(0.2, **NEAR)


# What is watched


def test_pairs_of_links_are_watched_as_the_description_says():
    own = replace(SPEC, self_collision=CollisionSpec(ignore=(('right', 'up'),)))
    collision = collision_of(own)
    assert collision.names == ('left and right', 'left and up')
    collision.start(NONE)
    assert collision.nearest()[0] == 'left and up'
    everything = (('left', 'right'), ('left', 'up'), ('right', 'up'))
    assert collision_of(replace(SPEC, self_collision=CollisionSpec(ignore=everything))) is None


def test_fences_are_watched_with_and_without_self_collision():
    cell = Fence('cell', True, np.full(3, -5.0), np.full(3, 5.0))
    assert collision_of(replace(SPEC, self_collision=None)) is None
    collision = collision_of(replace(SPEC, self_collision=None, fences=(cell,)))
    assert set(collision.names) == {f'{link} and fence cell' for link in ('left', 'right', 'up')}
    assert len(collision_of(replace(SPEC, fences=(cell,))).names) == len(collision.names) + 3


def test_the_velocity_limits_say_which_joint_has_how_much_part_in_an_approach():
    fast = tuple(replace(j, velocity=v) for j, v in zip(SPEC.joints, VELOCITY, strict=True))
    collision, q = collision_of(replace(SPEC, joints=fast)), place(0.03)
    collision.start(q)
    up, down = collision.ceilings(q)
    assert down[1] == pytest.approx(2 * up[0])


# Ceilings


@pytest.mark.parametrize('distance', [0.5, 0.0601])
def test_outside_the_slow_zone_all_speed_is_allowed(distance):
    collision, q = at(distance)
    assert collision.ceilings(q) is None


@pytest.mark.parametrize('distance', [0.0599, 0.045, 0.0305, 0.02, 0.0112])
def test_inside_it_the_way_towards_each_other_is_slowed_to_its_share(distance):
    collision, q = at(distance)
    share = (distance - LIMIT) / (SLOW - LIMIT)
    up, down = collision.ceilings(q)
    assert up == pytest.approx([share, 1.0, 1.0], abs=1e-3)
    # right comes nearer half as fast, so it may use twice the share of its limit
    assert down == pytest.approx([1.0, min(1.0, 2 * share), 1.0], abs=1e-3)


@pytest.mark.parametrize('distance', [LIMIT, 0.0101, 0.005])
def test_at_the_margin_hardly_any_speed_is_left(distance):
    collision, q = at(0.03)
    collision.accept(q)
    up, down = collision.ceilings(place(distance))
    assert up[0] == pytest.approx(SLOWEST, rel=0.05)
    assert down[1] == pytest.approx(2 * SLOWEST, rel=0.05)


def test_of_two_near_pairs_the_nearer_one_decides():
    collision, _ = at(0.03)
    for other, first in ((0.02, 0.02), (0.04, 0.03)):
        both = place(0.03, other)
        collision.start(both)
        up, down = collision.ceilings(both)
        share = (first - LIMIT) / (SLOW - LIMIT)
        assert up[0] == pytest.approx(share, abs=1e-3)
        assert down[1] == pytest.approx(2 * (0.03 - LIMIT) / (SLOW - LIMIT), abs=1e-3)


def test_pairs_in_and_before_the_slow_zone_are_measured_again():
    collision, _ = at(0.1)
    collision.accept(place(0.2))
    collision.accept(place(0.1))
    assert collision.nearest()[1] < 0.0
    assert collision.ceilings(place(0.1)) is None
    assert collision.nearest()[1] == pytest.approx(0.1, **NEAR)


def test_where_nothing_may_be_near_nothing_is_measured():
    collision, _ = at(0.3)
    collision.accept(place(0.4))
    assert collision.ceilings(place(0.4)) is None
    assert collision.nearest()[1] == pytest.approx(0.2, **NEAR)


def test_where_two_pass_each_other_no_direction_is_known_so_both_are_slowed_both_ways():
    spec = on_rails(one=('1 0 0', '-1 0 0'), other=('1 0 0', '1 0.24 0'), up=('0 0 1', '0 0 3'))
    shapes, pairs = Shapes(spec), np.array([[0, 1]])
    motion, names = shapes.motion(pairs), ('one and other',)
    collision = Collision(shapes, Watched(pairs, motion, np.full(1, SLOW), names, 0.01), VELOCITY)
    abreast = np.array([1.0, -1.0, 0.0])  # 0.04 m apart, at the least distance there is
    collision.start(abreast)
    share = (0.04 - LIMIT) / (SLOW - LIMIT)
    up, down = collision.ceilings(abreast)
    assert up == pytest.approx([share, share, 1.0], abs=1e-3)
    assert down == pytest.approx([share, share, 1.0], abs=1e-3)


def test_among_many_pairs_the_near_one_is_judged_as_if_alone():
    crowd = {f'other{i}': ('1 0 0', f'{2 + i} 0 0') for i in range(14)}
    spec = on_rails(left=('1 0 0', '-1 0 0'), right=('1 0 0', '1 0 0'), **crowd)
    shapes, pairs = Shapes(spec), np.array([[0, i] for i in range(1, 16)])
    names = tuple(f'left and {i}' for i in range(1, 16))
    watched = Watched(pairs, shapes.motion(pairs), np.full(15, SLOW), names, 0.01)
    collision, q, first = Collision(shapes, watched, np.ones(16)), np.zeros(16), np.eye(16)[0]
    q[0] = 1.8 - 0.04  # from right
    collision.start(q)
    up, down = collision.ceilings(q)
    assert up[0] == pytest.approx((0.04 - LIMIT) / (SLOW - LIMIT), abs=1e-3)
    assert (up[1:] == 1.0).all()
    assert (down == np.where(np.arange(16) == 1, up[0], 1.0)).all()
    assert stops(collision, q, (0.04 - LIMIT - 1e-4) * first)
    assert not stops(collision, q, (0.04 - LIMIT + 1e-4) * first)
    assert stops(collision, q, -0.3 * first)
    assert not stops(collision, q, 3.0 * first)


def test_a_wider_slow_zone_begins_earlier():
    collision, q = at(0.1, slow=np.array([0.2, 0.06]))
    assert collision.ceilings(q)[0][0] == pytest.approx((0.1 - LIMIT) / (0.2 - LIMIT), abs=1e-3)


# Proofs


@pytest.mark.parametrize(
    ('end', 'clear'), [(LIMIT + 1e-4, True), (LIMIT - 1e-4, False), (-0.01, False)]
)
def test_a_stop_must_end_outside_the_margin_and_a_leeway(end, clear):
    collision, q = at(0.05)
    assert stops(collision, q, (0.05 - end) * LEFT) == clear
    assert collision.refused == ('' if clear else 'left and right')


def test_what_was_refused_is_forgotten_with_the_next_stop_and_start():
    collision, q = at(0.05)
    assert not stops(collision, q, 0.05 * LEFT)
    assert stops(collision, q, NONE)
    assert collision.refused == ''
    assert not stops(collision, q, 0.05 * LEFT)
    collision.start(q)
    assert collision.refused == ''


@pytest.mark.parametrize('step', [0.02, 0.0397])
def test_the_next_command_itself_must_be_clear(step):
    collision, q = at(0.05)
    assert stops(collision, q + step * LEFT, NONE)
    assert not stops(collision, q + 0.0399 * LEFT, NONE)
    assert not stops(collision, q + step * LEFT, 0.05 * LEFT)


def test_a_step_through_the_other_ball_is_refused():
    collision, _ = at(0.05)
    beyond = place(0.05) + 0.5 * LEFT  # as far apart as before, on the other side
    assert not stops(collision, beyond, NONE)
    assert collision.refused == 'left and right'


def test_a_stop_through_the_other_ball_is_refused():
    collision, q = at(0.05)
    assert not stops(collision, q, 0.5 * LEFT)
    assert stops(collision, q, -0.5 * LEFT)


def test_a_bound_that_has_run_out_is_measured_before_a_step_is_refused():
    collision, q = at(0.05)
    for _ in range(3):
        collision.accept(q - 0.03 * LEFT)
        collision.accept(q)
    assert collision.nearest()[1] < 0.0
    assert stops(collision, q + 0.039 * LEFT, NONE)
    assert collision.nearest()[1] == pytest.approx(0.05, **NEAR)


def test_the_second_pair_is_refused_by_its_own_name():
    collision, _ = at(0.5)
    q = place(0.5, 0.05)
    collision.start(q)
    assert stops(collision, q, 0.03 * LEFT + 0.3 * RIGHT)
    assert not stops(collision, q, 0.05 * LEFT - 0.05 * UP)
    assert collision.refused == 'left and up'
    assert not stops(collision, q, -0.05 * UP)
    assert collision.refused == 'left and up'


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad):
    collision, q = at(0.3)
    off, far = (np.where(LEFT, bad, x) for x in (q, NONE))
    assert not stops(collision, off, NONE)
    assert collision.refused == 'left and right'
    assert not collision.proves(q, far, Braking(q, NONE))
    assert collision.refused == 'left and right'
    assert not collision.proves(q, 9 * LEFT, Path(lambda f: off if f > 0.5 else q, 9 * LEFT))
    assert stops(collision, q, NONE)


def test_a_far_reach_is_looked_at_before_it_is_refused():
    collision, q = at(0.3)
    assert collision.proves(q, 9 * LEFT, Braking(q, -0.1 * LEFT))
    assert collision.proves(q, 9 * LEFT, Braking(q, 0.28 * LEFT))
    assert not collision.proves(q, 9 * LEFT, Braking(q, 0.295 * LEFT))


# Nearer than the margin from the start


def test_a_robot_that_starts_too_near_may_stay_and_leave_but_not_come_nearer():
    collision, q = at(0.005)
    assert stops(collision, q, NONE)
    assert stops(collision, q - 0.001 * LEFT, -0.002 * LEFT)
    assert stops(collision, q + 0.5 * NOISE * LEFT, NONE)
    assert not stops(collision, q, 5 * NOISE * LEFT)
    assert not stops(collision, q + 5 * NOISE * LEFT, NONE)


def test_what_it_has_left_behind_it_may_not_come_back_to():
    collision, _ = at(0.005)
    for distance in (0.006, 0.007, 0.008):
        collision.accept(place(distance))
        collision.ceilings(place(distance))  # measures
    collision.accept(place(0.008))
    assert stops(collision, place(0.0081), NONE)
    assert not stops(collision, place(0.0075), NONE)
    for distance in (0.02, 0.05):
        collision.accept(place(distance))
        collision.ceilings(place(distance))
        collision.accept(place(distance))
    assert stops(collision, place(0.05), (0.05 - LIMIT - 1e-4) * LEFT)
    assert not stops(collision, place(0.05), (0.05 - LIMIT + 1e-4) * LEFT)
