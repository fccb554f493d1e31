"""Faults of the policy's chunks: what is published in the place of a good one meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import numpy as np
from rclpy.logging import LoggingSeverity

from gen_nodes.cli.faults.bench import Bench
from gen_nodes.cli.puppet import honest
from gen_nodes.errors import GenError
from gen_nodes.ros.qos import reliable, sensor
from gen_nodes.types import NS

Deed = Callable[[Bench], AbstractContextManager[None]]
FLOOD_PERIOD_S = 0.001
FLOOD_BATCH = 5
LEAST_FLOOD_HZ = 600.0
JUMP_RAD = 0.2
FAR_RAD = 10.0
HUGE_RATE = 1000.0


@contextmanager
def false(spoil: Callable[[Any, Bench], None], bench: Bench) -> Iterator[None]:
    """Every chunk is spoilt before it is published."""

    spoilt = 0

    def falsify(message: Any) -> Iterable[Any]:
        nonlocal spoilt
        spoil(message, bench)
        spoilt += 1
        return (message,)

    bench.puppet.falsify = falsify
    try:
        yield
    finally:
        bench.puppet.falsify = honest
    if not spoilt:
        raise GenError('no chunk was published meanwhile: nothing was spoilt')


# From a good message to a spoilt one


def nan(message: Any, bench: Bench) -> None:
    message.values[len(message.values) // 2] = float('nan')


def inf(message: Any, bench: Bench) -> None:
    message.rates[1] = float('inf')


def wrong_length(message: Any, bench: Bench) -> None:
    message.values = message.values[:-1]


def unknown_joint(message: Any, bench: Bench) -> None:
    message.joint_names[0] = 'no_such_joint'


def joint_twice(message: Any, bench: Bench) -> None:
    message.joint_names[1] = message.joint_names[0]


def other_robot(message: Any, bench: Bench) -> None:
    message.joint_names = [f'other_{name}' for name in message.joint_names]


def old_stamp(message: Any, bench: Bench) -> None:
    message.header.stamp.sec -= 1


def future_stamp(message: Any, bench: Bench) -> None:
    message.header.stamp.sec += 1


def times_backwards(message: Any, bench: Bench) -> None:
    message.times[2] = message.times[1]


def permuted(message: Any, bench: Bench) -> None:
    n = len(message.joint_names)
    message.joint_names = message.joint_names[::-1]
    for rows in (message.values, message.rates):
        for start in range(0, len(rows), n):
            rows[start : start + n] = rows[start : start + n][::-1]


def jumps(message: Any, bench: Bench) -> None:
    by = JUMP_RAD if bench.puppet.sequence % 2 else -JUMP_RAD
    _shift(message, by * bench.units)


def far_target(message: Any, bench: Bench) -> None:
    _shift(message, FAR_RAD * _one_joint(bench))


def huge_rates(message: Any, bench: Bench) -> None:
    one = _one_joint(bench)
    for place in range(len(message.rates)):
        message.rates[place] += HUGE_RATE * one[place % len(one)]


def _one_joint(bench: Bench) -> np.ndarray:
    """(N,) 1 at the last joint that turns, which sweeps the least along; else 0."""
    one = np.zeros(bench.rig.spec.n)
    one[np.flatnonzero(bench.units == 1.0)[-1]] = 1.0
    return one


def _shift(message: Any, by_N: np.ndarray) -> None:
    for place in range(len(message.values)):
        message.values[place] += by_N[place % len(by_N)]


SPOILT = (
    nan,
    inf,
    wrong_length,
    unknown_joint,
    joint_twice,
    other_robot,
    old_stamp,
    future_stamp,
    times_backwards,
    permuted,
    jumps,
    far_target,
    huge_rates,
)


# How chunks come


@contextmanager
def flood(bench: Bench) -> Iterator[None]:
    """Good chunks come at 1 kHz: one curve per batch, every message with a stamp of its own."""
    puppet, node = bench.puppet, bench.rig.operator.node
    began, sent, published = time.monotonic(), 0, 0

    def pour() -> None:
        nonlocal sent, published
        due = int((time.monotonic() - began) / FLOOD_PERIOD_S)
        message = puppet.message()
        stamp = message.header.stamp
        for number in range(min(due - sent, 10 * FLOOD_BATCH)):
            stamp.sec, stamp.nanosec = divmod(stamp.sec * NS + stamp.nanosec + (number > 0), NS)
            puppet.chunks.publish(message)
            published += 1
        sent = due

    puppet.falsify = lambda message: ()
    timer = node.create_timer(FLOOD_BATCH * FLOOD_PERIOD_S, pour)
    try:
        yield
        rate = published / (time.monotonic() - began)
    finally:
        node.destroy_timer(timer)
        puppet.falsify = honest
    if rate < LEAST_FLOOD_HZ:
        raise GenError(f'only {rate:.0f} chunks/s were published: this machine is too busy')


@contextmanager
def best_effort(bench: Bench) -> Iterator[None]:
    """Chunks come from a publisher that does not promise what the controller asks for."""
    logger = bench.rig.operator.node.get_logger()
    logger.set_level(LoggingSeverity.ERROR)  # our own end of it warns too
    bench.puppet.offer(sensor(10))
    try:
        yield
    finally:
        bench.puppet.offer(reliable(10))
        logger.set_level(LoggingSeverity.INFO)


DEEDS: dict[str, Deed] = {
    **{f'chunk_{spoil.__name__}': partial(false, spoil) for spoil in SPOILT},
    'chunk_flood': flood,
    'qos_mismatch': best_effort,
}
