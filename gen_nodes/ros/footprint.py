"""What a running stack takes from the machine, and what it leaves behind when it has ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gen_nodes.ros.shared_memory import FOLDER, owned_by

MIB = 1 << 20


@dataclass
class Footprint:
    """Look at the processes now and then while they run; ask what is left once they have ended.

    files: a folder that is theirs alone for temporary files. Memory in MiB: `peak_mb` resident per
    process, `total_mb` the largest sum of resident memory at one time, `shared_once_mb` the same
    with pages that several processes share counted once. `cpu_s`: processor time per process.
    """

    files: Path
    peak_mb: dict[str, float] = field(default_factory=dict)
    total_mb: float = 0.0
    shared_once_mb: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    _born: dict[int, float] = field(default_factory=dict)
    _segments: set[str] = field(default_factory=set)

    def look(self, pids: Mapping[str, int]) -> None:
        """Take note of memory, shared memory and child processes."""
        resident, shared_once = {}, 0.0
        for name, pid in pids.items():
            try:
                process = psutil.Process(pid)
                memory, cpu = process.memory_full_info(), process.cpu_times()
                family = [process, *process.children(recursive=True)]
                self._born.update({one.pid: one.create_time() for one in family})
            except psutil.Error:
                continue  # it died meanwhile
            resident[name], self.cpu_s[name] = memory.rss / MIB, cpu.user + cpu.system
            shared_once += memory.pss / MIB
            self._segments |= owned_by(pid)
        for name, size in resident.items():
            self.peak_mb[name] = max(size, self.peak_mb.get(name, 0.0))
        self.total_mb = max(self.total_mb, sum(resident.values()))
        self.shared_once_mb = max(self.shared_once_mb, shared_once)

    def left_behind(self) -> dict[str, list[str]]:
        """Processes, shared memory and files of theirs that are still there."""
        return {
            'processes': [_describe(pid) for pid, born in self._born.items() if _alive(pid, born)],
            'shared_memory': sorted(name for name in os.listdir(FOLDER) if self._is_theirs(name)),
            'files': sorted(str(path) for path in self.files.rglob('*')),
        }

    def _is_theirs(self, file: str) -> bool:
        for ending in ('_mutex', '_el', '_sl'):
            file = file.removesuffix(ending)
        return file.removeprefix('sem.') in self._segments


def _alive(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _describe(pid: int) -> str:
    try:
        return f'{pid} {" ".join(psutil.Process(pid).cmdline())}'
    except psutil.Error:
        return str(pid)
