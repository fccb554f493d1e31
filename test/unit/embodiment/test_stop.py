"""The quickest stop, and the bound that stands in for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen_nodes.embodiment.limits import limits_of
from gen_nodes.embodiment.stop import EnvelopeError, State, Stop, StopBound, StopSamples, stoppable
from gen_nodes.robot import load_robot

SPEC = load_robot('ur5e')
LIMITS = limits_of(SPEC)
N = LIMITS.n
share = st.floats(-1, 1)
states = st.builds(
    lambda v, a: State(
        SPEC.ready, np.array(v) * LIMITS.velocity, np.array(a) * LIMITS.acceleration
    ),
    st.lists(share, min_size=N, max_size=N),
    st.lists(share, min_size=N, max_size=N),
)


@settings(max_examples=300, deadline=None)
@given(states)
def test_no_stop_reaches_further_or_gets_faster_than_its_bound(state):
    stop, bound = Stop(LIMITS), StopBound(LIMITS)
    stop.solve(state)
    lowest, highest = stop.extrema()
    peak = bound.peak(np.abs(state.v), np.abs(state.a))
    reach = bound.reach(peak, np.abs(state.a))
    assert (highest - state.p <= reach + 1e-12).all()
    assert (state.p - lowest <= reach + 1e-12).all()
    _, velocities = stop.samples(np.linspace(0, stop.duration, 60))
    assert (np.abs(velocities) <= stop.fastest() + 1e-9).all()
    assert (stop.fastest() <= peak + 1e-12).all()


@settings(max_examples=100, deadline=None)
@given(states)
def test_a_stop_stays_between_its_extrema_and_ends_at_rest(state):
    stop = Stop(LIMITS)
    stop.solve(state)
    lowest, highest = stop.extrema()
    positions, _ = stop.samples(np.linspace(0, stop.duration, 60))
    assert (positions <= highest + 1e-9).all()
    assert (positions >= lowest - 1e-9).all()
    end = stop.after(stop.duration + 0.01)
    assert end.at_rest
    assert not state.at_rest or stop.duration == 0


def test_the_bound_is_not_far_above_the_stop_at_full_speed():
    stop, bound = Stop(LIMITS), StopBound(LIMITS)
    state = State(SPEC.ready, LIMITS.velocity, np.zeros(N))
    stop.solve(state)
    peak = bound.peak(state.v, state.a)
    assert peak == pytest.approx(state.v)
    reach, real = bound.reach(peak, state.a), stop.extrema()[1] - state.p
    assert (reach >= real - 1e-12).all()
    assert (reach <= 1.02 * real).all()


@settings(max_examples=60, deadline=None)
@given(states, st.integers(2, 9))
def test_between_samples_no_joint_moves_further_than_told(state, count):
    samples = StopSamples(Stop(LIMITS), state, LIMITS.acceleration)
    fractions = np.linspace(0, 1, count)
    lengths = samples.lengths(fractions)
    assert lengths.shape == (count - 1, N)
    fine = samples(np.linspace(0, 1, 40 * (count - 1) + 1))
    for piece in range(count - 1):
        inside = fine[40 * piece : 40 * piece + 41]
        assert (np.ptp(inside, axis=0) <= lengths[piece] + 1e-9).all()


def test_a_path_for_drivers_ends_at_rest_where_the_stop_ends():
    stop = Stop(LIMITS)
    state = State(SPEC.ready, 0.5 * LIMITS.velocity, np.zeros(N))
    stop.solve(state)
    path = stop.path(0.008, 8)
    assert path.times_s.shape == (8,)
    assert (np.diff(path.times_s) > 0).all()
    assert path.times_s[0] == 0
    assert path.accelerations[0] == pytest.approx(state.a)
    assert path.times_s[-1] == pytest.approx(stop.duration)
    assert (path.velocities[-1] == 0).all()
    assert (path.accelerations[-1] == 0).all()
    assert path.positions[-1] == pytest.approx(stop.extrema()[1])
    assert path.positions[0] == pytest.approx(stop.samples(path.times_s[:1])[0][0])
    assert path.velocities[0] == pytest.approx(stop.samples(path.times_s[:1])[1][0])


def test_a_path_from_rest_stands_still_for_a_period():
    stop, rest = Stop(LIMITS), State(SPEC.ready, np.zeros(N), np.zeros(N))
    stop.solve(rest)
    path = stop.path(0.008, 4)
    assert path.times_s[-1] == 0.008
    assert (path.positions == SPEC.ready).all()


def test_a_state_that_is_not_finite_has_no_stop():
    with pytest.raises(EnvelopeError, match='no stop found'):
        Stop(LIMITS).solve(State(SPEC.ready, np.full(N, np.nan), np.zeros(N)))


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 3))
def test_from_a_stoppable_speed_a_stop_fits_into_the_distance(distance):
    speed = np.minimum(stoppable(np.full(N, distance), LIMITS), LIMITS.velocity)
    stop = Stop(LIMITS)
    stop.solve(State(SPEC.ready, speed, np.zeros(N)))
    gone = stop.extrema()[1] - SPEC.ready
    assert (gone <= 1.012 * distance + 1e-6).all()


def test_no_distance_leaves_no_speed():
    assert stoppable(np.array([0.0, -1.0] + [0.0] * (N - 2)), LIMITS) == pytest.approx(0.0)
