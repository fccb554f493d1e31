"""Hears a running stack and keeps what it says, raw until somebody asks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gen_nodes.hil.record import BAD, Beat, Command, Measured, Record, Remark, Sent, Word
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.heartbeat import INACTIVE
from gen_nodes.ros.messages_rclpy import RclpyMessages
from gen_nodes.ros.operator import Operator
from gen_nodes.ros.qos import MANY, latched, reliable, sensor
from gen_nodes.types import CommandSample, ControllerState, Mode

COMMAND = 'gen_stack/msg/JointCommand'
STATE = 'sensor_msgs/msg/JointState'
KEPT = 40_000  # messages per topic; the oldest make room

Info = Mapping[str, Any]
Heap = deque[tuple[int, Any]]  # (arrival [ns], message)


class Ear:
    """Subscribes through an operator."""

    def __init__(self, operator: Operator, spec: RobotSpec) -> None:
        self._spec, self._codec = spec, RclpyMessages()
        self.state: ControllerState | None = None
        self._standing: dict[tuple[str, str], tuple[int, Any]] = {}
        self._beat_ns: dict[str, int] = {}
        self._worked_ns: dict[str, int] = {}
        self._commands, self._measured, self._words = _heap(), _heap(), _heap()
        self._remarks, self._beats = _heap(), _heap()
        self._sent = {path.topic: _heap() for path in spec.control.paths if path.message}
        self._subscribe(operator.listen)

    def _subscribe(self, listen: Callable[..., None]) -> None:
        listen(COMMAND, 'executed', keep(self._commands), reliable(250), raw=True)
        listen(STATE, self._spec.state.topic, keep(self._measured), sensor(50), raw=True)
        for path in self._spec.control.paths:
            if path.topic in self._sent:
                hear = keep(self._sent[path.topic])
                listen(path.message, path.topic, hear, reliable(100), raw=True)
        listen('gen_stack/msg/ControllerState', 'controller_state', self._on_state, latched(MANY))
        listen(
            'diagnostic_msgs/msg/DiagnosticArray',
            '/diagnostics',
            self._on_diagnostics,
            reliable(50),
        )
        listen('gen_stack/msg/Heartbeat', 'heartbeat', self._on_beat, reliable(50))

    # Callbacks

    def _on_state(self, message: Any, info: Info) -> None:
        self.state = convert.controller_state_of(message)
        self._words.append((time.time_ns(), self.state))

    def _on_beat(self, message: Any, info: Info) -> None:
        now_ns = time.time_ns()
        self._beat_ns[message.node] = now_ns
        if message.fit or message.cause != INACTIVE[0]:
            self._worked_ns[message.node] = now_ns
        self._beats.append((now_ns, message))

    def _on_diagnostics(self, message: Any, info: Info) -> None:
        now_ns = time.time_ns()
        for status in message.status:
            self._remarks.append((now_ns, status))
            node, _, component = status.name.partition(': ')
            self._standing[node, component] = (now_ns, status)

    # The present

    @property
    def position(self) -> np.ndarray | None:
        """The newest measured position (N,) in the robot's order; None before any."""
        if not self._measured:
            return None
        sample = self._joint_sample(*self._measured[-1]).sample
        return sample.position[[sample.names.index(name) for name in self._spec.joint_names]]

    def hears_since(self, since_ns: int) -> bool:
        """Whether joint states have come since an arrival [ns]."""
        return bool(self._measured) and self._measured[-1][0] > since_ns

    def level(self, node: str, component: str) -> int | None:
        """The newest level of a component in the diagnostics; None before any."""
        heard = self._standing.get((node, component))
        return None if heard is None else heard[1].level[0]

    def standing(self) -> list[Remark]:
        """The newest status of every component that is bad at present."""
        remarks = [remark(*heard) for heard in self._standing.values()]
        return [one for one in remarks if one.level in BAD]

    def words_since(self, since_ns: int) -> list[Word]:
        """What the controller has said of itself since an arrival."""
        return [Word(*heard) for heard in since(self._words, since_ns)]

    def stops_since(self, since_ns: int) -> list[int]:
        """When the controller noticed what it stopped for since an arrival [ns]."""
        said = self.words_since(since_ns)
        return [word.state.since_ns for word in said if word.state.mode == Mode.STOPPED]

    def works(self, node: str, since_ns: int) -> bool:
        """Whether a node has said since an arrival that it is active, fit for its job or not."""
        return self._worked_ns.get(node, -1) >= since_ns

    def complaints(self, since_ns: int) -> list[Remark]:
        """Whatever was bad since an arrival."""
        remarks = [remark(*heard) for heard in since(self._remarks, since_ns)]
        return [one for one in remarks if one.level in BAD]

    def ended_since(self, since_ns: int) -> bool:
        """Whether the controller has held or stopped since an arrival, and does still."""
        ended = (Mode.HOLDING, Mode.STOPPED)
        if not self._words or self._words[-1][1].mode not in ended:
            return False
        return any(state.mode in ended for ns, state in self._words if ns >= since_ns)

    @property
    def command(self) -> CommandSample | None:
        """The newest executed command; None before any."""
        return self._command(*self._commands[-1]).sample if self._commands else None

    def silent_s(self, node: str) -> float:
        """Since a node's last heartbeat [s]; infinite before any."""
        heard_ns = self._beat_ns.get(node)
        return float('inf') if heard_ns is None else (time.time_ns() - heard_ns) / 1e9

    def forget(self, nodes: Iterable[str]) -> None:
        """What nodes said before they were started again means nothing."""
        nodes = set(nodes)
        for key in [key for key in self._standing if key[0] in nodes]:
            del self._standing[key]
        if 'embodiment_controller' in nodes:
            self.state = None

    # The past

    def record(self, since_ns: int = 0) -> Record:
        """Everything heard since an arrival."""
        return Record(
            commands=tuple(self._command(*heard) for heard in since(self._commands, since_ns)),
            sent=tuple(
                self._path(topic, *heard)
                for topic, heap in self._sent.items()
                for heard in since(heap, since_ns)
            ),
            words=tuple(Word(*heard) for heard in since(self._words, since_ns)),
            remarks=tuple(remark(*heard) for heard in since(self._remarks, since_ns)),
            measured=tuple(self._joint_sample(*heard) for heard in since(self._measured, since_ns)),
            beats=tuple(
                Beat(arrival_ns, beat.node, beat.fit, beat.cause)
                for arrival_ns, beat in since(self._beats, since_ns)
            ),
        )

    def _command(self, arrival_ns: int, raw: bytes) -> Command:
        message = self._codec.deserialize(COMMAND, raw)
        return Command(arrival_ns, convert.command_sample(message, 'executed', arrival_ns))

    def _joint_sample(self, arrival_ns: int, raw: bytes) -> Measured:
        message = self._codec.deserialize(STATE, raw)
        return Measured(arrival_ns, convert.joint_sample(message, 'joint_states', arrival_ns))

    def _path(self, topic: str, arrival_ns: int, raw: bytes) -> Sent:
        path = next(path for path in self._spec.control.paths if path.topic == topic)
        message = self._codec.deserialize(path.message, raw)
        values = message.data if hasattr(message, 'data') else message.points[0].positions
        return Sent(arrival_ns, topic, np.array(values, dtype=float))


def _heap() -> Heap:
    return deque(maxlen=KEPT)


def keep(heap: Heap) -> Callable[[Any, Info], None]:
    """A callback that keeps what it hears with its arrival."""

    def hear(message: Any, info: Info) -> None:
        heap.append((time.time_ns(), message))

    return hear


def since(heap: Heap, since_ns: int) -> list[tuple[int, Any]]:
    """What arrived since then, in order."""
    return [heard for heard in heap if heard[0] >= since_ns]


def remark(arrival_ns: int, status: Any) -> Remark:
    """Remark of a diagnostic_msgs/DiagnosticStatus."""
    node, _, component = status.name.partition(': ')
    values = {pair.key: pair.value for pair in status.values}
    next_step = values.pop('next_step', '')
    return Remark(arrival_ns, node, component, status.level[0], status.message, next_step, values)
