"""Faults of processes and of the graph: nodes that hang, die, start too late or are there twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from gen_nodes.cli.faults.bench import CONTROLLER, Bench
from gen_nodes.cli.faults.jog import INTRUDER, Jog, intruder, publish_states
from gen_nodes.cli.puppet import Puppet
from gen_nodes.cli.rig import POLICY, START_S
from gen_nodes.errors import GenError
from gen_nodes.hil.variants import moved_limits, renamed
from gen_nodes.robot import RobotSpec
from gen_nodes.ros.graph import ProcessSpec

Deed = Callable[[Bench], AbstractContextManager[None]]
STOPS_S = 1.0  # a process that is told to
EMULATOR, AGGREGATOR, RECORDER = 'robot_emulator', 'sensor_aggregator', 'data_recorder'
NAMES = {
    'aggregator': AGGREGATOR,
    'recorder': RECORDER,
    'driver': EMULATOR,
    'controller': CONTROLLER,
}
SIGNALS = {'sigterm': signal.SIGTERM, 'sigkill': signal.SIGKILL}
BETWEEN_S = 0.5  # from one node's start to the next
SECOND = 'second_controller'


@contextmanager
def paused(name: str, bench: Bench) -> Iterator[None]:
    """A node hangs."""
    process = psutil.Process(bench.rig.graph.pids()[name])
    bench.rig.strike(name, signal.SIGSTOP)
    try:
        if not bench.rig.until(lambda: process.status() == psutil.STATUS_STOPPED, STOPS_S):
            raise GenError(f'{name} goes on in spite of SIGSTOP')
        yield
    finally:
        bench.rig.strike(name, signal.SIGCONT)


@contextmanager
def struck(names: tuple[str, ...], number: signal.Signals, bench: Bench) -> Iterator[None]:
    """Nodes are ended by a signal, and started again to mend it."""
    bench.fresh = CONTROLLER in names
    for name in names:
        bench.rig.strike(name, number)
    yield
    for name in names:
        bench.rig.end(name, signal.SIGKILL)
    start_again(names, bench)


def start_again(names: tuple[str, ...], bench: Bench) -> None:
    """Start nodes that do not run. The policy says nothing until this process hears a driver that
    was started again: else the controller might go on before, from a place that nobody here has
    heard of.
    """
    if EMULATOR not in names:
        bench.rig.start(*names)
        return
    with policy_paused(bench):
        ended_ns = time.time_ns()
        bench.rig.start(*names)
        back = partial(bench.rig.ear.hears_since, ended_ns)
        bench.sure(back, START_S, 'nothing heard of the driver that was started again')


@contextmanager
def policy_paused(bench: Bench) -> Iterator[None]:
    """The policy hangs; a puppet in its place says nothing."""
    with silenced(bench) if bench.puppet else paused(POLICY, bench):
        yield


@contextmanager
def policy_struck(number: signal.Signals, bench: Bench) -> Iterator[None]:
    """The policy is ended by a signal; a puppet in its place says nothing."""
    with silenced(bench) if bench.puppet else struck((POLICY,), number, bench):
        yield


@contextmanager
def silenced(bench: Bench) -> Iterator[None]:
    """The puppet publishes neither chunks nor a heartbeat."""
    bench.puppet.beating = False
    bench.puppet.stop()
    try:
        yield
    finally:
        bench.puppet.beating = True
        bench.puppet.start(bench.rig.ear.position)


@contextmanager
def last(late: str, order: tuple[str, ...], bench: Bench) -> Iterator[None]:
    """All nodes are started again, one of them after all the others."""
    rig = bench.rig
    for name in (CONTROLLER, *order, late):
        rig.end(name)
    rig.ear.forget([CONTROLLER, *order, late])
    bench.began_ns = time.time_ns()
    for name in order:
        if name == CONTROLLER:
            bench.start_controller()
        else:
            rig.graph.restart(name)
        rig.wait(BETWEEN_S)
    began_ns, ear = bench.began_ns, rig.ear
    lacking = 'not all the others are active'
    bench.sure(lambda: all(ear.works(name, began_ns) for name in order), START_S, lacking)
    bench.mark()
    yield
    start_again((late,), bench)


@contextmanager
def described_wrongly(variant: Callable[[RobotSpec, Path], Path], bench: Bench) -> Iterator[None]:
    """The controller is started with a description that is not this robot's."""
    rig = bench.rig
    folder = rig.out / f'variant_{time.monotonic_ns()}'
    right = rig.graph.processes[CONTROLLER]
    wrong = {**right.parameters, 'robot': str(variant(rig.spec, folder))}
    rig.end(CONTROLLER)
    rig.graph.processes[CONTROLLER] = replace(right, parameters=wrong)
    rig.ear.forget([CONTROLLER])
    try:
        bench.start_controller()
        yield
    finally:
        rig.graph.processes[CONTROLLER] = right
        rig.end(CONTROLLER)
    rig.start(CONTROLLER)


@contextmanager
def start_moving(bench: Bench) -> Iterator[None]:
    """Commands of an earlier controller, which is of the same name, move the robot meanwhile."""
    rig = bench.rig
    rig.end(CONTROLLER)
    rig.ear.forget([CONTROLLER])
    jog = Jog(rig, CONTROLLER)
    try:
        rig.wait(1.0)
        bench.start_controller()
        yield
    finally:
        jog.close()
    rig.start()


@contextmanager
def jogged(bench: Bench) -> Iterator[None]:
    """Something else commands the driver too, to stay where the robot is."""
    jog = Jog(bench.rig, still=True)
    try:
        yield
    finally:
        jog.close()


@contextmanager
def states_twice(bench: Bench) -> Iterator[None]:
    """Something else publishes joint states: a little beside the driver's."""
    close = publish_states(bench.rig, np.asarray(bench.units) * 0.03)
    try:
        yield
    finally:
        close()


@contextmanager
def chunks_twice(bench: Bench) -> Iterator[None]:
    """A second policy publishes chunks of its own."""
    node = intruder(INTRUDER)
    other = Puppet(bench.rig.operator, bench.rig.spec, node)
    other.beating, other.shift_s = False, bench.puppet.shift_s
    other.start(bench.rig.ear.position)
    try:
        yield
    finally:
        other.close()
        node.destroy_node()


@contextmanager
def controlled_twice(bench: Bench) -> Iterator[None]:
    """A second stack's controller, in a namespace of its own, commands the same driver."""
    rig = bench.rig
    parameters: Mapping = {**rig.graph.processes[CONTROLLER].parameters, 'watch': ''}
    remaps = {'action_chunk': '/action_chunk'}
    rig.graph.processes[SECOND] = ProcessSpec(
        SECOND, 'gen_nodes.nodes.embodiment_controller', parameters, remaps, '/second'
    )
    began_ns = time.time_ns()
    rig.graph.restart(SECOND)
    topic = rig.spec.control.paths[0].topic
    try:
        bench.sure(lambda: publishers(bench, topic) > 1, 30.0, 'no second controller')
        bench.mark()
        bench.cause_ns = min([bench.cause_ns, *rig.ear.stops_since(began_ns)])  # seen before us
        yield
    finally:
        rig.end(SECOND)
        rig.ear.forget([SECOND])
        del rig.graph.processes[SECOND]


def publishers(bench: Bench, topic: str) -> int:
    return len(bench.rig.operator.node.get_publishers_info_by_topic(topic))


DEEDS: dict[str, Deed] = {
    **{f'policy_hang_{seconds:g}s': policy_paused for seconds in (0.1, 0.5, 2, 10, 60)},
    **{f'policy_{how}': partial(policy_struck, number) for how, number in SIGNALS.items()},
    **{
        f'{short}_{how}': partial(struck, (name,), number)
        for short, name in NAMES.items()
        for how, number in SIGNALS.items()
    },
    'aggregator_hang': partial(paused, AGGREGATOR),
    'recorder_hang': partial(paused, RECORDER),
    'peer_lost': partial(struck, (EMULATOR, AGGREGATOR), signal.SIGKILL),
    'start_driver_last': partial(last, EMULATOR, (CONTROLLER, RECORDER, AGGREGATOR)),
    'start_aggregator_last': partial(last, AGGREGATOR, (EMULATOR, CONTROLLER, RECORDER)),
    'start_recorder_last': partial(last, RECORDER, (AGGREGATOR, CONTROLLER, EMULATOR)),
    'controller_start_moving': start_moving,
    'wrong_urdf_names': partial(described_wrongly, renamed),
    'wrong_urdf_limits': partial(described_wrongly, moved_limits),
    'duplicate_commands': jogged,
    'duplicate_joint_states': states_twice,
    'duplicate_chunks': chunks_twice,
    'second_controller': controlled_twice,
}
