"""The sway keeps far from every limit, from wherever it starts."""

import numpy as np
import pytest

from gen_nodes.hil.sway import RISE_S, SHARE, Sway
from gen_nodes.robot import load_robot

STEP_S = 1e-3


@pytest.fixture(params=['ur5e', 'franka_fr3', 'openarm_bimanual'])
def spec(request):
    return load_robot(request.param)


@pytest.mark.parametrize('away', [0.0, 0.3])
def test_it_keeps_a_share_of_every_limit_and_all_joints_move(spec, away):
    start = spec.ready + away * (spec.upper - spec.ready)
    t = np.arange(0, 20, STEP_S)
    q, rates = Sway(spec, start)(t)
    assert np.allclose(q[0], start) and np.allclose(rates[0], 0.0)
    assert (q >= spec.lower).all() and (q <= spec.upper).all()
    for order, limit in ((1, spec.velocity), (2, spec.acceleration), (3, spec.jerk)):
        found = np.abs(np.diff(q, order, axis=0)).max(axis=0) / STEP_S**order
        assert (found <= 2 * SHARE * limit * 1.01).all()  # blend and sway at worst together
    assert (np.ptp(q[t > 12], axis=0) > 1e-3).all()


def test_rates_are_the_derivative_of_the_positions(spec):
    t = np.arange(0, 8, STEP_S)
    q, rates = Sway(spec, spec.ready + 0.1 * (spec.upper - spec.ready))(t)
    assert np.allclose(np.gradient(q, STEP_S, axis=0)[1:-1], rates[1:-1], atol=1e-4)


def test_once_risen_some_joint_moves_at_every_instant(spec):
    _, rates = Sway(spec)(np.arange(RISE_S, 20, STEP_S))
    assert (np.abs(rates) / np.abs(rates).max(axis=0)).max(axis=1).min() > 0.5
