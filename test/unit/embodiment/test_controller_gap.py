"""A driver of trajectories brakes by itself while no command comes: the next one joins on."""

from dataclasses import replace

import numpy as np
import pytest
from steered import PERIOD_NS, SPEC, Robot

from gen_nodes.types import NS, Mode

PATHS = tuple(replace(path, kind='joint_trajectory') for path in SPEC.control.paths)
BY_TRAJECTORY = replace(SPEC, control=replace(SPEC.control, paths=PATHS))
H = PERIOD_NS / NS


@pytest.mark.parametrize('missed', [2, 6, 20])
def test_after_a_gap_the_command_goes_on_from_where_the_brake_has_led_the_driver(missed):
    robot = Robot(spec=BY_TRAJECTORY)
    robot.run(1.5)
    assert robot.state.mode == Mode.RUNNING
    way = robot.core.stop_path()
    gone = np.array([np.interp(H * missed, way.times_s, q) for q in way.positions.T])
    robot.now += missed * PERIOD_NS
    robot.steady += missed * PERIOD_NS
    robot.q = gone
    command = robot.step()
    assert (np.abs(command.values - gone) <= H * SPEC.velocity).all()
    sign = np.sign(way.positions[-1] - way.positions[0])
    assert (sign * (command.values - gone) > -2e-4).all()  # never thrown back
