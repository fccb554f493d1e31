"""The robot that README.md walks through loads, with the UR5e's kinematics under the names used
there.
"""

import re
from pathlib import Path

import pytest

from gen_nodes.robot import load_robot

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def spec(tmp_path):
    (example,) = re.findall(r'```yaml\n(.*?)```', (ROOT / 'README.md').read_text(), flags=re.S)
    urdf = (ROOT / 'urdf' / 'ur5e.urdf').read_text().replace('touch_tip', 'tool_tip')
    for number, name in enumerate(load_robot('ur5e').joint_names, start=1):
        urdf = urdf.replace(f'"{name}"', f'"joint_{number}"')
    (tmp_path / 'my_robot.urdf').write_text(urdf)
    (tmp_path / 'my_robot.yaml').write_text(example)
    return load_robot(str(tmp_path / 'my_robot.yaml'))


def test_the_example_of_the_readme_is_a_robot(spec):
    assert spec.n == 6
    assert set(spec.streams) == {'joint_states', 'front'}
    assert spec.velocity.max() == 0.8
