"""The MuJoCo model of a world: the robot of the URDF on a floor, with balls that are moved from
outside.
"""

from __future__ import annotations

import mujoco
import numpy as np

from gen_nodes.hil.mujoco_urdf import mujoco_urdf
from gen_nodes.hil.world import WorldConfig
from gen_nodes.robot import RobotSpec

GROUP_HIDDEN, GROUP_ROBOT, GROUP_WORLD = 3, 1, 2  # geom groups; cameras see the last two


def build_model(spec: RobotSpec, world: WorldConfig) -> mujoco.MjModel:
    """The robot of the URDF on a floor with balls that are moved from outside."""
    mj = mujoco.MjSpec.from_string(mujoco_urdf(spec.urdf_xml))
    mj.option.timestep = world.physics.timestep_s
    mj.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    for body in mj.bodies[1:]:
        body.gravcomp = 1.0
    _sort_robot_geoms(mj)
    for joint in mj.joints:
        mj.add_actuator(
            name=joint.name,
            target=joint.name,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        )
    mj.worldbody.add_geom(
        name='floor',
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0, 0, 1],
        group=GROUP_WORLD,
        contype=1,
        conaffinity=0,
    )
    for index in range(world.ball.count):
        ball = mj.worldbody.add_body(name=f'ball {index}', mocap=True)
        ball.add_geom(
            name=f'ball {index}',
            size=[world.ball.radius, 0, 0],
            group=GROUP_WORLD,
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            contype=0,
            conaffinity=0,
        )
    return mj.compile()


def _sort_robot_geoms(mj: mujoco.MjSpec) -> None:
    """Looks (contype 0) are seen, solids are felt; a link that has only solids is seen by them.

    A solid with the same shape as a look takes over its colour: rays cost time per geom.
    """
    for body in mj.bodies:
        looks = {_shape(geom): geom for geom in body.geoms if not geom.contype}
        has_looks = bool(looks)
        for geom in [geom for geom in body.geoms if geom.contype]:
            twin = looks.pop(_shape(geom), None)
            if twin is not None:
                geom.rgba = twin.rgba
                mj.delete(twin)
            geom.group = GROUP_HIDDEN if has_looks and twin is None else GROUP_ROBOT
            geom.contype, geom.conaffinity = 0, 1
        for geom in looks.values():
            geom.group, geom.contype, geom.conaffinity = GROUP_ROBOT, 0, 0


def _shape(geom: mujoco.MjsGeom) -> tuple:
    numbers = np.concatenate([geom.size, geom.pos, geom.quat])
    return (int(geom.type), *np.round(np.nan_to_num(numbers), 9))
