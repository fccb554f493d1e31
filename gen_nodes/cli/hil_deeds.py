"""What is done for every fault of the list, by its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from gen_nodes.cli import hil_deeds_chunks, hil_deeds_nodes, hil_deeds_robot
from gen_nodes.cli.hil_fault_bench import Bench

DEEDS: dict[str, Callable[[Bench], AbstractContextManager[None]]] = {
    **hil_deeds_chunks.DEEDS,
    **hil_deeds_nodes.DEEDS,
    **hil_deeds_robot.DEEDS,
}
