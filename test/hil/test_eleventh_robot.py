"""A robot that nobody built comes to life from its URDF, without a line of Python: `gen robot new`,
a person's edits, `gen robot check`, then the stack's own controller and emulator run it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from invented_robots import arm_urdf

from gen_nodes.cli.main import main
from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.errors import ConfigError
from gen_nodes.hil.collect import ExpertActor
from gen_nodes.hil.lockstep import Lockstep
from gen_nodes.hil.world import load_world
from gen_nodes.robot import load_robot
from gen_nodes.types import NS, ActionChunk, JointSample, Mode

# What a person types into the file, as (what stands there, what they write).
LIMITS = (
    ("acceleration: 'FILL IN: data sheet, or joint_limits.yaml of MoveIt'", 'acceleration: 4.0'),
    ("jerk: 'FILL IN: manual; else acceleration / 0.05 s'", 'jerk: 80.0'),
)
LIMITS_BY_ROLE = (
    ("arm: 'FILL IN: data sheet, or joint_limits.yaml of MoveIt'", 'arm: 4.0'),
    ("gripper: 'FILL IN: data sheet, or joint_limits.yaml of MoveIt'", 'gripper: 1.0'),
    ("arm: 'FILL IN: manual; else acceleration / 0.05 s'", 'arm: 80.0'),
    ("gripper: 'FILL IN: manual; else acceleration / 0.05 s'", 'gripper: 20.0'),
)
WIRING = (
    ("topic: 'FILL IN: ros2 topic list'", 'topic: /twig_controller/commands'),
    ("rate_hz: 'FILL IN: ros2 topic hz /joint_states'", 'rate_hz: 200'),
    ('shoulder_joint: 0.0', 'shoulder_joint: 0.3'),
    ('elbow_joint: 0.0', 'elbow_joint: 1.5'),
    ('wrist_joint: 0.0', 'wrist_joint: 1.2'),
    ('arm: 0.5', 'arm: 1.5'),
    ('velocity: 0.5', 'velocity: 1.5'),
)
GRIPPER = (
    ("topic: 'FILL IN: ros2 action list'", 'topic: /gripper_controller/gripper_cmd'),
    ("type: 'FILL IN: ros2 action list'", 'type: control_msgs/action/ParallelGripperCommand'),
)


@pytest.fixture(params=['pin', 'gripper'])
def yaml_path(request, tmp_path, capsys) -> Path:
    """Path of the finished YAML of the arm, with a pin to touch with or with a gripper."""
    gripper = request.param == 'gripper'
    urdf = tmp_path / 'twig.urdf'
    urdf.write_text(arm_urdf(gripper=gripper))
    assert main(['robot', 'new', '--urdf', str(urdf)]) == 0
    assert 'safety.acceleration' in capsys.readouterr().out
    path = tmp_path / 'twig.yaml'
    with pytest.raises(ConfigError, match='FILL IN: data sheet, or joint_limits'):
        load_robot(str(path))
    text = path.read_text()
    for blank, value in (*(LIMITS_BY_ROLE + GRIPPER if gripper else LIMITS), *WIRING):
        text = text.replace(blank, value)
    path.write_text(text)
    return path


def test_the_check_finds_it_usable_and_draws_it(yaml_path, tmp_path, capsys):
    png, report = tmp_path / 'twig.png', tmp_path / 'twig.json'
    assert main(['robot', 'check', str(yaml_path), '--png', str(png), '--json', str(report)]) == 0
    assert 'twig: usable, 0 errors' in capsys.readouterr().out
    assert png.read_bytes().startswith(b'\x89PNG')
    found = json.loads(report.read_text())
    assert found['ok'] and found['tips'][0]['name'] == 'tool_tip'
    assert [row['sources']['jerk'] for row in found['joints']] == ['robot YAML'] * len(
        found['joints']
    )


def test_its_controller_follows_the_policys_chunks_inside_its_limits(yaml_path):
    spec = load_robot(str(yaml_path))
    core, period = ControllerCore(spec), round(NS / spec.control.rate_hz)
    still, sent = np.zeros(spec.n), []
    for tick in range(400):
        now, here = NS + tick * period, sent[-1] if sent else spec.ready
        state = JointSample('joint_states', now, now, spec.joint_names, here, still, still)
        if tick == 0:
            core.activate(state, now, now)
        core.on_joint_state(state, now)
        if tick % 4 == 0:
            assert core.on_chunk(chunk(spec, now, sequence=tick + 1), now, now) is None
        command = core.tick(now, now)
        if command is not None:  # it first sees that the robot stands still
            assert core.mode == Mode.RUNNING
            sent.append(command.values)
    assert len(sent) > 250
    velocity = np.diff(sent, axis=0) * spec.control.rate_hz
    acceleration = np.diff(velocity, axis=0) * spec.control.rate_hz
    assert sent[-1][1] == pytest.approx(spec.ready[1] + 0.3, abs=1e-3)
    assert (np.abs(velocity) <= spec.velocity).all()
    assert (np.abs(acceleration) <= spec.acceleration + 1e-9).all()


def chunk(spec, now_ns: int, sequence: int) -> ActionChunk:
    """The next 0.8 s of a move of the second joint by 0.3 within three seconds, at 25 Hz."""
    times = np.linspace(0.0, 0.8, 21)
    phase = np.pi * np.minimum((now_ns - NS) / NS + times, 3.0) / 3
    values, rates = np.tile(spec.ready, (21, 1)), np.zeros((21, spec.n))
    values[:, 1] += 0.15 * (1 - np.cos(phase))
    rates[:, 1] = 0.05 * np.pi * np.sin(phase)
    return ActionChunk(now_ns, now_ns, sequence, spec.joint_names, 'position', times, values, rates)


def test_an_expert_touches_a_ball_with_it_in_the_emulator(yaml_path):
    spec, world = load_robot(str(yaml_path)), load_world('tabletop')
    loop = Lockstep(spec, world, seed=0)
    outcome = loop.run(ExpertActor(spec, seed=0), 'reach', episode_seed=1)
    assert outcome.success and outcome.error_m < 0.03
