"""The stack beside a real robot: no emulator, no isolation, the ROS environment of the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gen_nodes.cli.ear import Ear
from gen_nodes.cli.rig import Rig
from gen_nodes.errors import GenError
from gen_nodes.ros.graph import Graph
from gen_nodes.ros.operator import Operator

NO_EMULATOR = 'there is no emulator beside a real robot'


class RealRig(Rig):
    """A Rig whose robot is real: aggregator, controller and recorder run, the driver is yours."""

    def __init__(self, robot: str, out: Path, announce: Callable[[str], None]) -> None:
        super().__init__(robot, out, announce=announce)
        self._processes = tuple(p for p in self._processes if p.name != 'robot_emulator')

    def __enter__(self) -> RealRig:
        self.out.mkdir(parents=True, exist_ok=True)
        self.graph = Graph(
            self._processes,
            environment=dict(os.environ),
            log_dir=self.out / 'log',
            announce=self.announce,
        )
        self.operator: Operator | None = None
        try:
            self.graph.start()
            self.operator = Operator(self._look)
            self.ear = Ear(self.operator, self.spec)
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def fault(self, text: str) -> None:
        """Raises GenError: a real robot breaks by other means."""
        raise GenError(NO_EMULATOR)
