"""Lags, gains and stops, measured on motions that are known exactly."""

import numpy as np
import pytest

from gen_nodes.hil.acceptance.track import (
    STILL,
    Track,
    excursion,
    following,
    stop_of,
    track_of,
)
from gen_nodes.types import NS, CommandSample, JointSample

NAMES = ('a', 'b')
PERIOD_NS = 8_000_000
ZERO_NS = 1_800_000_000 * NS


def joint_state(stamp_ns, values, names=NAMES):
    values = np.array(values, float)
    return JointSample('joint_states', stamp_ns, stamp_ns, names, values, 0 * values, 0 * values)


def track(function, seconds=3.0, delay_s=0.0, period_ns=PERIOD_NS, noise=0.0, seed=0):
    stamps = ZERO_NS + np.arange(0, round(seconds * NS), period_ns)
    time = (stamps - ZERO_NS) / NS - delay_s
    values = function(np.maximum(time, 0.0))
    return Track(stamps, values + noise * np.random.default_rng(seed).standard_normal(values.shape))


def wave(gain=1.0, offset=0.0):
    def at(time):
        q = 0.1 * np.sin(4 * time) ** 2
        return np.stack([gain * q + offset, 0 * time], axis=1)

    return at


def test_samples_become_a_track_in_the_wanted_order():
    samples = [joint_state(1, (1, 2)), joint_state(2, (4, 3), ('b', 'a'))]
    found = track_of(samples, NAMES)
    assert found.stamp_ns.tolist() == [1, 2] and found.position.tolist() == [[1, 2], [3, 4]]


def test_samples_that_lack_a_joint_repeat_or_come_late_are_left_out():
    samples = [
        joint_state(1, (1, 2)),
        joint_state(2, (5,), ('a',)),
        joint_state(1, (7, 7)),
        joint_state(3, (3, 4)),
    ]
    assert track_of(samples, NAMES).stamp_ns.tolist() == [1, 3]


def test_commands_become_a_track_too():
    values = np.array([1.0, 2.0])
    command = CommandSample('executed', 5, 5, 1, 'position', NAMES, values, values)
    assert track_of([command], NAMES).position.tolist() == [[1, 2]]
    assert track_of([], NAMES).position.shape == (0, 2)


@pytest.mark.parametrize('delay_s', [-0.04, 0.0, 0.048, 0.2])
def test_a_pure_delay_is_found_as_the_lag_even_before_the_command(delay_s):
    found = following(track(wave()), track(wave(), delay_s=delay_s), 0)
    assert found.lag_s == pytest.approx(delay_s, abs=0.004)
    assert found.gain == pytest.approx(1.0, abs=0.01) and found.error < 1e-3


def test_noise_and_a_constant_offset_spoil_neither_lag_nor_gain():
    measured = track(wave(offset=0.03), delay_s=0.06, noise=3e-4)
    found = following(track(wave()), measured, 0)
    assert found.lag_s == pytest.approx(0.06, abs=0.006)
    assert found.gain == pytest.approx(1.0, abs=0.02)
    assert found.offset == pytest.approx(0.03, abs=1e-3)


@pytest.mark.parametrize('gain', [-1.0, 0.0, 0.5, 57.3])
def test_a_wrong_sign_or_unit_or_a_joint_that_stands_shows_in_the_gain(gain):
    assert following(track(wave()), track(wave(gain)), 0).gain == pytest.approx(gain, abs=0.02)


def braking(time):
    """Joint a at 0.5 rad/s until 1 s, then 2.5 rad/s^2 to rest at 1.2 s; b stands."""
    t = np.clip(time - 1.0, 0.0, 0.2)
    return np.stack([0.5 * np.minimum(time, 1.0) + 0.5 * t - 1.25 * t**2, 0 * time], axis=1)


def test_a_stop_is_measured_from_its_cause_to_the_standstill():
    cause_ns = ZERO_NS + NS
    stop = stop_of(track(braking), track(braking, delay_s=0.04), cause_ns, np.full(2, STILL))
    assert stop.velocity == pytest.approx([0.5, 0.0], abs=0.01)
    assert stop.commanded_s == pytest.approx(0.2, abs=0.01)
    # a decelerates at 2.5 rad/s^2, so it is within 2 mrad of its end 0.04 s before it stands
    assert stop.standing_s == pytest.approx([0.2, 0.0], abs=0.012)
    assert stop.distance == pytest.approx([0.05 + 0.04 * 0.5, 0.0], abs=1e-3)


def test_commands_that_go_on_after_the_standstill_are_counted():
    cause_ns = ZERO_NS + NS
    ended = track(braking, seconds=1.21)
    assert stop_of(ended, track(braking), cause_ns, np.full(2, STILL)).after == 0
    assert stop_of(track(braking), track(braking), cause_ns, np.full(2, STILL)).after > 100


def test_noise_of_a_joint_that_stands_is_no_motion():
    cause_ns = ZERO_NS + NS
    noisy = track(braking, noise=1e-3)
    stop = stop_of(track(braking), noisy, cause_ns, np.full(2, STILL))
    assert stop.standing_s[1] == 0 and stop.standing_s[0] > 0.1
    assert stop.noise == pytest.approx(1e-3, rel=0.5) and stop.distance[1] < 2e-3


def test_an_excursion_counts_from_where_the_joint_was_and_noise_is_none():
    assert excursion(track(wave())) == pytest.approx([0.1, 0.0], abs=1e-2)
    assert excursion(track(wave(), noise=2e-4))[1] < 3e-4
    assert excursion(track_of([], NAMES)).tolist() == [0.0, 0.0]
