"""Node sensor_aggregator: subscribes what the robot YAML lists and publishes it as Observation at
`tick_hz`.

Images are decoded and resized by a thread of their own; everything else is cheap enough for the
executor's.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from functools import partial
from queue import Empty, Full, Queue
from typing import Any

from rclpy.serialization import deserialize_message

from gen_nodes.embodiment.signals import StackWatch
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.diagnostics import Level, Status
from gen_nodes.ros.episodes import hear_episodes
from gen_nodes.ros.lifecycle import GenNode, robot_parameter
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.ros.parameters import Parameter
from gen_nodes.ros.qos import latched, overridable, reliable, sensor
from gen_nodes.ros.raw_subscription import subscribe_raw
from gen_nodes.ros.routes import Route, executed_route, stream_routes
from gen_nodes.ros.spin import ACTING, main
from gen_nodes.streams.aggregator import Aggregator
from gen_nodes.threads import start_thread
from gen_nodes.types import Episode, EpisodeEvent, Sample, StreamHealth, StreamState

CONTROLLER = 'embodiment_controller'
QUEUE = 16  # images waiting for the decoder
DEPTH_S = 0.5  # what waited longer in the middleware would be too late anyway
REPORT_PERIOD_S = 0.2
LOOK_BACK_S, SPOILED_SHARE = 0.5, 0.2
HARMLESS = ('decimated', 'repeated', 'clock set back')  # drops that say nothing against a sensor
REMIND_S = 10.0  # of messages that cannot be decoded

PARAMETERS = (
    robot_parameter(),
    Parameter('tick_hz', 50.0, 'observations per second [Hz]', low=1.0, high=500.0),
)


class SensorAggregator(GenNode):
    """ROS around Aggregator."""

    def __init__(self) -> None:
        super().__init__('sensor_aggregator', PARAMETERS)
        self._core: Aggregator | None = None
        self._thread: threading.Thread | None = None
        self._tick_timers: list[Any] = []

    # Lifecycle

    def configure(self) -> None:
        self._spec = spec = load_robot(self.parameters['robot'])
        self._lock = threading.Lock()
        self._core = Aggregator(spec)
        self._active = False
        self._instruction = ''
        self._lost: Counter[str] = Counter()
        self._messages = RclpyMessages()
        self.diagnostics.hardware_id = spec.name
        self._publisher = self.create_publisher(
            message_class('gen_stack/msg/Observation'),
            'observation',
            reliable(25),
            qos_overriding_options=overridable(),
        )
        self._inputs = [self._subscribe(route) for route in stream_routes(spec).values()]
        self._inputs.append(self._subscribe(executed_route(spec), reliable(50)))
        self._inputs.append(hear_episodes(self, self._on_episode))
        self._stack = StackWatch((CONTROLLER,))
        beat = message_class('gen_stack/msg/Heartbeat')
        self._inputs.append(
            self.create_subscription(beat, 'heartbeat', self._on_heartbeat, reliable(10))
        )

    def _subscribe(self, route: Route, qos: Any = None) -> Any:
        """Raw subscription: who needs the message decodes it, where there is time."""
        default = latched() if route.latched else sensor(max(10, round(DEPTH_S * route.rate_hz)))
        hear = partial(self._on_image if route.is_image else self._on_message, route)
        return subscribe_raw(
            self,
            message_class(route.type),
            route.topic,
            hear,
            qos or default,
            partial(self._on_lost, route),
            overridable(),
        )

    def activate(self) -> None:
        self._core = Aggregator(self._spec)
        self._before: dict[str, tuple[int, dict[str, int]]] = {}  # received and dropped, by stream
        self._spoiled: dict[str, list[str]] = {}  # reasons for which much is dropped
        self._queue: Queue[tuple[Route, bytes, int]] = Queue(QUEUE)
        self._running = self._active = True
        self._thread = start_thread(self._decode_images, 'images')
        self._tick_timers = [
            self.create_timer(1.0 / self.parameters['tick_hz'], self._tick),
            self.create_timer(REPORT_PERIOD_S, self._report),
        ]

    def deactivate(self) -> None:
        self._active = self._running = False
        for timer in self._tick_timers:
            self.destroy_timer(timer)
        self._tick_timers = []
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def cleanup(self) -> None:
        if self._core is None:
            return
        self.destroy_publisher(self._publisher)
        for entity in self._inputs:
            self.destroy_subscription(entity)
        self._core = None

    def clock_jumped(self, seconds: float) -> None:
        if self._core is not None:
            with self._lock:
                self._core.clock_stepped()

    # The image thread

    def _decode_images(self) -> None:
        while self._running:
            try:
                route, raw, arrival_ns = self._queue.get(timeout=0.1)
            except Empty:
                continue
            self._offer(route, self._decoded(route, raw, arrival_ns), arrival_ns)

    # The executor's thread

    def _on_image(self, route: Route, raw: bytes, info: dict[str, Any]) -> None:
        if not self._active:
            return
        arrival_ns = self.now_ns()
        try:
            self._queue.put_nowait((route, raw, arrival_ns))
        except Full:
            self._offer(route, 'overflow', arrival_ns)

    def _on_message(self, route: Route, raw: bytes, info: dict[str, Any]) -> None:
        if not self._active:
            return
        arrival_ns = self.now_ns()
        self._offer(route, self._decoded(route, raw, arrival_ns), arrival_ns)

    def _decoded(self, route: Route, raw: bytes, arrival_ns: int) -> Sample | str:
        """The sample of a serialised message, a picture at policy resolution; or 'malformed'."""
        try:
            sample = route.sample(deserialize_message(raw, message_class(route.type)), arrival_ns)
            return sample if isinstance(sample, str) else self._core.prepare(sample)
        except Exception as error:  # whatever a codec may raise over bytes from outside
            self.get_logger().warning(f'{route.topic}: {error!r}', throttle_duration_sec=REMIND_S)
            return 'malformed'

    def _offer(self, route: Route, sample: Any, arrival_ns: int) -> None:
        with self._lock:
            if isinstance(sample, str):
                self._core.reject(route.stream, sample, arrival_ns)
            else:
                self._core.offer(sample)

    def _on_lost(self, route: Route, count: int) -> None:
        self._lost[route.stream] += count

    def _on_episode(self, episode: Episode) -> None:
        self._instruction = episode.instruction if episode.event == EpisodeEvent.START else ''

    def _on_heartbeat(self, message: Any) -> None:
        self._stack.offer(convert.heartbeat_of(message), time.monotonic_ns())

    def _tick(self) -> None:
        with self._lock:
            observation = self._core.close(self.now_ns(), self._instruction)
        self._publisher.publish(
            convert.observation_message(self._messages, observation, self._spec.base_frame)
        )

    def _report(self) -> None:
        """Every stream to the diagnostics, with the cause and what to do; without one that is
        required this node is not fit.
        """
        with self._lock:
            health = self._core.health(self.now_ns())
        failing = None
        for stream in health:
            status = self._status(stream)
            self.diagnostics.report(stream.stream, status)
            if status.level == Level.ERROR and failing is None:
                failing = f"stream '{stream.stream}' {status.cause}", status.next_step
        self.pulse.unfit(*failing) if failing else self.pulse.fit()
        self._report_controller()

    def _report_controller(self) -> None:
        """A controller that has died cannot say so itself."""
        missing = self._stack.silent(time.monotonic_ns())
        if missing is not None:
            status = Status(Level.ERROR, missing.reason, missing.next_step)
            self.diagnostics.report('controller', status)
        else:
            self.diagnostics.ok('controller', 'is there, or has not been heard')

    def _live(self, h: StreamHealth, values: dict[str, str]) -> Status:
        """Live, unless much of what came lately had to be dropped."""
        received, dropped = self._before.get(h.stream, (0, {}))
        came = h.received - received
        if came >= self._spec.streams[h.stream].rate_hz * LOOK_BACK_S:
            self._before[h.stream] = h.received, dict(h.dropped)
            self._spoiled[h.stream] = [
                reason
                for reason, count in h.dropped.items()
                if reason not in HARMLESS and count - dropped.get(reason, 0) > SPOILED_SHARE * came
            ]
        spoiled = self._spoiled.get(h.stream)
        if not spoiled:
            return Status(Level.OK, 'is live', values=values)
        cause = f'is live, but much of it is dropped: {", ".join(spoiled)}'
        return Status(Level.WARN, cause, "check the sensor's driver and its clock", values)

    def _status(self, h: StreamHealth) -> Status:
        spec = self._spec.streams[h.stream]
        values = {
            'rate_hz': f'{h.rate_hz:.0f}',
            'age_s': f'{h.age_s:.3f}',
            'received': str(h.received),
            'used': str(h.used),
            'lost_in_transport': str(self._lost[h.stream]),
            **{f'dropped {reason}': str(count) for reason, count in h.dropped.items()},
        }
        if h.state == StreamState.LIVE:
            return self._live(h, values)
        level = Level.ERROR if spec.required else Level.WARN
        topics = ', '.join(spec.topics.values())
        if h.state == StreamState.FAULTY:
            with self._lock:
                reason = self._core.lane_of(h.stream).last_fault
            return Status(
                level,
                f'is unusable: {reason}',
                f'check the sensor and its driver on {topics}',
                values,
            )
        cause = (
            'has not arrived'
            if h.state == StreamState.WAITING
            else f'is silent for over {spec.timeout_s:g} s'
        )
        if h.state == StreamState.WAITING and h.received:
            cause = (
                f'has brought nothing usable: {", ".join(h.dropped) or "captures are incomplete"}'
            )
        return Status(level, cause, f'check that the driver publishes {topics}', values)


if __name__ == '__main__':
    sys.exit(main(SensorAggregator, niceness=ACTING))
