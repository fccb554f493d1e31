"""The controller's core against a robot that does what it is told: modes, faults, stop and
reset.
"""

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from steered import PERIOD_NS, SPEC, Robot

from gen_nodes.embodiment.controller import ControllerCore, ResetRefused
from gen_nodes.types import NS, ActionChunk, JointSample, Mode

STATE_TIMEOUT_S, CHUNK_TIMEOUT_S = SPEC.state.timeout_s, SPEC.control.chunk_timeout_s


@pytest.fixture
def robot() -> Robot:
    return Robot()


@pytest.fixture
def running(robot) -> Robot:
    robot.run(1.0)
    assert robot.core.mode == Mode.RUNNING
    return robot


def assert_smooth(robot: Robot) -> None:
    """Published positions keep velocity, acceleration and jerk limits."""
    p, h = robot.settled_positions(), PERIOD_NS / NS
    for order, limit in ((1, SPEC.velocity), (2, SPEC.acceleration), (3, SPEC.jerk)):
        assert (np.abs(np.diff(p, order, axis=0)) / h**order <= limit * (1 + 1e-9)).all()


def test_before_activation_nothing_is_commanded():
    core = ControllerCore(SPEC)
    assert core.tick(0, 0) is None
    assert core.state(0).mode == Mode.INACTIVE


def test_without_a_chunk_it_waits_and_commands_nothing(robot):
    robot.run(0.5, chunks=False)
    assert robot.state.mode == Mode.WAITING
    assert robot.state.reason == 'no action chunk yet'
    assert robot.commands == [None] * len(robot.commands)


def test_without_a_joint_state_it_waits_whatever_chunks_come(robot):
    robot.run(0.5, states=False)
    assert robot.state.mode == Mode.WAITING
    assert robot.state.reason == 'no joint state yet'


def test_the_first_command_starts_from_the_measured_position(robot):
    robot.q = SPEC.ready + 0.3
    robot.run(0.4)
    assert np.abs(robot.settled_positions()[0] - (SPEC.ready + 0.3)).max() < 1e-3


def test_it_follows_the_curve_and_says_which_chunk_it_plays(running):
    command = running.step()
    phase = (running.now - 1_700_000_000 * NS) / NS
    assert command.values == pytest.approx(SPEC.ready + 0.2 * np.sin(phase), abs=1e-5)
    assert command.sequence == running.core.state(running.now).chunk_sequence
    assert (running.state.reason, running.state.next_step) == ('', '')


def test_joints_that_a_chunk_does_not_name_stay_where_they_are(robot):
    robot.run(0.1, chunks=False)
    partial = robot.chunk(joint_names=SPEC.joint_names[:1])
    partial = replace(partial, values=partial.values[:, :1], rates=partial.rates[:, :1])
    assert robot.core.on_chunk(partial, robot.now, robot.steady) is None
    robot.run(0.25, chunks=False)
    moved = np.abs(robot.settled_positions()[-1] - SPEC.ready)
    assert moved[0] > 0.01
    assert (moved[1:] == 0).all()


def test_velocity_chunks_move_from_where_the_robot_is(robot):
    robot.run(0.1, chunks=False)
    speed = np.full((21, SPEC.n), 0.1)
    chunk = robot.chunk(interface='velocity', values=speed, rates=np.zeros_like(speed))
    assert robot.core.on_chunk(chunk, robot.now, robot.steady) is None
    robot.run(0.28, chunks=False)
    assert robot.q - SPEC.ready == pytest.approx(0.1 * 0.28, abs=0.004)


def test_when_chunks_stop_the_curve_is_played_until_the_timeout_then_it_holds_and_resumes(running):
    running.run(CHUNK_TIMEOUT_S - 0.05, chunks=False)
    assert running.state.mode == Mode.RUNNING
    running.run(1.0, chunks=False)
    assert running.state.mode == Mode.HOLDING
    assert running.state.reason == 'action chunks are stale'
    assert running.commands[-60:] == [None] * 60  # once at rest nothing more is sent
    last = [command for command in running.commands if command is not None][-2:]
    assert (last[0].values == last[1].values).all()
    assert_smooth(running)
    running.run(0.5)
    assert running.state.mode == Mode.RUNNING
    assert_smooth(running)


def test_after_a_hold_it_goes_on_from_where_the_robot_is_measured_slowly_if_that_is_elsewhere(
    running,
):
    running.run(1.0, chunks=False)
    running.commands.clear()
    for _ in range(40):
        running.q = running.q + 0.003 * np.eye(SPEC.n)[0]
        running.step(chunks=False)
    running.run(0.3, chunks=False)
    stood = running.q
    running.run(0.5)
    p = running.settled_positions()
    assert np.abs(p[0] - stood).max() < 1e-3
    fastest = np.abs(np.diff(p, axis=0)).max() * SPEC.control.rate_hz
    assert 0.05 * SPEC.velocity[0] < fastest <= 0.35 * SPEC.velocity[0]


def test_a_chunk_that_ends_early_holds_at_its_end(running):
    chunk = running.chunk(stamp_ns=running.now + 1)
    running.core.on_chunk(replace(chunk, times_s=chunk.times_s / 10), running.now, running.steady)
    running.run(0.15, chunks=False)
    assert running.state.mode == Mode.HOLDING
    assert running.state.reason == 'the action chunk covers another time'


def test_a_silent_driver_holds_then_latches_the_stop(running):
    running.run(STATE_TIMEOUT_S + 2 * PERIOD_NS / NS, states=False)
    assert running.state.mode == Mode.HOLDING
    assert running.state.reason == 'joint states are stale'
    running.run(2.5, states=False)
    assert running.state.mode == Mode.STOPPED
    assert_smooth(running)


def test_a_repeated_joint_state_counts_as_silence(running):
    old = running.joint_state()
    for _ in range(round((STATE_TIMEOUT_S + 0.05) * SPEC.control.rate_hz)):
        running.step(states=False)
        running.core.on_joint_state(old, running.steady)
    assert running.state.mode == Mode.HOLDING


def with_nan(robot: Robot) -> JointSample:
    q = robot.q.copy()
    q[2] = np.nan
    return robot.joint_state(position=q, capture_ns=robot.now + 1)


def with_missing_joint(robot: Robot) -> JointSample:
    return robot.joint_state(names=('x', *SPEC.joint_names[1:]), capture_ns=robot.now + 1)


def with_jump(robot: Robot) -> JointSample:
    return robot.joint_state(position=robot.q + 0.5, capture_ns=robot.now + 1)


def with_too_few_values(robot: Robot) -> JointSample:
    return robot.joint_state(position=robot.q[:3], capture_ns=robot.now + 1)


@pytest.mark.parametrize(
    ('bad', 'reason'),
    [
        (with_nan, "joint state of 'elbow_joint' is not finite"),
        (with_missing_joint, "joint state lacks joint 'shoulder_pan_joint'"),
        (with_jump, "measured position of 'shoulder_pan_joint' jumped by 0.50"),
        (with_too_few_values, 'joint state has 3 positions for 6 names'),
    ],
)
def test_wrong_joint_states_latch_the_stop(running, bad, reason):
    running.core.on_joint_state(bad(running), running.steady)
    assert running.state.mode == Mode.STOPPED
    assert running.state.reason.startswith(reason)
    running.run(2.0)
    assert running.state.mode == Mode.STOPPED
    assert_smooth(running)


def test_joint_states_in_another_order_are_understood(running):
    running.core.on_joint_state(
        running.joint_state(
            names=SPEC.joint_names[::-1], position=running.q[::-1], capture_ns=running.now + 1
        ),
        running.steady,
    )
    assert running.state.mode == Mode.RUNNING


@pytest.mark.parametrize('interface', ['position', 'velocity'])
def test_a_chunk_whose_curve_overflows_between_its_knots_is_refused(running, interface):
    times = np.array([0.0, 1e-300, 0.8])
    bad = running.chunk(
        interface=interface,
        times_s=times,
        values=np.full((3, SPEC.n), 1e200) * np.array([[0.0], [1.0], [-1.0]]),
        rates=np.zeros((3, SPEC.n)),
        stamp_ns=running.now + 1,
    )
    reason = running.core.on_chunk(bad, running.now, running.steady)
    assert reason == 'the curve between its knots is not finite'
    running.run(0.1, chunks=False)
    assert running.state.mode == Mode.RUNNING


def test_an_arm_that_does_not_follow_latches_the_stop(running):
    def away(chunk: ActionChunk) -> ActionChunk:
        return replace(chunk, values=chunk.values + 0.6)

    for _ in range(150):
        running.step(chunks=False, follows=False)
        running.core.on_chunk(away(running.chunk()), running.now, running.steady)
    assert running.state.mode == Mode.STOPPED
    assert 'does not follow' in running.state.reason
    assert_smooth(running)


def test_an_arm_that_drifts_from_its_command_latches_the_stop(running):
    running.run(0.5)
    for _ in range(400):
        running.step(follows=False)
        if running.commands[-1] is not None:
            running.q = running.q + 0.004  # moves, but away
    assert running.state.mode == Mode.STOPPED
    assert 'away from its command' in running.state.reason or 'jumped' in running.state.reason


def test_a_state_that_repeats_while_the_arm_is_commanded_is_named_within_a_second(running):
    running.run(1.0)
    ticks = 0
    while running.state.mode == Mode.RUNNING:
        running.step(follows=False)
        ticks += 1
        assert ticks * PERIOD_NS < 1.2 * NS
    assert 'does not follow' in running.state.reason


def test_a_robot_that_follows_late_is_not_taken_for_stuck(robot):
    late = deque([robot.q] * 25, maxlen=25)  # 0.2 s
    for _ in range(1500):
        command = robot.step(follows=False)
        late.append(robot.q if command is None else command.values)
        robot.q = late[0]
    assert robot.state.mode == Mode.RUNNING


@pytest.mark.parametrize('jump_s', [-10, 10])
def test_a_clock_jump_is_named_and_moves_no_joint(running, jump_s):
    running.run(0.5, chunks=False)
    running.now += jump_s * NS
    before = running.q
    running.step()
    assert running.state.mode == Mode.STOPPED
    assert running.state.reason == f'ROS clock jumped by {jump_s:+.3f} s'
    running.run(2.0)
    assert np.abs(running.q - before).max() < 0.03  # the way it takes to brake
    running.core.reset(running.now, running.steady)
    running.run(0.5)
    assert running.state.mode == Mode.RUNNING


def test_a_stop_brakes_inside_the_limits_then_commands_nothing_more(running):
    running.core.stop('pressed', 'release')
    running.run(1.0)
    commands = running.commands[-125:]
    last = max(i for i, command in enumerate(commands) if command is not None)
    assert last < 30
    assert commands[last + 1 :] == [None] * (len(commands) - last - 1)
    assert (running.state.reason, running.state.next_step) == ('pressed', 'release')
    assert_smooth(running)


def test_a_stop_stays_until_reset_and_motion_then_starts_from_the_measured_position(running):
    running.core.stop('pressed', 'release')
    running.run(2.0)
    running.q = running.q + 0.05  # moved by hand meanwhile
    running.core.on_joint_state(running.joint_state(), running.steady)
    running.core.reset(running.now, running.steady)
    assert running.state.mode == Mode.WAITING
    running.commands.clear()
    stood = running.q
    running.run(0.5)
    assert np.abs(running.settled_positions()[0] - stood).max() < 1e-3
    assert running.state.mode == Mode.RUNNING


def test_a_reset_is_refused_while_braking_and_while_the_cause_persists(running):
    running.core.stop('pressed', 'release')
    with pytest.raises(ResetRefused, match='still braking'):
        running.core.reset(running.now, running.steady)
    running.run(1.0)
    running.core.on_joint_state(with_nan(running), running.steady)
    with pytest.raises(ResetRefused, match='not finite'):
        running.core.reset(running.now, running.steady)
    running.run(1.0, states=False)
    running.core.on_joint_state(
        replace(running.joint_state(), capture_ns=running.now + 2), running.steady
    )
    running.core.reset(running.now, running.steady)
    assert running.state.mode == Mode.WAITING


def test_a_reset_is_refused_without_joint_states(running):
    running.core.stop('pressed', 'release')
    running.run(1.0, states=False)
    with pytest.raises(ResetRefused, match='joint states are stale'):
        running.core.reset(running.now, running.steady)


def test_the_robots_own_safety_signal_stops_and_forbids_the_reset(running):
    running.core.on_robot_safety('/program_running', False, 'is False: the robot takes no commands')
    assert running.state.mode == Mode.STOPPED
    running.run(1.0)
    with pytest.raises(ResetRefused, match='/program_running'):
        running.core.reset(running.now, running.steady)
    running.core.on_robot_safety('/program_running', True, '')
    running.core.reset(running.now, running.steady)
    assert running.state.mode == Mode.WAITING


def test_a_bad_chunk_is_refused_with_a_reason_and_the_good_one_goes_on(running):
    values = running.chunk().values.copy()
    values[3, 1] = np.nan
    bad = running.chunk(stamp_ns=running.now + 1, values=values)
    assert running.core.on_chunk(bad, running.now, running.steady) == 'values is not finite'
    assert running.step(chunks=False).sequence > 0
    running.run(1.0, chunks=False)
    assert running.state.reason == 'action chunks are stale (last refused: values is not finite)'
    assert running.core.refused == {'values is not finite': 1}


def test_an_older_chunk_is_refused(running):
    old = running.chunk(stamp_ns=running.now - NS // 5)
    assert (
        running.core.on_chunk(old, running.now, running.steady)
        == 'the chunk is not newer than the one in play'
    )


def test_a_robot_outside_its_limits_is_not_moved(robot):
    robot.q = SPEC.upper + 0.3
    robot.run(0.5)
    assert robot.state.mode == Mode.STOPPED
    assert 'outside its limits' in robot.state.reason
    assert robot.commands == [None] * len(robot.commands)


def test_gaps_between_ticks_are_counted_and_named(running):
    running.steady += 5 * PERIOD_NS
    running.now += 5 * PERIOD_NS
    running.step()
    assert running.state.missed == 1
    assert running.state.worst_gap_s == pytest.approx(6 * PERIOD_NS / NS)
    assert running.core.gaps[-1].seconds == pytest.approx(6 * PERIOD_NS / NS)
    assert_smooth(running)


def test_after_deactivation_nothing_is_commanded(running):
    running.core.deactivate()
    assert running.step() is None
    assert running.state.mode == Mode.INACTIVE


def forbid(core: ControllerCore) -> None:
    core.on_robot_safety('/program_running', False, 'is False: the robot takes no commands')


def test_what_the_robot_forbids_also_holds_right_after_activation(robot):
    robot.core.deactivate()
    forbid(robot.core)
    robot.core.activate(None, robot.now, robot.steady)
    robot.run(0.3)
    assert robot.state.mode == Mode.STOPPED
    assert robot.state.reason.startswith('/program_running: is False')
    assert robot.commands == [None] * len(robot.commands)


def reactivate(robot: Robot) -> None:
    robot.core.wind_down()
    robot.run(1.0)
    robot.core.deactivate()
    robot.core.activate(None, robot.now, robot.steady)


def test_a_latched_stop_survives_deactivation_and_activation_until_reset(running):
    running.core.stop('pressed', 'release')
    running.run(0.5)
    reactivate(running)
    running.commands.clear()
    running.run(0.5)
    assert (running.state.mode, running.state.reason) == (Mode.STOPPED, 'pressed')
    assert running.commands == [None] * len(running.commands)
    running.core.reset(running.now, running.steady)
    running.run(0.5)
    assert running.state.mode == Mode.RUNNING


def test_winding_down_brakes_and_needs_no_reset_after_the_next_activation(running):
    reactivate(running)
    assert running.state.mode == Mode.WAITING
    assert_smooth(running)
    running.run(0.5)
    assert running.state.mode == Mode.RUNNING


def test_what_goes_wrong_while_winding_down_is_latched(running):
    running.core.wind_down()
    running.core.on_joint_state(with_nan(running), running.steady)
    reactivate(running)
    assert running.state.mode == Mode.STOPPED
    assert 'not finite' in running.state.reason


def test_without_a_word_from_every_safety_topic_it_waits_and_commands_nothing(robot):
    robot.core = ControllerCore(SPEC, awaited=('/brakes', '/program_running'))
    robot.core.activate(None, robot.now, robot.steady)
    robot.core.on_robot_safety('/brakes', True, '')
    robot.run(0.5)
    assert robot.state.mode == Mode.WAITING
    assert robot.state.reason == "no word yet from safety topic '/program_running'"
    assert robot.commands == [None] * len(robot.commands)
    robot.core.on_robot_safety('/program_running', True, '')
    robot.run(0.5)
    assert robot.state.mode == Mode.RUNNING


@pytest.mark.parametrize(
    ('off_s', 'words'), [(10, 'more than 0.05 s ahead of ROS time'), (-10, 'before they came')]
)
def test_a_stamp_far_from_ros_time_is_refused_by_name_and_spoils_no_later_state(
    running, off_s, words
):
    off = running.joint_state(capture_ns=running.now + off_s * NS)
    running.core.on_joint_state(off, running.steady)
    running.run(0.5)
    assert running.state.mode == Mode.RUNNING
    for _ in range(round((STATE_TIMEOUT_S + 0.05) * SPEC.control.rate_hz)):
        running.step(states=False)
        off = running.joint_state(capture_ns=running.now + off_s * NS)
        running.core.on_joint_state(off, running.steady)
    assert running.state.mode == Mode.HOLDING
    assert words in running.state.reason
    running.core.stop('pressed', 'release')
    running.run(1.0)
    running.core.reset(running.now, running.steady)
    assert running.state.mode == Mode.WAITING


@pytest.mark.parametrize(('beyond', 'mode'), [(0.049, Mode.RUNNING), (0.051, Mode.STOPPED)])
def test_a_joint_measured_clearly_outside_its_limits_stops_the_robot(robot, beyond, mode):
    robot.q = SPEC.ready.copy()
    robot.q[2] = SPEC.upper[2] + 0.045
    robot.run(0.4)
    assert robot.state.mode == Mode.RUNNING
    robot.q = robot.q.copy()
    robot.q[2] = SPEC.upper[2] + beyond
    robot.step(follows=False)
    assert robot.state.mode == mode
    assert mode == Mode.RUNNING or 'outside its limits' in robot.state.reason


def test_a_joint_state_that_names_a_joint_twice_is_refused(running):
    names = (*SPEC.joint_names, SPEC.joint_names[0])
    twice = running.joint_state(
        names=names, position=np.append(running.q, 0.0), capture_ns=running.now + 1
    )
    running.core.on_joint_state(twice, running.steady)
    assert running.state.reason == 'joint state names a joint twice'
