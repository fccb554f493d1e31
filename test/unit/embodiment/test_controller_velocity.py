"""A robot that is commanded by velocity, and integrates what it is told."""

from dataclasses import replace

import numpy as np
import pytest
from steered import PERIOD_NS, SPEC, Robot

from gen_nodes.types import NS, Mode

PATHS = tuple(replace(path, kind='forward_velocity') for path in SPEC.control.paths)
BY_VELOCITY = replace(SPEC, control=replace(SPEC.control, paths=PATHS))
H = PERIOD_NS / NS


class Integrator(Robot):
    """Moves by the velocities it is sent, with a drift of its own."""

    drift = 0.0

    def __init__(self) -> None:
        super().__init__(spec=BY_VELOCITY)

    def step(self, states: bool = True, chunks: bool = True, follows: bool = True):
        command = super().step(states, chunks, follows=False)
        if command is not None and follows:
            self.q = self.q + H * (command.rates + self.drift)
        return command

    def rates(self) -> np.ndarray:
        return np.array([command.rates for command in self.commands if command is not None])


@pytest.fixture
def robot() -> Integrator:
    return Integrator()


def test_it_follows_the_curve_though_it_drifts(robot):
    robot.drift = 0.01
    robot.run(20.0)
    assert robot.state.mode == Mode.RUNNING
    phase = (robot.now - 1_700_000_000 * NS) / NS
    assert np.abs(robot.q - (SPEC.ready + 0.2 * np.sin(phase))).max() < 0.03


def test_what_it_is_sent_keeps_velocity_acceleration_and_jerk(robot):
    robot.drift = 0.02
    robot.run(3.0)
    robot.core.stop('pressed', 'release')
    robot.run(1.0)
    v = robot.rates()
    for order, limit in ((0, SPEC.velocity), (1, SPEC.acceleration), (2, SPEC.jerk)):
        assert (np.abs(np.diff(v, order, axis=0)) / H**order <= limit * (1 + 1e-9)).all()


def test_the_last_thing_it_is_sent_is_to_stand(robot):
    robot.run(1.0)
    assert np.abs(robot.rates()[-1]).max() > 0.01
    robot.core.stop('pressed', 'release')
    robot.run(1.0)
    assert robot.commands[-1] is None
    assert (robot.rates()[-1] == 0).all()


def test_a_stuck_one_is_noticed_though_it_is_taken_where_it_is_measured(robot):
    robot.run(1.0)
    ticks = 0
    while robot.state.mode == Mode.RUNNING:
        robot.step(follows=False)
        ticks += 1
        assert ticks * H < 4.0  # the curve is slow where it turns back
    assert 'does not follow' in robot.state.reason


def test_one_that_sags_beyond_its_soft_limit_can_still_move(robot):
    lower = SPEC.lower[0] + 0.012
    robot.q = np.array([lower, *SPEC.ready[1:]])
    robot.drift = np.array([-0.02, 0, 0, 0, 0, 0])  # pulled outwards
    hold = replace(robot.chunk(), values=np.tile(robot.q, (21, 1)), rates=np.zeros((21, SPEC.n)))
    for tick in range(1500):
        if tick % 5 == 0:
            here = replace(hold, stamp_ns=robot.now, sequence=tick + 1)
            robot.core.on_chunk(here, robot.now, robot.steady)
        robot.step(chunks=False)
    sagged = robot.q[0]
    robot.drift = 0.0
    robot.run(2.0)
    assert robot.state.mode == Mode.RUNNING
    assert robot.q[0] > sagged + 0.5
