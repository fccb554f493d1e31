"""The tree of a URDF, and what a URDF must not contain."""

import numpy as np
import pytest
from invented_robots import arm_urdf

from gen_nodes.errors import RobotError
from gen_nodes.robot import known_robots, load_robot
from gen_nodes.urdf_tree import read_tree

JOINT = '<joint name="{0}" type="{1}"><parent link="{2}"/><child link="{3}"/></joint>'
LINKS = '<link name="a"/><link name="b"/><link name="c"/>'


def urdf(*joints: tuple[str, str, str, str], links: str = LINKS) -> str:
    return f'<robot name="x">{links}{"".join(JOINT.format(*joint) for joint in joints)}</robot>'


FIXED = urdf(('one', 'fixed', 'a', 'b'), ('two', 'fixed', 'b', 'c'))


def test_the_tree_has_its_root_its_ways_and_its_ends():
    tree = read_tree(arm_urdf(gripper=True), 'twig')
    assert tree.root == 'pedestal' and tree.robot == 'twig'
    way = [joint.name for joint in tree.way('tool_tip')]
    assert way[:2] == ['yaw_joint', 'shoulder_joint'] and way[-1] == 'roll_link-tool_tip'
    assert {joint.child for joint in tree.below('roll_link')} == {
        'left_finger', 'right_finger', 'tool_tip'
    }  # fmt: skip
    assert tree.below('tool_tip') == () and tree.way('pedestal') == ()


def test_shapes_keep_their_size_their_place_and_their_colour():
    solid = '<box size="0.2 0.4 0.6"/>'
    shape = f'<origin xyz="1 2 3" rpy="0 0 1.5707963"/><geometry>{solid}</geometry>'
    xml = (
        '<robot name="x"><material name="red"><color rgba="1 0 0 1"/></material><link name="a">'
        f'<visual>{shape}<material name="red"/></visual><collision>{shape}</collision>'
        '</link></robot>'
    )
    (look,), (kept,) = (
        read_tree(xml, 'x').links['a'].looks,
        read_tree(xml, 'x').links['a'].solids,
    )
    assert look.kind == 'box' and look.size == (0.1, 0.2, 0.3) and look.rgb == (1, 0, 0)
    np.testing.assert_allclose(kept.link_from_shape_4x4[:3, 3], [1, 2, 3])
    np.testing.assert_allclose(kept.link_from_shape_4x4[:3, 0], [0, 1, 0], atol=1e-6)


def test_meshes_are_counted_and_not_read():
    links = read_tree(arm_urdf(solid='<mesh filename="package://a/b.stl"/>'), 'x').links
    assert links['elbow_link'].meshes == 1 and links['elbow_link'].solids == ()
    assert links['tool_tip'].meshes == 0 and len(links['tool_tip'].solids) == 1


@pytest.mark.parametrize('robot', known_robots())
def test_every_robot_that_ships_can_be_read(robot):
    spec = load_robot(robot)
    tree = read_tree(spec.urdf_xml, robot)
    assert set(spec.joint_names) < {joint.name for joint in tree.joints}


@pytest.mark.parametrize(
    ('xml', 'says'),
    [
        ('<robot xmlns:xacro="x"><xacro:include filename="a"/></robot>', 'xacro is still inside'),
        ('<robot name="${prefix}arm"/>', 'expand it first: xacro robot.urdf.xacro > robot.urdf'),
        ('<robot name="$(arg name)"/>', "xacro is still inside ('$(')"),
        ('<!DOCTYPE robot><robot name="x"/>', 'must not declare a DTD'),
        ('<robot>', 'not valid XML'),
        ('<sdf/>', 'the top element must be <robot>, is <sdf>'),
        (urdf(('one', 'floating', 'a', 'b')), "joint 'one' is floating; served are revolute"),
        (urdf(('one', 'planar', 'a', 'b')), "or let the URDF begin at 'b'"),
        (urdf(('one', '', 'a', 'b')), "joint 'one' is of no type"),
        (FIXED.replace('"two"', '"one"'), "joint 'one' is defined 2 times"),
        (FIXED.replace('"c"/><j', '"a"/><j'), "link 'a' is defined 2 times"),
        (urdf(('one', 'fixed', 'a', 'd')), "unknown link 'd'"),
        (urdf(('one', 'fixed', 'a', 'b'), ('two', 'fixed', 'c', 'b')), 'hangs on two joints'),
        (urdf(('one', 'fixed', 'a', 'b')), 'exactly one link must have no parent, found a, c'),
        (
            '<robot name="x"><link name="a"/><joint name="j" type="fixed"/></robot>',
            'needs <parent>',
        ),
        (arm_urdf(solid='<box size="1 2"/>'), "<collision>: '1 2' must be 3 numbers"),
        (arm_urdf(solid='<sphere radius="wide"/>'), "'wide' must be 1 numbers"),
    ],
)
def test_what_is_no_tree_of_single_joints_is_refused_with_the_fix(xml, says):
    with pytest.raises(RobotError) as error:
        read_tree(xml, 'the URDF')
    assert says in str(error.value) and '\n' not in str(error.value)
