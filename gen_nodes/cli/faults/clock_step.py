"""A wall clock that can be stepped for the processes started with its environment, and no others.

`hil/clock_step.c` is compiled when it is needed and preloaded into them; their steady clocks go on.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

from gen_nodes.errors import RequirementError
from gen_nodes.types import seconds_to_ns

SOURCE = Path(__file__).parents[2] / 'hil' / 'clock_step.c'


class ClockStep:
    """Lives in `folder`. Raises RequirementError where there is no C compiler, or it fails."""

    def __init__(self, folder: Path) -> None:
        library, offset = folder / 'clock_step.so', folder / 'clock_step_ns'
        build(library)
        offset.write_bytes(bytes(8))
        with offset.open('r+b') as file:
            self._page = mmap.mmap(file.fileno(), 8)
        self.seconds = 0.0  # by how much their clock is ahead of ours
        self.environment = {'LD_PRELOAD': str(library), 'GEN_CLOCK_STEP': str(offset)}

    def step(self, seconds: float) -> None:
        """Set their clock forward (back where negative), at once."""
        self.seconds += seconds
        self._page[:] = struct.pack('=q', seconds_to_ns(self.seconds))


def build(library: Path) -> None:
    """Compile the library. Raises RequirementError."""
    compiler = shutil.which('cc') or shutil.which('gcc')
    if compiler is None:
        raise RequirementError(
            "no C compiler 'cc' to step the nodes' clock with: sudo apt install gcc"
        )
    call = [compiler, '-shared', '-fPIC', '-O2', '-o', str(library), str(SOURCE), '-ldl']
    made = subprocess.run(call, capture_output=True, text=True)
    if made.returncode:
        raise RequirementError(f"'{' '.join(call)}' failed: {made.stderr.strip()}")
