"""Distances, gradients and bounds of motion, against geometry that shares no code with them."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solids import anywhere, measure, primitives, root, support

from gen_nodes.embodiment.collision_shapes import Shapes
from gen_nodes.robot import RobotSpec, known_robots, load_robot

robots = pytest.mark.parametrize('robot', known_robots())


@cache
def all_pairs(robot: str) -> tuple[RobotSpec, Shapes, np.ndarray]:
    """A robot, its shapes with every moving pair watched, and the bounds of their motion."""
    spec = load_robot(robot)
    shapes = Shapes(spec)
    pairs = np.stack(np.triu_indices(shapes.n, 1), axis=1)
    pairs = pairs[shapes.body[pairs[:, 0]] != shapes.body[pairs[:, 1]]]
    shapes.watch(pairs)
    return spec, shapes, shapes.motion(pairs)


@robots
def test_a_plane_between_two_shapes_confirms_every_distance(robot):
    """Two shapes are at least as far apart as the gap between them along any direction."""
    spec, shapes, _ = all_pairs(robot)
    described, kinematics, random = primitives(spec), spec.kinematics(), np.random.default_rng(0)
    order = [shapes.links[:i].count(link) for i, link in enumerate(shapes.links)]
    turn = kinematics.frame(root(spec), spec.ready)[:3, :3]
    for _ in range(5):
        q = anywhere(spec, random)
        found = measure(shapes, q)
        normals, _, _ = shapes.witnesses(np.arange(len(found)))
        solids = []
        for link, place in zip(shapes.links, order, strict=True):
            pose, kind, sizes = described[link][place]
            solids.append((kinematics.frame(link, q) @ pose, kind, sizes))
        for i in np.flatnonzero(found > 1e-3):
            a, b = shapes.pairs[i]
            apart = turn @ normals[i]
            gap = -support(solids[b], -apart) - support(solids[a], apart)
            assert gap - 1e-5 <= found[i] <= gap


@robots
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-4, 10), few=st.booleans())
def test_no_distance_changes_by_more_than_the_bound_of_motion(robot, seed, size, few):
    spec, shapes, motion = all_pairs(robot)
    random = np.random.default_rng(seed)
    here = anywhere(spec, random)
    step = random.uniform(-1, 1, spec.n) * size * (random.random(spec.n) < (0.2 if few else 1))
    there = np.clip(here + step, spec.lower, spec.upper)
    one, two = (np.maximum(measure(shapes, q), 0.0) for q in (here, there))
    assert (np.abs(two - one) <= motion @ np.abs(there - here) + 1e-5).all()


@robots
def test_the_quick_bound_by_balls_is_never_above_the_distance(robot):
    spec, shapes, _ = all_pairs(robot)
    random = np.random.default_rng(1)
    for _ in range(20):
        found = measure(shapes, anywhere(spec, random))
        assert (shapes.at_least(np.arange(len(found))) <= found + 1e-5).all()


@robots
def test_gradients_are_the_slopes_of_the_distances(robot):
    spec, shapes, _ = all_pairs(robot)
    random, rows, h = np.random.default_rng(2), np.arange(len(shapes.pairs)), 1e-4
    right = total = 0
    for _ in range(3):
        q = anywhere(spec, random)
        far = measure(shapes, q) > 5e-3
        gradients = shapes.gradients(rows)
        for joint, step in enumerate(h * np.eye(spec.n)):
            slope = (measure(shapes, q + step) - measure(shapes, q - step)) / (2 * h)
            right += (np.abs(slope - gradients[:, joint]) < 0.03)[far].sum()
            total += far.sum()
    assert right > 0.99 * total  # faces that lie parallel have no single slope
