"""The whole loop in one process and in simulated time: emulator, aggregator, policy and controller,
the live cores.

Faster than real time and repeatable. The world still never waits: samples take time to arrive and
decisions take time to make, drawn from the ranges of `Transport`. For collecting demonstrations and
for quick evaluation; what counts for a robot is measured live.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.emulator import Emulator
from gen_nodes.hil.tasks import TaskScene, Truth, make_judge
from gen_nodes.hil.world import WorldConfig
from gen_nodes.policy.protocol import Policy
from gen_nodes.robot import RobotSpec
from gen_nodes.streams.aggregator import Aggregator
from gen_nodes.types import (
    NS,
    ActionChunk,
    CameraSample,
    CommandSample,
    JointSample,
    Observation,
    Sample,
    WrenchSample,
    seconds_to_ns,
)

TICK_S = 0.02
TICKS_PER_DECISION = 2
STATE_HZ = 125.0  # joint states and wrenches: more would only cost time here


@dataclass(frozen=True)
class Transport:
    """How long things take, seconds, drawn uniformly: a camera's delay per episode, the rest per
    message.
    """

    camera_s: tuple[float, float] = (0.008, 0.035)
    camera_jitter_s: float = 0.006
    state_s: tuple[float, float] = (0.0003, 0.002)
    decision_s: tuple[float, float] = (0.012, 0.035)


class Actor(Protocol):
    """Who decides: a policy, an expert, or nobody."""

    def reset(self, scene: TaskScene) -> None:
        """A new episode begins."""

    def observe(self, observation: Observation, truth: Truth) -> None:
        """What arrived, and what really is (for the privileged)."""

    def act(self, now_ns: int, commanded: np.ndarray, rate: np.ndarray) -> ActionChunk | None:
        """The next chunk, or None."""


class PolicyActor:
    """A policy that sees only observations."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def reset(self, scene: TaskScene) -> None:
        self.policy.reset(scene.instruction)

    def observe(self, observation: Observation, truth: Truth) -> None:
        self.policy.observe(observation)

    def act(self, now_ns: int, commanded: np.ndarray, rate: np.ndarray) -> ActionChunk | None:
        return self.policy.act(now_ns)


class BlindActor(PolicyActor):
    """The same policy with its cameras blanked: what it can do from memory of the task alone."""

    def observe(self, observation: Observation, truth: Truth) -> None:
        blanked = tuple(
            replace(
                s, rgb_HxWx3=np.zeros_like(s.rgb_HxWx3), depth_mm_HxW=np.zeros_like(s.depth_mm_HxW)
            )
            if isinstance(s, CameraSample)
            else s
            for s in observation.samples
        )
        self.policy.observe(replace(observation, samples=blanked))


class HoldActor:
    """Nobody: the robot stands still."""

    def reset(self, scene: TaskScene) -> None:
        pass

    def observe(self, observation: Observation, truth: Truth) -> None:
        pass

    def act(self, now_ns: int, commanded: np.ndarray, rate: np.ndarray) -> ActionChunk | None:
        return None


class Listener(Protocol):
    """Hears everything that would cross a topic; `log_ns` is when it arrived."""

    def sample(self, sample: Sample, log_ns: int) -> None:
        """A driver's sample."""

    def command(self, command: CommandSample) -> None:
        """A command that was sent."""

    def chunk(self, chunk: ActionChunk, log_ns: int) -> None:
        """A decision."""


@dataclass(frozen=True)
class Outcome:
    """How an episode ended. error_m: reach: distance at the verdict; track: mean distance after
    settling.
    """

    success: bool
    error_m: float
    seconds: float
    tip_m: np.ndarray = field(repr=False)  # (K, 3) the nearest tip, every control period
    target_m: np.ndarray = field(repr=False)  # (K, 3) the target

    @property
    def final_error_m(self) -> float:
        """Mean distance over the last half second [m]."""
        last = max(1, round(0.5 * len(self.tip_m) / self.seconds))
        return float(np.linalg.norm(self.tip_m[-last:] - self.target_m[-last:], axis=1).mean())


class Lockstep:
    """One robot in one world, driven by cores alone."""

    def __init__(
        self, spec: RobotSpec, world: WorldConfig, seed: int, transport: Transport | None = None
    ) -> None:
        self.spec, self.world = spec, world
        self.transport = transport or Transport()
        self.emulator = Emulator(spec, world, seed, max_state_rate_hz=STATE_HZ)
        self.period_ns = round(NS / spec.control.rate_hz)

    def run(
        self,
        actor: Actor,
        task: str,
        episode_seed: int,
        start_ns: int = NS,
        listener: Listener | None = None,
        seconds: float | None = None,
        mark: Callable[[int], tuple[str, ...]] = lambda now_ns: (),
    ) -> Outcome:
        """One episode until its judge is done, or of `seconds`. `mark` names what a learner must
        know.
        """
        scene = self.emulator.reset(episode_seed, task, start_ns)
        episode = _Episode(
            self, actor, scene, np.random.default_rng((episode_seed, 7)), start_ns, listener, mark
        )
        judge = make_judge(scene, self.world, start_ns)
        tips, targets, now = [], [], start_ns
        while not judge.done if seconds is None else now < start_ns + seconds_to_ns(seconds):
            now += self.period_ns
            truth = episode.advance(now)
            judge.update(truth, now)
            target = truth.objects[truth.target]
            tips.append(truth.tips_Tx3[np.linalg.norm(truth.tips_Tx3 - target, axis=1).argmin()])
            targets.append(target)
        return Outcome(
            judge.success, judge.error_m, (now - start_ns) / NS, np.array(tips), np.array(targets)
        )


class _Episode:
    """State of one episode's loop."""

    def __init__(
        self,
        loop: Lockstep,
        actor: Actor,
        scene: TaskScene,
        rng: np.random.Generator,
        start_ns: int,
        listener: Listener | None,
        mark: Callable[[int], tuple[str, ...]],
    ) -> None:
        self.loop, self.actor, self.scene, self.rng, self.listener, self.mark = (
            loop,
            actor,
            scene,
            rng,
            listener,
            mark,
        )
        self.aggregator = Aggregator(loop.spec)
        self.controller = ControllerCore(loop.spec)
        limit = loop.spec.wrench_limit
        self.force_limited = limit.stream if limit is not None else None
        self.camera_s = rng.uniform(*loop.transport.camera_s)
        self.travelling: list[tuple[int, int, Sample]] = []
        self.decided: list[tuple[int, ActionChunk]] = []
        self.count = 0
        self.ticks = 0
        self.next_tick_ns = start_ns + seconds_to_ns(TICK_S)
        self.started = False
        self.commanded: np.ndarray | None = None
        self.rate: np.ndarray | None = None
        actor.reset(scene)

    def advance(self, now: int) -> Truth:
        """One control period: physics, arrivals, perhaps a decision, a command."""
        for sample in self.loop.emulator.step(now):
            self._send(sample)
        self._receive(now)
        truth = self.loop.emulator.truth()
        if now >= self.next_tick_ns:
            self.next_tick_ns += seconds_to_ns(TICK_S)
            self._tick(now, truth)
        while self.decided and self.decided[0][0] <= now:
            self.controller.on_chunk(self.decided.pop(0)[1], now, now)
        if self.started:
            self._command(now)
        return truth

    def _send(self, sample: Sample) -> None:
        transport, rng = self.loop.transport, self.rng
        delay_s = (
            self.camera_s + rng.uniform(0, transport.camera_jitter_s)
            if isinstance(sample, CameraSample)
            else rng.uniform(*transport.state_s)
        )
        self.count += 1
        heapq.heappush(
            self.travelling, (sample.capture_ns + seconds_to_ns(delay_s), self.count, sample)
        )

    def _receive(self, now: int) -> None:
        while self.travelling and self.travelling[0][0] <= now:
            arrival, _, sample = heapq.heappop(self.travelling)
            sample = replace(sample, arrival_ns=arrival)
            self.aggregator.offer(sample)
            if self.listener:
                self.listener.sample(sample, arrival)
            if isinstance(sample, JointSample):
                if not self.started:
                    self.controller.activate(sample, now, now)
                    self.started = True
                    self.commanded, self.rate = sample.position, np.zeros_like(sample.position)
                else:
                    self.controller.on_joint_state(sample, now)
            elif isinstance(sample, WrenchSample) and sample.stream == self.force_limited:
                self.controller.on_wrench(sample.force, sample.torque, now)

    def _tick(self, now: int, truth: Truth) -> None:
        observation = self.aggregator.close(now, self.scene.instruction)
        self.actor.observe(observation, truth)
        self.ticks += 1
        if self.ticks % TICKS_PER_DECISION or not self.started:
            return
        chunk = self.actor.act(now, self.commanded, self.rate)
        if chunk is not None:
            due = now + seconds_to_ns(self.rng.uniform(*self.loop.transport.decision_s))
            self.decided.append((due, chunk))
            if self.listener:
                self.listener.chunk(chunk, due)

    def _command(self, now: int) -> None:
        command = self.controller.tick(now, now)
        if command is None:
            return
        marks = self.mark(now)
        command = replace(command, marks=marks) if marks else command
        self.commanded, self.rate = command.values, command.rates
        self.loop.emulator.command(command.names, command.values, now)
        self.aggregator.offer(command)
        if self.listener:
            self.listener.command(command)
