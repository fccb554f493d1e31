"""The expert reaches and follows, from what it may know."""

import dataclasses

import numpy as np
import pytest

from gen_nodes.errors import GenError
from gen_nodes.hil.emulator import Emulator
from gen_nodes.hil.experts import Expert
from gen_nodes.hil.tasks import make_judge
from gen_nodes.robot import known_robots, load_robot
from gen_nodes.types import NS

TICK_NS = NS // 100
DECIDE_NS = NS // 25


@pytest.fixture(scope='module', params=known_robots())
def body(request, world):
    """A robot without cameras, and its expert."""
    spec = load_robot(request.param)
    plain = dataclasses.replace(spec, streams={'joint_states': spec.streams['joint_states']})
    return Emulator(plain, world, seed=1), Expert(spec, reaction_s=0.1)


def perform(emulator, expert, world, task, seed):
    """Play the expert's curves as they are; the judge, and every commanded position."""
    scene = emulator.reset(seed, task, 0)
    judge = make_judge(scene, world, 0)
    expert.reset()
    q, rate, chunk, now, commanded = emulator.truth().q, None, None, 0, []
    while not judge.done:
        emulator.advance(now)
        truth = emulator.truth()
        expert.observe(truth)
        judge.update(truth, now)
        if now % DECIDE_NS == 0:
            chunk = expert.act(now, q, rate)
        ahead_s = (now + TICK_NS - chunk.stamp_ns) / NS
        q = np.array([np.interp(ahead_s, chunk.times_s, column) for column in chunk.values.T])
        rate = np.array([np.interp(ahead_s, chunk.times_s, column) for column in chunk.rates.T])
        emulator.command(emulator._spec.joint_names, q, now)
        commanded.append(q)
        now += TICK_NS
    return judge, np.stack(commanded)


def test_it_reaches_every_ball(body, world):
    for seed in range(8):
        assert perform(*body, world, 'reach', seed)[0].success, seed


def test_it_stays_on_a_moving_ball(body, world):
    judge, _ = perform(*body, world, 'track', 0)
    assert judge.success
    assert judge.error_m < 0.02


def test_its_curves_keep_the_limits_and_other_joints_rest(body, world):
    emulator, expert = body
    spec = emulator._spec
    _, commanded = perform(emulator, expert, world, 'reach', 3)
    arm = emulator.workspace.arm_of(emulator.scene.balls[0].position)
    others = ~expert._solver.chains[arm]
    assert not np.ptp(commanded[:, others], axis=0).any()
    assert (commanded >= spec.lower).all() and (commanded <= spec.upper).all()
    speeds = np.abs(np.diff(commanded, axis=0)) * NS / TICK_NS
    assert (speeds <= spec.velocity + 1e-6).all()


def test_a_chunk_starts_where_the_command_is_and_covers_the_horizon(body):
    emulator, expert = body
    emulator.reset(0, 'reach', 0)
    expert.reset()
    expert.observe(emulator.truth())
    q = emulator.truth().q + 0.01
    chunk = expert.act(NS, q, np.full(len(q), 0.02))
    assert np.array_equal(chunk.values[0], q)
    assert np.array_equal(chunk.rates[0], np.full(len(q), 0.02))
    assert chunk.times_s[-1] == pytest.approx(0.8)
    assert chunk.joint_names == emulator._spec.joint_names
    mean_rates = np.diff(chunk.values, axis=0) / np.diff(chunk.times_s)[:, None]
    assert np.abs(chunk.rates[1:-1] - (mean_rates[:-1] + mean_rates[1:]) / 2).max() < 1e-9


def test_it_knows_nothing_younger_than_its_reaction_time(body):
    emulator, expert = body
    emulator.reset(0, 'reach', 0)
    expert.reset()
    with pytest.raises(GenError, match='call observe'):
        expert.act(0, emulator.truth().q)
    truth = emulator.truth()
    expert.observe(truth)
    still = expert.act(NS // 20, truth.q)
    assert not np.ptp(still.values, axis=0).any()
    moved = dataclasses.replace(
        truth,
        stamp_ns=NS // 10,
        objects={name: place + 0.1 for name, place in truth.objects.items()},
    )
    without = expert.act(NS // 10, truth.q)
    expert.observe(moved)
    assert np.array_equal(without.values, expert.act(NS // 10, truth.q).values)
    assert not np.array_equal(without.values, expert.act(2 * NS // 10, truth.q).values)
