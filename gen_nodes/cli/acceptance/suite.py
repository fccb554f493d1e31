"""Runs the acceptance suite step by step and gathers its results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gen_nodes.cli.acceptance import steps_flow, steps_motion, steps_stops, steps_wiring
from gen_nodes.cli.acceptance.bench import CONTROLLER, Bench
from gen_nodes.cli.acceptance.person import Person, Quit, Skipped
from gen_nodes.cli.acceptance.real import RealRig
from gen_nodes.cli.provenance import command_line, machine
from gen_nodes.cli.rig import Rig
from gen_nodes.cli.up import real_environment
from gen_nodes.errors import GenError
from gen_nodes.hil.acceptance.results import Findings, Result, all_passed
from gen_nodes.hil.acceptance.steps import Step
from gen_nodes.interrupts import is_interrupt
from gen_nodes.robot import load_robot
from gen_nodes.types import Mode
from gen_nodes.version import code_version

REAL = 'real'
STOPS_S = 2.0  # for the controller's brake before its process is ended
FIRST = 'description'  # done before anything is started
DOING: dict[str, Callable[[Bench], Findings]] = {
    'topics': steps_wiring.topics,
    'still': steps_wiring.still,
    'limits': steps_motion.limits,
    'stopping': steps_motion.stopping,
    'watchdogs': steps_stops.watchdogs,
    'estop': steps_stops.estop,
    'safety_topics': steps_stops.safety_topics,
    'sensors': steps_stops.sensors,
    'latency': steps_flow.latency,
    'recorder': steps_flow.recorder,
}


class Suite:
    """The steps that were asked for, in order, on the robot of `args`."""

    def __init__(
        self,
        args: argparse.Namespace,
        steps: Sequence[Step],
        speeds: Sequence[float],
        say: Callable[[str], None],
    ) -> None:
        self.args, self.steps, self.speeds, self.say = args, tuple(steps), tuple(speeds), say
        self.person = Person(args.target == REAL, say)
        self.results: list[Result] = []
        self.ended = ''  # why before the last step
        self._started = datetime.now(UTC)
        self._began = time.monotonic()
        self._machine = machine()

    def run(self) -> None:
        """All of them. Raises ConfigError where the robot cannot be read; a KeyboardInterrupt is
        passed on once the robot stands and every process has ended.
        """
        try:
            self._all()
        except BaseException as error:
            self.ended = (
                'interrupted by the person'
                if is_interrupt(error)
                else str(error) or type(error).__name__
            )
            raise

    def _all(self) -> None:
        first = [step for step in self.steps if step.name == FIRST]
        rest = [step for step in self.steps if step.name != FIRST]
        if self._each(first, lambda step: steps_wiring.description(self.args.robot)) and rest:
            self._on_the_bench(rest)

    def _on_the_bench(self, steps: Sequence[Step]) -> None:
        try:
            with ExitStack() as stack:
                rig = stack.enter_context(self._rig())
                self.person.until = rig.until
                stack.callback(setattr, self.person, 'until', None)
                stack.push(partial(_stand, rig))
                bench = Bench(rig, self.person, self.speeds, self.args.target == REAL)
                stack.callback(bench.close)
                self._each(steps, partial(self._do, bench))
        except Quit as quit:
            self.ended = str(quit)
        except GenError as error:
            self.ended = str(error)
            self.say(f'    {error}')

    def _rig(self) -> Rig:
        if self.args.target == REAL:
            real_environment(load_robot(self.args.robot).display_name, self.args, self.say)
            return RealRig(self.args.robot, self.args.out, self.say)
        self.say('starting the emulator, the aggregator, the controller and the recorder ...')
        emulator = {'robot_emulator': {'seed': self.args.seed}}
        return Rig(self.args.robot, self.args.out, announce=self.say, parameters=emulator)

    def _each(self, steps: Sequence[Step], do: Callable[[Step], Findings]) -> bool:
        """Announce, do and judge each; whether the suite may go on. Raises Quit."""
        for step in steps:
            began = time.monotonic()
            number = self.steps.index(step) + 1
            try:
                self.person.announce(step, number, len(self.steps))
                result = self._result(step, do(step))
            except Skipped as skipped:
                result = Result(step, skipped=str(skipped))
            except Quit:
                raise
            except GenError as error:
                result = Result(step, error=str(error))
            except Exception as error:  # a mistake of ours fails its step, not the whole suite
                if is_interrupt(error):
                    raise
                result = Result(step, error=f'{type(error).__name__}: {error}')
            self._keep(result, time.monotonic() - began)
            if not self.person.goes_on(self.results[-1]):
                self.ended = f'the person ended it after {step.name} had failed'
                return False
        return True

    def _do(self, bench: Bench, step: Step) -> Findings:
        bench.prepare()
        try:
            return DOING[step.name](bench)
        finally:  # whatever ended the step: nothing moves while a person is asked
            bench.puppet.stop()

    def _result(self, step: Step, found: Findings) -> Result:
        return Result(step, found.checks, found.figures, notes=found.notes, traces=found.traces)

    def _keep(self, result: Result, seconds: float) -> None:
        self.results.append(replace(result, seconds=seconds))
        verdict = 'passed' if result.passed else 'SKIPPED' if result.skipped else 'FAILED'
        self.say(f'    {verdict} after {seconds:.1f} s: {len(result.checks)} bars')
        for line in (*result.shortfalls, *result.notes, *filter(None, [result.skipped])):
            self.say(f'      - {line}')
        if result.failed:
            self.say(f'      what to do: {result.step.advice}')

    def report(self) -> dict[str, Any]:
        """Everything that was measured so far, as the JSON holds it."""
        spec = load_robot(self.args.robot)
        allowed = self.args.allow_skips or self.args.target != REAL
        passed = all_passed(self.results, self.steps, allow_skips=allowed)
        return {
            'robot': spec.name,
            'display_name': spec.display_name,
            'target': self.args.target,
            'version': code_version(),
            'seed': self.args.seed,
            'machine': self._machine,
            'config_sha256': spec.sha256,
            'command': command_line(),
            'started': self._started.isoformat(timespec='seconds'),
            'seconds': round(time.monotonic() - self._began, 1),
            'speeds': list(self.speeds),
            'wanted': len(self.steps),
            'ended': self.ended,
            'steps': [result.as_json() for result in self.results],
            'passed': passed and not self.ended,
        }


def _stand(rig: Rig, *error: object) -> None:
    """Whatever ends the suite: first the controller brakes, then its process may end."""
    if rig.state is None or rig.in_mode(Mode.INACTIVE, Mode.WAITING):
        return
    rig.pulse = lambda: None
    rig.operator.request_soon(f'{CONTROLLER}/stop')
    rig.until(lambda: rig.in_mode(Mode.STOPPED), STOPS_S)
    rig.wait(0.5)
