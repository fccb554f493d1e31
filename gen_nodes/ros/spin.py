"""Runs one node in one process: one executor, a clean end on SIGINT and SIGTERM,
clear start-up errors.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

import rclpy
from rclpy.signals import SignalHandlerOptions

from gen_nodes.errors import GenError
from gen_nodes.ros.executor import make_executor
from gen_nodes.ros.lifecycle import GenNode

POLL_S = 0.1
REALTIME_PRIORITY = 20
NICENESS = -10
ACTING = -10  # what the robot's next motion waits for
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # <sys/mman.h>


def main(
    node_class: Callable[[], GenNode], realtime: bool = False, niceness: int | None = None
) -> int:
    """Run the node until a signal ends it. Exit status 1 with one line on standard error where it
    cannot start. niceness: who goes first where processors are short; granted where permitted.
    """
    ending: list[int] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, frame: ending.append(number))
    said = prefer_realtime() if realtime else ''
    if niceness is not None:
        take_place(niceness)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _run(node_class, said, ending)
    except GenError as error:
        print(f'{_program()}: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()


def _program() -> str:
    return os.path.basename(sys.argv[0]).removesuffix('.py')


def _run(node_class: Callable[[], GenNode], said: str, ending: list[int]) -> int:
    node = node_class()
    if said:
        node.get_logger().info(said)
    executor = make_executor()
    executor.add_node(node)
    try:
        if not node.start():
            print(f'{_program()}: {node.failure}', file=sys.stderr)
            return 1
        while not ending:
            executor.spin_once(timeout_sec=POLL_S)
        return 0
    finally:
        executor.remove_node(node)  # before what it listens to is destroyed
        executor.shutdown()
        node.end()
        node.destroy_node()


def take_place(niceness: int) -> None:
    """Set this process's niceness, also that of its session where Linux groups by session."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
        if os.getsid(0) != os.getpid():
            return  # somebody's shell is of the same session
        with open('/proc/self/autogroup', 'w') as file:
            file.write(str(niceness))
    except OSError:
        pass  # not permitted, or no such grouping: the processors are shared evenly


def lock_memory() -> None:
    """Keep pages in memory once they are touched: a control tick must not wait for a disk."""
    ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)  # not permitted: no harm


def prefer_realtime() -> str:
    """Ask for real-time scheduling for this process and the threads it will start; returns what was
    granted, in words.
    """
    lock_memory()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME_PRIORITY))
        return f'scheduling: SCHED_FIFO, priority {REALTIME_PRIORITY}'
    except PermissionError:
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        return f'scheduling: niceness {NICENESS} (no SCHED_FIFO: set rtprio in limits.conf)'
    except PermissionError:
        return 'scheduling: ordinary (no SCHED_FIFO, no niceness: set rtprio in limits.conf)'
