"""The robots that ship, in the emulator: they stand, they hold, and both tasks have room."""

import dataclasses

import numpy as np
import pytest

from gen_nodes.hil.emulator import Emulator
from gen_nodes.hil.tasks import TASKS
from gen_nodes.hil.world import load_world
from gen_nodes.robot import known_robots, load_robot
from gen_nodes.types import NS

PERIOD_NS = NS // 50


@pytest.fixture(scope='module', params=known_robots())
def emulator(request):
    return Emulator(load_robot(request.param), load_world('tabletop'), seed=0)


def test_commands_that_hold_the_ready_pose_hold_it(emulator):
    spec = emulator._spec
    draw = dataclasses.replace(emulator.draw(0, 'reach'), start_q=spec.ready)
    emulator.begin(draw, 0)
    for now_ns in range(0, 2 * NS, PERIOD_NS):
        emulator.command(spec.joint_names, spec.ready, now_ns)
        emulator.advance(now_ns + PERIOD_NS)
        assert np.abs(emulator.truth().q - spec.ready).max() < 1e-2
    assert np.abs(emulator.truth().qd).max() < 1e-2


@pytest.mark.parametrize('task', TASKS)
def test_a_scene_can_be_drawn_and_every_arm_gets_its_share(emulator, task):
    tips = set()
    for seed in range(3 if len(emulator._spec.tips) == 1 else 8):
        scene = emulator.reset(seed, task, 0)
        place = scene.balls[0].state(0.0)[0]
        tips.add(emulator.workspace.arm_of(place))
        assert place[2] >= emulator._world.placement.min_height
    assert tips == set(range(len(emulator._spec.tips)))


def test_the_target_of_a_drawn_scene_is_clear_of_the_robot_and_seen(emulator):
    for seed in range(3):
        draw = emulator.draw(seed, 'reach')
        assert emulator._is_fair(draw), seed
