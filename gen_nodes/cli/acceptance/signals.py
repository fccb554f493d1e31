"""What the robot's own safety topics and the e-stop say, as the acceptance suite hears them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from gen_nodes.robot import RobotSpec, SafetyTopic
from gen_nodes.ros.operator import Operator
from gen_nodes.ros.qos import latched, reliable

BOOL = 'std_msgs/msg/Bool'


class Signals:
    """permits: what each safety topic says last, None: nothing yet. `forbidden`: when one of them
    (or the e-stop) began to forbid motion [ns, as published].
    """

    def __init__(self, operator: Operator, spec: RobotSpec, left_out: Iterable[str]) -> None:
        heard = [topic for topic in spec.safety_topics if topic.topic not in left_out]
        self.permits: dict[str, bool | None] = {topic.name: None for topic in heard}
        self.forbidden: list[int] = []
        self._estop = False
        for topic in heard:
            for qos in (latched(), reliable(10)):  # the second hears volatile publishers
                operator.listen(topic.type, topic.topic, partial(self._on_safety, topic), qos)
        operator.listen(BOOL, spec.estop.topic, self._on_estop, reliable(10))

    def _on_safety(self, topic: SafetyTopic, message: Any, info: Mapping[str, Any]) -> None:
        value = message
        for part in topic.field.split('.'):
            value = getattr(value, part)
        allowed = topic.allowed(value)
        if self.permits[topic.name] is not False and not allowed:
            self.forbidden.append(info['source_timestamp'])
        self.permits[topic.name] = allowed

    def _on_estop(self, message: Any, info: Mapping[str, Any]) -> None:
        if message.data and not self._estop:
            self.forbidden.append(info['source_timestamp'])
        self._estop = message.data

    def forbade_ns(self, after_ns: int) -> int | None:
        """When motion was first forbidden after an instant; None: it was not."""
        return next((stamp_ns for stamp_ns in self.forbidden if stamp_ns >= after_ns), None)
