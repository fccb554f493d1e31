"""Hearing of episodes: a malformed message is reported and ignored, whoever sent it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.subscription import Subscription

from gen_nodes.ros import convert
from gen_nodes.ros.diagnostics import Level, Status
from gen_nodes.ros.lifecycle import GenNode
from gen_nodes.ros.messages_rclpy import message_class
from gen_nodes.ros.qos import latched, overridable
from gen_nodes.types import Episode

KEPT = 10  # a node that is busy at the start must not hear only of the stop


def understood(node: GenNode, message: Any) -> Episode | None:
    """The episode in a message; None where it is malformed, which the node's diagnostics tell."""
    try:
        episode = convert.episode_of(message)
    except ValueError as error:
        node.diagnostics.report(
            'episode',
            Status(
                Level.ERROR,
                f'malformed and ignored: {error}',
                'publish it as gen_stack/msg/Episode says',
            ),
        )
        return None
    node.diagnostics.ok('episode', 'understood')
    return episode


def hear_episodes(node: GenNode, hear: Callable[[Episode], None]) -> Subscription:
    """Subscribe `node` to the topic `episode`; `hear` is told every one that makes sense."""

    def take(message: Any) -> None:
        episode = understood(node, message)
        if episode is not None:
            hear(episode)

    return node.create_subscription(
        message_class('gen_stack/msg/Episode'),
        'episode',
        take,
        latched(KEPT),
        qos_overriding_options=overridable(),
    )
