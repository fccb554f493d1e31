"""The yardstick: a node that does nothing but pass on a robot's joint states and camera images.

What it takes from capture to having passed a message on is the least that any Python node in its
place could take. Run as `python -m gen_nodes.ros.relay` with the nodes' parameters. Publishes its
latencies [ms] on `relay_floor`.
"""

from __future__ import annotations

import struct
import sys
import time
from functools import partial
from typing import Any

from std_msgs.msg import Float32MultiArray

from gen_nodes.robot import load_robot
from gen_nodes.ros.lifecycle import GenNode, robot_parameter
from gen_nodes.ros.messages_rclpy import message_class
from gen_nodes.ros.qos import reliable, sensor
from gen_nodes.ros.routes import Route, stream_routes
from gen_nodes.ros.spin import ACTING, main
from gen_nodes.types import NS

REPORT_PERIOD_S = 0.5
STAMP = struct.Struct(
    '<iI'
)  # sec, nanosec of the header, behind the four bytes that say how CDR is encoded


def header_stamp_ns(raw: bytes) -> int:
    """Stamp of a serialised little-endian message that begins with std_msgs/Header."""
    seconds, nanoseconds = STAMP.unpack_from(raw, 4)
    return seconds * NS + nanoseconds


class Relay(GenNode):
    """Passes on, and takes the time."""

    def __init__(self) -> None:
        super().__init__('relay', (robot_parameter(),))

    def configure(self) -> None:
        self._latencies_ms: list[float] = []
        self._floor = self.create_publisher(Float32MultiArray, 'relay_floor', reliable(10))
        routes = stream_routes(load_robot(self.parameters['robot'])).values()
        for route in routes:
            if route.part in ('rgb', 'depth') or route.type == 'sensor_msgs/msg/JointState':
                self._pass_on(route)
        self.create_timer(REPORT_PERIOD_S, self._report)

    def _pass_on(self, route: Route) -> None:
        kind = message_class(route.type)
        publisher = self.create_publisher(kind, f'relayed{route.topic}', sensor(5))
        self.create_subscription(
            kind, route.topic, partial(self._on_message, publisher), sensor(5), raw=True
        )

    def _on_message(self, publisher: Any, raw: bytes) -> None:
        publisher.publish(raw)
        self._latencies_ms.append((time.time_ns() - header_stamp_ns(raw)) / 1e6)

    def _report(self) -> None:
        self._floor.publish(Float32MultiArray(data=self._latencies_ms))
        self._latencies_ms.clear()


if __name__ == '__main__':
    sys.exit(main(Relay, niceness=ACTING))
