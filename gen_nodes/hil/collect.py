"""Demonstrations: a privileged expert performs tasks, is led astray now and then, by pushes or by
a learner, and everything goes into a bag.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gen_nodes.hil.experts import Expert
from gen_nodes.hil.tasks import TaskScene, Truth
from gen_nodes.policy.curves import curve_position, curve_rate
from gen_nodes.policy.protocol import Policy
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, ActionChunk, Observation

DISTURBANCE = 'disturbance'
TEACHER_S = (0.2, 0.24)  # reaction, slower than a learner's: who must not meet the unforeseen
DECISION_S = 0.08  # until a decision is sent
FOREIGN = 1 << 20  # added to the expert's sequence: a learner must not take it for its own
FOLLOWED_RAD = 0.1  # a command this close to its plan is following it


@dataclass(frozen=True)
class Detours:
    """Stretches of a demonstration in which somebody else leads, so that the learner sees how to
    come back: a push, or the learner itself, whose mistakes are the ones that matter (DAgger, Ross
    et al. 2011, arXiv 1011.0686).

    Commands of such a stretch are marked: they are not the expert's will.
    """

    until_s: float  # none begins later, counted from the start
    first_s: tuple[float, float] = (0.0, 0.8)
    every_s: tuple[float, float] = (0.8, 2.2)  # from the end of one to the start of the next
    push_s: tuple[float, float] = (0.3, 0.8)
    push_rate: tuple[float, float] = (0.2, 0.8)  # at most this joint velocity is added [rad/s]
    learner_s: tuple[float, float] = (0.4, 1.6)
    learner_share: float = 0.7  # of the stretches, where there is a learner
    settle_s: float = 0.06  # the envelope needs this long to be back on the expert's curve


class Detour(NamedTuple):
    """One stretch, in seconds since the start; push (N,) [rad/s] at its height, None where the
    learner leads.
    """

    start_s: float
    end_s: float
    push: np.ndarray | None

    def pushing(self, elapsed_s: float) -> np.ndarray:
        """The push at an instant: it swells and fades, so that none of its momentum is left."""
        phase = (elapsed_s - self.start_s) / (self.end_s - self.start_s)
        return self.push * np.sin(np.pi * np.clip(phase, 0.0, 1.0)) ** 2


class ExpertActor:
    """The expert in a lockstep loop; without `detours` it is left alone."""

    def __init__(
        self,
        spec: RobotSpec,
        seed: int,
        detours: Detours | None = None,
        learner: Policy | None = None,
        reaction_s: tuple[float, float] = TEACHER_S,
    ) -> None:
        self.spec, self.seed, self.detours, self.learner = spec, seed, detours, learner
        self.reaction_s = reaction_s
        self.arm = np.array([joint.role != 'gripper' for joint in spec.joints])

    def reset(self, scene: TaskScene) -> None:
        rng = np.random.default_rng((self.seed, scene.episode_seed))
        self.expert = Expert(self.spec, rng.uniform(*self.reaction_s))
        self.start_ns: int | None = None
        self.plan: ActionChunk | None = None
        self.push = np.zeros(self.spec.n)
        self.stretches = self._draw(rng) if self.detours else []
        if self.learner:
            self.learner.reset(scene.instruction)

    def _draw(self, rng: np.random.Generator) -> list[Detour]:
        detours, stretches = self.detours, []
        start = rng.uniform(*detours.first_s)
        while start < detours.until_s:
            if self.learner and rng.random() < detours.learner_share:
                end, push = start + rng.uniform(*detours.learner_s), None
            else:
                end = start + rng.uniform(*detours.push_s)
                some = self.arm & (rng.random(self.spec.n) < 0.7)
                most = rng.uniform(*detours.push_rate)
                push = most * rng.uniform(-1, 1, self.spec.n) * some
            stretches.append(Detour(start, end, push))
            start = end + rng.uniform(*detours.every_s)
        return stretches

    def observe(self, observation: Observation, truth: Truth) -> None:
        self.start_ns = self.start_ns if self.start_ns is not None else truth.stamp_ns
        self.expert.observe(truth)
        if self.learner:
            self.learner.observe(observation)

    def act(self, now_ns: int, commanded: np.ndarray, rate: np.ndarray) -> ActionChunk:
        detour = self._detour(now_ns)
        if detour is not None and detour.push is None:
            chunk = self.learner.act(now_ns)
            if chunk is not None:
                self.plan = None
                return chunk
        chunk = self.expert.act(now_ns, *self._from(now_ns, commanded, rate))
        chunk = replace(chunk, sequence=FOREIGN + chunk.sequence)
        self.push = np.zeros(self.spec.n)
        if detour is not None and detour.push is not None:
            self.push = detour.pushing((now_ns - self.start_ns) / NS)
            chunk = replace(
                chunk,
                values=chunk.values + np.outer(chunk.times_s, self.push),
                rates=chunk.rates + self.push,
            )
        self.plan = chunk
        return chunk

    def _detour(self, now_ns: int, after_s: float = 0.0) -> Detour | None:
        """The stretch at an instant, or up to `after_s` before it."""
        elapsed = (now_ns - self.start_ns) / NS
        for detour in self.stretches:
            if detour.start_s <= elapsed < detour.end_s + after_s:
                return detour
        return None

    def _from(
        self, now_ns: int, commanded: np.ndarray, rate: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the next plan starts: on the previous plan, or on the command where the robot could
        not follow.
        """
        if self.plan is None:
            return commanded, rate
        planned = curve_position(self.plan, now_ns)
        if np.abs(planned - commanded).max() > FOLLOWED_RAD:
            return commanded, rate
        return planned, curve_rate(self.plan, now_ns) - self.push

    def marks(self, now_ns: int) -> tuple[str, ...]:
        """Marks of a command sent at now_ns."""
        if self.start_ns is None:
            return ()
        passing = DECISION_S + self.detours.settle_s if self.detours else 0.0
        return (DISTURBANCE,) if self._detour(now_ns, passing) else ()
