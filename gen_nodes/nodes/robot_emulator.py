"""Node robot_emulator: speaks what the robot's driver speaks, over physics that run in real time
and are never paused.

One thread keeps physics at the steady clock and publishes what is due, a second one develops and
publishes pictures,
the executor's takes commands and requests.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter, deque
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter as RclpyParameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from gen_nodes.errors import GenError
from gen_nodes.hil.darkroom import Darkroom, Exposure
from gen_nodes.hil.driver_messages import points_of
from gen_nodes.hil.emulator import Emulator, GripWatch
from gen_nodes.hil.ledger import Ledger
from gen_nodes.hil.stream_faults import NONE, Fault, meanings
from gen_nodes.hil.tasks import TASKS
from gen_nodes.hil.truth_messages import scene_text, truth_message
from gen_nodes.hil.world import load_world
from gen_nodes.robot import CommandPath, load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.diagnostics import Level, Status
from gen_nodes.ros.driver_inputs import DriverInputs
from gen_nodes.ros.episodes import hear_episodes
from gen_nodes.ros.isolation import is_isolated
from gen_nodes.ros.lifecycle import GenNode, robot_parameter
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.parameters import Parameter
from gen_nodes.ros.qos import latched, overridable, reliable
from gen_nodes.ros.routes import Route, routes_of
from gen_nodes.ros.safety_messages import SafetySpeaker
from gen_nodes.ros.spin import main, prefer_realtime
from gen_nodes.threads import start_thread
from gen_nodes.types import (
    NS,
    CameraSample,
    Episode,
    EpisodeEvent,
    JointSample,
    Sample,
    WrenchSample,
)
from gen_nodes.wiring import FORWARD_VELOCITY, JOINT_TRAJECTORY

LONGEST_SLEEP_S = 0.01  # of physics while nothing is due
TRUTH_PERIOD_NS = NS // 50
LOST_NS = NS // 4  # further behind than this, the time is given up
PICTURES = 4  # waiting to be developed
SWITCH_INTERVAL_S = 0.0005  # of Python threads: a draw or a picture must not hold physics up
REPORT_PERIOD_S = 1.0
HISTORY_S = 0.5

PARAMETERS = (
    robot_parameter(),
    Parameter('world', 'tabletop', 'name of a world in config/worlds, or path of a world YAML'),
    Parameter(
        'seed', 0, 'of everything that is random, together with episode_seed', low=0, high=2**31 - 1
    ),
    Parameter(
        'max_state_rate_hz', 500.0, 'cap on the rate of every stream [Hz]', low=10.0, high=1000.0
    ),
    Parameter('task', TASKS[0], 'task of the next episode', choices=TASKS, live=True),
    Parameter('episode_seed', 0, 'seed of the next episode', low=0, high=2**31 - 1, live=True),
    Parameter(
        'camera_shift_m',
        0.0,
        'how far free-standing cameras stand beside where they would, from the next episode on [m]',
        low=0.0,
        high=1.0,
        live=True,
    ),
    Parameter('fault', NONE, meanings(), live=True),
)


class RobotEmulator(GenNode):
    """ROS around Emulator."""

    def __init__(self) -> None:
        super().__init__('robot_emulator', PARAMETERS)
        self._emulator: Emulator | None = None
        self._threads: list[threading.Thread] = []

    # Lifecycle

    def configure(self) -> None:
        self._spec = spec = load_robot(self.parameters['robot'])
        self._world = load_world(self.parameters['world'])
        self._fault = Fault(self.parameters['fault'], spec)
        self._running, self._stopped = False, ''
        emulator = Emulator(
            spec,
            self._world,
            self.parameters['seed'],
            max_state_rate_hz=self.parameters['max_state_rate_hz'],
        )
        self._connect()
        self._emulator = emulator
        self._darkroom = self._emulator.new_darkroom()
        self._lock = threading.Lock()
        self._messages = RclpyMessages()
        self.diagnostics.hardware_id = spec.name
        self._make_publishers()
        self._episodes = hear_episodes(self, self._on_episode)
        self._service = self.create_service(Trigger, '~/reset', self._on_reset)
        self.add_on_set_parameters_callback(self._check_fault)
        self.add_post_set_parameters_callback(self._take_fault)

    def _connect(self) -> None:
        """Hear commands, speak on safety topics. Raises ConfigError where a message is missing."""
        isolated = is_isolated()
        self._safety = SafetySpeaker(self, self._spec, isolated)
        try:
            self._inputs = DriverInputs(self, self._spec, isolated, self._on_command, self._on_grip)
        except GenError:
            self._safety.destroy()
            raise

    def _make_publishers(self) -> None:
        def publisher(kind: str, topic: str, qos: Any) -> Any:
            return self.create_publisher(
                message_class(kind), topic, qos, qos_overriding_options=overridable()
            )

        self._outputs = {
            (stream.name, route.part): publisher(
                route.type, route.topic, latched() if route.latched else reliable(kept(route))
            )
            for stream in self._spec.streams.values()
            if stream.type != 'audio'
            for route in routes_of(stream)
        }
        self._truth = publisher('visualization_msgs/msg/MarkerArray', 'truth', reliable(5))
        self._scene = publisher('std_msgs/msg/String', 'scene', latched())
        self._counts = publisher('std_msgs/msg/String', 'published', latched())

    def activate(self) -> None:
        self._published: Counter[str] = Counter()
        self._ledger, self._episode = Ledger(), None
        self._refused: Counter[str] = Counter()
        self._dropped_pictures = self._lost_ns = self._reported_lost_ns = 0
        self._worst_behind_ns = 0
        self._pictures: deque[Exposure] = deque()
        self._wake = threading.Event()
        self._steady_offset_ns = self.now_ns() - time.monotonic_ns()  # stamps are the clock's own
        self._begin_episode()
        self._stop_or_go()
        self._report_left_out()
        self._next_truth_ns = 0
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._running = True
        self._threads = [
            start_thread(self._run_physics, 'physics'),
            start_thread(self._run_darkroom, 'pictures'),
        ]
        self._report_timer = self.create_timer(REPORT_PERIOD_S, self._report)

    def deactivate(self) -> None:
        if not self._threads:
            return
        self._running = False
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        self.destroy_timer(self._report_timer)

    def cleanup(self) -> None:
        if self._emulator is None:
            return
        for publisher in (
            *self._outputs.values(),
            self._truth,
            self._scene,
            self._counts,
        ):
            self.destroy_publisher(publisher)
        self._safety.destroy()
        self._inputs.destroy()
        self.destroy_subscription(self._episodes)
        self.destroy_service(self._service)
        self.remove_on_set_parameters_callback(self._check_fault)
        self.remove_post_set_parameters_callback(self._take_fault)
        self._emulator = None

    def clock_jumped(self, seconds: float) -> None:
        """Stamps follow the clock; physics does not notice."""
        if self._running:
            with self._lock:
                by_ns = self.now_ns() - time.monotonic_ns() - self._steady_offset_ns
                self._emulator.shift_clock(by_ns)
                self._steady_offset_ns += by_ns
                self._next_truth_ns = 0

    # The physics thread

    def _run_physics(self) -> None:
        # of this thread alone: a robot's own controller does not wait for our processes
        prefer_realtime()
        while self._running:
            due_ns = self._emulator.next_due_ns - self._steady_offset_ns - time.monotonic_ns()
            time.sleep(min(max(due_ns / NS, 0.0), LONGEST_SLEEP_S))
            with self._lock:
                published, truth = self._advance()
            for item in published:
                if isinstance(item, Exposure):
                    self._queue_picture(item)
                else:
                    self._publish(item)
            if truth is not None:
                self._publish_on(self._truth, truth)

    def _advance(self) -> tuple[list[Sample | Exposure], Any]:
        """Bring physics up to the present; give up time that cannot be caught up."""
        now_ns = time.monotonic_ns() + self._steady_offset_ns
        behind_ns = now_ns - self._emulator.now_ns
        self._worst_behind_ns = max(self._worst_behind_ns, behind_ns)
        if behind_ns > LOST_NS:
            self._emulator.shift_clock(behind_ns)
            self._lost_ns += behind_ns
        published = self._emulator.advance(now_ns)
        truth = None
        if self._emulator.now_ns >= self._next_truth_ns:
            self._next_truth_ns = self._emulator.now_ns + TRUTH_PERIOD_NS
            truth = truth_message(
                self._messages,
                self._emulator.truth(),
                self._spec.base_frame,
                self._world.ball.radius,
                self._colours,
            )
        return published, truth

    def _queue_picture(self, exposure: Exposure) -> None:
        if len(self._pictures) >= PICTURES:
            self._dropped_pictures += 1
            return
        self._pictures.append(exposure)
        self._wake.set()

    def _publish(self, sample: Sample) -> None:
        for spoilt in self._fault.apply(sample):
            self._publish_sample(spoilt)

    def _publish_sample(self, sample: Sample) -> None:
        if isinstance(sample, CameraSample):
            self._publish_picture(sample)
        elif isinstance(sample, JointSample):
            self._send(sample.stream, 'data', convert.joint_state_message(self._messages, sample))
        elif isinstance(sample, WrenchSample):
            self._send(sample.stream, 'data', convert.wrench_message(self._messages, sample))
        else:
            self._send(sample.stream, 'data', convert.tactile_message(self._messages, sample))

    def _send(self, stream: str, part: str, message: Any) -> None:
        publisher = self._outputs.get((stream, part))
        if publisher is not None:
            self._publish_on(publisher, message)
            self._published[f'{stream} {part}'] += 1

    def _publish_on(self, publisher: Any, message: Any) -> None:
        before_ns = time.time_ns()  # the clock that DDS stamps with
        publisher.publish(message)
        self._ledger.note(publisher.topic_name, before_ns, time.time_ns())

    # The picture thread

    def _run_darkroom(self) -> None:
        darkroom: Darkroom = self._darkroom
        while self._running:
            if not self._pictures:
                self._wake.wait(0.1)
                self._wake.clear()
                continue
            self._publish(darkroom.develop(self._pictures.popleft()))

    def _publish_picture(self, sample: CameraSample) -> None:
        self._send(sample.stream, 'info', convert.camera_info_message(self._messages, sample))
        self._send(sample.stream, 'depth', convert.depth_message(self._messages, sample))
        self._send(sample.stream, 'rgb', convert.colour_message(self._messages, sample))

    # The executor's thread

    def _on_command(self, path: CommandPath, message: Any) -> None:
        if not self._running:
            return
        with self._lock:
            refusal = self._command(path, message, time.monotonic_ns() + self._steady_offset_ns)
        self._tell_commands(path, refusal)

    def _command(self, path: CommandPath, message: Any, received_ns: int) -> str | None:
        if path.kind == JOINT_TRAJECTORY:
            points = points_of(message, received_ns)
            if isinstance(points, str):
                return points
            names = tuple(message.joint_names)
            return self._emulator.command_trajectory(names, points, path.joints, received_ns)
        if path.kind == FORWARD_VELOCITY:
            return self._emulator.command_velocity(path.joints, message.data, received_ns)
        return self._emulator.command(path.joints, message.data, received_ns)

    def _on_grip(self, path: CommandPath, position: float, speed: float | None) -> GripWatch | None:
        if not self._running:
            return None
        (name,) = path.joints
        with self._lock:
            received_ns = time.monotonic_ns() + self._steady_offset_ns
            refusal = self._emulator.command_gripper(name, position, received_ns, speed)
        self._tell_commands(path, refusal)
        return None if refusal else self._emulator.grasp(name, position)

    def _tell_commands(self, path: CommandPath, refusal: str | None) -> None:
        if refusal is not None:
            self._refused[f'{path.topic}: {refusal}'] += 1
            self.diagnostics.report(
                'commands',
                Status(
                    Level.ERROR,
                    f'refused on {path.topic}: {refusal}; the joints keep their targets',
                    f'send what a {path.kind} of {len(path.joints)} joints takes, while the robot '
                    'takes commands',
                ),
            )
        else:
            self.diagnostics.ok('commands', 'taken')

    def _on_episode(self, episode: Episode) -> None:
        """At its end: how many messages were published within it."""
        if episode.event == EpisodeEvent.START:
            self._episode = episode
        elif self._running and self._episode is not None and self._episode.id == episode.id:
            span = {'start_ns': self._episode.stamp_ns, 'stop_ns': episode.stamp_ns}
            topics = self._ledger.between(*span.values())
            text = json.dumps({'id': episode.id, **span, 'topics': topics})
            self._counts.publish(String(data=text))

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if not self._running:
            response.success, response.message = (
                False,
                'robot_emulator is not active: activate it first',
            )
            return response
        try:
            response.success, response.message = True, self._begin_episode()
        except GenError as error:
            response.success, response.message = False, str(error)
        return response

    def _begin_episode(self) -> str:
        """Draw and begin the episode that the parameters name; its scene as JSON."""
        self._emulator.shift_cameras(self.parameters['camera_shift_m'])
        draw = self._emulator.draw(self.parameters['episode_seed'], self.parameters['task'])
        with self._lock:
            scene = self._emulator.begin(draw, None if self._running else self.now_ns())
            start_ns = self._emulator.now_ns
            self._colours = {
                ball.name: self._world.ball.colours[ball.colour] for ball in scene.balls
            }
            self._pictures.clear()
        self._announce_cameras(start_ns)
        text = scene_text(scene, start_ns)
        self._scene.publish(String(data=text))
        return text

    def _announce_cameras(self, now_ns: int) -> None:
        for name, pose in self._emulator.views.items():
            header = convert.header(self._messages, now_ns, self._spec.base_frame)
            self._send(
                name,
                'pose',
                self._messages.make(
                    'geometry_msgs/msg/PoseStamped',
                    header=header,
                    pose=convert.pose_message(self._messages, pose),
                ),
            )

    def _stop_or_go(self) -> None:
        """Stop the robot where the fault says so, else let it go on; and say so as a driver
        does.
        """
        stop = self._fault.robot_stop
        with self._lock:
            if stop:
                self._emulator.halt(stop, hard='emergency' in stop)
            elif self._stopped:
                self._emulator.resume()
        self._stopped = stop
        self._safety.say(stop)
        if stop:
            status = Status(Level.ERROR, f'{stop}: it takes no commands', 'set fault to none')
            self.diagnostics.report('robot', status)
        else:
            self.diagnostics.ok('robot', 'takes commands')

    def _check_fault(self, changes: list[RclpyParameter]) -> SetParametersResult:
        for change in changes:
            if change.name == 'fault':
                try:
                    Fault(change.value, self._spec)
                except GenError as error:
                    return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take_fault(self, changes: list[RclpyParameter]) -> None:
        for change in changes:
            if change.name == 'fault':
                self._fault = Fault(change.value, self._spec)
                if self._running:
                    self._stop_or_go()

    def _report_left_out(self) -> None:
        left_out = (*self._safety.left_out, *self._inputs.left_out)
        if left_out:
            step = 'install what is named, unless this test needs none of it'
            self.diagnostics.report('driver', Status(Level.WARN, '; '.join(left_out), step))

    def _report(self) -> None:
        """How well real time is kept, and what was published since activation."""
        values = {
            'worst_behind_ms': f'{self._worst_behind_ns / 1e6:.1f}',
            'lost_s': f'{self._lost_ns / NS:.3f}',
            'pictures_dropped': str(self._dropped_pictures),
        }
        self._worst_behind_ns = 0
        if self._lost_ns > self._reported_lost_ns:
            self._reported_lost_ns = self._lost_ns
            self.diagnostics.report(
                'real time',
                Status(
                    Level.ERROR,
                    'physics cannot keep up: time was lost',
                    'free the processor, or lower max_state_rate_hz',
                    values,
                ),
            )
        else:
            self.diagnostics.ok('real time', 'kept', values)
        self.diagnostics.ok(
            'published',
            'counts since activation',
            {name: str(count) for name, count in sorted(self._published.items())},
        )


def kept(route: Route) -> int:
    """Messages kept for a reader that did not get the processor for a while: half a second's."""
    return max(10, round(HISTORY_S * route.rate_hz))


if __name__ == '__main__':
    sys.exit(main(RobotEmulator))
