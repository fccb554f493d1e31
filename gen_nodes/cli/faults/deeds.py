"""What is done for every fault of the list, by its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from gen_nodes.cli.faults import deeds_chunks, deeds_nodes, deeds_robot
from gen_nodes.cli.faults.bench import Bench

DEEDS: dict[str, Callable[[Bench], AbstractContextManager[None]]] = {
    **deeds_chunks.DEEDS,
    **deeds_nodes.DEEDS,
    **deeds_robot.DEEDS,
}
