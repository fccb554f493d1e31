"""A maker's URDF for MuJoCo."""

import mujoco
import pytest
from invented_robots import arm_urdf

from gen_nodes.hil.mujoco_urdf import mujoco_urdf
from gen_nodes.robot import known_robots, load_robot

MESH = '<mesh filename="package://twig/arm.stl"/>'


def compiled(xml: str) -> mujoco.MjModel:
    return mujoco.MjSpec.from_string(xml).compile()


def test_frames_and_looks_that_mujoco_would_drop_stay():
    plain, kept = compiled(arm_urdf()), compiled(mujoco_urdf(arm_urdf()))
    assert mujoco.mj_name2id(plain, mujoco.mjtObj.mjOBJ_BODY, 'tool_tip') < 0
    assert mujoco.mj_name2id(kept, mujoco.mjtObj.mjOBJ_BODY, 'tool_tip') > 0
    assert (kept.geom_contype == 0).sum() == 6  # the visuals of its six links


def test_meshes_are_left_out_where_mujoco_would_look_for_the_file():
    with pytest.raises(ValueError, match='opening file'):
        compiled(arm_urdf(solid=MESH))
    assert compiled(mujoco_urdf(arm_urdf(solid=MESH))).ngeom == 1  # the ball at the tip


@pytest.mark.parametrize('robot', known_robots())
def test_a_robot_that_says_it_itself_is_not_changed(robot):
    xml = load_robot(robot).urdf_xml
    one, two = compiled(xml), compiled(mujoco_urdf(xml))
    assert (one.nbody, one.ngeom, one.njnt) == (two.nbody, two.ngeom, two.njnt)
