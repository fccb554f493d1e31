"""A controller's core with a robot that does what it is told, period by period."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.types import NS, ActionChunk, CommandSample, Heartbeat, JointSample

SPEC = load_robot('ur5e')
PERIOD_NS = round(NS / SPEC.control.rate_hz)


class Robot:
    """A bench: steps time period by period, feeds joint states and chunks, records commands."""

    def __init__(
        self,
        stack: Sequence[str] = (),
        own: str = '',
        own_instance: int = 0,
        spec: RobotSpec = SPEC,
    ) -> None:
        self.core = ControllerCore(spec, stack=stack, own=own, own_instance=own_instance)
        self.stack = stack
        self.now, self.steady, self.tick = 1_700_000_000 * NS, 5 * NS, 0
        self.q = np.array(SPEC.ready)
        self.commands: list[CommandSample | None] = []
        self.core.activate(None, self.now, self.steady)

    def joint_state(self, **changes) -> JointSample:
        still = np.zeros(SPEC.n)
        sample = JointSample(
            'joint_states', self.now, self.now, SPEC.joint_names, self.q.copy(), still, still
        )
        return replace(sample, **changes)

    def chunk(self, **changes) -> ActionChunk:
        """0.8 s of a slow wave around the ready pose."""
        times = np.linspace(0, 0.8, 21)
        phase = ((self.now - 1_700_000_000 * NS) / NS + times)[:, None] * np.ones((1, SPEC.n))
        values, rates = SPEC.ready + 0.2 * np.sin(phase), 0.2 * np.cos(phase)
        chunk = ActionChunk(
            self.now, self.now, self.tick + 1, SPEC.joint_names, 'position', times, values, rates
        )
        return replace(chunk, **changes)

    def run(
        self, seconds: float, states: bool = True, chunks: bool = True, follows: bool = True
    ) -> None:
        for _ in range(round(seconds * SPEC.control.rate_hz)):
            self.step(states, chunks, follows)

    def step(
        self, states: bool = True, chunks: bool = True, follows: bool = True
    ) -> CommandSample | None:
        self.tick += 1
        self.now += PERIOD_NS
        self.steady += PERIOD_NS
        if states:
            self.core.on_joint_state(self.joint_state(), self.steady)
        self.core.on_wrench(np.zeros(3), np.zeros(3), self.steady)
        for name in self.stack:
            self.core.on_heartbeat(Heartbeat(self.now, name, True, self.now), self.steady)
        if chunks and self.tick % 5 == 0:
            self.core.on_chunk(self.chunk(), self.now, self.steady)
        command = self.core.tick(self.now, self.steady)
        self.commands.append(command)
        if command is not None and follows:
            self.q = command.values
        return command

    @property
    def state(self):
        return self.core.state(self.now)

    def settled_positions(self) -> np.ndarray:
        return np.array([command.values for command in self.commands if command is not None])
