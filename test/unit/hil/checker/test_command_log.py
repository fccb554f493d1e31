"""A log of commands begins each segment where the robot stood."""

import numpy as np
import pytest

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.checker.command_log import CommandLog
from gen_nodes.hil.checker.published import Segment
from gen_nodes.robot import load_robot
from gen_nodes.types import CommandSample

SPEC = load_robot('openarm_bimanual')
GRIPPERS = np.array([joint.role == 'gripper' for joint in SPEC.joints])
HALF_OPEN = np.where(GRIPPERS, 0.02, SPEC.ready)
SQUEEZED = np.where(GRIPPERS, 0.015, HALF_OPEN + 1e-4)


def logged(runs: list[tuple[np.ndarray, np.ndarray]]) -> list[Segment]:
    """Segments of three equal commands each, from what was measured and what was sent."""
    log, core = CommandLog(SPEC, 0, 0.01), ControllerCore(SPEC)
    core._envelope.start(HALF_OPEN)
    for number, (measured, sent) in enumerate(runs):
        for tick in range(3):
            names, zeros = SPEC.joint_names, np.zeros(SPEC.n)
            command = CommandSample('executed', 0, 0, 1, 'position', names, sent, zeros, ())
            log.take(command, core, 10 * number + tick, measured)
        log.close()
    return log.ended()


def test_a_segment_begins_where_the_robot_is_measured():
    first, second = logged([(HALF_OPEN, HALF_OPEN), (SQUEEZED, SQUEEZED)])
    assert (first.start == HALF_OPEN).all() and (second.start == SQUEEZED).all()


def test_a_gripper_that_holds_something_may_go_on_from_where_it_was_sent():
    _, second = logged([(HALF_OPEN, HALF_OPEN), (SQUEEZED, HALF_OPEN)])
    assert (second.start[GRIPPERS] == 0.02).all()
    assert (second.start[~GRIPPERS] == SQUEEZED[~GRIPPERS]).all()


@pytest.mark.parametrize('sent', [0.0, 0.03])
def test_but_it_jumps_nowhere(sent):
    _, second = logged([(HALF_OPEN, HALF_OPEN), (SQUEEZED, np.where(GRIPPERS, sent, SQUEEZED))])
    assert (np.abs(second.start - sent)[GRIPPERS] > 0.009).all()
