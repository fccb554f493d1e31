"""Who else speaks where only one may, and who offers what cannot be heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, ReliabilityPolicy


class Intruders:
    """Topics with one rightful publisher each, by discovery.

    ours: topics that only this node may publish. single: topics with one publisher, whoever it is.
    """

    def __init__(self, node: Node, ours: Sequence[str], single: Sequence[str]) -> None:
        self._node, self._ours, self._single = node, tuple(ours), tuple(single)

    def found(self) -> str:
        """The first intruder in words, '' where there is none. Two of one name count as one: a
        process that was killed lingers in the graph for a while.
        """
        own = self._node.get_fully_qualified_name()
        for topic in self._ours:
            others = [name for name in self._names(topic) if name != own]
            if others:
                return f"'{topic}' is published by {others[0]} too"
        for topic in self._single:
            names = self._names(topic)
            if len(names) > 1:
                return f"'{topic}' is published by both {names[0]} and {names[1]}"
        return ''

    def unheard(self, topic: str) -> bool:
        """Whether a publisher of `topic` offers less than a reliable subscription asks for."""
        found = self._node.get_publishers_info_by_topic(topic)
        return any(one.qos_profile.reliability != ReliabilityPolicy.RELIABLE for one in found)

    def _names(self, topic: str) -> list[str]:
        found = self._node.get_publishers_info_by_topic(topic)
        return sorted({f'{one.node_namespace.rstrip("/")}/{one.node_name}' for one in found})


def heard_if_compatible(tell: Callable[[str], None], topic: str) -> SubscriptionEventCallbacks:
    """Event callbacks of a subscription: `tell` hears of a publisher that it cannot hear."""
    return SubscriptionEventCallbacks(
        incompatible_qos=lambda event: tell(
            f"a publisher of '{topic}' offers another {policy(event)} than is asked for"
        )
    )


def policy(event: Any) -> str:
    """The QoS policy that an event names."""
    return QoSPolicyKind(int(event.last_policy_kind)).name.lower()
