"""The robots that ship: every number is the maker's, and each can be stood up, seen and moved."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from gen_nodes.robot import RobotSpec, known_robots, load_robot, resource_root

FACTS = Path(__file__).parents[2] / '..' / 'shared' / 'robots.yaml'
FACT_NAMES = {
    'ur5e': 'ur5e',
    'xarm6': 'xarm6',
    'xarm7': 'xarm7',
    'franka_fr3': 'franka_fr3',
    'franka_panda': 'franka_fer_panda',
    'kinova_gen3': 'kinova_gen3_7dof',
    'openarm_bimanual': 'openarm_v10_bimanual',
    'rby1': 'rby1_a_v1_2',
    'g1_upper_body': 'unitree_g1_upper_body',
    'reachy2': 'reachy2_dvt',
}
needs_facts = pytest.mark.skipif(
    not FACTS.is_file(), reason='the table of published facts is not here'
)
every_robot = pytest.mark.parametrize('robot', known_robots())
UNBOUNDED = {'lower': -np.inf, 'upper': np.inf}


def facts_of(robot: str) -> dict:
    return yaml.safe_load(FACTS.read_text())['robots'][FACT_NAMES[robot]]


def published_joints(facts: dict) -> list[dict]:
    """Every joint with numbers in the table; a gripper's driven joint may stand apart."""
    gripper = facts.get('gripper', {})
    driven = [gripper['driven_joint']] if 'driven_joint' in gripper else []
    return facts['chain'] + gripper.get('chain', []) + driven


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def joints_of(robot: str) -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(load_robot(robot).urdf_xml)
    return {joint.get('name'): joint for joint in root.findall('joint')}


def test_these_ten_robots_ship():
    assert set(known_robots()) == set(FACT_NAMES)


@needs_facts
@every_robot
def test_every_joint_is_exactly_as_published(robot):
    facts, ours = facts_of(robot), joints_of(robot)
    for joint in published_joints(facts):
        element = ours.pop(joint['name'])
        assert element.get('type') == joint['type']
        for end in ('parent', 'child'):
            assert element.find(end).get('link') == joint.get(end, element.find(end).get('link'))
        for key in ('xyz', 'rpy'):
            assert numbers(element.find('origin').get(key)) == joint['origin'][key]
        if joint['type'] != 'fixed':
            assert numbers(element.find('axis').get('xyz')) == joint['axis']
            stated = {key: float(value) for key, value in element.find('limit').attrib.items()}
            assert stated == {k: v for k, v in joint['limits'].items() if k != 'torque_rate'}
        mimic = element.find('mimic')
        assert (mimic is None) == ('mimic' not in joint)
        if mimic is not None:
            assert mimic.get('joint') == joint['mimic']['joint']
            for key in ('multiplier', 'offset'):
                assert float(mimic.get(key)) == joint['mimic'][key]
    followers = facts.get('gripper', {}).get('mimic_joints', [])
    for name, joint in ours.items():
        ours_alone = joint.get('type') == 'fixed' or (
            name in followers and joint.find('mimic') is not None
        )
        assert ours_alone, f'{name} is a joint that the maker does not have'


@needs_facts
@every_robot
def test_commanded_joints_and_driver_topics_are_the_published_ones(robot):
    facts, spec = facts_of(robot), load_robot(robot)
    order = facts['joint_order']
    assert list(spec.joint_names[: len(order)]) == order
    assert all(joint.role == 'gripper' for joint in spec.joints[len(order) :])
    assert spec.base_frame == facts['base_frame']


@needs_facts
@every_robot
def test_the_zero_vector_is_illegal_where_the_maker_says_so_and_nowhere_else(robot):
    spec, note = load_robot(robot), str(facts_of(robot).get('limits_extra', {}).get('note', ''))
    illegal = ((spec.lower > 0) | (spec.upper < 0)).any()
    assert illegal == ('zero vector is NOT a legal pose' in note)


@needs_facts
@every_robot
def test_accelerations_and_jerks_of_the_urdf_are_the_makers_own(robot):
    published = {
        joint['name']: joint.get('limits', {}) for joint in published_joints(facts_of(robot))
    }
    for joint in load_robot(robot).joints:
        for key in ('acceleration', 'jerk'):
            assert getattr(joint.published, key) == published[joint.name].get(key)
            source = joint.limit_sources[key]
            assert source == 'robot YAML' or key in published[joint.name]


@every_robot
def test_speeds_in_force_are_fit_for_a_table_top(robot):
    spec = load_robot(robot)
    assert spec.velocity.max() <= 1.5
    gentle = [joint.role in ('torso', 'head') for joint in spec.joints]
    assert (spec.velocity[gentle] <= 0.8).all()


@every_robot
def test_ready_is_inside_the_limits_with_a_tenth_of_the_arms_travel_to_spare(robot):
    spec = load_robot(robot)
    assert (spec.lower <= spec.ready).all() and (spec.ready <= spec.upper).all()
    arm = [joint.role == 'arm' for joint in spec.joints]
    room = np.minimum(spec.ready - spec.lower, spec.upper - spec.ready)
    assert (room > 0.1 * (spec.upper - spec.lower))[arm].all()


@every_robot
def test_the_ready_pose_is_far_from_singular(robot):
    spec = load_robot(robot)
    kinematics = spec.kinematics()
    for tip in spec.tips:
        jacobian = kinematics.jacobian(tip, spec.ready)
        assert np.linalg.svd(jacobian[:3], compute_uv=False)[-1] > 0.1
        jacobian[3:] *= 0.3  # [m] what one radian of turning counts as
        assert np.linalg.svd(jacobian, compute_uv=False)[5] > 0.08


@every_robot
def test_every_tip_has_a_fingertip_of_its_own_that_can_feel(robot):
    spec = load_robot(robot)
    kinematics, root = spec.kinematics(), ElementTree.fromstring(spec.urdf_xml)
    links = {link.get('name'): link for link in root.findall('link')}
    for tip in spec.tips:
        assert links[f'{tip}_fingertip'].find('collision') is not None
        np.testing.assert_allclose(
            kinematics.frame(tip, spec.ready),
            kinematics.frame(f'{tip}_fingertip', spec.ready),
            atol=1e-12,
        )


@every_robot
def test_a_launch_file_starts_each(robot):
    text = (resource_root() / 'launch' / f'{robot}.launch.py').read_text()
    assert f"'robot': '{robot}'" in text and f'gen_stack {robot}.launch.py' in text


def transform(xyz: list[float], rpy: list[float]) -> np.ndarray:
    """4x4 of a URDF origin: fixed-axis roll, pitch, yaw."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ]
    matrix[:3, 3] = xyz
    return matrix


def moved(element: ElementTree.Element, value: float) -> np.ndarray:
    """4x4 of a joint's own motion by `value`, by the matrix exponential of its axis."""
    matrix = np.eye(4)
    if element.get('type') == 'fixed':
        return matrix
    axis = np.array(numbers(element.find('axis').get('xyz')))
    axis /= np.linalg.norm(axis)
    if element.get('type') == 'prismatic':
        matrix[:3, 3] = value * axis
        return matrix
    cross = np.cross(np.eye(3), axis)
    matrix[:3, :3] += np.sin(value) * cross + (1 - np.cos(value)) * cross @ cross
    return matrix


def chained(robot: str, link: str, q: dict[str, float], base: str) -> np.ndarray:
    """Pose of a link: the product of all transforms from the base, joint by joint."""
    joints, pose = joints_of(robot), np.eye(4)
    while link != base:
        name, element = next(
            (n, e) for n, e in joints.items() if e.find('child').get('link') == link
        )
        origin = element.find('origin')
        still = transform(numbers(origin.get('xyz')), numbers(origin.get('rpy')))
        pose = still @ moved(element, q.get(name, 0.0)) @ pose
        link = element.find('parent').get('link')
    return pose


def some_poses(spec: RobotSpec) -> list[np.ndarray]:
    """The ready pose and four others, joints without ends within a turn."""
    low, high = np.maximum(spec.lower, -np.pi), np.minimum(spec.upper, np.pi)
    return [spec.ready, *np.random.default_rng(0).uniform(low, high, (4, spec.n))]


@every_robot
def test_forward_kinematics_is_the_product_of_the_urdfs_transforms(robot):
    spec = load_robot(robot)
    kinematics = spec.kinematics()
    for q in some_poses(spec):
        named = dict(zip(spec.joint_names, q, strict=True))
        for tip in spec.tips:
            np.testing.assert_allclose(
                kinematics.frame(tip, q), chained(robot, tip, named, spec.base_frame), atol=1e-9
            )
