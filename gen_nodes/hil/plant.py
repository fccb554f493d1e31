"""The robot as physics: MuJoCo from the URDF, position servos with lag, soft foam balls.

Robots hold their own weight (gravity compensation, as their drivers do). A command passes a dead
time and a critically
damped filter (the servo's lag), then a stiff loop with velocity feed-forward, limited by the URDF's
effort.
Links do not collide with each other; balls are felt by fingertips only.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from gen_nodes.errors import RobotError
from gen_nodes.hil.mujoco_model import build_model
from gen_nodes.hil.servo import CommandFilter
from gen_nodes.hil.world import WorldConfig
from gen_nodes.robot import RobotSpec
from gen_nodes.types import seconds_to_ns

FLOOR_GAP_M = 0.01  # shapes that start nearer to the floor never touch it
# A maker's placeholder for a rated effort (1 N for a lift, 1000 N m for a wrist) spoils no servo:
LEAST_ACCELERATION = 4.0  # [rad/s^2], [m/s^2] of the joint's own inertia: it can always move itself
STICTION = 0.0015  # [rad], [m] dry friction never holds a servo farther than this from its setpoint


@dataclass(frozen=True)
class Touch:
    """One fingertip in one ball: force on the finger [N] at a point of its skin, both in the base
    frame.
    """

    tip: int
    point: np.ndarray
    force: np.ndarray


class Plant:
    """Robot and balls in MuJoCo. World frame = the robot's base frame; joints in the order of the
    RobotSpec.
    """

    def __init__(self, spec: RobotSpec, world: WorldConfig) -> None:
        self._world = world
        self._spec = spec
        self.model = build_model(spec, world)
        self.data = mujoco.MjData(self.model)
        self.timestep_ns = seconds_to_ns(world.physics.timestep_s)
        self._index_joints(spec)
        self._index_bodies(spec, world)
        self.data.qpos[self._all_qpos] = self._follow(np.asarray(spec.ready, float))
        mujoco.mj_forward(self.model, self.data)
        self._tune_servos(spec, world)
        self._let_floor_be_touched()
        self.touches: tuple[Touch, ...] = ()
        self.commands = CommandFilter(np.array([joint.published.velocity for joint in spec.joints]))
        self.place(np.asarray(spec.ready, float), 0, lag_s=world.servo.lag_s[0], delay_s=0.0)

    # Set up

    def _index_joints(self, spec: RobotSpec) -> None:
        joints = np.array([self.model.joint(name).id for name in spec.joint_names])
        mimics = {
            int(follower): (int(leader), *self.model.eq_data[i, :2])
            for i, (follower, leader) in enumerate(
                zip(self.model.eq_obj1id, self.model.eq_obj2id, strict=True)
            )
        }
        self.model.eq_active0[:] = 0  # the follower's own servo does it, without a solver
        others = [joint for joint in range(self.model.njnt) if joint not in joints]
        ways = [self._way_to_follow(joint, joints, mimics) for joint in others]
        self._leaders = np.array([leader for leader, *_ in ways], int)
        self._offsets, self._factors = np.array([way[1:] for way in ways], float).reshape(-1, 2).T
        every = np.concatenate([joints, others]).astype(int)
        self._all_qpos, self._all_dofs = self.model.jnt_qposadr[every], self.model.jnt_dofadr[every]
        self.n = len(joints)
        self._qpos, self._dofs = self._all_qpos[: self.n], self._all_dofs[: self.n]
        self._actuators = np.array(
            [self.model.actuator(self.model.joint(j).name).id for j in every]
        )

    def _way_to_follow(
        self, joint: int, commanded: np.ndarray, mimics: dict[int, tuple[int, float, float]]
    ) -> tuple[int, float, float]:
        """Leader (index among the commanded), offset and factor; joints nobody commands rest next
        to zero.
        """
        leader, offset, factor = mimics.get(joint, (joint, 0.0, 1.0))
        if leader in commanded:
            return int(np.flatnonzero(commanded == leader)[0]), offset, factor
        rest = (
            float(np.clip(0.0, *self.model.jnt_range[leader]))
            if self.model.jnt_limited[leader]
            else 0.0
        )
        return 0, offset + factor * rest, 0.0

    def _index_bodies(self, spec: RobotSpec, world: WorldConfig) -> None:
        if spec.base_frame not in (
            'world',
            *(self.model.body(i).name for i in np.flatnonzero(self.model.body_parentid == 0)),
        ):
            raise RobotError(f"base_frame '{spec.base_frame}' is not the root link of the URDF")
        self.tip_bodies = np.array([self.body(name) for name in spec.tips])
        self.floor_geom = self.model.geom('floor').id
        self.ball_geoms = np.array(
            [self.model.geom(f'ball {i}').id for i in range(world.ball.count)]
        )
        balls_and_floor = [self.floor_geom, *self.ball_geoms]
        self.robot_geoms = np.setdiff1d(np.arange(self.model.ngeom), balls_and_floor)
        self._tip_geoms = [self._geoms_fixed_to(body) for body in self.tip_bodies]

    def body(self, name: str) -> int:
        """Body id of a URDF link. Raises RobotError where there is none."""
        index = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_BODY, name)
        if index < 0:
            raise RobotError(f"frame '{name}' is not a link of the URDF of {self._spec.name}")
        return index

    def moving_link(self, body: int) -> int:
        """The link with a joint to which `body` is fixed (itself, if it has one)."""
        return int(self.model.body_weldid[body])

    def _geoms_fixed_to(self, tip_body: int) -> list[int]:
        """Solid shapes of a tip's link and of links fixed to it."""
        family = {tip_body}
        for body in range(tip_body + 1, self.model.nbody):
            if self.model.body_parentid[body] in family and not self.model.body_dofnum[body]:
                family.add(body)
        geoms = [
            g
            for g in range(self.model.ngeom)
            if self.model.geom_bodyid[g] in family and self.model.geom_conaffinity[g]
        ]
        if not geoms:
            raise RobotError(
                f"tip '{self.model.body(tip_body).name}' has no collision shape: "
                'nothing could be felt'
            )
        return geoms

    def _tune_servos(self, spec: RobotSpec, world: WorldConfig) -> None:
        servo = world.servo
        inertia = np.zeros((self.model.nv, self.model.nv))
        mujoco.mj_fullM(self.model, self.data, inertia)
        inertia = np.diag(inertia)[self._all_dofs]
        armature = np.maximum(servo.armature_ratio * inertia, servo.armature_min)
        stiffness = (inertia + armature) * servo.stiffness_rad_s**2
        effort = np.array([joint.effort for joint in spec.joints])
        others = self.model.jnt_actfrcrange[self.model.dof_jntid[self._all_dofs[self.n :]], 1]
        effort = np.concatenate([effort, others])
        friction = np.minimum(servo.friction_ratio * effort, STICTION * stiffness)
        effort = np.maximum(effort, LEAST_ACCELERATION * (inertia + armature))
        effort_range = np.stack([-effort, effort], -1)
        self._velocity_gain_s = 2.0 / servo.stiffness_rad_s  # critically damped: kv / kp
        self.model.dof_armature[self._all_dofs] = armature
        self.model.dof_frictionloss[self._all_dofs] = friction
        self.model.actuator_gainprm[self._actuators, 0] = stiffness
        self.model.actuator_biasprm[self._actuators, 1] = -stiffness
        self.model.actuator_biasprm[self._actuators, 2] = -stiffness * self._velocity_gain_s
        self.model.actuator_forcelimited[self._actuators] = 1
        self.model.actuator_forcerange[self._actuators] = effort_range
        self.model.jnt_actfrcrange[self.model.dof_jntid[self._all_dofs]] = effort_range

    def _let_floor_be_touched(self) -> None:
        """Shapes that begin clear of the floor may hit it; a base that stands on it does not."""
        for geom in range(self.model.ngeom):
            if self.model.geom_conaffinity[geom] and geom != self.floor_geom:
                gap = mujoco.mj_geomDistance(
                    self.model, self.data, self.floor_geom, geom, 1.0, None
                )
                self.model.geom_conaffinity[geom] = int(gap > FLOOR_GAP_M)

    def _follow(self, values_N: np.ndarray) -> np.ndarray:
        """Joint values with those of the joints that are not commanded behind them."""
        return np.concatenate([values_N, self._offsets + self._factors * values_N[self._leaders]])

    # Run

    def place(self, q_N: np.ndarray, now_ns: int, *, lag_s: float, delay_s: float) -> None:
        """Put the robot at rest at `q_N`, with a servo of this lag and dead time, and forget
        commands.
        """
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[self._all_qpos] = self._follow(q_N)
        self.data.eq_active[:] = 0
        self.now_ns = now_ns
        self.commands.place(q_N, lag_s=lag_s, delay_s=delay_s)
        self.data.ctrl[self._actuators] = self._follow(q_N)
        self.touches = ()
        mujoco.mj_forward(self.model, self.data)

    def disturb(
        self, *, torque_N: np.ndarray | None = None, velocity_N: np.ndarray | None = None
    ) -> None:
        """Push the robot: a joint torque that lasts until the next call, a velocity kick that
        happens now.
        """
        if torque_N is not None:
            self.data.qfrc_applied[self._dofs] = torque_N
        if velocity_N is not None:
            self.data.qvel[self._dofs] += velocity_N

    def move_balls(self, positions_Bx3: np.ndarray) -> None:
        """Put the balls somewhere; it takes effect with the next step."""
        self.data.mocap_pos[:] = positions_Bx3

    def shift_clock(self, by_ns: int) -> None:
        """Time is now `by_ns` later, and nothing else has changed."""
        self.now_ns += by_ns
        self.commands.shift_clock(by_ns)

    def step(self, ball_velocities_Bx3: np.ndarray) -> None:
        """One time step."""
        self.commands.advance(self.now_ns, self._world.physics.timestep_s)
        aim = self.commands.setpoint + self._velocity_gain_s * self.commands.rate
        self.data.ctrl[self._actuators] = self._follow(aim)
        self._squeeze_foam(ball_velocities_Bx3)
        mujoco.mj_step(self.model, self.data)
        self.now_ns += self.timestep_ns

    def _squeeze_foam(self, ball_velocities_Bx3: np.ndarray) -> None:
        """Force of balls on fingertips: a spring by depth along the line of centres, vanishing at
        the centre.
        """
        if self.touches:
            self.data.xfrc_applied[:] = 0
        touches = []
        ball = self._world.ball
        gaps = self.data.xpos[self.tip_bodies][:, None] - self.data.mocap_pos
        for tip, index in zip(*np.nonzero((gaps**2).sum(-1) < (3 * ball.radius) ** 2), strict=True):
            for geom in self._tip_geoms[tip]:
                depth = -mujoco.mj_geomDistance(
                    self.model, self.data, geom, self.ball_geoms[index], 0.0, None
                )
                if depth > 0:
                    touches.append(self._press(tip, geom, index, depth, ball_velocities_Bx3[index]))
        self.touches = tuple(touches)

    def _press(
        self, tip: int, geom: int, index: int, depth: float, ball_velocity: np.ndarray
    ) -> Touch:
        point = self.data.geom_xpos[geom].copy()
        away = point - self.data.mocap_pos[index]
        away /= np.linalg.norm(away) + 0.1 * self._world.ball.radius
        body = self.model.geom_bodyid[geom]
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_GEOM, geom, velocity, 0)
        rate = float((velocity[3:] - ball_velocity) @ away)
        strength = max(0.0, self._world.ball.stiffness * depth - self._world.ball.damping * rate)
        force = strength * away
        self.data.xfrc_applied[body, :3] += force
        self.data.xfrc_applied[body, 3:] += _cross(point - self.data.xipos[body], force)
        return Touch(int(tip), point - self.model.geom_size[geom, 0] * away, force)

    # Read, without noise

    def qpos_of(self, q_N: np.ndarray) -> np.ndarray:
        """MuJoCo's position vector for joint positions."""
        qpos = self.model.qpos0.copy()
        qpos[self._all_qpos] = self._follow(q_N)
        return qpos

    def joint_range(self) -> tuple[np.ndarray, np.ndarray]:
        """The maker's position limits (N,): a driver does not leave them whatever is commanded."""
        joints = self.model.dof_jntid[self._dofs]
        limited = self.model.jnt_limited[joints].astype(bool)
        low, high = self.model.jnt_range[joints].T
        return np.where(limited, low, -np.inf), np.where(limited, high, np.inf)

    @property
    def q(self) -> np.ndarray:
        """Joint positions (N,)."""
        return self.data.qpos[self._qpos]

    @property
    def qd(self) -> np.ndarray:
        """Joint velocities (N,)."""
        return self.data.qvel[self._dofs]

    def touches_near(self, body: int) -> list[Touch]:
        """Touches of fingertips on the same moving link as `body`."""
        link = self.moving_link(body)
        return [
            touch for touch in self.touches if self.moving_link(self.tip_bodies[touch.tip]) == link
        ]

    @property
    def effort(self) -> np.ndarray:
        """Torque or force of the servos (N,)."""
        return self.data.qfrc_actuator[self._dofs]

    def pose(self, body: int) -> np.ndarray:
        """Pose (4, 4) of a link in the base frame, at the latest joint positions after
        `refresh`.
        """
        pose = np.eye(4)
        pose[:3, :3] = self.data.xmat[body].reshape(3, 3)
        pose[:3, 3] = self.data.xpos[body]
        return pose

    def refresh(self) -> None:
        """Bring link poses up to the latest joint positions (a step leaves them one step old)."""
        mujoco.mj_kinematics(self.model, self.data)

    def wrench(self, body: int, axes_body: int) -> tuple[np.ndarray, np.ndarray]:
        """Force and torque (3,) that the surroundings exert on the hand, at `body`, in the axes of
        `axes_body`.

        What passes through the joint of the link that carries `body`, without the weight of what
        hangs there.
        """
        mujoco.mj_rnePostConstraint(self.model, self.data)
        link = self.moving_link(body)
        torque, force = -self.data.cfrc_int[link, :3], -self.data.cfrc_int[link, 3:]
        root = self.data.subtree_com[self.model.body_rootid[link]]
        origin = self.data.xpos[body]
        torque = torque + _cross(root - origin, force)
        weight = self.model.body_subtreemass[link] * self.model.opt.gravity
        force = force - weight
        torque = torque - _cross(self.data.subtree_com[link] - origin, weight)
        to_body = self.data.xmat[axes_body].reshape(3, 3).T
        return to_body @ force, to_body @ torque


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of two vectors, ten times faster than numpy's for many."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
