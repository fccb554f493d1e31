"""Stops and resumes of a real controller core, judged against what the limits predict."""

from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.acceptance.following import Take
from gen_nodes.hil.acceptance.motion import motion
from gen_nodes.hil.acceptance.stops import first_in, judge_resume, judge_stop
from gen_nodes.hil.acceptance.track import Track, track_of
from gen_nodes.robot import load_robot
from gen_nodes.types import NS, ActionChunk, CommandSample, ControllerState, JointSample, Mode

SPEC = load_robot('franka_fr3')
PERIOD_NS = round(NS / SPEC.control.rate_hz)
ZERO_NS = 1_800_000_000 * NS
TIMES_S = 0.05 * np.arange(17)
LAG_S, LAG = 0.05, np.full(SPEC.n, 0.05)


def stopped_motion(speed=0.3):
    """Commands of a controller core that is stopped at full speed, and the instant of the stop."""
    core, curve = ControllerCore(SPEC), motion(SPEC, SPEC.ready, speed)
    core.activate(None, ZERO_NS, ZERO_NS)
    cause_ns = ZERO_NS + round(curve.fastest_s(SPEC.velocity) * NS)
    position, commands, still = SPEC.ready.copy(), [], np.zeros(SPEC.n)
    for tick in range(round((curve.seconds + 1.0) * NS) // PERIOD_NS):
        now_ns = ZERO_NS + tick * PERIOD_NS
        core.on_joint_state(
            JointSample('joint_states', now_ns, now_ns, SPEC.joint_names, position, still, still),
            now_ns,
        )
        core.on_wrench(np.zeros(3), np.zeros(3), now_ns)
        if tick % 10 == 0 and now_ns < cause_ns:
            elapsed = (now_ns - ZERO_NS) / NS + TIMES_S
            values, rates = curve.at(elapsed), curve.at(elapsed, 1)
            names = SPEC.joint_names
            chunk = ActionChunk(now_ns, now_ns, tick + 1, names, 'position', TIMES_S, values, rates)
            core.on_chunk(chunk, now_ns, now_ns)
        if cause_ns <= now_ns < cause_ns + PERIOD_NS:
            core.stop('asked', 'reset', now_ns)
        command = core.tick(now_ns, now_ns)
        if command is not None:
            commands.append(command)
            position = command.values
    return curve, track_of(commands, SPEC.joint_names), cause_ns


CURVE, COMMANDED, CAUSE_NS = stopped_motion()


def follow(commanded, lag_s, until_s=1.0):
    """A robot that does what it was told a constant lag later."""
    last = int(commanded.stamp_ns[-1]) + round(until_s * NS)
    stamps = np.arange(int(commanded.stamp_ns[0]), last, PERIOD_NS)
    return Track(stamps, commanded.at(stamps - round(lag_s * NS)))


def missed(findings):
    return [check.what.split(' (')[0] for check in findings.checks if not check.met]


def judged(commanded=COMMANDED, measured=None, lag=LAG, noticed_ns=CAUSE_NS):
    measured = measured or follow(commanded, LAG_S)
    return judge_stop(SPEC, Take(CURVE, ZERO_NS, commanded, measured), CAUSE_NS, noticed_ns, lag)


def test_the_controllers_own_stop_is_as_short_as_its_limits_allow():
    findings = judged()
    assert missed(findings) == []
    assert 0.2 < findings.figures['fastest'] < 0.3
    for name, distance in findings.figures['distance'].items():
        assert 0 < distance <= findings.figures['predicted_distance'][name]


def test_a_robot_that_slides_on_fails_in_time_and_distance():
    slid = follow(COMMANDED, LAG_S, 1.5)
    onward = np.sign(CURVE.at(np.array([(CAUSE_NS - ZERO_NS) / NS]), 1))
    slide = np.clip((slid.stamp_ns - CAUSE_NS) / (0.8 * NS), 0, 1)[:, None] * 0.1 * onward
    findings = judged(measured=Track(slid.stamp_ns, slid.position + slide))
    assert set(missed(findings)) == {'standstill within', 'distance'}


def test_a_brake_that_is_commanded_too_gently_fails():
    rest = np.searchsorted(COMMANDED.stamp_ns, CAUSE_NS)
    stamps = COMMANDED.stamp_ns.copy()
    stamps[rest:] = CAUSE_NS + (stamps[rest:] - CAUSE_NS) * 3
    assert 'brake commanded within' in missed(judged(Track(stamps, COMMANDED.position)))


def test_commands_after_the_standstill_fail():
    more = COMMANDED.stamp_ns[-1] + PERIOD_NS * np.arange(1, 6)
    rows = np.repeat(COMMANDED.position[-1:], 5, axis=0)
    longer = Track(
        np.concatenate([COMMANDED.stamp_ns, more]), np.concatenate([COMMANDED.position, rows])
    )
    assert missed(judged(longer)) == ['commands after the stop']


def test_a_stop_from_rest_needs_no_way_and_does_not_count():
    stamps = ZERO_NS + PERIOD_NS * np.arange(200)
    still = Track(stamps, np.repeat(SPEC.ready[None], 200, axis=0))
    commanded = still.between(ZERO_NS, ZERO_NS + 49 * PERIOD_NS)
    take = Take(CURVE, ZERO_NS, commanded, still)
    cause_ns = ZERO_NS + 48 * PERIOD_NS
    findings = judge_stop(SPEC, take, cause_ns, cause_ns, LAG)
    assert missed(findings) == ['it moved when it was stopped'], 'such a stop shows nothing'
    assert max(findings.figures['distance'].values()) < 1e-12


def state(stamp_s, mode):
    blank = ControllerState(0, mode, '', '', 0, 0, 0, 0, 0, 0)
    return replace(blank, stamp_ns=ZERO_NS + round(stamp_s * NS))


def test_the_first_word_after_an_instant_counts():
    words = [state(0, Mode.HOLDING), state(1, Mode.RUNNING), state(2, Mode.HOLDING)]
    assert first_in(words, ZERO_NS + NS // 2, Mode.HOLDING, Mode.STOPPED) is words[2]
    assert first_in(words, ZERO_NS, Mode.STOPPED) is None


def resumed(offset=0.0, speed=0.05):
    """Commands that set out from the ready pose, `offset` beside what is measured there."""
    period_s, commands = PERIOD_NS / NS, []
    for tick in range(200):
        ramp = min(tick * period_s / 0.1, 1.0)
        step = speed * SPEC.velocity * ramp * period_s
        before = commands[-1].values if commands else SPEC.ready + offset
        stamp = ZERO_NS + tick * PERIOD_NS
        names, values = SPEC.joint_names, before + step
        commands.append(CommandSample('executed', stamp, stamp, 1, 'position', names, values, step))
    stamps = ZERO_NS + PERIOD_NS * np.arange(-20, 1)
    noise = 2e-4 * np.random.default_rng(0).standard_normal((21, SPEC.n))
    return commands, Track(stamps, SPEC.ready + noise)


@pytest.mark.parametrize(
    ('offset', 'speed', 'failing'),
    [
        (0.0, 0.05, []),
        (2e-3, 0.05, ['first command beside the measured position']),
        (0.0, 0.5, ['share of the velocity limits in the first 0.2 s']),
    ],
)
def test_a_resume_starts_where_the_robot_stands_and_slowly(offset, speed, failing):
    commands, measured = resumed(offset, speed)
    assert missed(judge_resume(SPEC, commands, measured, ZERO_NS, 0.2, 0.2)) == failing


def test_no_command_after_a_resume_is_no_resume():
    commands, measured = resumed()
    assert missed(judge_resume(SPEC, commands, measured, ZERO_NS + 9 * NS, 0.2, 0.2)) == [
        'commands after the resume'
    ]
