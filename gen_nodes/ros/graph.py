"""The stack's processes: what they are (one description for launch files and for us), and their
supervisor.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gen_nodes.errors import unknown_name

ParameterValue = bool | int | float | str | Sequence[float] | Sequence[str]

START_ORDER = (
    'robot_emulator',
    'sensor_aggregator',
    'data_recorder',
    'embodiment_controller',
    'harmonic_policy',
)
STOP_ORDER = (
    'harmonic_policy',
    'embodiment_controller',
    'data_recorder',
    'sensor_aggregator',
    'robot_emulator',
)
CONTROLLER = 'embodiment_controller'
WATCHED = ('sensor_aggregator', 'harmonic_policy', 'data_recorder')  # no motion without them
CONSEQUENCES = {  # of a node's death, for the operator
    'robot_emulator': 'Nothing moves any more.',
    'sensor_aggregator': 'The policy sees nothing, so the arm holds.',
    'harmonic_policy': 'No new actions come, so the arm holds.',
    'embodiment_controller': 'Nothing is sent to the robot any more.',
    'data_recorder': 'Nothing is recorded any more, so the arm holds; the last bag is readable.',
}
PATIENCE = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0))  # then SIGKILL; seconds to wait after each


@dataclass(frozen=True)
class ProcessSpec:
    """One node as one process; its ROS name is `name`."""

    name: str
    module: str
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    remaps: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ''

    def command(self) -> list[str]:
        """The command line, with this Python."""
        rules = {
            '__node': self.name,
            **({'__ns': self.namespace} if self.namespace else {}),
            **self.remaps,
        }
        return [
            sys.executable,
            '-m',
            self.module,
            '--ros-args',
            *(word for old, new in rules.items() for word in ('-r', f'{old}:={new}')),
            *(
                word
                for key, value in self.parameters.items()
                for word in ('-p', f'{key}:={yaml_text(value)}')
            ),
        ]


def yaml_text(value: ParameterValue) -> str:
    """A parameter value as ROS's YAML reads it back with the same type: JSON is YAML."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def stack_processes(
    robot: str,
    *,
    emulator: bool,
    recorder: bool = True,
    policy: bool = True,
    namespace: str = '',
    parameters: Mapping[str, Mapping[str, ParameterValue]] | None = None,
) -> tuple[ProcessSpec, ...]:
    """The stack for a robot (a known name or a YAML's path) in start order.

    `parameters` adds to single nodes, by node name; an unknown node is a ConfigError.
    """
    added = parameters or {}
    for name in added:
        if name not in START_ORDER:
            raise unknown_name('node', name, START_ORDER)
    wanted = {'robot_emulator': emulator, 'data_recorder': recorder, 'harmonic_policy': policy}
    watched = ' '.join(name for name in WATCHED if wanted.get(name, True))
    added = {**added, CONTROLLER: {'watch': watched, **added.get(CONTROLLER, {})}}
    return tuple(
        ProcessSpec(
            name,
            f'gen_nodes.nodes.{name}',
            {'robot': robot, **added.get(name, {})},
            namespace=namespace,
        )
        for name in START_ORDER
        if wanted.get(name, True)
    )


class Graph:
    """Starts processes, watches them, restarts one, stops them in order and leaves nothing behind.

    Each process leads its own session: Ctrl-C in the terminal reaches only us, so that the order is
    ours. A guardian process does the same if we are killed. Output goes to `log_dir/<name>.log`,
    never to the terminal.

    Args:
        processes: in start order; names are unique.
        environment: of every process (see isolation.py).
        log_dir: created; one file per process.
        announce: told, in a line, whatever a person should know.
    """

    def __init__(
        self,
        processes: Sequence[ProcessSpec],
        *,
        environment: Mapping[str, str],
        log_dir: Path,
        announce: Callable[[str], None] = print,
    ) -> None:
        self.processes = {process.name: process for process in processes}
        self.log_dir = Path(log_dir)
        self._announce = announce
        self._environment = {
            **environment,
            'PYTHONUNBUFFERED': '1',
            'ROS_LOG_DIR': str(self.log_dir / 'ros'),
            'RCUTILS_COLORIZED_OUTPUT': '0',
        }
        self._running: dict[str, subprocess.Popen] = {}
        self._guardian: subprocess.Popen | None = None

    def __enter__(self) -> Graph:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every process that does not run."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._guardian = subprocess.Popen(
            [sys.executable, '-S', '-m', 'gen_nodes.ros.guardian'],
            env=self._environment,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for name in self.processes:
            self._start(name)

    def restart(self, name: str) -> None:
        """Start one process again; ends it first if it still runs."""
        if name not in self.processes:
            raise unknown_name('node', name, self.processes)
        self._end([name])
        self._start(name)

    def poll(self) -> list[tuple[str, int]]:
        """Names and exit codes (negative: signal) of processes that died since the last call."""
        died = [
            (name, process.returncode)
            for name, process in self._running.items()
            if process.poll() is not None
        ]
        for name, _ in died:
            self._forget(name)
        return died

    def pids(self) -> dict[str, int]:
        """Process ids of those that run."""
        return {
            name: process.pid for name, process in self._running.items() if process.poll() is None
        }

    def log_tail(self, name: str, lines: int = 5) -> list[str]:
        """The last lines that a process wrote."""
        path = self.log_dir / f'{name}.log'
        return path.read_text(errors='replace').splitlines()[-lines:] if path.exists() else []

    def stop(self) -> None:
        """End all processes in STOP_ORDER. A second Ctrl-C meanwhile kills what is left at once."""
        rank = {name: place for place, name in enumerate(STOP_ORDER)}
        try:
            self._end(sorted(self._running, key=lambda name: rank.get(name, -1)))
        finally:
            for name in list(self._running):
                self._kill(name)
            self._dismiss_guardian()

    def _start(self, name: str) -> None:
        with open(self.log_dir / f'{name}.log', 'ab') as log:
            process = subprocess.Popen(
                self.processes[name].command(),
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._running[name] = process
        self._guardian.stdin.write(f'watch {process.pid}\n'.encode())
        self._guardian.stdin.flush()

    def _end(self, names: Sequence[str]) -> None:
        for name in names:
            process = self._running.get(name)
            if process is None:
                continue
            for number, patience_s in PATIENCE:
                process.send_signal(number)
                if wait(process, patience_s):
                    break
                self._announce(f'{name} does not end on {number.name} within {patience_s:g} s')
            self._kill(name)

    def _kill(self, name: str) -> None:
        process = self._running[name]
        if process.poll() is None:
            self._announce(f'{name} is killed')
            process.kill()
        process.wait()
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Also ends whatever the process had started and left behind."""
        process = self._running.pop(name)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def _dismiss_guardian(self) -> None:
        """It ends with its input, after removing the shared memory of those that died."""
        if self._guardian is not None:
            self._guardian.stdin.close()
            self._guardian.wait()
            self._guardian = None


def wait(process: subprocess.Popen, patience_s: float) -> bool:
    """True once the process has ended, False after `patience_s`."""
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def describe_exit(code: int) -> str:
    """An exit code in words."""
    return f'exit status {code}' if code >= 0 else f'killed by {signal.Signals(-code).name}'
