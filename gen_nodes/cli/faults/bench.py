"""The rig as the faults use it: who acts, when the cause was, how all is brought back to order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import numpy as np

from gen_nodes.cli.estop import Estop
from gen_nodes.cli.faults.clock_step import ClockStep
from gen_nodes.cli.puppet import Puppet
from gen_nodes.cli.rig import POLICY, START_S, Rig
from gen_nodes.errors import GenError
from gen_nodes.hil.faults.trial import NAMERS, Body, first_naming
from gen_nodes.ros.qos import latched
from gen_nodes.types import Mode

LOOK_S = 0.03
MOVING = 0.02  # of the largest velocity limit: a joint that moves
SETTLE_S = 20.0
CLEAR_S = 10.0
STEADY_S = 0.4
ASK_AGAIN_S = 0.5
RESET_S = 6.0
LEASE_S = 30.0  # after which DDS forgets a process that was killed
EPISODE = 'faults'

CONTROLLER = 'embodiment_controller'


class Bench:
    """A rig, something that acts on it, and the instant of the cause.

    clock: steps the nodes' clock; None where that cannot be done, and `no_clock` says why.
    """

    def __init__(self, rig: Rig, clock: ClockStep | None = None, no_clock: str = '') -> None:
        self.rig, self.clock, self.no_clock = rig, clock, no_clock
        spec = rig.spec
        self.body = Body(spec.joint_names, 1 / spec.control.rate_hz, np.asarray(spec.velocity))
        self.nodes = tuple(rig.graph.processes)
        self.units = spec.units
        self.begin()
        self.puppet: Puppet | None = None
        self.estop: Estop | None = None
        self._scene = ''
        if POLICY in self.nodes:
            rig.operator.listen('std_msgs/msg/String', 'scene', self._on_scene, latched())

    def _on_scene(self, message, info) -> None:
        self._scene = json.loads(message.data)['instruction']

    def begin(self) -> None:
        """A new trial. The instants [ns] are those of the judge's Moments."""
        self.cause_ns = 0
        self.gone_ns: int | None = None
        self.began_ns: int | None = None
        self.fresh = False

    def close(self) -> None:
        """End what has a life of its own."""
        if self.estop is not None:
            self.estop.close()

    # The cause

    def mark(self) -> None:
        """The cause is now."""
        self.cause_ns = time.time_ns()

    def start_controller(self) -> None:
        """Start it, which has ended. The cause is when it first speaks. Raises GenError."""
        self.fresh, self.began_ns = True, time.time_ns()
        self.rig.graph.restart(CONTROLLER)
        said = self.rig.ear.words_since
        self.sure(lambda: said(self.began_ns), START_S, 'the controller is silent')
        first = said(self.began_ns)[0]
        self.cause_ns = min(first.arrival_ns, first.state.since_ns - self.step_ns)

    @property
    def step_ns(self) -> int:
        """By how much the nodes' clock is ahead of ours."""
        return 0 if self.clock is None else round(self.clock.seconds * 1e9)

    def step_clock(self, seconds: float) -> None:
        """Step the nodes' clock, and that of what acts here in their name. Raises GenError."""
        if self.clock is None:
            raise GenError(self.no_clock)
        self.clock.step(seconds)
        if self.puppet is not None:
            self.puppet.shift_s = self.clock.seconds

    # Waiting

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """As the rig's, for conditions that take a while to look at."""
        looked_s, held = 0.0, False

        def look() -> bool:
            nonlocal looked_s, held
            now = time.monotonic()
            if not held and now - looked_s >= LOOK_S:
                held, looked_s = condition(), now
            return held

        return self.rig.until(look, timeout_s)

    def sure(self, condition: Callable[[], bool], timeout_s: float, lacking: str) -> None:
        """Wait for the condition. Raises GenError with what is lacking."""
        if not self.until(condition, timeout_s):
            raise GenError(f'{lacking} after {timeout_s:g} s ({self.said()})')

    def said(self) -> str:
        """What the controller says at present."""
        state = self.rig.state
        return 'no word' if state is None else f'{state.mode.name}: {state.reason}'

    # Who acts

    def use_policy(self) -> None:
        """The real policy acts, following a moving ball."""
        if self.puppet is not None:
            self.puppet.close()
            self.puppet = None
        if POLICY not in self.rig.graph.pids():
            self.rig.start(POLICY)
        self.nodes = tuple(self.rig.graph.processes)
        self.sure(lambda: bool(self._scene), SETTLE_S, 'the emulator names no scene')
        self.rig.begin_episode(EPISODE, self._scene)

    def use_puppet(self) -> None:
        """The puppet acts in the policy's place."""
        self.nodes = tuple(name for name in self.rig.graph.processes if name != POLICY)
        if self.puppet is None:
            self.rig.end_episode()
            self.rig.end(POLICY)
            self.sure(self.nobody_acts, LEASE_S, 'a policy that was killed is still announced')
            self._calm_scene()
            self.puppet = Puppet(self.rig.operator, self.rig.spec)
            self.puppet.shift_s = self.step_ns / 1e9

    def _calm_scene(self) -> None:
        """The robot in its ready pose among balls that rest: a moving one pushes its fingers."""
        operator = self.rig.operator
        operator.deactivate(CONTROLLER)
        operator.set_parameters('robot_emulator', {'task': 'reach'})
        operator.trigger('robot_emulator/reset')
        operator.activate(CONTROLLER)

    def nobody_acts(self) -> bool:
        """Whether the graph knows of no publisher of chunks."""
        return not self.rig.operator.node.get_publishers_info_by_topic('action_chunk')

    # Order

    def settle(self, words: tuple[str, ...]) -> None:
        """All nodes run, the robot moves, and nothing says the words any more. Raises GenError."""
        missing = [name for name in self.nodes if name not in self.rig.graph.pids()]
        if missing:
            self.rig.start(*missing)
        if self.puppet is not None and not self.puppet.running:
            self.puppet.start(self.rig.ear.position)
        self._steady()
        if words and not self.until(lambda: not self.standing(words), CLEAR_S):
            said = self.standing(words)
            raise GenError(f'before the fault {said.node} says already: {said.cause}')
        self._steady()

    def _steady(self) -> None:
        """It has moved without an interruption for a while."""
        since_s, asked_s = time.monotonic(), 0.0

        def steady() -> bool:
            nonlocal since_s, asked_s
            now = time.monotonic()
            if not self.moves():
                since_s = now
            if self.rig.in_mode(Mode.STOPPED) and now - asked_s > ASK_AGAIN_S:
                asked_s = now
                self.rig.operator.request_soon('embodiment_controller/reset')
            return now - since_s > STEADY_S

        self.sure(steady, SETTLE_S, 'the robot does not move, or not without interruptions')

    def standing(self, words: tuple[str, ...]):
        """A component that is bad at present and says the words; None where there is none."""
        remarks = (remark for remark in self.rig.ear.standing() if remark.node in NAMERS)
        return first_naming(words, remarks)

    def moves(self) -> bool:
        """Whether chunks are played and move some joint."""
        command = self.rig.ear.command
        if command is None or not self.rig.in_mode(Mode.RUNNING) or not command.sequence:
            return False
        return float((np.abs(command.rates) / self.body.velocity).max()) > MOVING

    def ended(self) -> bool:
        """Whether the controller has said since the cause that the motion ends."""
        return self.rig.ear.ended_since(self.cause_ns)

    def rests(self) -> bool:
        """Whether the newest command moves nothing."""
        command = self.rig.ear.command
        return command is None or float(np.abs(command.rates).max()) < 1e-6

    def release(self) -> int:
        """Reset a stop; the instant before the request that was granted [ns]. Raises GenError."""
        end = time.monotonic() + RESET_S
        while True:
            asked_ns = time.time_ns()
            refusal = self.rig.try_reset()
            if not refusal:
                return asked_ns
            if time.monotonic() > end:
                raise GenError(f'reset was refused for {RESET_S:g} s: {refusal}')
            self.rig.wait(0.1)

    # The e-stop

    def press(self, pressed: bool) -> None:
        """Press or release the e-stop, which speaks from its first use on."""
        if self.estop is None:
            self.estop = Estop(self.rig.operator, self.rig.spec.estop.topic)
            self.rig.wait(0.5)
        self.estop.say(pressed)
