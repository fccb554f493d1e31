"""The running stack around an emulated robot, isolated, to be broken and judged on purpose.

Unlike a stage it has no tasks and goes on when a node dies: that may be what is being tried.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gen_nodes.cli.ear import Ear
from gen_nodes.cli.stage_config import STATE_RATE_HZ
from gen_nodes.errors import GenError
from gen_nodes.hil.record import Record
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.ros.graph import Graph, ParameterValue, describe_exit, stack_processes
from gen_nodes.ros.isolation import isolate_this_process
from gen_nodes.ros.operator import Operator, Unanswered
from gen_nodes.types import Episode, EpisodeEvent, Mode

START_S = 90.0  # all nodes active, on a slow machine
READY_S = 30.0  # then every required sensor live
RESET_S = 5.0
DEATH_S = 10.0
POLICY = 'harmonic_policy'

Parameters = Mapping[str, Mapping[str, ParameterValue]]


class Rig:
    """Context manager. Enter: emulator, aggregator, controller and recorder are active and every
    required sensor is live; leave: nothing is left.

    Args:
        robot: name of a robot, or path of a robot YAML.
        out: folder for logs, bags and temporary files; made here.
        policy: the policy that ships runs too; else something publishes chunks in its place and
            its heartbeat under its name (see puppet.py).
        recorder: a recorder runs too.
        announce: told, in a line, what a person should know.
        environment: further variables for the nodes.
        parameters: further parameters, by node name.
    """

    def __init__(
        self,
        robot: str,
        out: Path,
        *,
        policy: bool = False,
        recorder: bool = True,
        announce: Callable[[str], None] = print,
        environment: Mapping[str, str] | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self.spec: RobotSpec = load_robot(robot)
        self.out, self.announce = Path(out).resolve(), announce
        self.deaths: list[tuple[str, int]] = []  # (node, exit code), in order
        self.pulse: Callable[[], None] = lambda: None  # called about 20 times a second
        self._environment = dict(environment or {})
        self._processes = stack_processes(
            robot,
            emulator=True,
            recorder=recorder,
            policy=policy,
            parameters=self._parameters(policy, recorder, parameters or {}),
        )
        self._episode: Episode | None = None
        self._started_ns: dict[str, int] = {}  # of nodes that were started again
        self._must_live = False  # a node that dies now does not start

    def _parameters(self, policy: bool, recorder: bool, given: Parameters) -> dict[str, dict]:
        watched = ['sensor_aggregator', POLICY, *(['data_recorder'] if recorder else [])]
        values: dict[str, dict[str, ParameterValue]] = {
            'robot_emulator': {'max_state_rate_hz': STATE_RATE_HZ},
            'data_recorder': {'output_dir': str(self.out / 'bags')},
            'embodiment_controller': {'watch': ' '.join(watched)},
        }
        for node, added in given.items():
            values.setdefault(node, {}).update(added)
        return values

    def __enter__(self) -> Rig:
        self.graph = Graph(
            self._processes,
            environment=self.environment(),
            log_dir=self.out / 'log',
            announce=self.announce,
        )
        self.operator: Operator | None = None
        try:
            self.graph.start()
            self.operator = Operator(self._look)
            self.ear = Ear(self.operator, self.spec)
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def environment(self) -> dict[str, str]:
        """Of the nodes; isolates this process too."""
        temporary = self.out / 'tmp'
        temporary.mkdir(parents=True, exist_ok=True)
        return {**isolate_this_process(), 'TMPDIR': str(temporary), **self._environment}

    def __exit__(self, *_: object) -> None:
        try:
            self.graph.stop()
        finally:
            if self.operator is not None:
                self.operator.close()

    def _look(self) -> None:
        died = self.graph.poll()
        self.deaths += died
        if died and self._must_live:
            name, code = died[0]
            why = describe_exit(code)
            raise GenError(f'{name} has died ({why}); it said: {self.last_words(name)}')
        self.pulse()

    # Waiting

    def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Hear until the condition holds; False after `timeout_s`."""
        return self.operator.until(condition, timeout_s)

    def wait(self, seconds: float) -> None:
        """Hear for a while."""
        self.until(lambda: False, seconds)

    def wait_until_ready(self, timeout_s: float = START_S) -> None:
        """Until every node that runs is active and every required sensor is live. Raises GenError
        with the cause, where a node died too.
        """
        self._must_live = True
        try:
            self.until(lambda: not self._inactive(), timeout_s)
        finally:
            self._must_live = False
        if name := self._inactive():
            words = self.last_words(name)
            raise GenError(f'{name} is not active after {timeout_s:g} s; it said: {words}')
        if not self.until(lambda: not self._lacking(), READY_S):
            raise GenError(f'{self._lacking()} after {READY_S:g} s; logs: {self.graph.log_dir}')

    def _inactive(self) -> str:
        """A node that runs and has not said since it was started that it is active, '' for none."""
        running = [name for name in self.graph.processes if name in self.graph.pids()]
        missing = (n for n in running if not self.ear.works(n, self._started_ns.get(n, 0)))
        return next(missing, '')

    def _lacking(self) -> str:
        """What is still missing, '' when nothing is."""
        if self.state is None or self.state.mode == Mode.INACTIVE:
            return 'the controller is not active'
        if self.ear.position is None:
            return 'no joint states'
        for name, stream in self.spec.streams.items():
            if stream.required and self.ear.level('sensor_aggregator', name) != 0:
                return f"stream '{name}' is not live"
        return ''

    # What is heard

    @property
    def state(self):
        """The controller's newest word (types.ControllerState), None before any."""
        return self.ear.state

    def in_mode(self, *modes: Mode) -> bool:
        """Whether the controller is in one of these modes, as far as it has said."""
        return self.state is not None and self.state.mode in modes

    def record(self, since_ns: int = 0) -> Record:
        """Everything heard since an arrival [ns], decoded."""
        return self.ear.record(since_ns)

    def last_words(self, name: str) -> str:
        """The last lines that a node wrote."""
        said = self.graph.log_tail(name, 3)
        return ' / '.join(said) if said else f'none; log: {self.graph.log_dir / name}.log'

    # What is done

    def strike(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a node's process."""
        os.kill(self.graph.pids()[name], number)

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a node by a signal and wait until it has ended. Raises GenError where it does not."""
        if name not in self.graph.pids():
            return
        self.strike(name, number)
        if not self.until(lambda: name not in self.graph.pids(), DEATH_S):
            raise GenError(f'{name} does not end on {number.name} within {DEATH_S:g} s')

    def start(self, *names: str, timeout_s: float = START_S) -> None:
        """Start nodes again that do not run, in this order, and wait until all is ready."""
        self.ear.forget(names)
        for name in names:
            self._started_ns[name] = time.time_ns()
            self.graph.restart(name)
        self.wait_until_ready(timeout_s)

    def fault(self, text: str) -> None:
        """Set the emulator's fault: 'none', or a kind and a stream. Raises Unanswered."""
        self.operator.set_parameters('robot_emulator', {'fault': text})

    def reset(self, timeout_s: float = RESET_S) -> str:
        """Leave STOPPED; '' or why it was still refused after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while True:
            refusal = self.try_reset()
            if not refusal or time.monotonic() > end:
                return refusal
            self.wait(0.1)

    def try_reset(self) -> str:
        """Ask once for a reset; '' or why it was refused."""
        try:
            self.operator.trigger('embodiment_controller/reset')
        except Unanswered as error:
            return str(error)
        return ''

    def begin_episode(self, id: str, instruction: str, task: str = '') -> None:
        """The recorder opens a bag, the policy acts."""
        self._episode = Episode(self.operator.now_ns(), EpisodeEvent.START, id, instruction, task)
        self.operator.mark(self._episode)

    def end_episode(self, outcome: str = 'success') -> None:
        """The recorder closes its bag, the policy rests."""
        begun, self._episode = self._episode, None
        if begun is not None:
            stop = EpisodeEvent.STOP
            now_ns = self.operator.now_ns()
            self.operator.mark(
                Episode(now_ns, stop, begun.id, begun.instruction, begun.task, outcome)
            )
