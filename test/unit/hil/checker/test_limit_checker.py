"""The checker finds every kind of violation, forgives rounding only, and shares no code with what
it judges.
"""

import ast
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.hil.checker.limit_checker import LimitChecker
from gen_nodes.hil.checker.published import EPS, Segment, Tail
from gen_nodes.hil.checker.stated_limits import StatedLimits, stated_limits
from gen_nodes.hil.checker.verdict import KINDS, Verdict, merged
from gen_nodes.robot import known_robots, load_robot

H = 0.01
LIMITS = StatedLimits(
    ('a', 'b'),
    lower=np.array([-1.0, -np.inf]),
    upper=np.array([1.0, np.inf]),
    velocity=np.array([1.0, 2.0]),
    acceleration=np.array([5.0, 5.0]),
    jerk=np.array([100.0, 100.0]),
    rules=np.full((5, 2), np.nan),
)


def segment(positions_TxN, number=0, start=None, **others) -> Segment:
    values = np.array(positions_TxN, float)
    first = values[0] if start is None else np.array(start, float)
    return Segment(number, first, 1000 + np.arange(len(values)) * 10_000_000, values, **others)


def judged(*segments: Segment, limits: StatedLimits = LIMITS, period_s: float = H) -> Verdict:
    checker = LimitChecker(limits, period_s)
    for one in segments:
        checker.add(one)
    return checker.verdict()


def found(verdict: Verdict) -> set[str]:
    return {kind for kind, count in verdict.violations.items() if count}


def motion(jerk_T: np.ndarray, joint: int = 0) -> np.ndarray:
    """Positions (T, 2) of one joint whose third differences are `jerk_T`; the other stands."""
    step = np.cumsum(np.cumsum(np.cumsum(jerk_T))) * H**3
    out = np.zeros((len(jerk_T), 2))
    out[:, joint] = step
    return out


def s_curve(jerk: float, ticks: int) -> np.ndarray:
    """Up to speed and back to rest, each third difference +-jerk."""
    up = np.repeat([jerk, -jerk], ticks)
    return np.concatenate([up, -up])


def test_a_motion_at_exactly_the_jerk_limit_is_no_violation_and_uses_all_of_it():
    verdict = judged(segment(motion(s_curve(100.0, 4)), start=[0, 0]))
    assert verdict.total == 0
    assert verdict.worst['jerk'].fraction == pytest.approx(1, abs=1e-9)
    assert verdict.worst['acceleration'].fraction == pytest.approx(4 * 100 * H / 5)
    assert verdict.commands == 16 and verdict.segments == 1


@pytest.mark.parametrize('excess', [1e-6, 0.01, 10.0])
def test_a_little_more_jerk_than_allowed_is_found_with_joint_and_stamp(excess):
    jerk = s_curve(100.0, 4)
    jerk[5] -= 100 * excess
    verdict = judged(segment(motion(jerk, joint=1), number=7, start=[0, 0]))
    assert 'jerk' in found(verdict)
    first = verdict.first['jerk']
    assert (first.joint, first.stamp_ns, first.segment) == ('b', 1000 + 5 * 10_000_000, 7)
    assert first.fraction == pytest.approx(1 + excess)


def test_velocity_and_acceleration_beyond_their_limits_are_told_apart():
    slow_bend = np.cumsum(np.minimum(np.arange(1, 200) * 0.02, 1.05) * H)
    positions = np.column_stack([np.zeros_like(slow_bend), np.zeros_like(slow_bend)])
    positions[:, 0] = slow_bend - 0.5
    loose = replace(LIMITS, jerk=np.array([1e9, 1e9]), acceleration=np.array([1e9, 1e9]))
    assert found(judged(segment(positions, start=[-0.5, 0]), limits=loose)) >= {'velocity'}
    assert 'position' not in found(judged(segment(positions[:90], start=[-0.5, 0])))
    hard = motion(s_curve(99.0, 8))  # 7.9 rad/s^2, jerk inside
    assert found(judged(segment(hard, start=[0, 0]))) == {'acceleration'}


def test_before_a_segment_the_robot_stands_where_it_was_measured():
    away = segment([[0.01, 0.0]] * 5, start=[0.0, 0.0])
    assert found(judged(away)) == {'acceleration', 'jerk'}  # 1 rad/s from a standing start


def test_after_a_segment_the_robot_stands_where_it_was_put():
    rising = motion(s_curve(90.0, 4))[:8]  # falls silent at full speed
    assert found(judged(segment(rising, start=[0, 0]))) >= {'jerk'}


def test_no_difference_reaches_from_one_segment_into_the_next():
    here, there = segment([[0.5, 9.0]] * 3), segment([[-0.5, 3.0]] * 3, number=1)
    verdict = judged(here, there, here)
    assert verdict.total == 0 and verdict.worst['jerk'].fraction == 0
    assert (verdict.lowest == [-0.5, 3.0]).all() and (verdict.highest == [0.5, 9.0]).all()


def test_a_way_is_travelled_within_a_segment_not_by_being_put_elsewhere():
    far, near = segment([[0.1, 0], [0.4, 0]]), segment([[0.9, 5], [0.7, 5.1]], start=[0.0, 0.0])
    assert judged(far, near).travelled == pytest.approx([0.3, 0.1])
    both = merged([judged(near), judged(far), judged(segment([[0, 0], [np.inf, np.nan], [0, 0]]))])
    assert both.travelled == pytest.approx([0.3, 0.1])


def test_a_position_outside_is_a_violation_but_coming_back_from_there_is_none():
    slow = np.column_stack([np.linspace(1.02, 0.98, 400), np.zeros(400)])
    loose = replace(LIMITS, acceleration=np.full(2, 1e9), jerk=np.full(2, 1e9))
    assert judged(segment(slow), limits=loose).total == 0
    assert judged(segment(slow[::-1]), limits=loose).violations['position'] > 100
    back_out = np.concatenate([slow[:100], slow[99:49:-1]])
    assert judged(segment(back_out), limits=loose).violations['position'] > 10


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_a_violation(value):
    positions = np.zeros((6, 2))
    positions[3, 0] = value
    verdict = judged(segment(positions))
    assert found(verdict) >= {'velocity', 'jerk'}
    assert all(np.isfinite(worst.fraction) for worst in verdict.worst.values())


def test_rounding_is_forgiven_and_not_more_than_that():
    far = 1000.0 + motion(s_curve(100.0, 4), joint=1)  # float64 there is 1e-13 apart
    far[:, 0] = 0.0
    start = [0.0, 1000.0]
    verdict = judged(segment(far, start=start))
    assert verdict.total == 0 and verdict.worst['jerk'].fraction > 1
    allowed = EPS * 1000 * 8
    far[6, 1] += 4 * allowed
    assert judged(segment(far, start=start)).violations['jerk'] > 0


RULE = np.array([[2.0, 0.3, 12.0, 0.9, 0.9]] * 2).T


def test_a_step_may_be_as_fast_as_the_greater_of_the_bounds_at_its_two_ends():
    limits = replace(LIMITS, rules=RULE, acceleration=np.full(2, 1e9), jerk=np.full(2, 1e12))
    p0 = 0.8
    bound = -0.3 + np.sqrt(12.0 * (0.9 - p0))
    assert bound < 1.0
    for factor, wrong in ((0.999999, 0), (1.000001, 1)):
        out = judged(segment([[p0 + factor * bound * H, 0.0]], start=[p0, 0.0]), limits=limits)
        assert out.violations['velocity'] == wrong
        back_to = p0 - factor * bound * H  # downwards the bound is another, far from its end
        assert judged(segment([[back_to, 0.0]], start=[p0, 0.0]), limits=limits).total == 0


def test_beyond_the_place_where_the_bound_is_zero_only_the_way_back_is_open():
    limits = replace(LIMITS, rules=RULE, acceleration=np.full(2, 1e9), jerk=np.full(2, 1e12))
    assert judged(segment([[0.8991, 0.0]], start=[0.899, 0.0]), limits=limits).total == 1
    assert judged(segment([[0.8989, 0.0]], start=[0.899, 0.0]), limits=limits).total == 0


def test_velocities_are_judged_as_the_positions_they_lead_to():
    positions = motion(s_curve(90.0, 4)) + np.array([0.2, 0.0])
    rates = np.diff(positions, axis=0, prepend=[[0.2, 0.0]]) / H
    by_rate = np.array([True, True])
    by_position = judged(segment(positions, start=[0.2, 0.0]))
    by_velocity = judged(segment(rates, start=[0.2, 0.0], by_rate=by_rate))
    assert by_velocity.total == by_position.total == 0
    for kind in KINDS:
        assert by_velocity.worst[kind].fraction == pytest.approx(by_position.worst[kind].fraction)


def test_a_driver_of_velocities_must_be_left_with_zero():
    by_rate = np.array([False, True])
    for last, kinds in ((0.0, set()), (1e-12, {'rest'}), (np.nan, {'rest'})):
        one = segment([[0.0, 0.009], [0.0, last]], start=[0.0, 0.0], by_rate=by_rate)
        assert found(judged(one)) >= kinds and ('rest' in found(judged(one))) == bool(kinds)
    assert judged(one).first['rest'].joint == 'b' and judged(one).violations['rest'] == 1
    assert judged(segment([[0.3, 0.3]])).total == 0  # a position is where the robot stays


def test_a_robot_driven_by_velocities_is_where_it_was_seen():
    rates, by_rate = np.zeros((3, 2)), np.array([True, True])
    seen = np.array([[0.5, 0], [1.1, 0], [1.2, 0]])
    still = segment(rates, start=[0.5, 0.0], by_rate=by_rate, reached=seen)
    assert found(judged(still)) == {'position'}
    assert judged(segment(rates, start=[0.5, 0.0], by_rate=by_rate)).total == 0
    assert judged(replace(still, by_rate=None, values=np.tile([0.5, 0.0], (3, 1)))).total == 0


def tail(**changes) -> Tail:
    """From 0 at 0.1 rad/s to rest in three points."""
    rest = np.zeros(2)
    out = Tail(
        np.array([0.0, 0.05, 0.1]),
        np.array([rest, [0.004, 0.0], [0.005, 0.0]]),
        np.array([[0.1, 0.0], [0.05, 0.0], rest]),
        np.array([[-1.0, 0.0], [-1.0, 0.0], rest]),
    )
    for key, (row, value) in changes.items():
        changed = np.array(getattr(out, key))
        changed[row] = value
        out = replace(out, **{key: changed})
    return out


@pytest.mark.parametrize(
    ('changes', 'kinds'),
    [
        ({}, set()),
        ({'velocities': (2, [1e-12, 0])}, {'tail rest'}),
        ({'accelerations': (2, [0, 1e-9])}, {'tail rest'}),
        ({'velocities': (1, [1.1, 0])}, {'tail velocity'}),
        ({'velocities': (0, [1.1, 0])}, {'tail velocity'}),
        ({'positions': (1, [0.06, 0])}, {'tail velocity'}),
        ({'positions': (2, [1.01, 0])}, {'tail position', 'tail velocity'}),
        ({'positions': (0, [1e-9, 0])}, {'tail position'}),
        ({'times_s': (0, 0.01)}, {'tail position'}),
        ({'times_s': (1, 0.1)}, {'tail velocity'}),
        ({'positions': (2, np.nan)}, {'tail position', 'tail velocity'}),
    ],
)
def test_a_trajectory_begins_with_its_command_ends_at_rest_and_keeps_limits(changes, kinds):
    tailed = np.array([True, True])
    one = segment([[0.0, 0.0]], tails=(tail(**changes),), tailed=tailed)
    assert found(judged(one)) == kinds
    without = segment([[0.0, 0.0]], tails=(tail(**changes),), tailed=~tailed)
    assert judged(without).total == 0  # joints of a driver that takes no trajectories


def test_blocks_and_merged_verdicts_say_the_same_as_one():
    jerk = s_curve(100.0, 4)
    segments = [
        segment(motion(jerk * size), number=i, start=[0, 0])
        for i, size in enumerate((0.5, 1.1, 0.9, 1.3, 0.2))
    ]
    whole = judged(*segments)
    parts = merged(judged(one) for one in segments)
    assert parts.violations == whole.violations and parts.worst == whole.worst
    assert parts.first == whole.first and parts.commands == whole.commands == 80


@pytest.mark.parametrize('robot', known_robots())
def test_limits_read_a_second_time_are_those_of_the_robot(robot):
    """The two readings share no code; where they differ, one of them is wrong."""
    spec = load_robot(robot)
    limits = stated_limits(spec.urdf_xml, spec.source)
    assert limits.names == spec.joint_names
    for key in ('lower', 'upper', 'velocity', 'acceleration', 'jerk'):
        assert (getattr(limits, key) == getattr(spec, key)).all(), key
    finite = (
        np.where(np.isfinite(spec.lower), spec.lower, -6),
        np.where(np.isfinite(spec.upper), spec.upper, 6),
    )
    q = np.random.default_rng(0).uniform(*finite, (200, spec.n))
    low, high = spec.velocity_bounds(q)
    down, up = limits.speeds(q)
    assert up == pytest.approx(high) and down == pytest.approx(-low)


def test_the_checker_reaches_nothing_of_what_it_judges():
    code = (
        'import sys; import gen_nodes.hil.checker.limit_checker; '
        'print([m for m in sys.modules if m.startswith("gen_nodes.")])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(ast.literal_eval(done.stdout))
    assert loaded == {
        'gen_nodes.hil',
        'gen_nodes.hil.checker',
        'gen_nodes.hil.checker.limit_checker',
        'gen_nodes.hil.checker.published',
        'gen_nodes.hil.checker.stated_limits',
        'gen_nodes.hil.checker.tail_checker',
        'gen_nodes.hil.checker.verdict',
        'gen_nodes.types',
    }
