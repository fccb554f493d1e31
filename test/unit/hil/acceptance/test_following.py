"""Which faults of a command path show when one joint moves."""

import numpy as np
import pytest

from gen_nodes.hil.acceptance.following import (
    TRACE_POINTS,
    Take,
    judge_alone,
    judge_together,
    lags_of,
)
from gen_nodes.hil.acceptance.motion import motion
from gen_nodes.hil.acceptance.track import Track
from gen_nodes.robot import load_robot
from gen_nodes.types import NS

SPEC = load_robot('ur5e')
ZERO_NS = 1_800_000_000 * NS
PERIOD_NS = 8_000_000
LAG_S = 0.05


def take(curve, robot=lambda q: q, lag_s=LAG_S):
    """What is heard of a motion; `robot` makes measured positions of commanded ones."""
    stamps = ZERO_NS + np.arange(-round(0.6 * NS), round((curve.seconds + 0.4) * NS), PERIOD_NS)
    time = (stamps - ZERO_NS) / NS
    return Take(
        curve,
        ZERO_NS,
        Track(stamps, curve.at(time)),
        Track(stamps, robot(curve.at(time - lag_s))),
    )


def alone(joint=2):
    return motion(SPEC, SPEC.ready, 0.1, np.arange(SPEC.n) == joint)


def missed(findings):
    return [check.what for check in findings.checks if not check.met]


def away(factor):
    return lambda q: SPEC.ready + factor * (q - SPEC.ready)


def test_a_joint_that_follows_after_a_short_lag_passes():
    findings, found = judge_alone(SPEC, 2, take(alone()))
    assert missed(findings) == [] and found.lag_s == pytest.approx(LAG_S, abs=0.004)


@pytest.mark.parametrize('factor', [-1.0, 0.0, np.pi / 180, 180 / np.pi, 0.5])
def test_a_wrong_sign_a_wrong_unit_or_a_joint_that_stands_fails(factor):
    findings, _ = judge_alone(SPEC, 2, take(alone(), away(factor)))
    assert 'gain of elbow_joint' in missed(findings)


def test_two_joints_in_the_wrong_order_fail_twice():
    def swapped(q):
        return q[:, [0, 1, 3, 2, 4, 5]] - (SPEC.ready[[0, 1, 3, 2, 4, 5]] - SPEC.ready)

    findings, _ = judge_alone(SPEC, 2, take(alone(), swapped))
    assert 'gain of elbow_joint' in missed(findings)
    assert 'other joints while elbow_joint moves' in missed(findings)


@pytest.mark.parametrize('lag_s', [0.3, -0.08])
def test_a_servo_that_lags_too_much_or_moves_before_it_is_told_to_fails(lag_s):
    findings, _ = judge_alone(SPEC, 2, take(alone(), lag_s=lag_s))
    assert 'lag of elbow_joint' in missed(findings)


def test_together_each_joint_gets_its_own_lag_gain_and_error():
    curve = motion(SPEC, SPEC.ready, 0.2)
    whole = take(curve)
    findings, lags = judge_together(SPEC, whole, np.ones(SPEC.n, bool))
    assert missed(findings) == [] and lags == pytest.approx(LAG_S, abs=0.004)
    assert lags_of(whole) == pytest.approx(lags)
    assert findings.figures['off_reference'] == pytest.approx(0, abs=1e-12)
    assert set(findings.figures['gain']) == set(SPEC.joint_names)


def test_a_joint_that_is_sent_goals_only_is_measured_and_not_judged():
    def stuck(q):
        return np.where(np.arange(SPEC.n) == 5, SPEC.ready, q)

    whole, every = take(motion(SPEC, SPEC.ready, 0.2), stuck), np.ones(SPEC.n, bool)
    assert missed(judge_together(SPEC, whole, every)[0]) != []
    but_last, _ = judge_together(SPEC, whole, every & (np.arange(SPEC.n) != 5))
    assert missed(but_last) == [] and but_last.figures['gain']['wrist_3_joint'] == 0


def test_curves_for_the_page_are_short_and_count_from_the_start():
    findings, _ = judge_together(SPEC, take(motion(SPEC, SPEC.ready, 0.2)), np.ones(6, bool))
    curve = findings.traces['measured']
    assert len(curve['s']) == len(curve['q']) <= TRACE_POINTS
    assert curve['s'][0] == pytest.approx(-0.6, abs=0.01)
