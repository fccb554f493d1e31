"""The picture of a robot."""

import cv2
import numpy as np
import pytest

from gen_nodes.robot import load_robot
from gen_nodes.science.robot_panel import BADGE, spread
from gen_nodes.science.robot_picture import draw_robot, zero_pose
from gen_nodes.urdf_tree import read_tree


@pytest.mark.parametrize('robot', ['ur5e', 'openarm_bimanual', 'rby1'])
def test_a_robot_is_drawn_on_a_page_of_1600_pixels(robot, tmp_path):
    spec = load_robot(robot)
    draw_robot(spec, read_tree(spec.urdf_xml, robot), tmp_path / 'robot.png', [('reach', '1 m')])
    image = cv2.imread(str(tmp_path / 'robot.png'))
    assert image.shape[1] == 1600 and 600 < image.shape[0] < 1700
    assert (image < 250).any(axis=2).mean() > 0.3  # panels, and a robot on them
    assert image.std() > 15


def test_a_robot_without_shapes_is_drawn_by_its_bones(tmp_path):
    spec = load_robot('ur5e')
    tree = read_tree(spec.urdf_xml, 'ur5e')
    bare = {name: link.__class__(name, (), (), 0, 0.0) for name, link in tree.links.items()}
    draw_robot(spec, tree.__class__(tree.robot, tree.root, bare, tree.joints), tmp_path / 'x.png')
    assert cv2.imread(str(tmp_path / 'x.png')).std() > 10


def test_the_second_pose_is_zero_or_says_which_joints_cannot_be():
    assert zero_pose(load_robot('ur5e')).title == 'zero'
    pose = zero_pose(load_robot('franka_fr3'))
    spec = load_robot('franka_fr3')
    assert 'fr3_joint4, fr3_joint6' in pose.title
    assert ((pose.q_N >= spec.lower) & (pose.q_N <= spec.upper)).all()


def test_badges_of_joints_at_one_place_do_not_overlap():
    points, size = np.full((5, 2), 200.0), (400.0, 400.0)
    badges = spread(points, np.tile([1.0, 0.0], (5, 1)), np.array([[200.0, 260.0]]), size)
    apart = np.linalg.norm(badges[:, None] - badges[None], axis=-1)[np.triu_indices(5, 1)]
    assert apart.min() > 1.8 * BADGE
