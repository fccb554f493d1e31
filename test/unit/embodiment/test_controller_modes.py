"""Every row of the table of modes in docs/safety.md, walked through."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from steered import SPEC, Robot

from gen_nodes.embodiment.controller import ResetRefused
from gen_nodes.types import NS, Heartbeat, Mode

PAGE = (Path(__file__).resolve().parents[3] / 'docs' / 'safety.md').read_text()
TABLE = PAGE.split('| from | what happens | to |')[1].split('\n\n')[0]
ROWS = re.findall(r'^\| ([A-Z]+) \| (.+) \| ([A-Z]+) \|$', TABLE, flags=re.M)
STRONG = np.array([1e4, 0.0, 0.0])


def inactive(robot: Robot) -> None:
    robot.core.deactivate()


def waiting(robot: Robot) -> None:
    robot.run(0.5, chunks=False)


def running(robot: Robot) -> None:
    robot.run(0.8)


def holding(robot: Robot) -> None:
    running(robot)
    robot.run(1.0, chunks=False)


def stopped(robot: Robot) -> None:
    running(robot)
    robot.core.stop('pressed', 'release')
    robot.run(1.0)


BEGIN: dict[str, Callable[[Robot], None]] = {
    f.__name__.upper(): f for f in (inactive, waiting, running, holding, stopped)
}


def activate(robot: Robot) -> None:
    robot.core.activate(None, robot.now, robot.steady)


def forbid(robot: Robot) -> None:
    robot.core.on_robot_safety('/brakes', False, 'are closed', robot.steady)


def forbidden_from_the_start(robot: Robot) -> None:
    forbid(robot)
    activate(robot)


def stopped_before(robot: Robot) -> None:
    activate(robot)
    robot.core.stop('pressed', 'release')
    robot.run(0.2)
    robot.core.deactivate()
    activate(robot)


def chunk_while_missing(robot: Robot) -> None:
    robot.run(0.3, states=False, chunks=False)
    robot.run(0.3, states=False)


def moved(robot: Robot, ticks: int, **inputs: bool) -> None:
    """By hand, its first joint, at 0.5 rad/s."""
    for _ in range(ticks):
        robot.q = robot.q + 0.004 * np.eye(SPEC.n)[0]
        robot.step(**inputs)


def chunk_while_moved(robot: Robot) -> None:
    moved(robot, 10, chunks=False)
    moved(robot, 60)


def wrong_input(robot: Robot) -> None:
    bad = robot.joint_state(
        position=np.full(SPEC.n, np.nan), capture_ns=robot.now + 1, arrival_ns=robot.now + 1
    )
    robot.core.on_joint_state(bad, robot.steady + 1)


def node(robot: Robot, **changes) -> None:
    beat = Heartbeat(robot.now, 'eyes', True, robot.now)
    robot.core.on_heartbeat(replace(beat, **changes), robot.steady)


def node_unfit(robot: Robot) -> None:
    robot.stack = ()
    node(robot, fit=False, cause='blind')
    robot.step()


def node_silent(robot: Robot) -> None:
    robot.stack = ()
    robot.run(0.6)


def twins(robot: Robot) -> None:
    node(robot, instance=5)
    node(robot, instance=0)


def reset(robot: Robot) -> None:
    robot.core.reset(robot.now, robot.steady)


def refused_reset(robot: Robot) -> None:
    with pytest.raises(ResetRefused):
        reset(robot)


def reset_while_braking(robot: Robot) -> None:
    reset(robot)
    running(robot)
    robot.core.stop('pressed', 'release')
    refused_reset(robot)


def reset_while_it_lasts(robot: Robot) -> None:
    forbid(robot)
    refused_reset(robot)


def clock(robot: Robot) -> None:
    robot.now += 10 * NS
    robot.step()


def estop_silent(robot: Robot) -> None:
    robot.core.on_estop(False, robot.steady)
    robot.run(0.6)


def second_cause(robot: Robot) -> None:
    forbid(robot)
    assert robot.state.reason == 'pressed'


EVENTS: dict[str, Callable[[Robot], None]] = {
    'activate': activate,
    'activate while the robot forbids motion': forbidden_from_the_start,
    'activate after a stop that nobody reset': stopped_before,
    'stop service': lambda robot: robot.core.stop('requested', 'reset'),
    'chunk, while all inputs are there and the robot stands': lambda robot: robot.run(0.2),
    'chunk, while an input or node is missing': chunk_while_missing,
    'chunk, while the robot is moved by somebody else': chunk_while_moved,
    'chunk': lambda robot: robot.run(0.2),
    'wrong input': wrong_input,
    'reset': reset,
    'deactivate': lambda robot: robot.core.deactivate(),
    'chunks cease': lambda robot: robot.run(1.0, chunks=False),
    'joint states cease': lambda robot: robot.run(0.3, states=False),
    'joint states lost': lambda robot: robot.run(2.2, states=False),
    'node silent': node_silent,
    'node unfit': node_unfit,
    'robot does not follow': lambda robot: robot.run(1.5, follows=False),
    'e-stop': lambda robot: robot.core.on_estop(True, robot.steady),
    'e-stop falls silent': estop_silent,
    'force beyond its limit': lambda robot: robot.core.on_wrench(STRONG, STRONG, robot.steady),
    "the robot's own stop": forbid,
    'second node of one name': twins,
    'clock jump': clock,
    'what was missing is back': lambda robot: robot.run(0.2),
    'reset while the arm still brakes': reset_while_braking,
    'reset while the cause lasts': reset_while_it_lasts,
    'second cause': second_cause,
}


@pytest.fixture
def robot() -> Robot:
    return Robot(stack=('eyes',), own='hands', own_instance=3)


@pytest.mark.parametrize(('start', 'event', 'end'), ROWS, ids=map(': '.join, ROWS))
def test_the_controller_goes_from_mode_to_mode_as_the_page_says(robot, start, event, end):
    BEGIN[start](robot)
    assert robot.core.mode == Mode[start]
    EVENTS[event](robot)
    assert robot.core.mode == Mode[end]
    commands = len([c for c in robot.commands if c is not None])
    robot.run(1.0)
    if end == 'STOPPED':
        moving = np.ptp(robot.settled_positions()[-3:], axis=0) if commands else np.zeros(1)
        assert (moving < 1e-4).all()
        assert robot.commands[-60:] == [None] * 60
    if end == 'INACTIVE':
        assert robot.commands[-120:] == [None] * 120


def test_the_page_has_a_row_for_every_mode_and_every_event():
    assert {start for start, _, _ in ROWS} == {mode.name for mode in Mode}
    assert {event for _, event, _ in ROWS} == set(EVENTS)


def test_since_is_when_the_cause_was_noticed_and_stays_while_it_lasts(robot):
    running(robot)
    node(robot, fit=False, cause='blind', since_ns=robot.now - 5)
    robot.stack = ()
    noticed = robot.now - 5
    robot.run(0.3)
    assert robot.state.mode == Mode.HOLDING
    assert (robot.state.reason, robot.state.since_ns) == ('eyes: blind', noticed)


@pytest.mark.parametrize('seconds', [0.5, 1.0, 1.9])
def test_after_a_stop_the_speed_is_limited_and_rises_within_two_seconds(robot, seconds):
    stopped(robot)
    moved(robot, 250)  # far from where the policy wants it
    reset(robot)
    robot.commands.clear()
    robot.run(0.25, chunks=False)
    robot.run(seconds)
    fastest = np.abs(np.diff(robot.settled_positions(), axis=0)).max() * SPEC.control.rate_hz
    assert 0.05 * SPEC.velocity[0] < fastest
    assert fastest <= (0.1 + 0.45 * (seconds + 0.25)) * SPEC.velocity[0] + 1e-6


@pytest.mark.parametrize('scale', [0.05, 0.3])
def test_the_speed_scale_limits_every_joint(robot, scale):
    robot.core.set_speed_scale(scale)
    robot.q = robot.q - 0.6
    robot.run(2.0)
    fastest = np.abs(np.diff(robot.settled_positions(), axis=0)).max(axis=0) * SPEC.control.rate_hz
    assert (fastest <= scale * SPEC.velocity * (1 + 1e-9)).all()
    assert (fastest > 0.9 * scale * SPEC.velocity).any()


@pytest.mark.parametrize('scale', [0.0, -1.0, 1.01, float('nan')])
def test_a_speed_scale_outside_its_range_is_refused(robot, scale):
    with pytest.raises(ValueError, match=str(scale)):
        robot.core.set_speed_scale(scale)


def test_the_slow_beginning_after_a_stop_outlives_a_hold_and_a_new_activation(robot):
    stopped(robot)
    moved(robot, 250)
    reset(robot)
    robot.run(0.25, chunks=False)
    robot.run(0.3)
    robot.run(3.0, chunks=False)
    robot.core.deactivate()
    activate(robot)
    robot.run(0.3, chunks=False)
    robot.commands.clear()
    robot.run(0.3)
    fastest = np.abs(np.diff(robot.settled_positions(), axis=0)).max() * SPEC.control.rate_hz
    assert 0 < fastest <= 0.5 * SPEC.velocity[0]


def test_a_clock_that_jumps_after_a_stop_does_not_hide_its_cause(robot):
    running(robot)
    robot.core.on_estop(True, robot.steady)
    robot.step()
    robot.core.on_estop(False, robot.steady)
    robot.now += 2 * NS
    robot.step()
    assert robot.state.reason == 'the e-stop is pressed'
