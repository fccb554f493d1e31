"""What an operator hears of a running stack: stamps, modes, verdicts, diagnostics."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from gen_nodes.hil.measures import Decision, EpisodeStamps, Measures
from gen_nodes.hil.tasks import Truth
from gen_nodes.hil.truth_messages import truth_of
from gen_nodes.robot import RobotSpec
from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages
from gen_nodes.ros.operator import Operator
from gen_nodes.ros.qos import MANY, latched, reliable
from gen_nodes.ros.relay import header_stamp_ns
from gen_nodes.types import ControllerState, Mode, Observation

OBSERVATION = 'gen_stack/msg/Observation'
KEEP_OBSERVATION = 5  # every 5th is looked into, after the episode: decoding pictures takes time
RECORDING = 'data_recorder: recording'
RECENT = 250  # commands that the present rate and latency are taken from

Info = Mapping[str, Any]


class Hearing:
    """Subscribes through an operator; everything since `begin` belongs to the present episode."""

    def __init__(self, operator: Operator, spec: RobotSpec) -> None:
        self._spec, self._codec = spec, RclpyMessages()
        self.cameras = [name for name, stream in spec.streams.items() if stream.type == 'camera']
        self.measures = Measures()
        self.episodes: dict[str, EpisodeStamps] = {}
        self.target = ''
        self.truth: Truth | None = None
        self.on_truth: Callable[[Truth], None] = lambda truth: None
        self.controller: ControllerState | None = None
        self.modes: list[tuple[int, Mode, str]] = []  # (since, mode, reason) whenever they changed
        self.verdicts: dict[str, dict] = {}  # of the recorder, by episode id
        self.published: dict[str, dict] = {}  # by the emulator, by episode id
        self.unrecorded: str | None = None  # topics silent to the recorder; None until it says so
        self.warnings: dict[str, str] = {}  # 'node: component' -> cause and next step
        self.gaps: list[str] = []
        self.ticks = self.missed = 0
        self.worst_gap_s = 0.0
        self.tick_ms: dict[str, float] = {}  # the policy's own figures
        self._observation: bytes | None = None
        self.begin()
        self._subscribe(operator)

    def _subscribe(self, operator: Operator) -> None:
        listen = operator.listen
        listen('visualization_msgs/msg/MarkerArray', 'truth', self._on_truth, reliable(5))
        listen('gen_stack/msg/JointCommand', 'executed', self._on_command, reliable(50))
        listen('gen_stack/msg/ActionChunk', 'action_chunk', self._on_chunk, reliable(10))
        listen(OBSERVATION, 'observation', self._on_observation, reliable(5), raw=True)
        listen('gen_stack/msg/ControllerState', 'controller_state', self._on_state, latched(MANY))
        listen(
            'diagnostic_msgs/msg/DiagnosticArray',
            '/diagnostics',
            self._on_diagnostics,
            reliable(50),
        )
        listen('std_msgs/msg/String', 'recording', self._on_verdict, latched())
        listen('std_msgs/msg/String', 'published', self._on_published, latched())
        listen(
            'std_msgs/msg/Float32MultiArray',
            'relay_floor',
            lambda message, info: self.measures.add_floor(message.data),
            reliable(10),
        )

    # Episodes

    def begin(self) -> None:
        """A new episode: forget the stamps of the last one."""
        self.stamps = EpisodeStamps()
        self._observations: list[tuple[bytes, int]] = []
        self._counted = 0
        self._ticks = self._missed = 0
        self._recent_ages_ms: deque[float] = deque(maxlen=RECENT)
        self._recent_commands: deque[int] = deque(maxlen=RECENT)

    def finish(self, id: str) -> None:
        """The episode is over: keep its stamps, look into its observations."""
        self.episodes[id] = self.stamps
        for raw, published_ns in self._observations:
            self.measures.add_observation(self._decode(raw), published_ns, self.cameras)
        self.ticks += self._ticks
        self.missed += self._missed
        self.begin()

    # The present, for those who watch

    @property
    def newest_observation(self) -> Observation | None:
        """Decoded anew at every call."""
        return self._decode(self._observation) if self._observation else None

    @property
    def command_hz(self) -> float:
        """Commands per second lately."""
        stamps = self._recent_commands
        return (len(stamps) - 1) / ((stamps[-1] - stamps[0]) / 1e9) if len(stamps) > 1 else 0.0

    @property
    def age_ms(self) -> float:
        """Median age of what the recent commands rest on; NaN without any."""
        ages = sorted(self._recent_ages_ms)
        return ages[len(ages) // 2] if ages else float('nan')

    def _decode(self, raw: bytes) -> Observation:
        return convert.observation_of(self._codec.deserialize(OBSERVATION, raw))

    # Callbacks

    def _on_truth(self, message: Any, info: Info) -> None:
        self.truth = truth_of(message, self.target)
        self.on_truth(self.truth)

    def _on_command(self, message: Any, info: Info) -> None:
        stamp_ns = info['source_timestamp']  # when it was sent; its header says when it is for
        self.stamps.commands.append((stamp_ns, message.sequence))
        self._recent_commands.append(stamp_ns)
        decision = self.stamps.decisions.get(message.sequence)
        if decision is not None:
            self._recent_ages_ms.append((stamp_ns - decision.newest_capture_ns) / 1e6)

    def _on_chunk(self, message: Any, info: Info) -> None:
        self.stamps.decisions[message.sequence] = Decision(
            convert.stamp_ns(message),
            convert.time_ns(message.newest_capture),
            info['source_timestamp'],
        )

    def _on_observation(self, raw: bytes, info: Info) -> None:
        self._observation = raw
        self.stamps.published[header_stamp_ns(raw)] = info['source_timestamp']
        self._counted += 1
        if self._counted % KEEP_OBSERVATION == 0:
            self._observations.append((raw, info['source_timestamp']))

    def _on_state(self, message: Any, info: Info) -> None:
        state = convert.controller_state_of(message)
        before = self.controller
        self.controller = state
        self._ticks, self._missed = max(self._ticks, state.ticks), max(self._missed, state.missed)
        self.worst_gap_s = max(self.worst_gap_s, state.worst_gap_s)
        if before is None or (before.mode, before.reason) != (state.mode, state.reason):
            self.modes.append((state.since_ns or state.stamp_ns, state.mode, state.reason))

    def _on_diagnostics(self, message: Any, info: Info) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if 'tick_p50_ms' in values:
                self.tick_ms = {key: float(values[f'tick_{key}_ms']) for key in ('p50', 'p99')}
            if status.name == RECORDING and 'silent' in values:
                self.unrecorded = values['silent']
            if values.get('gaps') and values['gaps'] not in self.gaps:
                self.gaps.append(values['gaps'])
            if status.level == b'\x00':
                self.warnings.pop(status.name, None)
            else:
                next_step = f' -> {values["next_step"]}' if values.get('next_step') else ''
                self.warnings[status.name] = status.message + next_step

    def _on_verdict(self, message: Any, info: Info) -> None:
        verdict = json.loads(message.data)
        self.verdicts[verdict['id']] = verdict

    def _on_published(self, message: Any, info: Info) -> None:
        said = json.loads(message.data)
        self.published[said['id']] = said
