"""Tasks: what an episode asks for, where its objects are and when it counts as done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gen_nodes.errors import unknown_name
from gen_nodes.hil.paths import BallPath, random_path
from gen_nodes.hil.workspace import Workspace
from gen_nodes.hil.world import ReachConfig, TrackConfig, WorldConfig
from gen_nodes.types import NS, Frozen

TASKS = ('reach', 'track')


@dataclass(frozen=True)
class Truth(Frozen):
    """What really is, for judges and experts only. Base frame, SI units, no noise."""

    stamp_ns: int
    tips_Tx3: np.ndarray
    objects: Mapping[str, np.ndarray]  # centre of each object, (3,)
    velocities: Mapping[str, np.ndarray]  # of its centre, (3,)
    target: str
    q: np.ndarray  # (N,) in the order of the robot's joints
    qd: np.ndarray

    @property
    def error_m(self) -> float:
        """Distance of the nearest tip from the target's centre."""
        return float(np.linalg.norm(self.tips_Tx3 - self.objects[self.target], axis=1).min())


@dataclass(frozen=True)
class Ball:
    """One ball of an episode: `path` is None where it rests at `position`."""

    name: str
    colour: str
    position: np.ndarray
    path: BallPath | None = None

    def state(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Centre and velocity `time_s` after the start, (3,) each."""
        if self.path is None:
            return self.position, np.zeros(3)
        return self.path.state(time_s)


@dataclass(frozen=True)
class TaskScene:
    """One episode as drawn from its seed; the first ball is the target."""

    task: str
    instruction: str
    episode_seed: int
    balls: tuple[Ball, ...]
    time_limit_s: float

    @property
    def target(self) -> str:
        """Name of the object that the instruction is about."""
        return self.balls[0].name


def draw_scene(
    task: str,
    episode_seed: int,
    world: WorldConfig,
    workspace: Workspace,
    start_tips_Tx3: np.ndarray,
    rng: np.random.Generator,
) -> TaskScene:
    """Draw colours, instruction and places of one episode. Raises ConfigError for an unknown
    task.
    """
    if task not in TASKS:
        raise unknown_name('task', task, TASKS)
    config = getattr(world.tasks, task)
    colours = rng.permutation(sorted(world.ball.colours))[: world.ball.count]
    template = config.instructions[rng.integers(len(config.instructions))]
    target = _draw_target(task, str(colours[0]), world, workspace, start_tips_Tx3, rng)
    balls = [target]
    for colour in colours[1:]:
        balls.append(_draw_bystander(str(colour), balls, start_tips_Tx3, world, workspace, rng))
    return TaskScene(
        task, template.format(colour=colours[0]), episode_seed, tuple(balls), config.time_limit_s
    )


def _draw_target(
    task: str,
    colour: str,
    world: WorldConfig,
    workspace: Workspace,
    start_tips_Tx3: np.ndarray,
    rng: np.random.Generator,
) -> Ball:
    for _ in range(100):
        tip = int(rng.integers(len(workspace.tips_Tx3)))
        path = None
        if task == 'track':
            path = random_path(workspace, tip, world.tasks.track, rng)
            position = path.state(0.0)[0]
        else:
            position = workspace.sample(rng, tip)
        if np.linalg.norm(start_tips_Tx3 - position, axis=1).min() >= world.placement.from_tip:
            break
    return Ball(f'{colour} ball', colour, position, path)


def _draw_bystander(
    colour: str,
    balls: list[Ball],
    start_tips_Tx3: np.ndarray,
    world: WorldConfig,
    workspace: Workspace,
    rng: np.random.Generator,
) -> Ball:
    """A resting ball apart from tips, balls and their paths: the best of a few draws where space is
    tight.
    """
    best, best_gap = None, -1.0
    taken = np.concatenate(
        [ball.position[None] if ball.path is None else ball.path.points_Kx3 for ball in balls]
        + [start_tips_Tx3]
    )
    for _ in range(30):
        tip = int(rng.integers(len(workspace.tips_Tx3)))
        point = workspace.sample(rng, tip)
        gap = float(np.linalg.norm(taken - point, axis=1).min())
        if gap > best_gap:
            best, best_gap = point, gap
        if gap >= world.placement.between_balls:
            break
    return Ball(f'{colour} ball', colour, best)


class Judge(Protocol):
    """Watches an episode. `done`: nothing that follows can change the verdict."""

    success: bool
    done: bool
    error_m: float

    def update(self, truth: Truth, t_ns: int) -> None:
        """Look at one instant; `t_ns` is the same clock as the start's."""


class ReachJudge:
    """Success: a tip within the tolerance of the ball's centre, held, before the time is up."""

    def __init__(self, config: ReachConfig, start_ns: int) -> None:
        self._config = config
        self._start_ns = start_ns
        self._inside_since_ns: int | None = None
        self.success = False
        self.done = False
        self.error_m = float('inf')  # at the latest instant before the verdict [m]

    def update(self, truth: Truth, t_ns: int) -> None:
        """Look at one instant."""
        if self.done:
            return
        self.error_m = truth.error_m
        if self.error_m > self._config.tolerance:
            self._inside_since_ns = None
        elif self._inside_since_ns is None:
            self._inside_since_ns = t_ns
        self.success = self._inside_since_ns is not None and t_ns - self._inside_since_ns >= round(
            self._config.hold_s * NS
        )
        self.done = self.success or t_ns - self._start_ns >= round(self._config.time_limit_s * NS)


class TrackJudge:
    """Success: the mean distance of the tip from the moving ball's centre, after settling, is
    small.

    Each instant counts for the time since the previous one, so the rate of updates does not matter.
    """

    def __init__(self, config: TrackConfig, start_ns: int) -> None:
        self._config = config
        self._start_ns = start_ns
        self._last_ns: int | None = None
        self._sum_m_s = 0.0
        self._seconds = 0.0
        self.done = False
        self.error_m = float('inf')  # mean so far; infinite while settling [m]

    @property
    def success(self) -> bool:
        """Verdict, final once `done`."""
        return self.error_m <= self._config.tolerance

    def update(self, truth: Truth, t_ns: int) -> None:
        """Look at one instant."""
        if self.done:
            return
        settled_ns = self._start_ns + round(self._config.settle_s * NS)
        if t_ns >= settled_ns and self._last_ns is not None:
            seconds = (t_ns - max(self._last_ns, settled_ns)) / NS
            self._sum_m_s += truth.error_m * seconds
            self._seconds += seconds
            if self._seconds > 0:
                self.error_m = self._sum_m_s / self._seconds
        self._last_ns = t_ns
        self.done = t_ns - self._start_ns >= round(self._config.time_limit_s * NS)


def make_judge(scene: TaskScene, world: WorldConfig, start_ns: int) -> Judge:
    """The judge of a scene's task."""
    if scene.task == 'reach':
        return ReachJudge(world.tasks.reach, start_ns)
    return TrackJudge(world.tasks.track, start_ns)
