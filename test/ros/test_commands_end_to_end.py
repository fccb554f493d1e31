"""Controller and emulated driver in processes of their own, on a machine that has the robots'
message packages: a gripper's action moves, and a safety topic with a field stops.
"""

import re

import pytest

from gen_nodes.cli.puppet import Puppet
from gen_nodes.cli.rig import Rig
from gen_nodes.robot import resource_root
from gen_nodes.types import Mode

PATHS = re.compile(r'    - kind: forward_position\n.*\n.*\n')
GRIPPER = '/hand/gripper_cmd'


@pytest.fixture
def robot(tmp_path):
    """YAML of a UR5e whose arm takes trajectories and whose last joint a gripper's goals."""
    text = (resource_root() / 'config' / 'robots' / 'ur5e.yaml').read_text()
    joints = re.search(r'^joints: \[(.*)\]', text, re.M)[1].split(', ')
    paths = (
        f'    - {{kind: joint_trajectory, topic: /arm/in, joints: [{", ".join(joints[:5])}]}}\n'
        f'    - {{kind: gripper_action, topic: {GRIPPER}, joints: [{joints[5]}], '
        'type: control_msgs/action/GripperCommand}\n'
    )
    file = tmp_path / 'handed.yaml'
    file.write_text(PATHS.sub(paths, text))
    return str(file)


def test_goals_move_the_gripper_and_a_safety_mode_stops_the_robot(robot, interfaces, tmp_path):
    with Rig(
        robot, tmp_path, recorder=False, announce=lambda _: None, environment=interfaces.environment
    ) as rig:
        puppet = Puppet(rig.operator, rig.spec)
        assert rig.until(lambda: rig.in_mode(Mode.WAITING), 30.0)
        assert not [one for one in rig.ear.standing() if 'left out' in one.cause]
        start = rig.ear.position
        puppet.start(start)
        assert rig.until(lambda: abs(rig.ear.position - start)[5] > 0.05, 30.0)
        assert rig.in_mode(Mode.RUNNING)
        rig.fault('protective_stop')
        assert rig.until(lambda: rig.in_mode(Mode.STOPPED), 10.0)
        assert 'is 3' in rig.state.reason or 'is False' in rig.state.reason
        assert rig.try_reset() != ''  # while the robot takes no commands
        rig.fault('none')
        assert rig.reset() == ''
        puppet.close()
