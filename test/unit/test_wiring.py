"""Streams and command paths of a robot YAML: every kind is read, what cannot be is refused."""

import re
from pathlib import Path

import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.robot import load_robot, resource_root

PATH = re.compile(r'    - kind: forward_position\n.*\n.*\n')
JOINTS = load_robot('ur5e').joint_names
ARM, LAST = ', '.join(JOINTS[:5]), JOINTS[5]
GRIPPER = 'kind: gripper_action, topic: /hand/gripper_cmd, type: control_msgs/action/'


def wired(tmp_path: Path, *paths: str) -> str:
    """Path of the UR5e's YAML with other command paths."""
    text = (resource_root() / 'config' / 'robots' / 'ur5e.yaml').read_text()
    lines = ''.join(f'    - {{{path}}}\n' for path in paths)
    text, count = PATH.subn(lines, text)
    assert count == 1
    file = tmp_path / 'ur5e.yaml'
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize('kind', ['forward_position', 'forward_velocity', 'joint_trajectory'])
def test_a_path_of_every_streaming_kind_is_read(tmp_path, kind):
    file = wired(tmp_path, f'kind: {kind}, topic: /arm/in, joints: [{ARM}, {LAST}]')
    (path,) = load_robot(file).control.paths
    assert (path.kind, path.topic, path.joints) == (kind, '/arm/in', JOINTS)
    assert (path.type, path.max_effort) == ('', None)


@pytest.mark.parametrize('name', ['GripperCommand', 'ParallelGripperCommand'])
def test_a_gripper_action_is_read_beside_an_arm(tmp_path, name):
    file = wired(
        tmp_path,
        f'kind: joint_trajectory, topic: /arm/in, joints: [{ARM}]',
        f'{GRIPPER}{name}, joints: [{LAST}], max_effort: 40',
    )
    hand = load_robot(file).control.paths[1]
    assert hand.type == f'control_msgs/action/{name}'
    assert (hand.topic, hand.joints, hand.max_effort) == ('/hand/gripper_cmd', (LAST,), 40.0)


@pytest.mark.parametrize(
    ('paths', 'reason'),
    [
        ([f'kind: joint_trajektory, topic: /a, joints: [{ARM}, {LAST}]'], 'joint_trajectory'),
        ([f'{GRIPPER}GripperCommand, joints: [{ARM}, {LAST}]'], 'exactly one joint, 6 given'),
        ([f'{GRIPPER}GriperCommand, joints: [{LAST}]'], "Did you mean '.*/GripperCommand'"),
        (
            [f'kind: gripper_action, topic: /hand, joints: [{LAST}]'],
            "control: paths.0.: key 'type' is missing",
        ),
        ([f'{GRIPPER}GripperCommand, joints: [{LAST}], max_effort: -1'], 'max_effort must be'),
        (
            [f'kind: joint_trajectory, topic: /a, joints: [{ARM}, {LAST}], max_effort: 1'],
            "unknown key 'max_effort'",
        ),
        ([f'kind: joint_trajectory, topic: /a, joints: [{ARM}]'], f"'{LAST}' has no command path"),
        (
            [
                f'kind: joint_trajectory, topic: /a, joints: [{ARM}, {LAST}]',
                f'{GRIPPER}GripperCommand, joints: [{LAST}]',
            ],
            f"'{LAST}' is commanded twice",
        ),
    ],
)
def test_a_path_that_cannot_be_is_refused_with_the_fix(tmp_path, paths, reason):
    with pytest.raises(ConfigError, match=reason):
        load_robot(wired(tmp_path, *paths))
