"""Dead time and lag between a command and its setpoint."""

import numpy as np
import pytest

from gen_nodes.hil.servo import CommandFilter
from gen_nodes.types import NS

DT_NS = NS // 500


@pytest.fixture
def commands():
    one = CommandFilter(np.array([2.0, 0.1]))
    one.place(np.array([0.5, 0.0]), lag_s=0.05, delay_s=0.01)
    return one


def run(commands, from_s, to_s):
    for step in range(round(from_s * 500), round(to_s * 500)):
        commands.advance(step * DT_NS, DT_NS / NS)


def test_nothing_happens_within_the_dead_time(commands):
    commands.command(np.array([0]), np.array([1.0]), 0)
    run(commands, 0.0, 0.01)
    assert commands.setpoint.tolist() == [0.5, 0.0]
    run(commands, 0.01, 0.02)
    assert commands.setpoint[0] > 0.5 and commands.setpoint[1] == 0.0


def test_a_step_is_reached_without_overshoot(commands):
    commands.command(np.array([0]), np.array([0.6]), 0)
    highest = 0.0
    for step in range(500):
        commands.advance(step * DT_NS, DT_NS / NS)
        highest = max(highest, commands.setpoint[0])
    assert highest == pytest.approx(0.6, abs=1e-6)


def test_the_setpoint_never_exceeds_the_makers_velocity(commands):
    commands.command(np.array([0, 1]), np.array([9.0, 9.0]), 0)
    run(commands, 0.0, 1.0)
    assert commands.rate.tolist() == [2.0, 0.1]


def test_commands_under_way_survive_a_clock_that_is_set(commands):
    commands.command(np.array([0]), np.array([1.0]), 0)
    commands.shift_clock(-NS)
    run(commands, -1.0, -0.99)
    assert commands.setpoint[0] == 0.5
    run(commands, -0.99, -0.5)
    assert commands.setpoint[0] > 0.9
