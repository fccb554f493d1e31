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
from gen_nodes.hil.adversaries import Adversary
from gen_nodes.hil.hostile_chunks import ChunkSource, Draft, adversary_drafts
from gen_nodes.hil.hostile_robot import HostileRobot
from gen_nodes.hil.hostile_world import EPOCH_NS, POLICY, HostileWorld
from gen_nodes.hil.limit_checker import Segment, Tail
from gen_nodes.hil.stated_limits import StatedLimits
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, ActionChunk, CommandSample, JointSample, Mode
from gen_nodes.wiring import FORWARD_VELOCITY, JOINT_TRAJECTORY

TRIAL_NS = 100_000 * NS  # between the starts of two trials on the steady time line
LONGEST_STOP_S = 60.0
STANDS_S = 0.3  # before it is commanded
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
        self._robot = HostileRobot(limits, spec.ready, self._period_s, random)
        self._world = HostileWorld(spec, self.core, self._robot, random, (number + 1) * TRIAL_NS)
        self._source = ChunkSource(limits, self._period_s, random, adversaries)
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
        robot.advance(command.values if command is not None else None)
        self._log.take(command, core, self.ticks, robot.reported)
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


class CommandLog:
    """Cuts what is published into segments: a run of ticks with a command each, since the operator
    last started the controller.
    """

    def __init__(self, spec: RobotSpec, begun_ns: int, period_s: float) -> None:
        self._begun_ns, self._period_s = begun_ns, period_s
        kinds = {name: path.kind for path in spec.control.paths for name in path.joints}
        kind_N = np.array([kinds[name] for name in spec.joint_names])
        self._by_rate = kind_N == FORWARD_VELOCITY
        self._tailed = kind_N == JOINT_TRAJECTORY
        self._number = begun_ns // NS
        self._start = np.zeros(spec.n)
        self._stamps: list[int] = []
        self._values: list[np.ndarray] = []
        self._tails: list[Tail] = []
        self._ended: list[Segment] = []

    def take(
        self, command: CommandSample | None, core: ControllerCore, tick: int, reported: np.ndarray
    ) -> None:
        """What was published at a tick, of a robot that was measured at `reported` (N,)."""
        if command is None:
            self.close()
            return
        if not self._stamps:
            self._start = reported
        self._stamps.append(self._begun_ns + round(tick * self._period_s * NS))
        self._values.append(np.where(self._by_rate, command.rates, command.values))
        if self._tailed.any():
            stop = core.stop_path()
            self._tails.append(
                Tail(stop.times_s, stop.positions, stop.velocities, stop.accelerations)
            )

    def close(self) -> None:
        """The next command begins a new segment."""
        if not self._stamps:
            return
        segment = Segment(
            self._number,
            self._start,
            np.array(self._stamps),
            np.array(self._values),
            self._by_rate,
            tuple(self._tails),
            self._tailed,
        )
        self._number += 1
        self._ended.append(segment)
        self._stamps, self._values, self._tails = [], [], []

    def ended(self) -> list[Segment]:
        """The segments that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended


def press(
    core: ControllerCore, spec: RobotSpec, limits: StatedLimits, adversary: Adversary
) -> list[Segment]:
    """One adversary alone against a robot that does exactly what it is told: the commands of an
    inactive controller without a stack to watch.
    """
    period_s = 1.0 / spec.control.rate_hz
    log, q, tick = CommandLog(spec, NS, period_s), np.array(spec.ready), 0
    still = np.zeros(spec.n)

    def instant(tick: int) -> tuple[int, int]:
        steady_ns = NS + round(tick * period_s * NS)
        return steady_ns + EPOCH_NS, steady_ns

    def step(chunk: Callable[[int], ActionChunk] | None) -> None:
        nonlocal q, tick
        tick += 1
        now_ns, steady_ns = instant(tick)
        state = JointSample('joint_states', now_ns, now_ns, spec.joint_names, q, still, still)
        core.on_estop(False, steady_ns)
        core.on_wrench(np.zeros(3), np.zeros(3), steady_ns)
        core.on_joint_state(state, steady_ns)
        if chunk is not None:
            core.on_chunk(chunk(now_ns), now_ns, steady_ns)
        command = core.tick(now_ns, steady_ns)
        log.take(command, core, tick, q)
        q = q if command is None else command.values

    core.activate(None, *instant(0))
    for _ in range(round(STANDS_S / period_s)):
        step(None)
    for draft in adversary_drafts(adversary, limits, q, period_s):
        for _ in range(draft.wait - 1):
            step(None)
        step(lambda now_ns, draft=draft: draft.chunk(now_ns, tick))
    core.wind_down()
    while not core.at_rest:
        step(None)
    core.reset(*instant(tick))  # what stopped it must not stop the next one
    core.deactivate()
    log.close()
    return log.ended()
