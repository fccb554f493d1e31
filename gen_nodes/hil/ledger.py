"""What a driver published and when, so that a recording can be held against it. No clock."""

from __future__ import annotations

from collections import Counter, deque

MOST = 200_000  # publications looked back on: a minute and more of a driver


class Ledger:
    """`note` may be called by several threads."""

    def __init__(self) -> None:
        self._entries: deque[tuple[str, int, int]] = deque(maxlen=MOST)

    def note(self, topic: str, before_ns: int, after_ns: int) -> None:
        """A message was handed over for publication between these two instants."""
        self._entries.append((topic, before_ns, after_ns))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def between(self, start_ns: int, stop_ns: int) -> dict[str, tuple[int, int]]:
        """Per topic, messages certainly and possibly published between the two instants.

        They differ by those that were being published at one of the two.
        """
        entries = tuple(self._entries)
        certain = Counter(
            topic
            for topic, before_ns, after_ns in entries
            if before_ns >= start_ns and after_ns <= stop_ns
        )
        possible = Counter(
            topic
            for topic, before_ns, after_ns in entries
            if after_ns >= start_ns and before_ns <= stop_ns
        )
        return {topic: (certain[topic], count) for topic, count in possible.items()}
