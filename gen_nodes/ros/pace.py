"""ROS time of instants on the steady clock."""

from __future__ import annotations

import time
from collections.abc import Callable

READ_AT_ONCE_NS = 30_000


class SteadyClock:
    """ROS time of instants on the steady clock, free of the jitter of reading two clocks."""

    def __init__(self, now_ns: Callable[[], int]):
        self._now_ns = now_ns
        self._offset_ns = now_ns() - time.monotonic_ns()

    def ros_ns(self, steady_ns: int) -> int:
        """ROS time at `steady_ns`; the clocks' difference is renewed where both were read at
        once.
        """
        before = time.monotonic_ns()
        now_ns = self._now_ns()
        after = time.monotonic_ns()
        if after - before < READ_AT_ONCE_NS:
            self._offset_ns = now_ns - (before + after) // 2
        return steady_ns + self._offset_ns
