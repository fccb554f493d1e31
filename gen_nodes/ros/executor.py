"""The executor of every node: one thread, woken by events."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from rclpy.executors import Executor

from gen_nodes.errors import RequirementError

try:
    from rclpy.experimental import EventsExecutor
except ImportError:
    EventsExecutor = None


def make_executor() -> Executor:
    """An executor for one thread. It does not look at every entity at every message, which is most
    of what a message costs in rclpy's other executors (ros2/rclpy pull request 1391). Raises
    RequirementError where rclpy is too old to have it.
    """
    if EventsExecutor is None:
        raise RequirementError(
            'this rclpy has no EventsExecutor; 7.1.4 or newer is needed: '
            'sudo apt update && sudo apt install --only-upgrade ros-jazzy-rclpy'
        )
    return EventsExecutor()


def with_info(hear: Callable[[Any, dict[str, Any]], None]) -> Callable[..., None]:
    """A subscription's callback that takes (message, info) and works with every executor.

    The EventsExecutor of Jazzy (seen in 7.1.6) hands the two over as one tuple.
    """

    def take(*given: Any) -> None:
        hear(*(given if len(given) == 2 else given[0]))

    take.__signature__ = inspect.signature(lambda message, info: None)  # what rclpy goes by
    return take
