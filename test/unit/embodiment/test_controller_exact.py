"""The controller tick by tick: what it commands, what it says, since when, what it counts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import rails
from steered import PERIOD_NS, SPEC, Robot

from gen_nodes.embodiment.controller import (
    ControllerCore,
    Gap,
    ResetRefused,
)
from gen_nodes.embodiment.watchdog import WatchConfig
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, ActionChunk, ControllerState, Heartbeat, JointSample, Mode

PLAIN = replace(SPEC, self_collision=None, fences=())
H = PERIOD_NS / NS
STILL = np.zeros((3, SPEC.n))
STRONG = np.array([1e4, 0.0, 0.0])
STALE_S = SPEC.control.chunk_timeout_s


class Bench(Robot):
    """The steered robot without obstacles, from a time of its own; nothing has happened yet."""

    def __init__(self, spec: RobotSpec = PLAIN, watch: WatchConfig | None = None, **options):
        self.core = ControllerCore(spec, watch, **options)
        self.stack, self.commands = (), []
        self.now, self.steady, self.tick = 1_700_000_000 * NS, 5 * NS, 0
        self.q = np.array(SPEC.ready)

    def activate(self) -> None:
        self.core.activate(None, self.now, self.steady)

    def chunk(self, **changes):
        """Stay at the ready pose, from now on for 0.8 s."""
        knots = np.linspace(0, 0.8, 3)
        values = np.tile(SPEC.ready, (3, 1))
        rates = np.zeros_like(values)
        return super().chunk(**{'times_s': knots, 'values': values, 'rates': rates, **changes})

    def give(self, **changes) -> str | None:
        return self.core.on_chunk(self.chunk(**changes), self.now, self.steady)

    def said(self) -> tuple[Mode, str, str, int]:
        state = self.state
        return state.mode, state.reason, state.next_step, state.since_ns


@pytest.fixture
def new() -> Bench:
    return Bench()


@pytest.fixture
def waiting(new) -> Bench:
    new.activate()
    new.run(0.25, chunks=False)
    assert new.core.mode == Mode.WAITING
    return new


@pytest.fixture
def running(waiting) -> Bench:
    waiting.run(0.1)
    assert waiting.core.mode == Mode.RUNNING
    return waiting


def sliding(robot: Bench, speed: float = 0.2, **changes) -> str | None:
    """Give a chunk in which the first joint moves on from where it is."""
    knots, first = np.array([0.0, 0.8]), np.eye(SPEC.n)[0]
    values = robot.q + np.outer(knots * speed, first)
    return robot.give(times_s=knots, values=values, rates=np.tile(speed * first, (2, 1)), **changes)


@pytest.fixture
def moving(waiting) -> Bench:
    """At 0.2 rad/s with its first joint."""
    sliding(waiting)
    waiting.run(0.25, chunks=False)
    assert waiting.core.mode == Mode.RUNNING
    return waiting


# Lifecycle


def test_before_activation_nothing_is_heard_counted_or_commanded(new):
    core = new.core
    core.on_joint_state(new.joint_state(position=np.full(SPEC.n, np.nan)), new.steady)
    core.on_estop(True, new.steady)
    core.on_wrench(STRONG, STRONG, new.steady)
    core.stop('pressed', 'release', new.steady)
    core.wind_down()
    assert core.tick(new.now, new.steady) is None
    assert new.state == ControllerState(
        stamp_ns=new.now,
        mode=Mode.INACTIVE,
        reason='not active',
        next_step='activate the controller',
        chunk_age_s=-1.0,
        state_age_s=-1.0,
        chunk_sequence=0,
        ticks=0,
        missed=0,
        worst_gap_s=0.0,
        since_ns=0,
    )
    assert new.give() == 'the controller is inactive'
    new.activate()
    assert new.core.mode == Mode.WAITING


def test_a_second_node_of_its_name_stops_it_when_active_only():
    robot = Bench(own='hands', own_instance=3)
    twin = Heartbeat(0, 'hands', True, 0, '', '', 4)
    robot.core.on_heartbeat(twin, robot.steady)
    robot.activate()
    assert robot.core.mode == Mode.WAITING
    robot.core.on_heartbeat(replace(twin, instance=3), robot.steady)
    assert robot.core.mode == Mode.WAITING
    robot.core.on_heartbeat(twin, robot.steady + 6)
    assert robot.core.mode == Mode.STOPPED
    assert robot.state.since_ns == robot.now + 6
    assert Bench().core.on_heartbeat(replace(twin, node=''), 0) is None


def test_by_default_no_name_is_its_own():
    robot = Bench()
    robot.activate()
    robot.core.on_heartbeat(Heartbeat(0, '', True, 0, '', '', 0), robot.steady)
    robot.core.on_heartbeat(Heartbeat(0, 'XXXX', True, 0, '', '', 1), robot.steady)
    assert robot.core.mode == Mode.WAITING


def test_it_waits_from_its_activation_on(new):
    new.core.activate(new.joint_state(), new.now, new.steady)
    said = Mode.WAITING, 'no action chunk yet', 'start the policy and an episode', new.now
    assert new.said() == said
    assert new.state.state_age_s == 0.0
    new.now += NS
    assert new.state.state_age_s == 1.0
    assert new.said() == said
    new.core.on_joint_state(new.joint_state(), new.steady + NS)
    assert new.said() == said


def test_a_joint_state_that_is_wrong_stops_it_at_its_time(waiting):
    bad = waiting.joint_state(position=np.full(SPEC.n, np.nan), capture_ns=waiting.now + 1)
    waiting.core.on_joint_state(bad, waiting.steady + 8)
    assert (waiting.core.mode, waiting.state.since_ns) == (Mode.STOPPED, waiting.now + 8)


def test_a_wrong_state_given_at_activation_stops_it(new):
    bad = new.joint_state(position=np.full(SPEC.n, np.nan))
    new.core.activate(bad, new.now, new.steady)
    assert (new.core.mode, new.state.since_ns) == (Mode.STOPPED, new.now)


def test_counters_begin_anew_on_activation(running):
    running.give(stamp_ns=0)
    running.now, running.steady = running.now + 9 * PERIOD_NS, running.steady + 9 * PERIOD_NS
    sliding(running, 3.0)
    running.step(chunks=False)
    core = running.core
    assert core.gaps and core.refused and core.active
    running.activate()
    assert (len(core.gaps), core.refused, core.active) == (0, {}, {})
    state = running.state
    assert (state.ticks, state.missed, state.worst_gap_s) == (0, 0, 0.0)
    assert (state.chunk_sequence, state.chunk_age_s) == (0, -1.0)


def test_a_stop_that_nobody_reset_is_told_again_after_activation(running):
    running.core.stop('pressed', 'release', running.steady)
    running.core.deactivate()
    running.now += NS
    running.steady += NS
    running.activate()
    assert running.said() == (Mode.STOPPED, 'pressed', 'release', running.now)


def test_winding_down_brakes_and_says_so(moving):
    before = moving.state.since_ns
    moving.core.wind_down()
    assert moving.said() == (
        Mode.STOPPED,
        'the controller is being deactivated',
        'activate it again',
        before,
    )
    assert not moving.core.at_rest
    assert moving.step(chunks=False) is not None
    moving.run(0.3, chunks=False)
    assert moving.core.at_rest
    moving.core.wind_down()
    moving.core.deactivate()
    moving.activate()
    assert moving.core.mode == Mode.WAITING


def test_winding_down_after_a_stop_keeps_its_cause(running):
    running.core.stop('pressed', 'release')
    running.core.wind_down()
    assert running.state.reason == 'pressed'


@pytest.mark.parametrize('scale', [0.0, -1.0, 1.01, np.nan])
def test_a_speed_scale_is_refused_with_the_valid_ones(new, scale):
    with pytest.raises(ValueError) as error:
        new.core.set_speed_scale(scale)
    assert str(error.value) == f'speed scale {scale} must lie in (0, 1]'
    new.core.set_speed_scale(1.0)


# Inputs


def test_the_estop_and_the_wrench_stop_it_at_their_time(waiting):
    waiting.core.on_estop(True, waiting.steady + 3)
    assert waiting.said()[0] == Mode.STOPPED
    assert waiting.state.since_ns == waiting.now + 3


def test_an_estop_that_falls_silent_stops_it(running):
    running.core.on_estop(False, running.steady)
    assert running.core.mode == Mode.RUNNING
    running.run(SPEC.estop.timeout_s)
    assert running.core.mode == Mode.RUNNING
    running.step()
    assert running.said()[0] == Mode.STOPPED
    assert 'has fallen silent' in running.state.reason
    assert running.state.since_ns == running.now


def test_a_wrench_beyond_its_limit_stops_it_at_its_time(waiting):
    waiting.core.on_wrench(np.zeros(3), STRONG, waiting.steady + 4)
    assert (waiting.core.mode, waiting.state.since_ns) == (Mode.STOPPED, waiting.now + 4)
    assert 'torque' in waiting.state.reason


def test_an_intruder_stops_it_at_its_time_and_forbids_a_reset_while_he_is_there(waiting):
    waiting.core.on_intruder('', '', waiting.steady)
    assert waiting.core.mode == Mode.WAITING
    waiting.core.on_intruder('somebody commands', 'send him away', waiting.steady + 9)
    told = Mode.STOPPED, 'somebody commands', 'send him away', waiting.now + 9
    assert waiting.said() == told
    waiting.core.on_robot_safety('/brakes', True, '')
    assert refused(waiting) == 'somebody commands: send him away'
    waiting.core.on_intruder('', '', waiting.steady)
    waiting.core.reset(waiting.now, waiting.steady)
    assert waiting.core.mode == Mode.WAITING


def test_where_no_wrench_is_watched_none_stops_it():
    config = WatchConfig(SPEC.state.timeout_s, STALE_S, wrench=False)
    robot = Bench(watch=config)
    robot.activate()
    robot.core.on_wrench(STRONG, STRONG, robot.steady)
    assert robot.core.mode == Mode.WAITING


def test_a_wrong_state_and_the_robots_own_signal_stop_it_at_their_time(waiting):
    waiting.core.on_robot_safety('/brakes', False, 'are closed', waiting.steady + 5)
    assert waiting.said() == (
        Mode.STOPPED,
        '/brakes: are closed',
        "clear it by the robot's own means, then call reset",
        waiting.now + 5,
    )


def test_a_cause_without_a_time_counts_from_the_last_tick(waiting):
    at = waiting.now
    waiting.core.on_robot_safety('/brakes', False, 'are closed')
    assert waiting.state.since_ns == at


def test_before_the_first_tick_a_cause_without_a_time_counts_from_the_activation(new):
    new.activate()
    new.core.stop('pressed', 'release')
    assert new.said() == (Mode.STOPPED, 'pressed', 'release', new.now)


def test_the_first_cause_of_a_stop_is_the_one_that_is_told(waiting):
    waiting.core.stop('pressed', 'release', waiting.steady + 7)
    waiting.core.stop('pressed again', 'release', waiting.steady + 9)
    assert waiting.said() == (Mode.STOPPED, 'pressed', 'release', waiting.now + 7)


def test_awaited_signals_and_nodes_hold_it():
    robot = Bench(awaited=('/brakes',), stack=('eyes',))
    robot.activate()
    robot.run(0.3)
    assert robot.state.reason == "no word yet from safety topic '/brakes'"
    robot.core.on_robot_safety('/brakes', True, '')
    robot.run(0.1)
    assert robot.state.reason == 'eyes has not been heard'
    robot.stack = ('eyes',)
    robot.run(0.1)
    assert robot.core.mode == Mode.RUNNING


def test_refused_chunks_are_counted_by_cause_and_the_last_one_is_told(waiting):
    assert waiting.give(interface='thought').startswith("interface 'thought' cannot be played;")
    waiting.give(interface='thought')
    waiting.give(joint_names=())
    assert waiting.core.refused == {
        "interface 'thought' cannot be played": 2,
        'the chunk names no joint': 1,
    }
    waiting.step(chunks=False)
    assert waiting.state.reason == 'no action chunk yet (last refused: the chunk names no joint)'
    waiting.give()
    waiting.run(STALE_S + 0.1, chunks=False)
    assert waiting.state.reason == 'action chunks are stale'


def test_a_chunk_must_be_newer_than_the_one_in_play(running):
    stamp = running.now
    assert running.give(stamp_ns=stamp) is None
    assert running.give(stamp_ns=stamp) == 'the chunk is not newer than the one in play'
    assert running.give(stamp_ns=stamp + 1) is None


def test_a_stopped_controller_takes_no_chunk(running):
    running.core.stop('pressed', 'release')
    assert running.give() == 'the controller is stopped'
    assert running.state.chunk_age_s == -1.0


def test_a_chunk_whose_curve_is_not_finite_is_refused(waiting):
    huge = np.full((3, SPEC.n), 1e308) * np.array([[1], [-1], [1]])
    assert waiting.give(values=huge) == 'the curve between its knots is not finite'


# Chunks in time


@pytest.mark.parametrize(('age_s', 'left_s'), [(0.0, STALE_S), (0.1, STALE_S - 0.1)])
def test_a_chunk_is_stale_when_it_is_too_old_however_it_came(waiting, age_s, left_s):
    waiting.give(stamp_ns=waiting.now - round(age_s * NS))
    assert waiting.state.chunk_age_s == pytest.approx(age_s)
    waiting.run(left_s - 0.5 * H, chunks=False)
    assert waiting.core.mode == Mode.RUNNING
    waiting.run(2 * H, chunks=False)
    assert waiting.said()[:3] == (
        Mode.HOLDING,
        'action chunks are stale',
        'see the diagnostics of the policy',
    )
    assert waiting.state.since_ns >= waiting.now - 2 * PERIOD_NS


def test_a_chunk_from_the_near_future_is_not_fresher_than_new(waiting):
    waiting.give(stamp_ns=waiting.now + NS // 50)
    waiting.run(STALE_S + 2 * H, chunks=False)
    assert waiting.state.reason == 'action chunks are stale'


def test_a_chunk_for_another_time_holds(waiting):
    waiting.give(times_s=np.array([0.0, 0.01, 0.02]))
    waiting.run(0.1, chunks=False)
    assert waiting.said()[:3] == (
        Mode.HOLDING,
        'the action chunk covers another time',
        'see the diagnostics of the policy',
    )


def test_without_any_chunk_the_policy_is_missing(waiting):
    assert waiting.said()[1:3] == ('no action chunk yet', 'start the policy and an episode')


# Commands


def test_a_command_says_what_is_played_for_which_instant(moving):
    command = moving.step(chunks=False)
    assert (command.stream, command.interface, command.sequence) == (
        'executed',
        'position',
        moving.state.chunk_sequence,
    )
    assert (command.capture_ns, command.arrival_ns) == (moving.now, moving.now)
    assert command.names == SPEC.joint_names
    assert command.limits == ()
    assert command.rates == pytest.approx(0.2 * np.eye(SPEC.n)[0], abs=1e-6)
    moving.core.stop('pressed', 'release')
    braking = moving.step(chunks=False)
    assert (braking.sequence, braking.capture_ns) == (0, moving.now)
    assert braking.arrival_ns == moving.now


def test_limits_that_hold_commands_back_are_counted_tick_by_tick(waiting):
    waiting.give(values=np.tile(SPEC.ready + 0.5, (3, 1)))
    commands = [waiting.step(chunks=False) for _ in range(5)]
    counts = waiting.core.active
    told = [limit for command in commands for limit in command.limits]
    assert counts == {limit: told.count(limit) for limit in told}
    assert max(counts.values()) > 1


def test_joints_without_a_place_in_the_chunk_stay_where_they_were_last_wanted(running):
    goal = SPEC.ready + 0.02
    running.give(values=np.tile(goal, (3, 1)))
    running.run(0.28, chunks=False)
    one = {'joint_names': SPEC.joint_names[:1], 'rates': np.zeros((3, 1))}
    running.give(values=np.full((3, 1), SPEC.ready[0]), **one)
    running.run(0.28, chunks=False)
    assert running.q[0] == pytest.approx(SPEC.ready[0], abs=1e-3)
    assert running.q[1:] == pytest.approx(goal[1:], abs=1e-3)


def test_after_holding_it_wants_to_be_where_it_is(moving):
    moving.run(STALE_S, chunks=False)
    assert moving.core.mode == Mode.HOLDING
    held = moving.q
    one = {'joint_names': SPEC.joint_names[1:2], 'rates': np.zeros((3, 1))}
    moving.give(values=np.full((3, 1), SPEC.ready[1]), **one)
    moving.run(0.2, chunks=False)
    assert moving.core.mode == Mode.RUNNING
    assert moving.q == pytest.approx(held, abs=1e-6)


def velocity(robot: Bench, speed: float, **changes) -> str | None:
    speeds = np.full((3, SPEC.n), speed)
    return robot.give(interface='velocity', values=speeds, rates=np.zeros_like(speeds), **changes)


def test_velocities_go_on_from_the_measurement_before_any_command(waiting):
    velocity(waiting, 0.1)
    waiting.run(0.28, chunks=False)
    assert waiting.q - SPEC.ready == pytest.approx(np.full(SPEC.n, 0.028), abs=0.002)


def test_velocities_go_on_from_the_present_command_whatever_is_measured(moving):
    moving.q = moving.q - 0.03
    command = moving.step(chunks=False, follows=False).values
    assert velocity(moving, 0.2, stamp_ns=moving.now - NS // 10) is None
    moving.run(0.16, chunks=False, follows=False)
    assert moving.core.mode == Mode.RUNNING
    assert moving.commands[-1].values == pytest.approx(command + 0.16 * 0.2, abs=0.005)


def test_velocities_for_some_joints_move_those(running):
    speeds = np.full((3, 2), 0.1)
    names = SPEC.joint_names[3:1:-1]
    running.give(
        interface='velocity', joint_names=names, values=speeds, rates=np.zeros_like(speeds)
    )
    running.run(0.28, chunks=False)
    moved = running.q - SPEC.ready
    assert moved[2:4] == pytest.approx(np.full(2, 0.028), abs=0.002)
    assert moved[[0, 1, 4, 5]] == pytest.approx(np.zeros(4), abs=1e-6)


def test_velocities_are_taken_before_the_first_joint_state(new):
    new.activate()
    assert velocity(new, 0.1) is None


def driven_by(kind: str, joints: slice) -> RobotSpec:
    path = replace(PLAIN.control.paths[0], kind=kind, joints=PLAIN.joint_names[joints])
    return replace(PLAIN, control=replace(PLAIN.control, paths=(path,)))


def by_velocity(joints: slice) -> RobotSpec:
    return driven_by('forward_velocity', joints)


def test_what_is_commanded_by_velocity_follows_the_measured_place():
    robot = Bench(by_velocity(slice(0, 2)))
    robot.activate()
    robot.run(0.25, chunks=False)
    robot.run(0.1)
    robot.q = robot.q + 0.01  # the arm has drifted
    before = robot.commands[-1].values
    command = robot.step(chunks=False, follows=False)
    pulled = command.values - before
    assert pulled[:2] == pytest.approx(np.full(2, 0.01 * H), rel=0.2)
    assert pulled[2:] == pytest.approx(np.zeros(4), abs=1e-9)


def test_what_a_driver_integrates_leads_to_the_commanded_positions():
    robot = Bench(by_velocity(slice(0, 2)))
    robot.activate()
    robot.run(0.25, chunks=False)
    robot.give(values=np.tile(SPEC.ready + 0.1, (3, 1)))
    robot.step(chunks=False)
    place = robot.commands[-1].values
    for _ in range(10):
        command = robot.step(chunks=False)
        assert place[:2] + command.rates[:2] * H == pytest.approx(command.values[:2])
        assert place[2:] + command.rates[2:] * H != pytest.approx(command.values[2:], abs=1e-9)
        place = command.values


# Holding and stopping


def test_a_driver_that_is_lost_stops_it_when_it_was_given_up(running):
    running.run(2.0, states=False)
    assert running.core.mode == Mode.HOLDING
    running.run(2 * H, states=False)
    assert running.said()[:2] == (Mode.STOPPED, 'joint states silent for over 2 s')
    assert running.now - 2 * PERIOD_NS < running.state.since_ns <= running.now


def test_an_arm_that_stays_behind_stops_it(waiting):
    first = np.eye(SPEC.n)[0]
    for tick in range(120):
        if tick % 5 == 0:
            ahead = np.array([0.0, 0.4]) + 0.5 * tick * H
            waiting.give(
                times_s=np.array([0.0, 0.8]),
                values=SPEC.ready + np.outer(ahead, first),
                rates=np.tile(0.5 * first, (2, 1)),
            )
        waiting.step(chunks=False, follows=False)
    assert waiting.core.mode == Mode.STOPPED
    assert 'does not follow' in waiting.state.reason


def test_before_any_command_what_is_missing_makes_it_wait_and_later_hold(running):
    running.run(SPEC.state.timeout_s + 2 * H, states=False)
    assert running.said()[:2] == (Mode.HOLDING, 'joint states are stale')
    other = Bench()
    other.activate()
    other.run(0.1, states=False)
    assert other.said()[:2] == (Mode.WAITING, 'no joint state yet')


def test_a_robot_that_is_moved_by_hand_is_not_commanded(new):
    new.activate()
    for _ in range(30):
        new.q = new.q + 0.004
        new.step()
    assert new.state.mode == Mode.WAITING
    assert new.state.reason.startswith('the robot moves though nothing is commanded')
    assert new.commands == [None] * 30


def test_a_robot_outside_its_limits_stops_it_with_what_to_do(new):
    new.activate()
    new.q = SPEC.upper + 0.3
    new.run(0.3)
    assert new.core.mode == Mode.STOPPED
    assert 'outside its limits' in new.state.reason
    assert new.state.next_step == 'move the robot by its own means, then call reset'
    assert new.state.since_ns == new.now - 11 * PERIOD_NS or new.state.since_ns <= new.now
    assert new.core.at_rest
    assert new.step() is None


def test_a_clock_jump_stops_it_at_the_new_time(running):
    running.now += 10 * NS
    running.step()
    assert running.said()[0] == Mode.STOPPED
    assert running.state.reason == 'ROS clock jumped by +10.000 s'
    assert running.state.since_ns == running.now


def braking(kind: str, gap: int) -> list[np.ndarray]:
    """What a robot is commanded that brakes from 0.2 rad/s, after `gap` ticks that never came."""
    robot = Bench(driven_by(kind, slice(0, 6)))
    robot.activate()
    robot.run(0.25, chunks=False)
    sliding(robot)
    robot.run(0.25, chunks=False)
    robot.core.stop('pressed', 'release')
    robot.now, robot.steady = robot.now + gap * PERIOD_NS, robot.steady + gap * PERIOD_NS
    commands = [robot.step(chunks=False) for _ in range(30)]
    return [command.values for command in commands if command is not None]


@pytest.mark.parametrize('gap', [1, 3])
def test_a_driver_of_trajectories_has_braked_on_while_no_tick_came(gap):
    through = braking('joint_trajectory', 0)
    assert len(through) > 6
    assert braking('joint_trajectory', gap)[0] == pytest.approx(through[gap])
    assert braking('forward_position', gap)[0] == pytest.approx(through[0])


def test_a_cause_is_told_since_it_began_and_a_new_one_anew(running):
    running.run(STALE_S + 0.1, chunks=False)
    since = running.state.since_ns
    assert since < running.now
    running.run(SPEC.state.timeout_s + 2 * H, states=False, chunks=False)
    assert running.state.reason == 'joint states are stale'
    assert running.state.since_ns > since
    again = running.state.since_ns
    running.run(0.1, states=False, chunks=False)
    assert running.state.since_ns == again


def test_the_first_tick_of_running_is_when_running_began(waiting):
    waiting.give()
    waiting.step(chunks=False)
    assert waiting.said() == (Mode.RUNNING, '', '', waiting.now)
    waiting.step(chunks=False)
    assert waiting.state.since_ns == waiting.now - PERIOD_NS


def test_a_moving_robot_is_not_at_rest_until_its_command_repeats(moving):
    assert not moving.core.at_rest
    moving.core.stop('pressed', 'release')
    while not moving.core.at_rest:
        moving.step(chunks=False)
        assert len(moving.commands) < 500
    assert (moving.commands[-1].values == moving.commands[-2].values).all()
    assert moving.step(chunks=False) is None


def test_the_way_to_rest_begins_at_the_last_command(moving):
    path = moving.core.stop_path()
    assert path.positions[0] == pytest.approx(moving.commands[-1].values)
    assert (path.velocities[-1] == 0).all()


@pytest.mark.parametrize('by', [0.0, 0.1])
def test_after_a_hold_it_goes_on_slowly_only_if_it_was_moved_meanwhile(moving, by):
    moving.run(0.8, chunks=False)
    assert moving.core.mode == Mode.HOLDING
    assert moving.commands[-1] is None
    moving.q = moving.q + by
    moving.run(0.3, chunks=False)
    speeds = speeds_towards(moving, 0.5) / SPEC.velocity[0]
    assert moving.core.mode == Mode.RUNNING
    assert (speeds.max() < 0.35) == (by > 0)


def holding_something() -> Bench:
    """A robot whose last joint grips and stays 0.1 short of its command; it holds."""
    *arm, last = PLAIN.joints
    robot = Bench(replace(PLAIN, joints=(*arm, replace(last, role='gripper'))))
    robot.activate()
    robot.run(0.25, chunks=False)
    goal = SPEC.ready - 0.2 * np.eye(SPEC.n)[5]
    robot.give(values=np.tile(goal, (3, 1)))
    for _ in range(130):
        command = robot.step(chunks=False, follows=False)
        if command is not None:
            robot.q = np.maximum(command.values, SPEC.ready - 0.1 * np.eye(SPEC.n)[5])
    assert robot.core.mode == Mode.HOLDING
    assert robot.commands[-1] is None
    return robot


@pytest.mark.parametrize(('opened', 'keeps'), [(0.0, True), (0.004, True), (0.006, False)])
def test_after_a_hold_a_gripper_keeps_its_grip_unless_it_was_opened(opened, keeps):
    robot = holding_something()
    commanded = [c for c in robot.commands if c is not None][-1].values[5]
    assert commanded < SPEC.ready[5] - 0.12
    robot.q = robot.q + opened * np.eye(SPEC.n)[5]
    robot.run(0.3, chunks=False)
    robot.give(values=np.tile(robot.q, (3, 1)))
    first = robot.step(chunks=False, follows=False).values
    assert first[5] == pytest.approx(commanded if keeps else robot.q[5], abs=1e-3)
    assert first[:5] == pytest.approx(robot.q[:5], abs=1e-3)


@pytest.mark.parametrize('beyond', [0.03, -0.03])
def test_a_grip_beyond_the_end_of_travel_is_not_kept(beyond):
    gripper = replace(SPEC.joints[5], role='gripper')
    robot = Bench(replace(PLAIN, joints=(*SPEC.joints[:5], gripper)))
    end = SPEC.upper[5] if beyond > 0 else SPEC.lower[5]
    robot.q[5] = end + beyond
    robot.activate()
    robot.run(0.25, chunks=False)
    robot.give(times_s=np.array([0.0, 2 * H]), values=np.tile(robot.q, (2, 1)), rates=STILL[:2])
    robot.run(0.4, chunks=False, follows=False)  # the chunk ends at once: it holds, still outside
    commanded = [c for c in robot.commands if c is not None][-1].values[5]
    assert robot.core.mode == Mode.HOLDING and abs(commanded) > abs(end) + 0.01
    robot.q[5] = commanded - np.sign(beyond) * 0.003  # within the bar of what stands still
    robot.run(0.3, chunks=False)
    robot.give(values=np.tile(robot.q, (3, 1)))
    first = robot.step(chunks=False, follows=False).values[5]
    assert abs(first) <= abs(robot.q[5]) + 1e-12, 'never further out than it is measured'


def test_a_gripper_that_nobody_saw_come_to_rest_starts_from_what_is_measured():
    gripper = SPEC.joints[5]
    joints = (*SPEC.joints[:5], replace(gripper, role='gripper'))
    robot = Bench(replace(PLAIN, joints=joints))
    robot.activate()
    robot.run(0.25, chunks=False)
    robot.give(values=np.tile(SPEC.ready - 0.2 * np.eye(SPEC.n)[5], (3, 1)))
    robot.run(0.2, chunks=False)
    assert robot.core.mode == Mode.RUNNING
    seen = robot.q.copy()
    robot.step(chunks=False)  # takes what is seen
    robot.run(0.6, states=False, chunks=False)  # the driver is gone, and back where it was
    assert robot.core.mode == Mode.HOLDING and robot.commands[-1] is None
    assert [c for c in robot.commands if c is not None][-1].values[5] < seen[5] - 0.005
    robot.q = seen
    robot.run(0.3, chunks=False)
    robot.give(values=np.tile(robot.q, (3, 1)))
    first = robot.step(chunks=False, follows=False).values
    assert first[5] == pytest.approx(seen[5], abs=1e-4)


def test_after_a_stop_a_gripper_starts_from_what_is_measured():
    robot = holding_something()
    robot.core.stop('pressed', 'release')
    robot.step(chunks=False)
    robot.core.reset(robot.now, robot.steady)
    robot.give(values=np.tile(robot.q, (3, 1)))
    assert robot.step(chunks=False, follows=False).values == pytest.approx(robot.q, abs=1e-3)


def test_a_ramp_after_a_hold_begins_anew(running):
    far_away(running)
    speeds_towards(running, 1.9)
    running.run(1.5, chunks=False)
    running.q = running.q + 0.1
    running.run(0.3, chunks=False)
    assert (speeds_towards(running, 0.5) / SPEC.velocity[0]).max() < 0.35


# Reset


def refused(robot: Bench, act: Callable[[], None] | None = None) -> str:
    with pytest.raises(ResetRefused) as error:
        robot.core.reset(robot.now, robot.steady)
    return str(error.value)


def test_a_reset_says_why_it_is_refused(moving):
    assert refused(Bench()) == 'the controller is not active: activate it'
    moving.core.on_robot_safety('/brakes', False, 'are closed', moving.steady)
    assert refused(moving) == (
        "/brakes: are closed: clear it by the robot's own means, then call reset"
    )
    moving.core.on_robot_safety('/brakes', True, '', moving.steady)
    assert refused(moving) == 'still braking: call reset again when the robot stands'


def test_a_reset_without_a_stop_changes_nothing(running):
    running.core.reset(running.now, running.steady)
    assert running.core.mode == Mode.RUNNING
    assert not running.core.at_rest or running.core.mode == Mode.RUNNING
    assert running.step() is not None


def test_after_a_reset_it_waits_and_starts_from_what_is_measured(moving):
    moving.core.stop('pressed', 'release')
    moving.run(0.3, chunks=False)
    moving.q = moving.q + 0.05
    moving.run(0.3, chunks=False)
    moving.core.reset(moving.now, moving.steady)
    assert moving.said() == (
        Mode.WAITING,
        'no action chunk yet',
        'start the policy and an episode',
        moving.now,
    )
    stood = moving.q
    assert moving.step(chunks=False) is None
    assert moving.state.reason == 'no action chunk yet'
    moving.give()
    assert moving.step(chunks=False).values == pytest.approx(stood, abs=1e-3)
    moving.core.stop('pressed again', 'release')
    assert moving.state.reason == 'pressed again'


def test_a_clock_jump_just_before_a_reset_is_no_reason_to_stop_again(moving):
    moving.core.stop('pressed', 'release')
    moving.run(0.3, chunks=False)
    moving.now += 10 * NS
    assert refused(moving).startswith('no joint state yet')
    moving.run(0.1, chunks=False)
    assert moving.state.reason == 'pressed'
    moving.core.reset(moving.now, moving.steady)
    assert moving.core.mode == Mode.WAITING


def far_away(robot: Bench) -> None:
    """Reset after a stop, then keep wanting to be a radian away."""
    robot.core.stop('pressed', 'release')
    robot.run(0.1, chunks=False)
    robot.core.reset(robot.now, robot.steady)


def speeds_towards(robot: Bench, seconds: float) -> np.ndarray:
    """Of the first joint, tick by tick [rad/s]."""
    begin = len(robot.commands)
    goal = robot.q - np.eye(SPEC.n)[0] * 3.0
    for tick in range(round(seconds / H)):
        if tick % 5 == 0:
            robot.give(values=np.tile(goal, (3, 1)))
        robot.step(chunks=False)
    commands = [c.values[0] for c in robot.commands[begin:] if c is not None]
    return -np.diff(commands) / H


def test_after_a_stop_the_share_of_the_speed_rises_from_a_tenth_to_all_in_two_seconds(running):
    far_away(running)
    speeds = speeds_towards(running, 2.0) / SPEC.velocity[0]
    time = H * (1 + np.arange(len(speeds)))
    share = 0.1 + 0.9 * time / 2.0
    assert (speeds <= share + 0.01).all()
    assert speeds[100] == pytest.approx(share[100], abs=0.03)
    assert speeds[150] == pytest.approx(share[150], abs=0.03)


def test_after_the_ramp_the_speed_scale_holds(running):
    running.core.set_speed_scale(0.4)
    far_away(running)
    speeds = speeds_towards(running, 2.5) / SPEC.velocity[0]
    assert speeds.max() == pytest.approx(0.4, abs=0.005)
    assert speeds[-1] == pytest.approx(0.4, abs=0.005)


def test_without_a_stop_there_is_no_ramp(waiting):
    speeds = speeds_towards(waiting, 0.6) / SPEC.velocity[0]
    assert speeds.max() == pytest.approx(1.0, abs=0.005)


# Counting


def test_a_gap_is_more_than_two_periods_without_a_tick(running):
    ticks = running.state.ticks
    running.now, running.steady = running.now + PERIOD_NS, running.steady + PERIOD_NS
    running.step()
    assert (running.state.missed, len(running.core.gaps)) == (0, 0)
    running.now, running.steady = running.now + 2 * PERIOD_NS, running.steady + 2 * PERIOD_NS
    running.step()
    running.step()
    assert running.state.ticks == ticks + 3
    assert running.state.missed == 1
    assert running.state.worst_gap_s == pytest.approx(3 * H)
    assert list(running.core.gaps) == [Gap(running.now - PERIOD_NS, pytest.approx(3 * H))]


def test_gaps_are_counted_and_the_last_64_of_them_kept(running):
    for _ in range(70):
        running.now, running.steady = running.now + 3 * PERIOD_NS, running.steady + 3 * PERIOD_NS
        running.step()
    assert running.state.missed == 70
    assert len(running.core.gaps) == 64
    assert running.core.gaps[-1].stamp_ns == running.now


def test_the_state_tells_how_old_chunk_and_joint_state_are(running):
    running.give()
    running.step(chunks=False)
    running.now += NS // 4
    state = running.state
    assert state.stamp_ns == running.now
    assert state.chunk_age_s == pytest.approx(0.25 + H)
    assert state.state_age_s == pytest.approx(0.25)
    assert state.chunk_sequence == running.chunk().sequence - 1


# Obstacles


def test_a_robot_that_is_sent_into_itself_stops_clear():
    """Two balls on rails, sent through each other."""
    core, now, q = ControllerCore(rails.SPEC), NS, rails.place(0.3)
    core.activate(None, now, now)
    still, knots, goal = np.zeros(3), np.array([0.0, 0.8]), rails.place(-0.5)
    for tick in range(400):
        now += PERIOD_NS
        core.on_joint_state(JointSample('', now, now, rails.NAMES, q, still, still), now)
        core.on_wrench(still, still, now)
        if tick % 5 == 0:
            values = np.tile(goal, (2, 1))
            chunk = ActionChunk(
                now, now, tick, rails.NAMES, 'position', knots, values, np.zeros((2, 3))
            )
            assert core.on_chunk(chunk, now, now) is None
        assert core.nearest is None or core.mode == Mode.RUNNING
        command = core.tick(now, now)
        q = q if command is None else command.values
    assert core.nearest[0] == 'left and right'
    assert 0.01 <= rails.gap(q) < 0.02
