"""Which pairs are watched, and that those which are not never matter."""

import dataclasses

import numpy as np
import pytest
from solids import anywhere, measure

from gen_nodes.embodiment.collision_pairs import choose, explained
from gen_nodes.embodiment.collision_shapes import Shapes
from gen_nodes.robot import known_robots, load_robot
from gen_nodes.safety import Fence


@pytest.mark.parametrize('robot', known_robots())
def test_pairs_that_are_called_apart_keep_their_margin_in_every_pose(robot):
    spec = load_robot(robot)
    shapes, random = Shapes(spec), np.random.default_rng(7)
    watched, told = choose(shapes, spec)
    every = np.stack(np.triu_indices(shapes.n, 1), axis=1)
    known = {tuple(pair) for pair in watched.pairs.tolist()}
    free = [
        pair
        for pair in every.tolist()
        if tuple(pair) not in known
        and (shapes.links[pair[0]], shapes.links[pair[1]]) in told.apart
        and (shapes.links[pair[0]], shapes.links[pair[1]]) not in told.touching
    ]
    assert free
    shapes.watch(np.array(free))
    assert min(measure(shapes, anywhere(spec, random)).min() for _ in range(200)) >= 0.01


@pytest.mark.parametrize('robot', known_robots())
def test_no_slow_zone_holds_the_ready_pose(robot):
    spec = load_robot(robot)
    shapes = Shapes(spec)
    watched, _ = choose(shapes, spec)
    shapes.watch(watched.pairs)
    assert (measure(shapes, spec.ready) > watched.slow).all()
    assert (watched.slow > watched.margin).all()


def test_fingers_of_one_gripper_may_close_but_hands_may_not_meet():
    told = explained(load_robot('openarm_bimanual'))
    assert ('openarm_left_right_finger', 'openarm_left_left_finger') in told.gripping
    assert ('openarm_left_hand', 'openarm_right_hand') in told.watched


def test_links_that_one_joint_joins_stand_in_no_list():
    told = explained(load_robot('ur5e'))
    listed = {frozenset(pair) for pairs in dataclasses.astuple(told) for pair in pairs}
    assert frozenset(('shoulder_link', 'upper_arm_link')) not in listed
    assert frozenset(('shoulder_link', 'forearm_link')) in listed


def test_fences_out_of_reach_and_links_that_stand_still_are_not_watched():
    spec = load_robot('ur5e')
    far = Fence('far', False, np.array([3.0, 3, 3]), np.array([4.0, 4, 4]))
    near = Fence('near', False, np.array([0.3, 0.3, 0.0]), np.array([0.6, 0.6, 0.2]))
    told = explained(dataclasses.replace(spec, fences=(far, near)))
    fenced = [pair for pair in told.watched if pair[1].startswith('fence')]
    assert {second for _, second in fenced} == {'fence near'}
    assert 'base_link_inertia' not in {first for first, _ in fenced}
    assert ('forearm_link', 'fence near') in fenced
