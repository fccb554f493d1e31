"""A small process beside every Graph: whatever happens to the Graph's own process, nothing is left.

It reads 'watch PID' lines from its standard input. When the input ends (the Graph has stopped, or
its process died in whatever way) it ends what still runs and removes dead shared memory of all of
them. Standard library only, so that it starts in milliseconds and never fails for what it watches
over.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from gen_nodes.ros.shared_memory import owned_by, remove_dead

LOOK_S = (
    0.25  # how often it looks which shared memory belongs to whom: a killed process cannot tell
)
STEPS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))


class Watched:
    """A process held by a pid file descriptor, which a reused process id cannot fool."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)

    def alive(self) -> bool:
        return not select.select([self.descriptor], [], [], 0)[0]

    def signal(self, number: int) -> None:
        """Signal the process and whatever it started: it leads a session of its own."""
        try:
            signal.pidfd_send_signal(self.descriptor, number)
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent, watched, memory = os.getppid(), [], set()
    pending = b''
    while True:
        for pid in (parent, *(process.pid for process in watched if process.alive())):
            memory |= owned_by(pid)
        if select.select([0], [], [], LOOK_S)[0]:
            received = os.read(0, 4096)
            if not received:
                break
            *lines, pending = (pending + received).split(b'\n')
            watched += open_all(lines)
    end(watched, memory)
    remove_dead(memory)


def open_all(lines: list[bytes]) -> list[Watched]:
    found = []
    for line in lines:
        try:
            found.append(Watched(int(line.split()[1])))
        except ProcessLookupError:
            pass  # it ended before we looked
    return found


def end(watched: list[Watched], memory: set[str]) -> None:
    """Ask, then insist, then kill; together, because whoever knew the order is gone."""
    for number, patience_s in STEPS:
        running = [process for process in watched if process.alive()]
        if not running:
            return
        for process in running:
            memory |= owned_by(process.pid)
            process.signal(number)
        until = time.monotonic() + patience_s
        while any(process.alive() for process in running) and time.monotonic() < until:
            time.sleep(0.02)


if __name__ == '__main__':
    sys.exit(main())
