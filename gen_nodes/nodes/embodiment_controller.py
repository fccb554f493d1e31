"""Node embodiment_controller: plays action chunks inside the robot's envelope, the last line before
the driver.

Commands leave from one thread that keeps absolute deadlines on the steady clock; the executor's
thread only takes inputs.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from gen_nodes.embodiment.controller import ControllerCore, Gap, ResetRefused
from gen_nodes.embodiment.watchdog import WatchConfig
from gen_nodes.errors import ConfigError
from gen_nodes.robot import RobotSpec, SafetyTopic, load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.diagnostics import Level, Status
from gen_nodes.ros.lifecycle import GenNode, robot_parameter
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.parameters import Parameter
from gen_nodes.ros.qos import latched, overridable, reliable, sensor
from gen_nodes.ros.spin import main
from gen_nodes.threads import start_thread
from gen_nodes.types import NS, ActionChunk, CommandSample, ControllerState, JointSample, Mode

STATE_PERIOD_NS = NS // 2
REPORT_PERIOD_S = 0.1
LONGEST_STOP_S = 2.0
GAP_MEMORY_S = 5.0
STATES_PER_TICK = 8  # joint states that one tick looks into: 50 to 100 us each
READ_AT_ONCE_NS = 30_000
SWITCH_INTERVAL_S = 0.0005
SAFETY_DEPTH = 10

LEVELS = {
    Mode.INACTIVE: Level.STALE,
    Mode.WAITING: Level.WARN,
    Mode.RUNNING: Level.OK,
    Mode.HOLDING: Level.WARN,
    Mode.STOPPED: Level.ERROR,
}

PARAMETERS = (
    robot_parameter(),
    Parameter(
        'shadow',
        False,
        'true: nothing is sent to the robot, and it need not follow (a recording is played)',
    ),
)


class SteadyClock:
    """ROS time of instants on the steady clock, free of the jitter of reading two clocks."""

    def __init__(self, now_ns: Callable[[], int]):
        self._now_ns = now_ns
        self._offset_ns = now_ns() - time.monotonic_ns()

    def ros_ns(self, steady_ns: int) -> int:
        """ROS time at `steady_ns`; the clocks' difference is renewed where both were read at
        once.
        """
        before = time.monotonic_ns()
        now_ns = self._now_ns()
        after = time.monotonic_ns()
        if after - before < READ_AT_ONCE_NS:
            self._offset_ns = now_ns - (before + after) // 2
        return steady_ns + self._offset_ns


class EmbodimentController(GenNode):
    """ROS around ControllerCore."""

    def __init__(self) -> None:
        super().__init__('embodiment_controller', PARAMETERS)
        self._thread: threading.Thread | None = None
        self._core: ControllerCore | None = None
        self._gap_seen = self._overflow_seen = float('-inf')
        self._last_state = ControllerState(0, Mode.INACTIVE, '', '', -1.0, -1.0, 0, 0, 0, 0.0)

    # Lifecycle

    def configure(self) -> None:
        self._spec = spec = load_robot(self.parameters['robot'])
        self._shadow = self.parameters['shadow']
        watch = WatchConfig(spec.state.timeout_s, spec.control.chunk_timeout_s)
        if self._shadow:
            watch = replace(watch, divergence=float('inf'))
        rehearse(spec, watch)
        awaited = () if self._shadow else [topic.topic for topic in spec.safety_topics]
        self._core = ControllerCore(spec, watch, awaited)
        self._lock = threading.Lock()
        self._arrived: deque[tuple[bytes, int, int]] = deque(maxlen=STATES_PER_TICK)
        self._unchecked = self._unchecked_told = 0
        self._make_messages = RclpyMessages()
        self.diagnostics.hardware_id = spec.name
        self._make_publishers(spec)
        self._make_subscriptions(spec)
        self._triggers = [
            self.create_service(Trigger, '~/stop', self._on_stop),
            self.create_service(Trigger, '~/reset', self._on_reset),
        ]
        self._report_timer = self.create_timer(REPORT_PERIOD_S, self._report)

    def _make_publishers(self, spec: RobotSpec) -> None:
        def publisher(type_name: str, topic: str, qos):
            return self.create_publisher(
                message_class(type_name), topic, qos, qos_overriding_options=overridable()
            )

        self._paths = (
            []
            if self._shadow
            else [
                (
                    publisher('std_msgs/msg/Float64MultiArray', path.topic, reliable(1)),
                    [spec.joint_names.index(name) for name in path.joints],
                )
                for path in spec.control.paths
            ]
        )
        self._executed = publisher('gen_stack/msg/JointCommand', 'executed', reliable(250))
        self._states = publisher('gen_stack/msg/ControllerState', 'controller_state', latched())

    def _make_subscriptions(self, spec: RobotSpec) -> None:
        subscribe = partial(self.create_subscription, qos_overriding_options=overridable())
        chunk = message_class('gen_stack/msg/ActionChunk')
        self._inputs = [
            subscribe(chunk, 'action_chunk', self._on_chunk, reliable(2)),
            subscribe(
                JointState,
                spec.state.topic,
                self._on_joint_state,
                sensor(STATES_PER_TICK),
                raw=True,
            ),
        ]
        for topic in spec.safety_topics:
            kind = message_class(topic.type)
            if 'data' not in kind.get_fields_and_field_types():
                raise ConfigError(
                    f"safety topic '{topic.topic}': {topic.type} has no field 'data' to compare "
                    'with stop_when; name another topic'
                )
            hear = partial(self._on_safety, topic)
            for qos in (latched(), reliable(SAFETY_DEPTH)):  # the second hears volatile publishers
                self._inputs.append(subscribe(kind, topic.topic, hear, qos))

    def activate(self) -> None:
        with self._lock:
            self._core.activate(None, self.now_ns(), time.monotonic_ns())
        gc.collect()
        gc.freeze()  # what exists now stays: full collections would stall the control thread
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._pace = SteadyClock(self.now_ns)
        self._arrived.clear()
        self._running = True
        self._thread = start_thread(self._control, 'control')

    def deactivate(self) -> None:
        """Brake inside the envelope, then cease to command."""
        if self._thread is None:
            return
        with self._lock:
            self._core.wind_down()
        end = time.monotonic() + LONGEST_STOP_S
        while not self._at_rest() and time.monotonic() < end:
            time.sleep(self._core.period_s)
        self._running = False
        self._thread.join()
        self._thread = None
        self._core.deactivate()
        self._publish_state(self._core.state(self.now_ns()))

    def _at_rest(self) -> bool:
        with self._lock:
            return self._core.at_rest

    def cleanup(self) -> None:
        if self._core is None:
            return
        for entity in (self._executed, self._states, *(publisher for publisher, _ in self._paths)):
            self.destroy_publisher(entity)
        for entity in self._inputs:
            self.destroy_subscription(entity)
        for entity in self._triggers:
            self.destroy_service(entity)
        self.destroy_timer(self._report_timer)
        self._core = None

    # The control thread

    def _control(self) -> None:
        """Tick at absolute deadlines of the steady clock; a missed deadline is skipped, never
        caught up in a burst.

        A thread of its own, since it keeps time better than a timer of the executor: on two busy
        cores without real-time priority 24 gaps of 2,200 against 157 of 1,600; with it, none.
        """
        period_ns = round(self._core.period_s * NS)
        deadline = time.monotonic_ns()
        while self._running:
            deadline += period_ns
            behind = time.monotonic_ns() - deadline
            if behind > 0:
                deadline += behind // period_ns * period_ns
            time.sleep(max(deadline - time.monotonic_ns(), 0) / NS)
            self._tick(deadline)

    def _tick(self, deadline_ns: int) -> None:
        """Command for the deadline itself: a late thread must not bend the curve in time."""
        now_ns, steady_ns = self._pace.ros_ns(deadline_ns), time.monotonic_ns()
        states = self._new_states()
        with self._lock:
            self._take(states)
            command = self._core.tick(now_ns, steady_ns)
            state = self._core.state(now_ns)
        if command is not None:
            self._send(command)
        self._publish_state_if_due(state)

    def _new_states(self) -> list[tuple[JointSample | str, int]]:
        """Every joint state since the last tick, or what is wrong with it; with its arrival on the
        steady clock [ns].
        """
        arrived = [self._arrived.popleft() for _ in range(len(self._arrived))]
        return [(decoded(raw, now_ns), steady_ns) for raw, now_ns, steady_ns in arrived]

    def _take(self, states: list[tuple[JointSample | str, int]]) -> None:
        for state, steady_ns in states:
            if isinstance(state, str):
                self._core.stop(
                    f'joint state is malformed: {state}', 'check the driver, then call reset'
                )
            else:
                self._core.on_joint_state(state, steady_ns)

    def _send(self, command: CommandSample) -> None:
        for publisher, columns in self._paths:
            publisher.publish(Float64MultiArray(data=array('d', command.values[columns].tobytes())))
        self._executed.publish(convert.joint_command_message(self._make_messages, command))

    def _publish_state_if_due(self, state: ControllerState) -> None:
        last = self._last_state
        if (
            (last.mode, last.reason) != (state.mode, state.reason)
            or state.stamp_ns - last.stamp_ns >= STATE_PERIOD_NS
            or state.stamp_ns < last.stamp_ns
        ):
            self._publish_state(state)

    def _publish_state(self, state: ControllerState) -> None:
        self._last_state = state
        self._states.publish(convert.controller_state_message(self._make_messages, state))

    # The executor's thread

    def _on_joint_state(self, raw: bytes) -> None:
        if self._thread is None:
            return
        self._unchecked += len(self._arrived) == STATES_PER_TICK  # the oldest makes room
        self._arrived.append((raw, self.now_ns(), time.monotonic_ns()))

    def _on_chunk(self, message) -> None:
        try:
            chunk = convert.action_chunk_of(message)
        except ValueError as error:
            reason = f'sizes disagree: {error}'
        else:
            with self._lock:
                reason = self._core.on_chunk(chunk, self.now_ns(), time.monotonic_ns())
        with self._lock:
            listening = self._core.mode not in (Mode.INACTIVE, Mode.STOPPED)
        if reason is None:
            self.diagnostics.ok('action chunk', 'taken')
        elif listening:
            self.diagnostics.report(
                'action chunk', Status(Level.ERROR, f'refused: {reason}', 'check the policy')
            )

    def _on_safety(self, topic: SafetyTopic, message) -> None:
        allowed = message.data != topic.stop_when
        with self._lock:
            self._core.on_robot_safety(
                topic.topic, allowed, f'is {message.data}: the robot takes no commands'
            )

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._core.stop('stop was requested', 'call reset when it is safe to move')
            response.success, response.message = (
                self._core.mode == Mode.STOPPED,
                self._core.mode.name,
            )
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            with self._lock:
                self._core.reset(self.now_ns(), time.monotonic_ns())
            response.success, response.message = True, self._core.mode.name
        except ResetRefused as error:
            response.success, response.message = False, str(error)
        return response

    def _report(self) -> None:
        """Mode and control period to the diagnostics."""
        with self._lock:
            state = self._core.state(self.now_ns())
            refused = sum(self._core.refused.values())
            gaps = list(self._core.gaps)
            self._core.gaps.clear()
        cause = (
            f'{state.mode.name.lower()}: {state.reason}'
            if state.reason
            else state.mode.name.lower()
        )
        values = {
            'ticks': str(state.ticks),
            'missed': str(state.missed),
            'worst_gap_ms': f'{state.worst_gap_s * 1e3:.1f}',
            'chunks_refused': str(refused),
        }
        self.diagnostics.report('mode', Status(LEVELS[state.mode], cause, state.next_step, values))
        self._report_gaps(gaps)
        self._report_unchecked()

    def _report_unchecked(self) -> None:
        """Joint states that came faster than they can be looked into."""
        unchecked = self._unchecked
        if unchecked > self._unchecked_told:
            self._unchecked_told, self._overflow_seen = unchecked, time.monotonic()
            status = Status(
                Level.WARN,
                f'more than {STATES_PER_TICK} within a tick: the oldest were not checked',
                "give the controller a core, or lower the driver's rate",
                {'unchecked': str(unchecked)},
            )
            self.diagnostics.report('joint states', status)
        elif time.monotonic() - self._overflow_seen > GAP_MEMORY_S:
            self.diagnostics.ok('joint states', 'every one is checked')

    def _report_gaps(self, gaps: list[Gap]) -> None:
        """Name every gap between control ticks once; the component recovers when none came for a
        while.
        """
        named = []
        for gap in gaps:
            periods = gap.seconds / self._core.period_s
            named.append(
                f'{gap.seconds * 1e3:.1f} ms ({periods:.1f} periods), due {gap.stamp_ns / NS:.3f}'
            )
        if named:
            self._gap_seen = time.monotonic()
            self.diagnostics.report(
                'control period',
                Status(
                    Level.WARN,
                    'gaps of more than two periods',
                    'give the controller a core or SCHED_FIFO',
                    {'gaps': '; '.join(named)},
                ),
            )
            self.diagnostics.publish()
        elif time.monotonic() - self._gap_seen > GAP_MEMORY_S:
            self.diagnostics.ok('control period')


def decoded(raw: bytes, arrival_ns: int) -> JointSample | str:
    """A joint state of its serialised message, or what is wrong with it."""
    try:
        return convert.joint_sample(
            deserialize_message(raw, JointState), 'joint_states', arrival_ns
        )
    except Exception as error:  # whatever a codec may raise over bytes from outside
        return str(error)


def rehearse(spec: RobotSpec, watch: WatchConfig) -> None:
    """Go once through all that a tick does, so that nothing is loaded for the first time in one."""
    core, still = ControllerCore(spec, watch), np.zeros(spec.n)
    state = JointSample('joint_states', NS, NS, spec.joint_names, spec.ready, still, still)
    core.activate(state, NS, NS)
    knots = np.stack([spec.ready, spec.ready])
    chunk = ActionChunk(
        NS, NS, 1, spec.joint_names, 'position', np.array([0.0, 0.1]), knots, np.zeros_like(knots)
    )
    messages = RclpyMessages()
    received = convert.action_chunk_of(convert.action_chunk_message(messages, chunk, ''))
    core.on_chunk(received, NS, NS)
    convert.joint_command_message(messages, core.tick(NS, NS))
    core.stop('rehearsed', '')
    core.tick(NS, NS)
    convert.controller_state_message(messages, core.state(NS))


if __name__ == '__main__':
    sys.exit(main(EmbodimentController, realtime=True))
