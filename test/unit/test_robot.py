"""RobotSpec: what URDF and YAML say arrives unchanged, and what they must not say is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.robot import known_robots, load_robot, resource_root

ROBOTS = ('ur5e', 'franka_fr3', 'openarm_bimanual')


def changed(tmp_path: Path, robot: str, *edits: tuple[str, str]) -> str:
    """Path of a robot YAML in which each `old` text became `new`."""
    text = (resource_root() / 'config' / 'robots' / f'{robot}.yaml').read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / 'robot.yaml'
    path.write_text(text)
    return str(path)


def changed_urdf(tmp_path: Path, robot: str, old: str, new: str) -> str:
    """Path of a robot YAML whose URDF beside it has `old` replaced by `new`."""
    text = (resource_root() / 'urdf' / f'{robot}.urdf').read_text()
    assert old in text
    (tmp_path / f'{robot}.urdf').write_text(text.replace(old, new))
    return changed(tmp_path, robot)


def test_the_three_robots_are_known():
    assert set(ROBOTS) <= set(known_robots())
    assert [load_robot(name).n for name in ROBOTS] == [6, 7, 16]


@pytest.mark.parametrize('robot', ROBOTS)
def test_pinocchio_reads_the_same_limits(robot):
    spec = load_robot(robot)
    model = pin.buildModelFromXML(spec.urdf_xml)
    for joint in spec.joints:
        row = model.idx_vs[model.getJointId(joint.name)]
        stated = joint.published
        assert (stated.lower, stated.upper) == (
            model.lowerPositionLimit[row],
            model.upperPositionLimit[row],
        )
        assert (stated.velocity, stated.effort) == (
            model.velocityLimit[row],
            model.effortLimit[row],
        )


@pytest.mark.parametrize('robot', ROBOTS)
def test_limits_in_force_are_never_looser_than_the_urdf(robot):
    spec = load_robot(robot)
    for joint in spec.joints:
        stated = joint.published
        assert stated.lower <= joint.lower < joint.upper <= stated.upper
        for key in ('velocity', 'acceleration', 'jerk'):
            limit = getattr(stated, key)
            assert 0 < getattr(joint, key) <= (np.inf if limit is None else limit)


def test_the_zero_vector_is_illegal_for_the_fr3():
    spec = load_robot('franka_fr3')
    illegal = (spec.lower > 0) | (spec.upper < 0)
    assert [n for n, bad in zip(spec.joint_names, illegal, strict=True) if bad] == [
        'fr3_joint4',
        'fr3_joint6',
    ]


def test_fr3_velocity_bounds_follow_the_published_formula():
    """libfranka include/franka/rate_limiting.h, numbers written out once more."""
    table = np.array(
        [  # vmax, off, k, q_up, q_lo
            [2.62, 0.30, 12.0, 2.75010, 2.750100],
            [2.62, 0.20, 5.17, 1.79180, 1.791800],
            [2.62, 0.20, 7.00, 2.90650, 2.906500],
            [2.62, 0.30, 8.00, -0.1458, 3.048100],
            [5.26, 0.35, 34.0, 2.81010, 2.810100],
            [4.18, 0.35, 11.0, 4.52050, -0.54092],
            [5.26, 0.35, 34.0, 3.01960, 3.019600],
        ]
    )
    vmax, off, k, q_up, q_lo = table.T
    spec = load_robot('franka_fr3')
    q = np.random.default_rng(0).uniform(spec.lower, spec.upper, (500, 7))
    q = np.concatenate((q, spec.lower[None], spec.upper[None]))
    up = np.minimum(vmax, np.maximum(0, -off + np.sqrt(np.maximum(0, k * (q_up - q)))))
    down = np.maximum(-vmax, np.minimum(0, off - np.sqrt(np.maximum(0, k * (q_lo + q)))))
    low, high = spec.velocity_bounds(q)
    np.testing.assert_allclose(high, np.minimum(up, spec.velocity), atol=1e-12)
    np.testing.assert_allclose(low, np.maximum(down, -spec.velocity), atol=1e-12)
    assert high[-1].max() < 0.5 and (low[-1] == -spec.velocity).all()


def test_bounds_are_the_velocity_limits_where_nothing_depends_on_position():
    spec = load_robot('ur5e')
    low, high = spec.velocity_bounds(spec.upper)
    assert (high == spec.velocity).all() and (low == -spec.velocity).all()


def test_motor_speeds_of_the_openarm_are_capped():
    spec = load_robot('openarm_bimanual')
    assert max(joint.published.velocity for joint in spec.joints) > 20
    assert spec.velocity.max() <= 1.5
    assert {joint.limit_sources['velocity'] for joint in spec.joints} == {'robot YAML'}


def test_reading_twice_gives_the_same_robot():
    one, two = load_robot('ur5e'), load_robot('ur5e')
    assert one.sha256 == two.sha256 and one.joints == two.joints
    assert dict(one.streams) == dict(two.streams)


def test_any_change_of_the_yaml_changes_the_hash(tmp_path):
    path = changed(tmp_path, 'ur5e', ('velocity: 1.5', 'velocity: 1.4'))
    assert load_robot(path).sha256 != load_robot('ur5e').sha256


def test_arrays_of_a_spec_are_read_only():
    spec = load_robot('ur5e')
    with pytest.raises(ValueError, match='read-only'):
        spec.velocity[0] = 9.0
    with pytest.raises(TypeError):
        spec.streams['x'] = None


def test_a_yaml_outside_the_package_finds_a_urdf_beside_it(tmp_path):
    path = changed_urdf(tmp_path, 'ur5e', 'effort="28"', 'effort="20"')
    assert load_robot(path).joints[5].effort == 20


def test_a_cap_by_joint_wins_over_the_cap_of_its_role(tmp_path):
    path = changed(tmp_path, 'ur5e', ('velocity: 1.5 ', 'velocity: {arm: 1.5, elbow_joint: 0.7} '))
    assert load_robot(path).velocity.tolist() == [1.5, 1.5, 0.7, 1.5, 1.5, 1.5]


def test_without_a_cap_the_limit_of_the_urdf_holds(tmp_path):
    spec = load_robot(
        changed(
            tmp_path,
            'openarm_bimanual',
            ('velocity: {arm: 1.5, gripper: 0.1}', 'velocity: {arm: 1.5}'),
        )
    )
    assert spec.joints[-1].limit_sources['velocity'] == 'URDF'
    assert spec.velocity[-1] == spec.joints[-1].published.velocity


def test_positions_can_be_tightened(tmp_path):
    path = changed(
        tmp_path, 'ur5e', ('jerk: 100.0', 'position: {elbow_joint: [0.2, 2.8]}\n  jerk: 100.0')
    )
    spec = load_robot(path)
    assert (spec.lower[2], spec.upper[2]) == (0.2, 2.8)
    assert spec.joints[2].limit_sources['position'] == 'robot YAML'


@pytest.mark.parametrize(
    ('edits', 'says'),
    [
        ([('control:', 'kontrol: {}\ncontrol:')], "unknown key 'kontrol'. Did you mean 'control'"),
        ([('rate_hz: 125', 'rate_hz: 125\n  rate: 1')], "control: unknown key 'rate'"),
        ([('width: 96', 'widht: 96')], "front: key 'width' is missing"),
        ([('rate_hz: 125', 'rate_hz: fast')], "rate_hz must be a number; 'fast' does not do"),
        ([('rate_hz: 125', 'rate_hz: 1e3')], 'YAML needs 1.0e+3'),
        ([('rate_hz: 125', 'rate_hz: .inf')], 'must be within [1, 1000]'),
        ([('rate_hz: 125', 'rate_hz: 100000')], 'must be within [1, 1000]'),
        ([('required: true', 'required: 1')], 'required must be true or false'),
        ([('velocity: 1.5', 'velocity: 4.0')], "looser than the URDF's 3.14159"),
        ([('velocity: 1.5', 'velocity: -1.0')], 'velocity must be within'),
        ([('  acceleration: 5.0', '  #')], 'has no acceleration limit: the URDF states none'),
        ([('  jerk: 100.0', '  #')], 'has no jerk limit: the URDF states none'),
        (
            [('elbow_joint: 1.87', 'elbow_joint: 3.5')],
            "ready: joint 'elbow_joint' at 3.5 is outside",
        ),
        ([('  elbow_joint: 1.87\n', '')], "ready: key 'elbow_joint' is missing"),
        ([('joints: [shoulder_pan_joint', 'joints: [shoulder_pam')], "mean 'shoulder_pan_joint'"),
        ([('tips: [touch_tip]', 'tips: [tooch_tip]')], "Did you mean 'touch_tip'"),
        ([('base_frame: base_link', 'base_frame: wrist_1_link')], 'moves with joint'),
        ([('urdf: ur5e.urdf', 'urdf: ur5f.urdf')], "urdf 'ur5f.urdf' not found; looked for"),
        ([('kind: forward_position', 'kind: forward_force')], "unknown kind 'forward_force'"),
        ([('type: tactile', 'type: tactil')], "Did you mean 'tactile'"),
        ([('topic: /joint_states', 'topic: joint states')], 'must be a ROS topic name'),
        ([('topic: /touch_tip/tactile', 'topic: /joint_states')], "'/joint_states' is given to"),
        ([('policy_rate_hz: 50', 'policy_rate_hz: 501')], 'above the rate_hz 500 of the driver'),
        ([('      pose: /front', '      # ')], 'a camera needs its pose'),
        ([('mount: {parent: tool0, ', 'mount: {parent: tool9, ')], "Did you mean 'tool0'"),
        ([('safety:\n', 'safety:\n  velocity: 1.0\n')], "key 'velocity' is given twice"),
        ([('required: true', 'required: false')], 'must be required'),
        ([('display_name', '{')], 'not valid YAML'),
    ],
)
def test_a_bad_yaml_is_refused_with_the_reason(tmp_path, edits, says):
    with pytest.raises(ConfigError) as error:
        load_robot(changed(tmp_path, 'ur5e', *edits))
    assert says in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('old', 'new', 'says'),
    [
        (
            'joints: [openarm_left_finger_joint1]\n    - kind',
            'joints: [openarm_left_joint1]\n    - kind',
            "joint 'openarm_left_joint1' is commanded twice",
        ),
        (
            '    - kind: forward_position\n'
            '      topic: /right_gripper_forward_position_controller/commands\n'
            '      joints: [openarm_right_finger_joint1]\n',
            '',
            "joint 'openarm_right_finger_joint1' has no command path",
        ),
        (
            '  gripper: [openarm_left_finger_joint1',
            '  hand: [openarm_left_finger_joint1',
            "unknown role 'hand'",
        ),
        (
            '  - openarm_right_finger_joint1\n',
            '  - openarm_right_finger_joint2\n',
            "only follows (mimic) 'openarm_right_finger_joint1'",
        ),
    ],
)
def test_bad_joint_lists_are_refused(tmp_path, old, new, says):
    with pytest.raises(ConfigError) as error:
        load_robot(changed(tmp_path, 'openarm_bimanual', (old, new)))
    assert says in str(error.value)


@pytest.mark.parametrize(
    ('old', 'new', 'says'),
    [
        ('<robot', '<!DOCTYPE x [<!ENTITY a "b">]><robot', 'must not declare a DTD'),
        ('</robot>', '', 'not valid XML'),
        ('<robot name="ur5e">', '<sdf>', 'not valid XML'),
        ('velocity="3.141592653589793"', '', '<limit velocity> must be a number'),
        ('effort="28"', 'effort="nan"', "<limit effort> must be a number, is 'nan'"),
        ('name="elbow_joint"', 'name="elbow"', "Did you mean 'elbow'"),
    ],
)
def test_a_bad_urdf_is_refused_with_the_reason(tmp_path, old, new, says):
    with pytest.raises(ConfigError) as error:
        load_robot(changed_urdf(tmp_path, 'ur5e', old, new))
    assert says in str(error.value)


def test_an_unknown_robot_is_answered_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"unknown robot 'ur5'. Did you mean 'ur5e'"):
        load_robot('ur5')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match='cannot read'):
        load_robot(str(tmp_path / 'none.yaml'))


def test_an_installed_package_finds_its_robots_in_share(tmp_path):
    site, share = tmp_path / 'lib' / 'python3' / 'site-packages', tmp_path / 'share' / 'gen_stack'
    checkout = Path(__file__).parents[2]
    shutil.copytree(checkout / 'gen_nodes', site / 'gen_nodes')
    shutil.copytree(checkout / 'config' / 'robots', share / 'config' / 'robots')
    shutil.copytree(checkout / 'urdf', share / 'urdf')
    code = (
        f'import sys; sys.path.insert(0, {str(site)!r}); import gen_nodes.robot as r; '
        "print(r.__file__, r.load_robot('ur5e').source)"
    )
    out = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, check=True, text=True, capture_output=True
    ).stdout.split()
    assert out == [
        str(site / 'gen_nodes' / 'robot.py'),
        str(share / 'config' / 'robots' / 'ur5e.yaml'),
    ]


def test_bars_in_radians_count_a_tenth_in_metres():
    spec = load_robot('openarm_bimanual')
    kinds = [joint.type == 'prismatic' for joint in spec.joints]
    assert (spec.units == np.where(kinds, 0.1, 1.0)).all() and any(kinds)
