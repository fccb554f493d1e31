"""Kinematics: the makers' own parameters, Pinocchio, numpy and MuJoCo agree."""

from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest

from gen_nodes.descriptors import STATIC_FEATURES, STATIC_NAMES
from gen_nodes.kinematics import DAMPING
from gen_nodes.robot import RobotSpec, load_robot

ROBOTS = ('ur5e', 'franka_fr3', 'openarm_bimanual')
LENGTH_SCALE = 0.3  # [m] what one radian of turning counts as in a mixed Jacobian

# Universal Robots, 'DH Parameters for calculations of kinematics and dynamics', UR5e:
# theta, a [m], d [m], alpha [rad]; standard (distal) convention, base frame of the controller.
UR5E_DH = (
    (0.0, 0.1625, np.pi / 2),
    (-0.425, 0.0, 0.0),
    (-0.3922, 0.0, 0.0),
    (0.0, 0.1333, np.pi / 2),
    (0.0, 0.0997, -np.pi / 2),
    (0.0, 0.0996, 0.0),
)
# Franka Robotics, FCI documentation, 'Denavit-Hartenberg parameters': a [m], d [m], alpha [rad];
# Craig's (proximal) convention; the last row is the flange.
FRANKA_DH = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -np.pi / 2),
    (0.0, 0.316, np.pi / 2),
    (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2),
    (0.0, 0.0, np.pi / 2),
    (0.088, 0.0, np.pi / 2),
    (0.0, 0.107, 0.0),
)


def random_q(spec: RobotSpec, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(spec.lower, spec.upper, (count, spec.n))


def turn(axis: int, angle: float) -> np.ndarray:
    matrix, (i, j) = np.eye(4), [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i], matrix[i, j] = np.sin(angle), -np.sin(angle)
    return matrix


def shift(x: float, z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 3], matrix[2, 3] = x, z
    return matrix


def test_ur5e_agrees_with_the_published_dh_parameters():
    spec = load_robot('ur5e')
    kinematics = spec.kinematics()
    for q in random_q(spec, 100):
        expected = np.eye(4)
        for angle, (a, d, alpha) in zip(q, UR5E_DH, strict=True):
            expected = expected @ turn(2, angle) @ shift(a, d) @ turn(0, alpha)
        base = kinematics.frame('base_link_inertia', q)  # the controller's base, half a turn away
        np.testing.assert_allclose(
            np.linalg.inv(base) @ kinematics.frame('tool0', q), expected, atol=1e-6
        )


def test_franka_agrees_with_the_published_dh_parameters():
    spec = load_robot('franka_fr3')
    kinematics = spec.kinematics()
    for q in random_q(spec, 100):
        expected = np.eye(4)
        for angle, (a, d, alpha) in zip((*q, 0.0), FRANKA_DH, strict=True):
            expected = expected @ turn(0, alpha) @ shift(a, 0) @ turn(2, angle) @ shift(0, d)
        np.testing.assert_allclose(kinematics.frame('fr3_link8', q), expected, atol=1e-6)


@pytest.mark.parametrize('robot', ROBOTS)
def test_numpy_batches_agree_with_pinocchio(robot):
    spec = load_robot(robot)
    kinematics = spec.kinematics()
    q = random_q(spec, 40)
    batch, tips = kinematics.batch_descriptors(q), kinematics.batch_tips(q)
    frames = kinematics.batch_frames(spec.tips[-1], q)
    for i, row in enumerate(q):
        single = kinematics.descriptors(row)
        for name in ('origin', 'axis', 'tip', 'lever', 'part'):
            np.testing.assert_allclose(getattr(batch, name)[i], getattr(single, name), atol=1e-9)
        np.testing.assert_allclose(tips[i], kinematics.tips(row), atol=1e-9)
        np.testing.assert_allclose(frames[i], kinematics.frame(spec.tips[-1], row), atol=1e-9)


@pytest.mark.parametrize('robot', ROBOTS)
def test_levers_are_the_columns_of_the_tip_jacobian(robot):
    spec = load_robot(robot)
    kinematics = spec.kinematics()
    for q in random_q(spec, 10):
        d = kinematics.descriptors(q)
        for tip, name in enumerate(spec.tips):
            jacobian = kinematics.jacobian(name, q)
            np.testing.assert_allclose(
                jacobian[:3].T[d.chain == tip], d.lever[d.chain == tip], atol=1e-9
            )
            assert (jacobian[:, d.chain != tip] == 0).all()


@pytest.mark.parametrize('robot', ROBOTS)
def test_parts_together_move_the_tip_as_wanted_with_the_least_motion(robot):
    spec = load_robot(robot)
    kinematics, step = spec.kinematics(), 1e-4
    d, tips = kinematics.descriptors(spec.ready), kinematics.tips(spec.ready)
    wanted = np.array([0.6, -0.3, 0.7])
    for tip in range(len(spec.tips)):
        own = d.chain == tip
        turns = np.where(own, d.part @ wanted, 0.0)
        moved = kinematics.tips(spec.ready + step * turns) - tips
        assert np.linalg.norm(moved[tip] / step - wanted) < 0.06  # the rest is damped away
        assert np.abs(np.delete(moved, tip, axis=0)).max(initial=0.0) < 1e-12
        least = np.linalg.lstsq(d.lever[own].T, moved[tip] / step, rcond=None)[0]
        np.testing.assert_allclose(turns[own], least, atol=5e-3)
        assert (turns[own & (d.lever == 0).all(-1)] == 0).all()


@pytest.mark.parametrize('robot', ROBOTS)
def test_a_stretched_arm_is_asked_for_no_great_parts(robot):
    spec = load_robot(robot)
    straight = np.clip(np.zeros(spec.n), spec.lower, spec.upper)
    most = 1 / (2 * DAMPING)  # of s / (s^2 + DAMPING^2) over all singular values s
    assert np.abs(spec.kinematics().descriptors(straight).part).max() <= most + 1e-9


@pytest.mark.parametrize('robot', ROBOTS)
def test_the_jacobian_is_the_derivative_of_the_frame(robot):
    spec = load_robot(robot)
    kinematics, step = spec.kinematics(), 1e-6
    q = random_q(spec, 1)[0]
    jacobian = kinematics.jacobian(spec.tips[0], q)
    for j in range(spec.n):
        delta = step * np.eye(spec.n)[j]
        moved = (kinematics.tips(q + delta)[0] - kinematics.tips(q - delta)[0]) / (2 * step)
        np.testing.assert_allclose(jacobian[:3, j], moved, atol=1e-6)


@pytest.mark.parametrize('robot', ROBOTS)
def test_mujoco_and_pinocchio_put_the_tips_at_the_same_place(robot):
    spec = load_robot(robot)
    model = mujoco.MjSpec.from_string(spec.urdf_xml).compile()
    data, kinematics = mujoco.MjData(model), spec.kinematics()
    for q in random_q(spec, 5):
        for name, value in zip(spec.joint_names, q, strict=True):
            data.qpos[model.joint(name).qposadr[0]] = value
        mujoco.mj_kinematics(model, data)
        tips = [data.body(name).xpos for name in spec.tips]
        np.testing.assert_allclose(tips, kinematics.tips(q), atol=1e-6)


@pytest.mark.parametrize('robot', ROBOTS)
def test_mujoco_keeps_every_link_as_a_body_and_every_shape_twice(robot):
    xml = load_robot(robot).urdf_xml
    model = mujoco.MjSpec.from_string(xml).compile()
    links = {link.get('name') for link in ElementTree.fromstring(xml).findall('link')}
    assert links == {model.body(i).name for i in range(1, model.nbody)}
    seen, felt = model.geom_contype == 0, model.geom_contype == 1
    assert seen.sum() == felt.sum() == model.ngeom / 2  # visual and collision


@pytest.mark.parametrize('robot', ROBOTS)
def test_around_the_ready_pose_no_links_touch(robot):
    spec = load_robot(robot)
    model = mujoco.MjSpec.from_string(spec.urdf_xml).compile()
    data = mujoco.MjData(model)
    nearby = np.random.default_rng(1).uniform(-0.2, 0.2, (50, spec.n))
    for q in np.clip(spec.ready + np.vstack((0 * nearby[:1], nearby)), spec.lower, spec.upper):
        for name, value in zip(spec.joint_names, q, strict=True):
            data.qpos[model.joint(name).qposadr[0]] = value
        follow_mimics(model, data)
        mujoco.mj_forward(model, data)
        touching = [
            (
                model.body(model.geom_bodyid[c.geom1]).name,
                model.body(model.geom_bodyid[c.geom2]).name,
            )
            for c in data.contact
        ]
        assert touching == []


def follow_mimics(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    for follower, leader in zip(model.eq_obj1id, model.eq_obj2id, strict=True):
        data.qpos[model.jnt_qposadr[follower]] = data.qpos[model.jnt_qposadr[leader]]


@pytest.mark.parametrize('robot', ROBOTS)
def test_the_ready_pose_is_far_from_singular(robot):
    spec = load_robot(robot)
    kinematics = spec.kinematics()
    for tip in spec.tips:
        jacobian = kinematics.jacobian(tip, spec.ready)
        assert np.linalg.svd(jacobian[:3], compute_uv=False)[-1] > 0.1
        jacobian[3:] *= LENGTH_SCALE
        assert np.linalg.svd(jacobian, compute_uv=False)[5] > 0.08


@pytest.mark.parametrize('robot', ROBOTS)
def test_the_tips_wait_in_front_of_the_robot_above_the_table(robot):
    spec = load_robot(robot)
    for x, y, z in spec.kinematics().tips(spec.ready):
        assert 0.3 < x < 0.6 and abs(y) < 0.3 and 0.2 < z < 0.6


@pytest.mark.parametrize('robot', ROBOTS)
def test_static_descriptors_are_bounded(robot):
    spec = load_robot(robot)
    static = spec.kinematics().descriptors(spec.ready).static
    assert static.shape == (spec.n, STATIC_FEATURES) == (spec.n, len(STATIC_NAMES))
    assert static.dtype == np.float32 and np.abs(static).max() <= 3
    assert (static[:, :3].sum(1) == 1).all() and (static[:, 3:7].sum(1) == 1).all()


def test_each_joint_of_two_arms_belongs_to_its_own_tip():
    spec = load_robot('openarm_bimanual')
    d = spec.kinematics().descriptors(spec.ready)
    assert d.chain.tolist() == ['right' in name for name in spec.joint_names]
    assert d.parent.tolist() == [-1, 0, 1, 2, 3, 4, 5, -1, 7, 8, 9, 10, 11, 12, 6, 13]
    assert d.depth.tolist() == [*range(7), *range(7), 7, 7]
    assert (d.lever[-2:] == 0).all(), 'a finger does not move the tip between the fingers'


def test_permuting_the_joints_permutes_the_descriptors(tmp_path: Path):
    text = Path(load_robot('ur5e').source).read_text()
    one = load_robot('ur5e')
    order, mixed = (
        ', '.join(one.joint_names[i] for i in indices) for indices in (range(6), (4, 2, 0, 5, 3, 1))
    )
    text = text.replace(f'joints: [{order}]\ntips', f'joints: [{mixed}]\ntips')
    (tmp_path / 'mixed.yaml').write_text(text)
    two = load_robot(str(tmp_path / 'mixed.yaml'))
    assert two.joint_names != one.joint_names
    index = [one.joint_names.index(name) for name in two.joint_names]
    a = one.kinematics().descriptors(one.ready)
    b = two.kinematics().descriptors(two.ready)
    for name in ('static', 'origin', 'axis', 'tip', 'lever', 'chain', 'depth'):
        np.testing.assert_array_equal(getattr(a, name)[index], getattr(b, name))
    np.testing.assert_allclose(a.part[index], b.part, atol=1e-12)  # sums in another order
    parents = [-1 if p < 0 else index.index(p) for p in a.parent[index]]
    assert b.parent.tolist() == parents


CONTINUOUS = """<?xml version="1.0"?><robot name="spinner">
<link name="base"/><link name="arm"/><link name="tip"/>
<joint name="spin" type="continuous"><parent link="base"/><child link="arm"/>
<origin xyz="0 0 1" rpy="0 0 0"/><axis xyz="0 0.6 0.8"/><limit velocity="2" effort="3"/></joint>
<joint name="end" type="fixed"><parent link="arm"/><child link="tip"/>
<origin xyz="0.5 0 0" rpy="0 0 0"/></joint></robot>"""


def test_a_continuous_joint_turns_without_end(tmp_path: Path):
    (tmp_path / 'spinner.urdf').write_text(CONTINUOUS)
    (tmp_path / 'spinner.yaml').write_text("""
display_name: Spinner
urdf: spinner.urdf
base_frame: base
joints: [spin]
tips: [tip]
ready: {spin: 0.0}
control:
  rate_hz: 50
  chunk_timeout_s: 0.3
  paths: [{kind: forward_position, topic: /c, joints: [spin]}]
safety: {acceleration: 1.0, jerk: 1.0}
streams:
  joint_states:
    {type: joint_states, topic: /s, rate_hz: 50, policy_rate_hz: 50, timeout_s: 0.2, required: true}
""")
    spec = load_robot(str(tmp_path / 'spinner.yaml'))
    kinematics = spec.kinematics()
    assert (spec.lower[0], spec.upper[0]) == (-np.inf, np.inf)
    q = np.array([[0.4], [0.4 + 2 * np.pi]])
    np.testing.assert_allclose(*kinematics.batch_tips(q), atol=1e-12)
    np.testing.assert_allclose(kinematics.batch_tips(q)[0], kinematics.tips(q[1]), atol=1e-12)


def test_an_unknown_frame_is_refused_with_the_nearest():
    spec = load_robot('ur5e')
    with pytest.raises(Exception, match=r"unknown frame 'tool1'. Did you mean 'tool0'"):
        spec.kinematics().frame('tool1', spec.ready)
