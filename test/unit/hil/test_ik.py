"""The solver shares a motion among the joints that can do it."""

import numpy as np

from gen_nodes.hil.ik import TipSolver
from gen_nodes.robot import load_robot


def rates(robot: str, velocity: list[float]) -> tuple[TipSolver, np.ndarray]:
    """Joint velocities that move the first tip from the ready pose."""
    spec = load_robot(robot)
    solver = TipSolver(spec)
    _, jacobian = solver.look(spec.ready, 0)
    return solver, solver.solve(spec.ready, 0, jacobian, np.array(velocity))


def test_a_slow_lift_does_not_hold_up_the_arm():
    velocity = [0.0, 0.0, 0.15]
    solver, rate = rates('reachy2', velocity)
    spec = load_robot('reachy2')
    _, jacobian = solver.look(spec.ready, 0)
    np.testing.assert_allclose(jacobian @ rate, velocity, atol=0.01)
    lift = spec.joint_names.index('tripod_joint')
    assert 0 < rate[lift] < solver.speed[lift]


def test_equally_fast_joints_share_a_motion_with_the_least_of_it():
    spec = load_robot('ur5e')
    solver, rate = rates('ur5e', [0.1, 0.0, 0.0])
    _, jacobian = solver.look(spec.ready, 0)
    damped = jacobian.T @ np.linalg.solve(
        jacobian @ jacobian.T + 0.02**2 * np.eye(3), [0.1, 0.0, 0.0]
    )
    np.testing.assert_allclose(rate, damped, atol=1e-12)
