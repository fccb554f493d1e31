"""A robot steered into itself or a fence stops before contact, and gets away again."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solids import Braking, Winding, anywhere, measure, primitives, support

from gen_nodes.embodiment.collision import Collision, collision_of
from gen_nodes.embodiment.collision_pairs import choose, explained
from gen_nodes.embodiment.collision_shapes import Shapes
from gen_nodes.errors import RobotError
from gen_nodes.robot import RobotSpec, known_robots, load_robot
from gen_nodes.safety import CollisionSpec, Fence

robots = pytest.mark.parametrize('robot', known_robots())
PERIOD = 0.01


@cache
def watched(robot: str) -> tuple[RobotSpec, Collision, Shapes]:
    """A robot, what watches it, and shapes of the same pairs to look with from outside."""
    spec = load_robot(robot)
    shapes = Shapes(spec)
    shapes.watch(choose(shapes, spec)[0].pairs)
    return spec, collision_of(spec), shapes


def clear(spec: RobotSpec, shapes: Shapes, random: np.random.Generator) -> np.ndarray:
    """A random configuration outside all margins."""
    while True:
        q = anywhere(spec, random)
        if measure(shapes, q).min() > spec.self_collision.margin:
            return q


def least(shapes: Shapes, path: Braking | Winding, samples: int = 100) -> float:
    """Least distance of any pair along a stop."""
    return min(measure(shapes, q).min() for q in path(np.linspace(0, 1, samples)))


def drive(
    spec: RobotSpec, collision: Collision, start: np.ndarray, goal: np.ndarray, periods: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and velocities (T, N) of joints that hurry to a goal (N,) or along goals (T, N) as
    far as they are let.
    """
    q, v, h, a = start.copy(), np.zeros(spec.n), PERIOD, 0.5 * spec.acceleration
    places, speeds = [q], [v]
    for ahead in np.broadcast_to(goal, (periods, spec.n)):
        up, down = collision.ceilings(q) or (np.ones(spec.n), np.ones(spec.n))
        wanted = np.clip((ahead - q) / 0.1, -spec.velocity, spec.velocity)
        wanted = np.clip(wanted, -down * spec.velocity, up * spec.velocity)
        new = v + np.clip(wanted - v, -a * h, a * h)
        there, way = q + new * h, new * np.abs(new) / (2 * a)
        if not collision.proves(there, np.abs(way), Winding(there, way)):
            new = np.sign(v) * np.maximum(np.abs(v) - a * h, 0)
            there = q + new * h
        collision.accept(there)
        q, v = there, new
        places.append(q)
        speeds.append(v)
    return np.array(places), np.array(speeds)


@robots
def test_nothing_is_near_at_the_ready_pose(robot):
    spec, collision, _ = watched(robot)
    collision.start(spec.ready)
    assert collision.ceilings(spec.ready) is None
    assert collision.proves(spec.ready, np.zeros(spec.n), Braking(spec.ready, np.zeros(spec.n)))
    name, clearance = collision.nearest()
    assert name in collision.names
    assert clearance > spec.self_collision.margin


@robots
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.floats(1e-4, 2.0),
    kind=st.sampled_from([Braking, Winding]),
    towards=st.booleans(),
)
def test_no_stop_is_proven_that_comes_nearer_than_the_margin(robot, seed, size, kind, towards):
    spec, collision, shapes = watched(robot)
    random = np.random.default_rng(seed)
    here = clear(spec, shapes, random)
    collision.start(here)
    way = random.uniform(-size, size, spec.n)
    if towards:  # straight at the nearest pair
        rows = np.array([np.argmin(measure(shapes, here))])
        shapes.distances(rows)
        gradient = shapes.gradients(rows)[0]
        way = 0.1 * way - size * gradient / max(np.abs(gradient).max(), 1e-9)
    begin = here + 0.02 * way
    stop = kind(begin, way)
    if collision.proves(begin, np.abs(way), stop):
        assert least(shapes, stop) >= spec.self_collision.margin - 1e-9
        assert least(shapes, Braking(here, begin - here)) >= spec.self_collision.margin - 1e-9
    else:
        assert collision.refused in collision.names


@robots
def test_stops_that_stay_clear_are_mostly_proven(robot):
    spec, collision, shapes = watched(robot)
    random, proven, total = np.random.default_rng(3), 0, 0
    while total < 20:
        here = clear(spec, shapes, random)
        stop = Braking(here, random.uniform(-0.05, 0.05, spec.n))
        if least(shapes, stop, 20) > spec.self_collision.margin + 0.005:
            collision.start(here)
            proven += collision.proves(here, np.abs(stop.way), stop)
            total += 1
    assert proven >= 0.95 * total


@robots
def test_a_robot_steered_into_itself_stops_clear_and_gets_away_at_full_speed(robot):
    spec, collision, shapes = watched(robot)
    margin, random, met = spec.self_collision.margin, np.random.default_rng(4), 0
    for _ in range(100):
        goal = anywhere(spec, random)
        if measure(shapes, goal).min() > 0 or met == 2:
            continue
        met += 1
        collision.start(spec.ready)
        places, speeds = drive(spec, collision, spec.ready, goal, 800)
        clearance = [measure(shapes, q).min() for q in places]
        assert min(clearance) >= margin - 1e-9
        assert np.abs(speeds[-50:]).max() < 0.05
        came = np.abs(speeds).max(axis=0)
        way = np.concatenate([places[::-1], np.tile(spec.ready, (300, 1))])
        back, speeds = drive(spec, collision, places[-1], way, len(way))
        assert np.abs(back[-1] - spec.ready).max() < 0.01
        assert (np.abs(speeds).max(axis=0) > 0.5 * came).all()
    assert met


def test_speed_falls_to_zero_before_contact():
    spec, collision, shapes = watched('ur5e')
    goal = spec.ready + np.array([0, 0, 2.0, 0, 0, 0])  # the elbow folds onto the upper arm
    collision.start(spec.ready)
    places, speeds = drive(spec, collision, spec.ready, goal, 800)
    clearance = np.array([measure(shapes, q).min() for q in places])
    assert clearance[-1] < spec.self_collision.slow
    for distance, share in ((0.03, 0.45), (0.02, 0.25), (0.012, 0.1)):
        near = clearance < distance
        assert (np.abs(speeds[near]) <= share * spec.velocity).all()


def test_only_directions_that_bring_a_pair_nearer_are_slowed():
    spec, collision, shapes = watched('ur5e')
    q = spec.ready.copy()
    while measure(shapes, q).min() > 0.03:
        q[2] += 0.005
    collision.start(q)
    up, down = collision.ceilings(q)
    assert up[2] < 0.6
    assert down[2] == 1.0
    assert up[0] == down[0] == 1.0  # turns the whole arm


def test_a_robot_that_starts_nearer_than_its_margin_may_leave_but_not_come_nearer():
    spec, _, shapes = watched('ur5e')
    q = spec.ready.copy()
    while measure(shapes, q).min() > 0.005:
        q[2] += 0.002
    clearance, collision = measure(shapes, q).min(), collision_of(spec)
    collision.start(q)
    closer = q + np.array([0, 0, 0.3, 0, 0, 0])
    places, _ = drive(spec, collision, q, closer, 200)
    assert min(measure(shapes, p).min() for p in places) > clearance - 5e-4
    places, _ = drive(spec, collision, places[-1], spec.ready, 600)
    assert np.abs(places[-1] - spec.ready).max() < 0.01
    places, _ = drive(spec, collision, places[-1], closer, 600)
    assert min(measure(shapes, p).min() for p in places) >= spec.self_collision.margin - 1e-9


def test_a_slow_zone_of_no_width_stops_the_robot_clear_all_the_same():
    spec = load_robot('ur5e')
    spec = dataclasses.replace(spec, self_collision=CollisionSpec(margin=0.01, slow=0.0101))
    shapes, collision = watched('ur5e')[2], collision_of(spec)
    folded = spec.ready + np.array([0, 0, 2.0, 0, 0, 0])
    collision.start(spec.ready)
    places, _ = drive(spec, collision, spec.ready, folded, 400)
    assert 0.01 - 1e-9 <= min(measure(shapes, q).min() for q in places) < 0.02


def highest(spec: RobotSpec, q: np.ndarray, direction: np.ndarray) -> float:
    """How far any link that can move gets along a direction of the base frame."""
    kinematics, still = spec.kinematics(), spec.kinematics().frame
    moving = [
        (kinematics.frame(link, q) @ pose, kind, sizes)
        for link, solids in primitives(spec).items()
        for pose, kind, sizes in solids
        if not np.allclose(still(link, q), still(link, q + 0.1))
    ]
    return max(support(solid, direction) for solid in moving)


def fenced(spec: RobotSpec, keep_in: bool, lower: list, upper: list, **also) -> RobotSpec:
    fence = Fence('cell', keep_in, np.array(lower, float), np.array(upper, float))
    return dataclasses.replace(spec, fences=(fence,), **also)


@pytest.mark.parametrize('own', [CollisionSpec(), None])
def test_a_robot_stays_inside_a_fence_and_comes_back_from_it(own):
    base = load_robot('ur5e')
    tip = base.kinematics().tips(base.ready)[0]
    top = highest(base, base.ready, np.array([0, 0, 1.0])) + 0.1
    spec = fenced(base, True, [-2, -2, -2], [2, 2, top], self_collision=own)
    collision = collision_of(spec)
    collision.start(spec.ready)
    stretched = spec.ready.copy()
    stretched[1], stretched[2] = -np.pi / 2, 0.0
    places, speeds = drive(spec, collision, spec.ready, stretched, 600)
    heights = [highest(spec, q, np.array([0, 0, 1.0])) for q in places[::5]]
    margin = own.margin if own else 0.0
    assert top - margin - 0.03 < max(heights) <= top - margin + 1e-9
    assert np.abs(speeds[-50:]).max() < 0.05
    back, _ = drive(spec, collision, places[-1], spec.ready, 600)
    assert np.abs(back[-1] - spec.ready).max() < 0.01
    assert tip[2] < top


def test_a_robot_stays_out_of_a_fence():
    base = load_robot('ur5e')
    tip = base.kinematics().tips(base.ready)[0]
    corners = tip + np.array([[-0.2, -0.2, -0.5], [0.2, 0.2, -0.15]])
    spec = fenced(base, False, *corners)
    collision = collision_of(spec)
    collision.start(spec.ready)
    down = spec.ready + np.array([0, 0.6, 0, -0.6, 0, 0])
    shapes = Shapes(spec)
    shapes.watch(choose(shapes, spec)[0].pairs)
    assert measure(shapes, down).min() < 0
    places, _ = drive(spec, collision, spec.ready, down, 600)
    clearance = min(measure(shapes, q).min() for q in places)
    assert 0.01 - 1e-9 <= clearance < 0.03
    assert collision.nearest()[0].endswith('and fence cell')


def test_a_robot_that_stands_outside_its_fence_may_only_come_back():
    base = load_robot('ur5e')
    tip, turn = base.kinematics().tips(base.ready)[0], np.array([0.8, 0, 0, 0, 0, 0])
    axis = int(np.argmax(np.abs(tip[:2])))
    outwards = np.sign(tip[axis]) * np.eye(3)[axis]
    here, there = (highest(base, base.ready + s * turn, outwards) for s in (0, 1))
    out, back = (base.ready + np.sign(there - here) * s * turn for s in (1, -1))
    wall = 2 * np.ones(3) - np.abs(outwards) * (2 - here + 0.05)
    low, high = (np.where(s * outwards > 0, s * wall, s * 2) for s in (-1, 1))
    collision = collision_of(fenced(base, True, low, high))
    collision.start(base.ready)
    assert collision.nearest()[1] < 0
    places, _ = drive(base, collision, base.ready, out, 200)
    assert highest(base, places[-1], outwards) < here + 5e-4
    places, _ = drive(base, collision, places[-1], back, 600)
    assert np.abs(places[-1] - back).max() < 0.01
    places, _ = drive(base, collision, places[-1], out, 600)
    assert highest(base, places[-1], outwards) <= here - 0.06 + 1e-9


def test_without_self_collision_and_fences_there_is_nothing_to_watch():
    spec = dataclasses.replace(load_robot('ur5e'), self_collision=None)
    assert collision_of(spec) is None


def test_links_that_touch_at_the_ready_pose_are_refused_by_name():
    spec = load_robot('ur5e')
    folded = spec.ready + np.array([0, 0, 1.2, 0, 0, 0])
    with pytest.raises(RobotError, match=r"links '\w+' and '\w+' are .* add \[\w+, \w+\]"):
        collision_of(dataclasses.replace(spec, ready=folded))


def test_pairs_that_the_description_ignores_are_not_watched():
    spec = load_robot('ur5e')
    pair = ('wrist_1_link', 'upper_arm_link')
    assert pair[::-1] in explained(spec).watched
    told = explained(dataclasses.replace(spec, self_collision=CollisionSpec(ignore=(pair,))))
    assert pair[::-1] in told.ignored
    assert pair[::-1] not in told.watched


def test_a_mesh_is_refused_by_the_name_of_its_link():
    spec = load_robot('ur5e')
    solid = '<cylinder radius="0.075" length="0.02"/>'
    assert solid in spec.urdf_xml or '<geometry>' in spec.urdf_xml
    start = spec.urdf_xml.index('<geometry>', spec.urdf_xml.index('<collision>'))
    end = spec.urdf_xml.index('</geometry>', start)
    text = spec.urdf_xml[:start] + '<geometry><mesh filename="a.stl"/>' + spec.urdf_xml[end:]
    with pytest.raises(RobotError, match=r"link '\w+': a <collision> shape is a mesh"):
        collision_of(dataclasses.replace(spec, urdf_xml=text))
