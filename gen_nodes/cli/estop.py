"""An e-stop that the acceptance suite presses itself, where the robot has none on the topic."""

from __future__ import annotations

import threading

from gen_nodes.ros.messages_rclpy import message_class
from gen_nodes.ros.operator import Operator
from gen_nodes.ros.qos import reliable
from gen_nodes.threads import start_thread

PERIOD_S = 0.1


class Estop:
    """Says ten times a second whether it is pressed, from a thread of its own: its silence is a
    stop, so it must not depend on what else this process does.
    """

    def __init__(self, operator: Operator, topic: str) -> None:
        self._operator = operator
        self._pressed, self._speaks, self._said_ns = False, True, operator.now_ns()
        self._kind = message_class('std_msgs/msg/Bool')
        self._publisher = operator.node.create_publisher(self._kind, topic, reliable(10))
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = start_thread(self._run, 'estop')

    def say(self, pressed: bool) -> int:
        """Press or release it; when it was said [ns]."""
        self._pressed = pressed
        return self._beat()

    def fall_silent(self) -> int:
        """Say nothing any more; when it last spoke [ns]."""
        with self._lock:
            self._speaks = False
            return self._said_ns

    def speak(self) -> None:
        """Speak again."""
        self._speaks = True
        self._beat()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            self._beat()

    def _beat(self) -> int:
        with self._lock:
            if self._speaks:
                self._said_ns = self._operator.now_ns()
                self._publisher.publish(self._kind(data=self._pressed))
            return self._said_ns


def publishers_of(operator: Operator, topic: str, besides: Estop | None) -> int:
    """How many publish a topic, not counting our own."""
    count = len(operator.node.get_publishers_info_by_topic(topic))
    return count - (besides is not None)
