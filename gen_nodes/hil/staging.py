"""Whether a drawn episode may begin: its target is seen, and no ball sits inside the robot."""

from __future__ import annotations

import mujoco
import numpy as np

from gen_nodes.hil.camera import Look
from gen_nodes.hil.darkroom import Darkroom, Exposure
from gen_nodes.hil.plant import Plant
from gen_nodes.hil.world import WorldConfig
from gen_nodes.robot import RobotSpec


class Stage:
    """Looks at a robot and balls before they are put there. Not thread-safe."""

    def __init__(self, plant: Plant, spec: RobotSpec, world: WorldConfig) -> None:
        self._plant = plant
        self._world = world
        self._darkroom = Darkroom(plant, spec, world)
        self._data = mujoco.MjData(plant.model)

    def is_fair(
        self, qpos: np.ndarray, balls_Bx3: np.ndarray, look: Look, views: dict[str, np.ndarray]
    ) -> bool:
        """Whether every free-standing camera sees the target and all balls are clear of the
        robot.
        """
        if self.robot_gap(qpos, balls_Bx3) < self._world.placement.from_robot:
            return False
        target = int(self._plant.ball_geoms[0])
        radius, least = self._world.ball.radius, self._world.placement.visible_share
        exposures = [
            Exposure(name, 0, qpos, balls_Bx3, look, pose, 0) for name, pose in views.items()
        ]
        return all(
            self._darkroom.visible_share(exposure, 0, target, radius) >= least
            for exposure in exposures
        )

    def robot_gap(self, qpos: np.ndarray, balls_Bx3: np.ndarray, far_m: float = 0.1) -> float:
        """Distance between the robot and the ball next to it [m], at most `far_m`; negative
        inside.
        """
        model, data = self._plant.model, self._data
        data.qpos[:] = qpos
        data.mocap_pos[:] = balls_Bx3
        mujoco.mj_kinematics(model, data)
        robot = self._plant.robot_geoms
        middles = np.linalg.norm(data.geom_xpos[robot][:, None] - balls_Bx3, axis=-1)
        near = middles - model.geom_rbound[robot][:, None] - self._world.ball.radius < far_m
        gaps = [
            mujoco.mj_geomDistance(
                model, data, int(robot[i]), int(self._plant.ball_geoms[j]), far_m, None
            )
            for i, j in zip(*np.nonzero(near), strict=True)
        ]
        return float(min(gaps, default=far_m))
