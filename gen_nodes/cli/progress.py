"""Progress for a person: one line that refreshes itself, or plain lines without a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

REFRESH_S = 0.2
PLAIN_S = 5.0


class Progress:
    """`show` the present state as often as you like, `say` what shall stay."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._shown_s = time.monotonic()
        self._width = 0

    def due(self) -> bool:
        """Whether the next `show` would be seen: ask before making its text."""
        return time.monotonic() - self._shown_s >= (REFRESH_S if self._live else PLAIN_S)

    def show(self, text: str) -> None:
        """The present state, instead of the last one."""
        if not self.due():
            return
        self._shown_s = time.monotonic()
        if not self._live:
            print(text, file=self._stream, flush=True)
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write('\r' + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        print(text, file=self._stream, flush=True)

    def clear(self) -> None:
        """Make room for other output."""
        if self._live and self._width:
            self._stream.write('\r' + ' ' * self._width + '\r')
            self._stream.flush()
        self._width = 0
