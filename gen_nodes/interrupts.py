"""Ctrl-C at a moment that can bear it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RAISE = signal.default_int_handler
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_came: list[int] = []


def _note(number: int, frame: object) -> None:
    _came.append(number)


@contextmanager
def interrupts_last() -> Iterator[None]:
    """What would raise KeyboardInterrupt in this block raises it at its end; keep the block short.

    Raised inside a conversion of rclpy it would come out as a TypeError ("Unable to convert
    function return value"), after which nobody knows that a person asked for the end. A block
    within a block ends it too. Signals with another handler than Python's own are left to it.
    """
    main = threading.current_thread() is threading.main_thread()  # it alone hears signals
    raising = [one for one in SIGNALS if main and signal.getsignal(one) is RAISE]
    for number in raising:
        signal.signal(number, _note)
    try:
        yield
    finally:
        for number in raising:
            signal.signal(number, RAISE)
    if main and _came:
        _came.clear()
        raise KeyboardInterrupt


def is_interrupt(error: BaseException | None) -> bool:
    """Whether it is a KeyboardInterrupt or was made of one."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__
    return False
