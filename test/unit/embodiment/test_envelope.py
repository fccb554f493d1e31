"""No published command leaves the limits, by a checker that shares no code with the envelope."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_nodes.embodiment.envelope import Envelope, EnvelopeError
from gen_nodes.embodiment.limits import limits_of
from gen_nodes.robot import RobotSpec, load_robot

ROBOTS = ('ur5e', 'franka_fr3', 'openarm_bimanual')


def violations(published_TxN: np.ndarray, spec: RobotSpec) -> dict[str, float]:
    """Worst excess over each limit, as a fraction of it; finite differences at the nominal
    period.
    """
    h = 1 / spec.control.rate_hz
    p = np.asarray(published_TxN)
    v = (p[1:] - p[:-1]) / h
    a = (v[1:] - v[:-1]) / h
    j = (a[1:] - a[:-1]) / h
    low, high = np.array([spec.velocity_bounds(q) for q in p]).transpose(1, 0, 2)
    over = {
        'position': np.maximum(p - spec.upper, spec.lower - p).max(),
        'velocity': (np.abs(v) / spec.velocity).max() - 1,
        'acceleration': (np.abs(a) / spec.acceleration).max() - 1,
        'jerk': (np.abs(j) / spec.jerk).max() - 1,
        'bounds': np.maximum(
            v - np.maximum(high[1:], high[:-1]), np.minimum(low[1:], low[:-1]) - v
        ).max(),
    }
    return {name: float(worst) for name, worst in over.items() if not worst <= 1e-9}


def make(spec: RobotSpec) -> tuple[Envelope, list[np.ndarray]]:
    """An envelope at rest in the ready pose, and what has been published so far (standing
    there).
    """
    envelope = Envelope(limits_of(spec), 1 / spec.control.rate_hz)
    envelope.start(spec.ready)
    return envelope, [spec.ready] * 4


def hostile(spec: RobotSpec, random: np.random.Generator):
    """A stream of (position, rate, brake): jumps, ramps, noise, smooth stretches, out of range by
    far.
    """
    h, q, rate, mode, tick = 1 / spec.control.rate_hz, spec.ready, np.zeros(spec.n), 0, 0
    while True:
        if random.random() < 0.03:
            mode = int(random.integers(0, 6))
            spread = random.choice([0.01, 0.3, 1.0, 30.0])
            q = random.uniform(spec.lower - spread, spec.upper + spread)
            rate = random.uniform(-3, 3, spec.n) * spec.velocity * (mode in (1, 3))
        tick += 1
        if mode == 1:
            q = q + rate * h
        elif mode == 2:
            q = q + random.normal(0, 0.01, spec.n)
        elif mode == 4:
            w = 2 * np.pi * 1.5
            rate = 0.2 * w * np.cos(w * tick * h) * np.ones(spec.n)
            q = q + rate * h
        yield q, rate, mode == 5


@pytest.mark.parametrize('robot', ROBOTS)
def test_ten_thousand_hostile_references_never_leave_the_limits(robot):
    spec, random = load_robot(robot), np.random.default_rng(7)
    envelope, published = make(spec)
    for (q, rate, brake), _ in zip(hostile(spec, random), range(10_000), strict=False):
        step = envelope.brake() if brake else envelope.follow(q, rate)
        published.append(step.position)
    assert violations(published, spec) == {}
    travelled = np.ptp(published, axis=0) / (spec.upper - spec.lower)
    assert travelled.min() > 0.3  # every joint did move far


def test_the_checker_catches_an_envelope_without_limits():
    spec, random = load_robot('ur5e'), np.random.default_rng(7)
    references = [q for (q, _, _), _ in zip(hostile(spec, random), range(500), strict=False)]
    assert set(violations([spec.ready] * 4 + references, spec)) >= {
        'velocity',
        'acceleration',
        'jerk',
    }


reference = st.tuples(
    st.floats(-1.5, 1.5),
    st.floats(-2, 2),
    st.integers(1, 60),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(robot=st.sampled_from(ROBOTS), stretches=st.lists(reference, min_size=1, max_size=12))
def test_no_sequence_of_ramps_and_brakes_leaves_the_limits(robot, stretches):
    spec = load_robot_once(robot)
    envelope, published = make(spec)
    middle, half = (spec.lower + spec.upper) / 2, (spec.upper - spec.lower) / 2
    for place, speed, ticks, brake in stretches:
        q, rate = middle + place * half, speed * spec.velocity
        for _ in range(ticks):
            q = q + rate / spec.control.rate_hz
            step = envelope.brake() if brake else envelope.follow(q, rate)
            published.append(step.position)
    while not envelope.at_rest:
        published.append(envelope.brake().position)
        assert len(published) < 3000
    assert violations(published, spec) == {}


_specs: dict[str, RobotSpec] = {}


def load_robot_once(name: str) -> RobotSpec:
    if name not in _specs:
        _specs[name] = load_robot(name)
    return _specs[name]


def sine(spec: RobotSpec, t: float) -> tuple[np.ndarray, np.ndarray]:
    """A smooth reference inside all limits, around the ready pose."""
    w = np.linspace(0.5, 1.3, spec.n)
    size = 0.4 * np.minimum(spec.upper - spec.ready, spec.ready - spec.lower)
    size = np.minimum(size, 0.4 * np.minimum(spec.velocity / w, spec.acceleration / w**2))
    return spec.ready + size * np.sin(w * t), size * w * np.cos(w * t)


@pytest.mark.parametrize('robot', ROBOTS)
def test_a_smooth_reference_inside_the_limits_passes_unchanged_once_it_is_reached(robot):
    spec = load_robot(robot)
    envelope, published = make(spec)
    off = []
    for tick in range(1, 2000):
        q, rate = sine(spec, tick / spec.control.rate_hz)
        step = envelope.follow(q, rate)
        published.append(step.position)
        off.append(np.abs(step.position - q).max())
    caught = int(np.flatnonzero(np.array(off) > 1e-6).max()) / spec.control.rate_hz
    assert caught < 1.0
    assert step.active == ()
    assert violations(published, spec) == {}


def test_a_smooth_start_passes_unchanged_from_the_first_period():
    spec = load_robot('ur5e')
    envelope, _ = make(spec)
    for tick in range(1, 300):
        t = tick / spec.control.rate_hz
        q = spec.ready + 0.2 * (1 - np.cos(t)) ** 2
        step = envelope.follow(q, 0.4 * (1 - np.cos(t)) * np.sin(t) * np.ones(spec.n))
        assert np.abs(step.position - q).max() <= 1e-6


def test_an_unreachable_reference_names_the_limits_that_are_active():
    spec = load_robot('ur5e')
    envelope, _ = make(spec)
    q = spec.ready.copy()
    q[2] += 1.0
    steps = [envelope.follow(q, np.zeros(spec.n)) for _ in range(400)]
    kinds = {limit for step in steps for limit in step.active}
    assert {'elbow_joint:jerk', 'elbow_joint:acceleration'} <= kinds
    assert all(limit.startswith('elbow_joint:') for limit in kinds)
    assert steps[-1].position == pytest.approx(q)


def test_beyond_a_position_limit_the_joint_rests_at_its_soft_limit():
    spec = load_robot('ur5e')
    envelope, _ = make(spec)
    q = spec.ready.copy()
    q[2] = spec.upper[2] + 1
    for _ in range(1500):
        step = envelope.follow(q, np.zeros(spec.n))
    assert spec.upper[2] - 0.011 < step.position[2] < spec.upper[2] - 0.009
    assert step.active == ('elbow_joint:position',)


def test_braking_is_the_quickest_stop_and_then_stands_exactly_still():
    spec = load_robot('ur5e')
    envelope, _ = make(spec)
    for tick in range(200):
        envelope.follow(spec.ready + 0.5 * tick / spec.control.rate_hz, np.full(spec.n, 0.5))
    speed, ticks = np.abs(envelope.velocity).max(), 0
    while not envelope.at_rest:
        stood = envelope.brake().position
        ticks += 1
        assert ticks < 1000
    quickest = speed / spec.acceleration.min() + spec.acceleration.min() / spec.jerk.min()
    assert ticks / spec.control.rate_hz <= 1.05 * quickest + 2 / spec.control.rate_hz
    assert (envelope.brake().position == stood).all()


def test_a_robot_just_beyond_its_soft_limit_may_come_back_but_not_go_further():
    spec = load_robot('ur5e')
    envelope, start = make(spec)[0], spec.ready.copy()
    start[2] = spec.upper[2] - 0.001
    envelope.start(start)
    outwards = envelope.follow(start + 0.1, np.zeros(spec.n)).position[2]
    assert outwards <= start[2]
    for _ in range(500):
        step = envelope.follow(spec.ready, np.zeros(spec.n))
    assert step.position == pytest.approx(spec.ready)


@pytest.mark.parametrize('seed', range(6))
def test_outside_its_limits_a_joint_moves_nowhere_but_inwards(seed):
    spec, random = load_robot_once('ur5e'), np.random.default_rng(seed)
    envelope, side = make(spec)[0], random.choice([-1, 1], spec.n)
    start = np.where(side > 0, spec.upper + 0.04, spec.lower - 0.04)
    envelope.start(start)
    p = [start]
    for tick in range(400):
        if tick % 12 == 0:  # in and out again, before it is inside
            q = start - side * random.uniform(-0.3, 0.06, spec.n)
        p.append(envelope.follow(q, random.normal(0, 0.2, spec.n)).position)
    out = side * np.diff(p, axis=0)
    outside = side * (np.array(p[:-1]) - np.where(side > 0, spec.upper, spec.lower)) > 0
    assert (out[outside] <= 1e-12).all()
    assert np.abs(np.array(p[-1]) - start).max() > 0.001


def test_a_robot_that_came_back_inside_is_never_led_out_again():
    spec = load_robot('ur5e')
    envelope, start = make(spec)[0], spec.ready.copy()
    start[2] = spec.upper[2] + 0.04
    envelope.start(start)
    way, w = -0.06 * np.eye(spec.n)[2], np.pi / 200
    for tick in range(1, 200):  # smoothly back, on the reference
        rate = way * w * spec.control.rate_hz * np.sin(w * tick) / 2
        envelope.follow(start + way * (1 - np.cos(w * tick)) / 2, rate)
    assert envelope.position[2] < spec.upper[2] - 0.01
    for _ in range(400):
        step = envelope.follow(start + 1.0, np.zeros(spec.n))
        assert step.position[2] < spec.upper[2] - 0.009


@pytest.mark.parametrize('where', [9.0, np.nan])
def test_it_does_not_start_from_a_position_far_outside_the_limits(where):
    spec = load_robot('ur5e')
    envelope, start = make(spec)[0], spec.ready.copy()
    start[2] = where
    with pytest.raises(EnvelopeError, match='elbow_joint'):
        envelope.start(start)


def test_a_step_for_sixteen_joints_takes_at_most_200_microseconds():
    spec = load_robot('openarm_bimanual')
    envelope, _ = make(spec)
    medians = []
    for batch in range(20):
        taken = []
        for tick in range(100):
            q, rate = sine(spec, (batch * 100 + tick) / spec.control.rate_hz)
            begun = time.perf_counter()
            envelope.follow(q, rate)
            taken.append(time.perf_counter() - begun)
        medians.append(np.median(taken))
    assert min(medians) <= 200e-6  # of the batch that the machine disturbed least
