"""The stack's QoS profiles. Every topic's can be overridden by parameters
`qos_overrides.<topic>.<publisher|subscription>.*`.
"""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions


def reliable(depth: int) -> QoSProfile:
    """Every message counts; the newest `depth` are kept for a slow reader."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE
    )


def sensor(depth: int) -> QoSProfile:
    """Best effort: matches every publisher, and an old reading is not worth sending again."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT
    )


MANY = 100  # a depth at which a listener that is busy for a while misses no word


def latched(depth: int = 1) -> QoSProfile:
    """A late joiner sees the newest message; a slow reader the newest `depth`."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def overridable() -> QoSOverridingOptions:
    """Pass as qos_overriding_options: history, depth and reliability become parameters of the
    topic.
    """
    return QoSOverridingOptions.with_default_policies()
