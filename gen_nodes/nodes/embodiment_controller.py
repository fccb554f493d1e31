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
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rclpy.parameter import Parameter as RclpyParameter
from std_srvs.srv import Trigger

from gen_nodes.embodiment.controller import ControllerCore, ResetRefused
from gen_nodes.embodiment.stop import EnvelopeError, StopPath
from gen_nodes.embodiment.watchdog import WatchConfig
from gen_nodes.nodes.control_inputs import STATES_PER_TICK, ControlInputs
from gen_nodes.nodes.control_reports import ControlReports
from gen_nodes.robot import RobotSpec, load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.commands import CommandPaths
from gen_nodes.ros.intruders import Intruders
from gen_nodes.ros.isolation import is_isolated
from gen_nodes.ros.lifecycle import GenNode, robot_parameter
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.pace import SteadyClock
from gen_nodes.ros.parameters import Parameter
from gen_nodes.ros.qos import latched, overridable, reliable
from gen_nodes.ros.spin import main
from gen_nodes.threads import start_thread
from gen_nodes.types import NS, ActionChunk, ControllerState, JointSample, Mode
from gen_nodes.wiring import JOINT_TRAJECTORY

STATE_PERIOD_NS = NS // 2
REPORT_PERIOD_S = 0.1
INTRUDER_PERIOD_S = 0.25
LONGEST_STOP_S = 10.0
SWITCH_INTERVAL_S = 0.0005
REHEARSED_S = 0.3  # a robot must have stood for a while before it is commanded

PARAMETERS = (
    robot_parameter(),
    Parameter(
        'shadow',
        False,
        'true: nothing is sent to the robot, and it need not follow (a recording is played)',
    ),
    Parameter(
        'watch',
        '',
        'nodes whose heartbeat the robot needs to move, separated by spaces; empty: none',
    ),
    Parameter(
        'speed_scale',
        1.0,
        'greatest share of the velocity limits that is used',
        0.01,
        1.0,
        live=True,
    ),
)


class EmbodimentController(GenNode):
    """ROS around ControllerCore."""

    def __init__(self) -> None:
        super().__init__('embodiment_controller', PARAMETERS)
        self._thread: threading.Thread | None = None
        self._core: ControllerCore | None = None
        self._last_state = ControllerState(0, Mode.INACTIVE, '', '', -1.0, -1.0, 0, 0, 0, 0.0)
        self.add_post_set_parameters_callback(self._take_speed_scale)

    # Lifecycle

    def configure(self) -> None:
        self._spec = spec = load_robot(self.parameters['robot'])
        self._shadow = self.parameters['shadow']
        watch = WatchConfig(spec.state.timeout_s, spec.control.chunk_timeout_s)
        if self._shadow:
            watch = replace(watch, divergence=float('inf'), wrench=False)
        rehearse(spec, watch)
        self._lock = threading.Lock()
        self.diagnostics.hardware_id = spec.name
        isolated = is_isolated() or self._shadow
        self._foreign = ''
        self._paths = None if self._shadow else CommandPaths(self, spec, isolated)
        self._inputs = ControlInputs(
            self, spec, self._lock, isolated, self._tell_chunk, self._tell_foreign
        )
        awaited = () if self._shadow else [topic.name for topic in self._inputs.safety]
        stack = self.parameters['watch'].split()
        name = self.get_name()
        self._core = ControllerCore(spec, watch, awaited, stack, name, self.pulse.instance)
        self._core.set_speed_scale(self.parameters['speed_scale'])
        self._inputs.core = self._core
        self._with_path = any(path.kind == JOINT_TRAJECTORY for path in spec.control.paths)
        self._make_messages = RclpyMessages()
        self._executed = self._publisher('gen_stack/msg/JointCommand', 'executed', reliable(250))
        self._states = self._publisher(
            'gen_stack/msg/ControllerState', 'controller_state', latched()
        )
        self._triggers = [
            self.create_service(Trigger, '~/stop', self._on_stop),
            self.create_service(Trigger, '~/reset', self._on_reset),
        ]
        self._reports = ControlReports(self.diagnostics, self._core.period_s)
        self._intruders = self._intruders_of(spec)
        self._own_timers = [
            self.create_timer(REPORT_PERIOD_S, self._report),
            self.create_timer(INTRUDER_PERIOD_S, self._look_for_intruders),
        ]

    def _publisher(self, type_name: str, topic: str, qos):
        return self.create_publisher(
            message_class(type_name), topic, qos, qos_overriding_options=overridable()
        )

    def _intruders_of(self, spec: RobotSpec) -> Intruders:
        if self._shadow:
            return Intruders(self, (), ())
        ours = [path.topic for path in spec.control.paths if path.message]
        single = ['action_chunk', spec.state.topic, spec.estop.topic]
        return Intruders(self, ['executed', *ours], single)

    def activate(self) -> None:
        with self._lock:
            self._core.activate(None, self.now_ns(), time.monotonic_ns())
        gc.collect()
        gc.freeze()  # what exists now stays: full collections would stall the control thread
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._pace = SteadyClock(self.now_ns)
        self._inputs.forget()
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
        gc.unfreeze()
        self._core.deactivate()
        self._publish_state(self._core.state(self.now_ns()))

    def _at_rest(self) -> bool:
        with self._lock:
            return self._core.at_rest

    def cleanup(self) -> None:
        if self._core is None:
            return
        for timer in self._own_timers:
            self.destroy_timer(timer)
        self._inputs.destroy()
        if self._paths is not None:
            self._paths.destroy()
        for entity in (self._executed, self._states):
            self.destroy_publisher(entity)
        for entity in self._triggers:
            self.destroy_service(entity)
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
            time.sleep(max(deadline - time.monotonic_ns(), 0) / NS)
            deadline += max(time.monotonic_ns() - deadline, 0) // period_ns * period_ns
            self._tick(deadline)

    def _tick(self, deadline_ns: int) -> None:
        """Command for the deadline itself: a late thread must neither bend the curve in time nor
        look like a step of the clock.
        """
        now_ns = self._pace.ros_ns(deadline_ns)
        states = self._inputs.new_states()
        with self._lock:
            self._take(states)
            command = self._core.tick(now_ns, deadline_ns)
            way = self._way_to_rest() if command is not None and self._with_path else None
            state = self._core.state(now_ns)
        if command is not None:
            if self._paths is not None and (way is not None or not self._with_path):
                self._paths.send(command, way)
            self._executed.publish(convert.joint_command_message(self._make_messages, command))
        self._publish_state_if_due(state)

    def _way_to_rest(self) -> StopPath | None:
        """For drivers of trajectories; without one they brake on the last that they were sent."""
        try:
            return self._core.stop_path()
        except EnvelopeError as error:
            next_step = 'see where the robot stands, then call reset'
            self._core.stop(str(error), next_step, time.monotonic_ns())
            return None

    def _take(self, states: Sequence[tuple[JointSample | str, int]]) -> None:
        for state, steady_ns in states:
            if isinstance(state, str):
                reason, next_step = f'joint state is malformed: {state}', 'check the driver'
                self._core.stop(reason, f'{next_step}, then call reset', steady_ns)
            else:
                self._core.on_joint_state(state, steady_ns)

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

    def _tell_chunk(self, reason: str | None) -> None:
        with self._lock:
            listening = self._core.mode not in (Mode.INACTIVE, Mode.STOPPED)
        if reason is None or listening:
            self._reports.chunk(reason)

    def _tell_foreign(self, problem: str) -> None:
        self._foreign = problem
        self._reports.driver(problem, ())

    def _take_speed_scale(self, changes: list[RclpyParameter]) -> None:
        for change in changes:
            if change.name == 'speed_scale' and self._core is not None:
                with self._lock:
                    self._core.set_speed_scale(float(change.value))

    def _look_for_intruders(self) -> None:
        """Whoever else commands the robot ends our part until a person has looked."""
        problem = self._intruders.found()
        with self._lock:
            next_step = 'end whoever should not speak there, then call reset'
            self._core.on_intruder(problem, next_step, time.monotonic_ns())
        if not problem and self._paths is not None:
            problem = '; '.join(self._paths.troubles)
        if self._foreign and not self._intruders.unheard('action_chunk'):
            self._foreign = ''  # it has gone
        left_out = (*self._inputs.left_out, *(self._paths.left_out if self._paths else ()))
        self._reports.driver(problem or self._foreign, left_out)

    def _on_stop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            next_step = 'call reset when it is safe to move'
            self._core.stop('stop was requested', next_step, time.monotonic_ns())
            mode = self._core.mode
        response.success, response.message = mode == Mode.STOPPED, mode.name
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
        """Everything that the core counts, to the diagnostics."""
        with self._lock:
            state = self._core.state(self.now_ns())
            refused, active = sum(self._core.refused.values()), dict(self._core.active)
            gaps, nearest = list(self._core.gaps), self._core.nearest
            self._core.gaps.clear()
        self._reports.mode(state, refused)
        self._reports.gaps(gaps)
        self._reports.clamps(active, state.ticks, nearest)
        self._reports.unchecked(self._inputs.unchecked, STATES_PER_TICK)


def rehearse(spec: RobotSpec, watch: WatchConfig) -> None:
    """Go once through all that a tick does, so that nothing is loaded for the first time in one."""
    core, still = ControllerCore(spec, replace(watch, wrench=False)), np.zeros(spec.n)
    state = JointSample('joint_states', NS, NS, spec.joint_names, spec.ready, still, still)
    core.activate(state, NS, NS)
    knots = np.stack([spec.ready, spec.ready])
    chunk = ActionChunk(
        NS, NS, 1, spec.joint_names, 'position', np.array([0.0, 0.1]), knots, np.zeros_like(knots)
    )
    messages = RclpyMessages()
    received = convert.action_chunk_of(convert.action_chunk_message(messages, chunk, ''))
    for tick in range(round(REHEARSED_S / core.period_s)):
        now = NS + round(tick * core.period_s * NS)
        core.on_joint_state(replace(state, capture_ns=now, arrival_ns=now), now)
        core.on_chunk(replace(received, stamp_ns=now), now, now)
        command = core.tick(now, now)
    if command is not None:  # else a required e-stop has not been heard
        convert.joint_command_message(messages, command)
        core.stop_path()
    core.stop('rehearsed', '')
    core.tick(NS, NS)
    convert.controller_state_message(messages, core.state(NS))


if __name__ == '__main__':
    sys.exit(main(EmbodimentController, realtime=True))
