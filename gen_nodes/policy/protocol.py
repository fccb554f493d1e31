"""What every policy is, learned or not."""

from __future__ import annotations

from typing import Protocol

from gen_nodes.types import ActionChunk, Observation


class Policy(Protocol):
    """Senses and acts in one stream. Time is an argument; observations arrive in order, none is
    skipped.
    """

    def reset(self, instruction: str) -> None:
        """Forget the past: a new episode with this instruction begins."""

    def observe(self, observation: Observation) -> None:
        """Append what arrived. Cheap enough to run at every observation."""

    def act(self, now_ns: int) -> ActionChunk | None:
        """Commands for the time after `now_ns`, or None while there is nothing to decide from."""
