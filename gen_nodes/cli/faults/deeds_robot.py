"""Faults of sensors, robot, e-stop, clock and disk."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from gen_nodes.cli.faults.bench import Bench

Deed = Callable[[Bench], AbstractContextManager[None]]
KINDS = {  # fault -> the emulator's kind, the type of the stream
    'camera_silent': ('silent', 'camera'),
    'camera_black': ('black', 'camera'),
    'camera_frozen': ('frozen', 'camera'),
    'camera_late': ('late', 'camera'),
    'camera_out_of_order': ('out_of_order', 'camera'),
    'joint_states_stall': ('stall', 'joint_states'),
    'joint_states_old_stamp': ('old', 'joint_states'),
    'joint_states_future_stamp': ('future', 'joint_states'),
    'joint_states_missing_joint': ('missing', 'joint_states'),
    'joint_states_wrong_names': ('wrong_names', 'joint_states'),
    'joint_states_nan': ('nan', 'joint_states'),
    'joint_states_frozen': ('frozen', 'joint_states'),
    'joint_states_jump': ('jump', 'joint_states'),
    'joint_states_swapped': ('swapped', 'joint_states'),
    'wrench_saturated': ('saturated', 'wrench'),
    'wrench_nan': ('nan', 'wrench'),
}
FULL_BYTES = 1_000_000  # what the recorder may write into one file before its disk is full


@contextmanager
def broken(kind: str, stream_type: str, bench: Bench) -> Iterator[None]:
    """A sensor is broken; of several, one that is required."""
    streams = [s for s in bench.rig.spec.streams.values() if s.type == stream_type]
    stream = max(streams, key=lambda stream: stream.required)
    bench.rig.fault(f'{kind} {stream.name}')
    try:
        yield
    finally:
        bench.rig.fault('none')


@contextmanager
def robot_stops(kind: str, bench: Bench) -> Iterator[None]:
    """The robot says on its own safety topics that it takes no commands."""
    bench.rig.fault(kind)
    try:
        yield
    finally:
        bench.rig.fault('none')


@contextmanager
def estop_pressed(bench: Bench) -> Iterator[None]:
    """Pressed, and released."""
    bench.press(False)
    bench.mark()
    bench.press(True)
    try:
        yield
    finally:
        bench.press(False)


@contextmanager
def estop_silent(bench: Bench) -> Iterator[None]:
    """It has spoken, and speaks no more."""
    bench.press(False)
    bench.mark()
    bench.estop.fall_silent()
    try:
        yield
    finally:
        bench.estop.speak()
        bench.rig.wait(0.3)


@contextmanager
def clock_stepped(seconds: float, bench: Bench) -> Iterator[None]:
    """The clock of all nodes steps, and stays there: that is nothing to be mended."""
    bench.step_clock(seconds)
    yield


@contextmanager
def disk_full(bench: Bench) -> Iterator[None]:
    """While the recorder writes a bag, the system lets it write no more."""
    pid = bench.rig.graph.pids()['data_recorder']
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    bench.rig.begin_episode('disk_full', 'none')
    bench.rig.wait(0.5)
    bench.mark()
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_BYTES, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        bench.rig.end_episode('failure')
        bench.rig.begin_episode('disk_free', 'none')
        bench.rig.wait(0.3)
        bench.rig.end_episode()


DEEDS: dict[str, Deed] = {
    **{fault: partial(broken, *given) for fault, given in KINDS.items()},
    'protective_stop': partial(robot_stops, 'protective_stop'),
    'protective_stop_unsaid': partial(robot_stops, 'protective_stop'),
    'estop_pressed': estop_pressed,
    'estop_silent': estop_silent,
    'clock_forward': partial(clock_stepped, 10.0),
    'clock_back': partial(clock_stepped, -10.0),
    'disk_full': disk_full,
}
