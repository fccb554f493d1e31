"""The emulated robot: physics, sensors and schedule of a driver. Time comes only as
`step(until_ns)`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from gen_nodes.errors import unknown_name
from gen_nodes.hil.camera import Look
from gen_nodes.hil.darkroom import Darkroom, Exposure
from gen_nodes.hil.driver import Driver, Grasp, Point
from gen_nodes.hil.plant import Plant
from gen_nodes.hil.scenery import draw_look, draw_views
from gen_nodes.hil.staging import Stage
from gen_nodes.hil.tactile import press_map
from gen_nodes.hil.tasks import TASKS, TaskScene, Truth, draw_scene
from gen_nodes.hil.workspace import Workspace
from gen_nodes.hil.world import WorldConfig
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, JointSample, Sample, TactileSample, WrenchSample

FAIR_TRIES = 50
EMULATED = ('joint_states', 'camera', 'wrench', 'tactile')  # stream types


@dataclass(frozen=True)
class Draw:
    """Everything that an episode's seed decides."""

    scene: TaskScene
    start_q: np.ndarray
    lag_s: float
    delay_s: float
    views: dict[str, np.ndarray]  # free-standing cameras: base from camera (4, 4)
    look: Look
    wrench_bias: dict[str, tuple[np.ndarray, np.ndarray]]  # force, torque
    noise_seed: int


class Emulator:
    """One robot in one world. Deterministic for a seed and a sequence of calls; never reads a
    clock.

    `reset` starts an episode, `command` gives position targets, `step` runs physics up to a time
    and returns what the
    driver published by then. Base frame = world frame.
    """

    def __init__(
        self, spec: RobotSpec, world: WorldConfig, seed: int, *, max_state_rate_hz: float = 500.0
    ) -> None:
        self._spec = spec
        self._world = world
        self._seed = seed
        self._plant = Plant(spec, world)
        self._darkroom = Darkroom(self._plant, spec, world)
        self._stage = Stage(self._plant, spec, world)
        self._view = world.view
        self.workspace = Workspace(spec, world.placement)
        self._periods_ns = {
            name: round(NS / min(stream.rate_hz, max_state_rate_hz))
            for name, stream in spec.streams.items()
            if stream.type in EMULATED
        }
        self._bodies = {
            name: self._plant.body(stream.mount.parent)
            for name, stream in spec.streams.items()
            if stream.type in ('wrench', 'tactile')
        }
        self._frames = {
            name: self._plant.body(stream.frame)
            for name, stream in spec.streams.items()
            if stream.type == 'wrench'
        }
        self._effort = np.array([joint.effort for joint in spec.joints])
        self._units = spec.units
        makers = np.array([joint.published.velocity for joint in spec.joints])
        self._driver = Driver(spec.joint_names, *self._plant.joint_range(), makers)
        self.reset(0, TASKS[0], 0)

    # Episode

    def reset(self, episode_seed: int, task: str, start_ns: int) -> TaskScene:
        """Start an episode: robot near its ready pose, new objects, cameras, lights and sensor
        errors.
        """
        return self.begin(self.draw(episode_seed, task), start_ns)

    def shift_cameras(self, shift_m: float) -> None:
        """From the next draw on, free-standing cameras stand this far beside where they would."""
        self._view = dataclasses.replace(self._view, shift=shift_m)

    def draw(self, episode_seed: int, task: str) -> Draw:
        """Draw an episode (tens of milliseconds). May run in another thread beside `advance`, but
        only once at a time.
        """
        if task not in TASKS:
            raise unknown_name('task', task, TASKS)
        world = self._world
        rng = np.random.default_rng([self._seed, episode_seed, TASKS.index(task)])
        start_q = self._draw_start(rng)
        start_tips = self.workspace.solver.tips(start_q)
        draw = Draw(
            None,
            start_q,
            rng.uniform(*world.servo.lag_s),
            rng.uniform(*world.servo.delay_s),
            draw_views(self._spec, self._view, self.workspace, rng),
            None,
            self._draw_wrench_bias(rng),
            int(rng.integers(2**63)),
        )
        for _ in range(FAIR_TRIES):
            scene = draw_scene(task, episode_seed, world, self.workspace, start_tips, rng)
            draw = dataclasses.replace(
                draw, scene=scene, look=draw_look(self._plant, scene, world, rng)
            )
            if self._is_fair(draw):
                break
        return draw

    def begin(self, draw: Draw, start_ns: int | None = None) -> TaskScene:
        """Start the drawn episode at `start_ns`; None: now, and the streams go on as if nothing had
        happened.
        """
        if start_ns is None:
            start_ns = self._plant.now_ns
        else:
            self._due_ns = dict.fromkeys(self._periods_ns, start_ns)
        self._draw = draw
        self.scene = draw.scene
        self._rng = np.random.Generator(np.random.SFC64(draw.noise_seed))
        self._plant.place(draw.start_q, start_ns, lag_s=draw.lag_s, delay_s=draw.delay_s)
        self._driver.place(draw.start_q)
        self._start_ns = start_ns
        self._place_balls()
        return self.scene

    def _draw_start(self, rng: np.random.Generator) -> np.ndarray:
        spread = self._world.start.joint_variation * rng.uniform(-1, 1, self._spec.n)
        arm = np.array([joint.role == 'arm' for joint in self._spec.joints])
        solver = self.workspace.solver
        return np.clip(
            self._spec.ready + arm * spread,
            np.minimum(solver.lower, self._spec.ready),
            np.maximum(solver.upper, self._spec.ready),
        )

    def _draw_wrench_bias(
        self, rng: np.random.Generator
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        noise = self._world.noise
        return {
            name: (
                noise.wrench_force_bias * rng.standard_normal(3),
                noise.wrench_torque_bias * rng.standard_normal(3),
            )
            for name in self._frames
        }

    def _is_fair(self, draw: Draw) -> bool:
        balls = np.stack([ball.position for ball in draw.scene.balls])
        return self._stage.is_fair(self._plant.qpos_of(draw.start_q), balls, draw.look, draw.views)

    def _place_balls(self) -> None:
        time_s = (self._plant.now_ns - self._start_ns) / NS
        states = [ball.state(time_s) for ball in self.scene.balls]
        self._ball_positions = np.stack([position for position, _ in states])
        self._ball_velocities = np.stack([velocity for _, velocity in states])
        self._plant.move_balls(self._ball_positions)

    # Run

    def command(self, names: tuple[str, ...], values: np.ndarray, stamp_ns: int) -> str | None:
        """Position targets for the named joints from `stamp_ns` on; the others keep theirs.

        None, or why a driver refuses the whole command.
        """
        refusal = self._driver.move_to(names, values)
        if refusal is None:
            joints = np.array([self._spec.joint_names.index(name) for name in names])
            self._plant.commands.command(joints, self._driver.position[joints], stamp_ns)
        return refusal

    def command_velocity(
        self, names: tuple[str, ...], values: np.ndarray, stamp_ns: int
    ) -> str | None:
        """Velocity targets, which last until the next ones or 0.1 s; else as `command`."""
        return self._driver.move_at(names, values, stamp_ns)

    def command_trajectory(
        self, names: tuple[str, ...], points: list[Point], path: tuple[str, ...], stamp_ns: int
    ) -> str | None:
        """A trajectory for the joints `path`, in place of the one before; else as `command`."""
        return self._driver.follow(names, points, path, stamp_ns)

    def command_gripper(
        self, name: str, value: float, stamp_ns: int, speed: float | None = None
    ) -> str | None:
        """A gripper's goal, at the maker's speed or a lower one; else as `command`."""
        return self._driver.grip(name, value, stamp_ns, speed)

    def grasp(self, name: str, goal: float) -> GripWatch:
        """Watches a gripper on its way to a goal."""
        return GripWatch(self, name, goal)

    def measured(self, name: str) -> tuple[float, float]:
        """Position and effort of a joint, without noise."""
        index = self._spec.joint_names.index(name)
        return float(self._plant.q[index]), float(self._plant.effort[index])

    def travel(self, name: str) -> float:
        """From one end of a joint's travel to the other."""
        joint = self._spec.joints[self._spec.joint_names.index(name)]
        return joint.upper - joint.lower

    def halt(self, why: str, *, hard: bool) -> None:
        """The robot stops by itself, smoothly or hard, and takes no commands until `resume`."""
        self._plant.commands.brake(hard=hard)
        self._driver.halt(why, self._plant.commands.target)

    def resume(self) -> None:
        """Commands are taken again, from where the robot stands."""
        self._driver.resume(self._plant.commands.target)

    def disturb(
        self, *, torque_N: np.ndarray | None = None, velocity_N: np.ndarray | None = None
    ) -> None:
        """Push the robot: joint torques that last until the next call, velocity kicks that happen
        at once.
        """
        self._plant.disturb(torque_N=torque_N, velocity_N=velocity_N)

    def step(self, until_ns: int) -> list[Sample]:
        """Run physics up to `until_ns`; everything published by then, in order of capture."""
        return [
            self._darkroom.develop(item) if isinstance(item, Exposure) else item
            for item in self.advance(until_ns)
        ]

    def advance(self, until_ns: int) -> list[Sample | Exposure]:
        """Like `step`, with pictures left to be developed (by a Darkroom, in any thread)."""
        published = self._publish()
        while self._plant.now_ns + self._plant.timestep_ns <= until_ns:
            moved = self._driver.advance(self._plant.now_ns)
            if moved.size:
                self._plant.commands.command(
                    moved, self._driver.position[moved], self._plant.now_ns
                )
            self._plant.step(self._ball_velocities)
            if self.scene.task == 'track':
                self._place_balls()
            published += self._publish()
        return published

    def new_darkroom(self) -> Darkroom:
        """A renderer for another thread."""
        return Darkroom(self._plant, self._spec, self._world)

    def truth(self) -> Truth:
        """What really is now."""
        self._plant.refresh()
        names = [ball.name for ball in self.scene.balls]
        return Truth(
            self._plant.now_ns,
            self._plant.data.xpos[self._plant.tip_bodies].copy(),
            dict(zip(names, self._ball_positions.copy(), strict=True)),
            dict(zip(names, self._ball_velocities.copy(), strict=True)),
            self.scene.target,
            self._plant.q.copy(),
            self._plant.qd.copy(),
        )

    def shift_clock(self, by_ns: int) -> None:
        """The clock that stamps samples was set, or time was lost: nothing moves, stamps go on from
        there.
        """
        self._plant.shift_clock(by_ns)
        self._driver.shift_clock(by_ns)
        self._start_ns += by_ns
        self._due_ns = {name: due_ns + by_ns for name, due_ns in self._due_ns.items()}

    @property
    def next_due_ns(self) -> int:
        """When the next sample is published: at a whole step of physics."""
        timestep_ns = self._plant.timestep_ns
        steps = -((self._plant.now_ns - min(self._due_ns.values())) // timestep_ns)
        return self._plant.now_ns + steps * timestep_ns

    @property
    def views(self) -> dict[str, np.ndarray]:
        """Poses (4, 4) of the free-standing cameras in the base frame."""
        return dict(self._draw.views)

    @property
    def now_ns(self) -> int:
        """Time that physics has reached."""
        return self._plant.now_ns

    # Sensors

    def _publish(self) -> list[Sample | Exposure]:
        now_ns = self._plant.now_ns
        published = []
        for name, due_ns in self._due_ns.items():
            if now_ns >= due_ns:
                self._due_ns[name] = due_ns + self._periods_ns[name]
                published.append(self._sense(name, now_ns))
        return published

    def _sense(self, name: str, now_ns: int) -> Sample | Exposure:
        kind = self._spec.streams[name].type
        if kind == 'joint_states':
            return self._sense_joints(name, now_ns)
        if kind == 'wrench':
            return self._sense_wrench(name, now_ns)
        if kind == 'tactile':
            return self._sense_touch(name, now_ns)
        return self._expose(name, int(self._rng.integers(2**63)))

    def _sense_joints(self, name: str, now_ns: int) -> JointSample:
        noise, n = self._world.noise, self._spec.n
        errors = self._rng.standard_normal((3, n))
        return JointSample(
            name,
            now_ns,
            now_ns,
            self._spec.joint_names,
            self._plant.q + noise.joint_position * self._units * errors[0],
            self._plant.qd + noise.joint_velocity * self._units * errors[1],
            self._plant.effort + noise.joint_effort_ratio * self._effort * errors[2],
        )

    def _sense_wrench(self, name: str, now_ns: int) -> WrenchSample:
        noise = self._world.noise
        force, torque = self._plant.wrench(self._bodies[name], self._frames[name])
        force_bias, torque_bias = self._draw.wrench_bias[name]
        return WrenchSample(
            name,
            now_ns,
            now_ns,
            self._spec.streams[name].frame,
            force + force_bias + noise.wrench_force * self._rng.standard_normal(3),
            torque + torque_bias + noise.wrench_torque * self._rng.standard_normal(3),
        )

    def _sense_touch(self, name: str, now_ns: int) -> TactileSample:
        body = self._bodies[name]
        force = press_map(
            self._plant.pose(body), self._plant.touches_near(body), self._world.tactile
        )
        force += self._world.noise.tactile_force * self._rng.standard_normal(force.shape)
        return TactileSample(
            name,
            now_ns,
            now_ns,
            self._spec.streams[name].mount.parent,
            np.maximum(force, 0).astype(np.float32),
        )

    def _expose(self, name: str, noise_seed: int) -> Exposure:
        return Exposure(
            name,
            self._plant.now_ns,
            self._plant.data.qpos.copy(),
            self._ball_positions,
            self._draw.look,
            self._draw.views.get(name),
            noise_seed,
        )


class GripWatch:
    """A gripper on its way to a goal."""

    def __init__(self, emulator: Emulator, name: str, goal: float) -> None:
        self._emulator, self._name = emulator, name
        self._grasp = Grasp(goal, emulator.travel(name), emulator.now_ns)

    @property
    def reached(self) -> bool:
        """Whether it is where it should be."""
        return self._grasp.reached

    @property
    def stalled(self) -> bool:
        """Whether it stands elsewhere."""
        return self._grasp.stalled

    def look(self) -> tuple[float, float]:
        """Its position and effort now."""
        position, effort = self._emulator.measured(self._name)
        self._grasp.look(position, self._emulator.now_ns)
        return position, effort
