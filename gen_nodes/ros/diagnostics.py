"""What a node has to say about itself: /diagnostics with component, level, cause and next step.

Warns once when a component goes bad and informs once when it recovers; a change is published at
once, all at 1 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from gen_nodes.ros.qos import reliable

PERIOD_S = 1.0


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Status:
    """How one component is: level, cause in words, what the operator can do, figures."""

    level: Level
    cause: str
    next_step: str = ''
    values: Mapping[str, str] = field(default_factory=dict)


class Diagnostics:
    """A node's components and their present status. Call from the executor's thread."""

    def __init__(self, node: Node, hardware_id: str = ''):
        self._node = node
        self.hardware_id = hardware_id
        self._components: dict[str, Status] = {}
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', reliable(10))
        self._timer = node.create_timer(PERIOD_S, self.publish)

    def report(self, component: str, status: Status) -> None:
        """Set a component's status; logs and publishes where level or cause changed."""
        before = self._components.get(component)
        self._components[component] = status
        if before is not None and (before.level, before.cause) == (status.level, status.cause):
            return
        if status.level != Level.OK or (before is not None and before.level != Level.OK):
            self._log(component, status)
            self._send([component])

    def ok(
        self, component: str, cause: str = 'ok', values: Mapping[str, str] | None = None
    ) -> None:
        """The component works."""
        self.report(component, Status(Level.OK, cause, values=values or {}))

    def _log(self, component: str, status: Status) -> None:
        logger = self._node.get_logger()
        text = f'{component}: {status.cause}' + (
            f' -> {status.next_step}' if status.next_step else ''
        )
        if status.level == Level.OK:
            logger.info(text)
        elif status.level == Level.ERROR:
            logger.error(text)
        else:
            logger.warning(text)

    def publish(self) -> None:
        """Send every component's status."""
        self._send(list(self._components))

    def _send(self, components: list[str]) -> None:
        message = DiagnosticArray(
            status=[self._message(name, self._components[name]) for name in components]
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _message(self, component: str, status: Status) -> DiagnosticStatus:
        values = {'next_step': status.next_step, **status.values}
        return DiagnosticStatus(
            level=bytes([status.level]),
            name=f'{self._node.get_name()}: {component}',
            message=status.cause,
            hardware_id=self.hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
