"""Raw subscriptions: serialised messages, and the number that the transport says it lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from gen_nodes.ros.executor import with_info

Hear = Callable[[bytes, dict[str, Any]], None]  # serialised message, message info of rmw


def subscribe_raw(
    node: Node,
    kind: type,
    topic: str,
    hear: Hear,
    qos: QoSProfile,
    lost: Callable[[int], None],
    overridable: QoSOverridingOptions | None = None,
) -> Subscription:
    """A raw subscription; `lost` is told the number of messages that the transport says it lost."""

    def on_lost(event: Any) -> None:
        lost(event.total_count_change)

    def create(events: SubscriptionEventCallbacks | None) -> Subscription:
        return node.create_subscription(
            kind,
            topic,
            with_info(hear),
            qos,
            raw=True,
            event_callbacks=events,
            qos_overriding_options=overridable,
        )

    try:
        return create(SubscriptionEventCallbacks(message_lost=on_lost))
    except UnsupportedEventTypeError:
        return create(None)
