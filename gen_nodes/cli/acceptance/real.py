"""The stack beside a real robot: no emulator, no isolation, the ROS environment of the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gen_nodes.cli.rig import Rig
from gen_nodes.errors import GenError

NO_EMULATOR = 'there is no emulator beside a real robot'


class RealRig(Rig):
    """A Rig whose robot is real: aggregator, controller and recorder run, the driver is yours."""

    def __init__(self, robot: str, out: Path, announce: Callable[[str], None]) -> None:
        super().__init__(robot, out, announce=announce)
        self._processes = tuple(p for p in self._processes if p.name != 'robot_emulator')

    def environment(self) -> dict[str, str]:
        """This terminal's: the nodes meet the robot on its own graph."""
        return dict(os.environ)

    def fault(self, text: str) -> None:
        """Raises GenError: a real robot breaks by other means."""
        raise GenError(NO_EMULATOR)
