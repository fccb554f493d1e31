"""Hostile chunks through the real controller, in simulated time, and the commands that came out.

A trial is one controller and one robot, from one seed: chunks, joint states, clocks, the robot's
safety signals and the operator are as bad as they can be, tick after tick at the robot's control
rate. Nothing here judges: the commands go to the limit checker.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gen_nodes.embodiment.controller import ControllerCore, ResetRefused
from gen_nodes.hil.checker.command_log import CommandLog, by_kind
from gen_nodes.hil.checker.published import Segment
from gen_nodes.hil.checker.stated_limits import StatedLimits
from gen_nodes.hil.hostile.adversaries import Adversary
from gen_nodes.hil.hostile.chunks import ChunkSource, Draft
from gen_nodes.hil.hostile.robot import HostileRobot
from gen_nodes.hil.hostile.world import POLICY, HostileWorld
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, Mode
from gen_nodes.wiring import FORWARD_VELOCITY

TRIAL_NS = 100_000 * NS  # between the starts of two trials on the steady time line
LONGEST_STOP_S = 60.0
PATIENCE = 0.9  # of the chunks wait while the controller is stopped or inactive
RESET, ACTIVATE = 0.05, 0.05  # chance per tick that the operator tries
FIGURE = re.compile(r'-?\d[\d.e+-]*')


def controller(spec: RobotSpec) -> ControllerCore:
    """The controller as its node makes it."""
    awaited = [topic.topic for topic in spec.safety_topics]
    return ControllerCore(spec, awaited=awaited, stack=(POLICY,))


class Trial:
    """One seed. `run` gives the segments of commands; the counters tell the rest.

    modes: ticks by mode. refused: chunks by reason. stops: by reason.
    """

    def __init__(
        self,
        spec: RobotSpec,
        limits: StatedLimits,
        random: np.random.Generator,
        *,
        adversaries: Sequence[Adversary] = (),
        number: int = 0,
        make_core: Callable[[RobotSpec], ControllerCore] = controller,
    ) -> None:
        self.modes: Counter[Mode] = Counter()
        self.refused: Counter[str] = Counter()
        self.stops: Counter[str] = Counter()
        self.chunks = self.ticks = 0
        self.core = make_core(spec)
        self._period_s = 1.0 / spec.control.rate_hz
        self._random, self._number = random, number
        self._robot = HostileRobot(
            limits, spec.ready, self._period_s, random, by_kind(spec, FORWARD_VELOCITY)
        )
        self._world = HostileWorld(spec, self.core, self._robot, random, (number + 1) * TRIAL_NS)
        self._source = ChunkSource(limits, spec.ready, self._period_s, random, adversaries)
        self._drafts: Iterator[Draft] = iter(())
        self._next: Draft | None = None
        self._due = 0
        self._log = CommandLog(spec, (number + 1) * TRIAL_NS, self._period_s)

    def run(self, chunks: int) -> Iterator[Segment]:
        """Send so many chunks, then brake."""
        self.core.activate(None, self._world.ros_ns, self._world.steady_ns)
        while self.chunks < chunks:
            self._tick(chunks)
            yield from self._log.ended()
        self._world.calm()
        self.core.wind_down()
        for _ in range(round(LONGEST_STOP_S / self._period_s)):
            self._tick(chunks)
            if self.core.at_rest:
                break
        self._log.close()
        yield from self._log.ended()

    def _tick(self, chunks: int) -> None:
        world, robot, core = self._world, self._robot, self.core
        self.ticks += 1
        world.advance(self.ticks)
        while self.chunks < chunks and self._due <= self.ticks and not world.mute:
            if not self._say():
                break
        if self.ticks % robot.period == 0:
            sample = robot.sample(world.ros_ns)
            if sample is not None:
                core.on_joint_state(sample, world.steady_ns)
        command = core.tick(world.ros_ns, world.steady_ns)
        robot.advance(command)
        self._log.take(command, core, self.ticks, robot.reported, robot.position)
        mode = core.mode
        self.modes[mode] += 1
        if mode in (Mode.STOPPED, Mode.INACTIVE):
            self._operate(mode)

    def _say(self) -> bool:
        """Send the next chunk; False where it waits for a controller that listens."""
        core, random, world = self.core, self._random, self._world
        if core.mode in (Mode.STOPPED, Mode.INACTIVE) and random.random() < PATIENCE:
            return False
        draft = self._next or self._draw()
        self.chunks += 1
        before_ns = int(random.random() * self._period_s * NS)
        chunk = draft.chunk(world.ros_ns, self.chunks)
        reason = core.on_chunk(chunk, world.ros_ns - before_ns, world.steady_ns - before_ns)
        if reason is not None:
            self.refused[FIGURE.sub('..', reason.split(';')[0])] += 1
        self._next = self._draw()
        self._due = self.ticks + self._next.wait
        return True

    def _draw(self) -> Draft:
        while True:
            draft = next(self._drafts, None)
            if draft is not None:
                return draft
            self._drafts = self._source.scene(self._robot.target)

    def _operate(self, mode: Mode) -> None:
        """What a person does with a controller that has stopped or is not active."""
        core, world = self.core, self._world
        if world.winding:
            if core.at_rest:
                world.winding = False
                core.deactivate()
                self._log.close()
                if self._random.random() < 0.5:
                    self._robot.place()
        elif mode == Mode.INACTIVE:
            if self._random.random() < ACTIVATE:
                self._robot.forget_stamps()
                sample = self._robot.sample(world.ros_ns) if self._random.random() < 0.5 else None
                core.activate(sample, world.ros_ns, world.steady_ns)
        elif self._random.random() < RESET:
            self._reset()

    def _reset(self) -> None:
        world = self._world
        reason = self.core.state(world.ros_ns).reason
        world.calm()
        try:
            self.core.reset(world.ros_ns, world.steady_ns)
        except ResetRefused:
            return
        self.stops[FIGURE.sub('..', re.sub("'.*?'", '..', reason))] += 1
        self._log.close()
