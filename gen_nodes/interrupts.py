"""Ctrl-C at a moment that can bear it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RAISE = signal.default_int_handler
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_came: list[int] = []
_depth = 0  # of blocks that are open


def _handle(number: int, frame: object) -> None:
    if _depth:
        _came.append(number)
    else:
        RAISE(number, frame)


@contextmanager
def interrupts_last() -> Iterator[None]:
    """What would raise KeyboardInterrupt in this block raises it at its end, also where the block
    ends by another error; keep the block short.

    Raised inside a conversion of rclpy it would come out as a TypeError ("Unable to convert
    function return value"), after which nobody knows that a person asked for the end. A block
    within a block ends it too. Signals with another handler than Python's own are left to it.
    """
    global _depth
    if threading.current_thread() is not threading.main_thread():  # it alone hears signals
        yield
        return
    for number in SIGNALS:
        if signal.getsignal(number) is RAISE:
            signal.signal(number, _handle)  # for good: outside a block it does the same as before
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _came:
            _came.clear()
            raise KeyboardInterrupt


def is_interrupt(error: BaseException | None) -> bool:
    """Whether it is a KeyboardInterrupt or was made of one."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__
    return False
