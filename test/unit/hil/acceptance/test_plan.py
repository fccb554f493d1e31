"""Pieces of motion one after another."""

import numpy as np
import pytest

from gen_nodes.hil.acceptance.motion import motion
from gen_nodes.hil.acceptance.plan import SHORTEST_S, Plan, Rest, walk
from gen_nodes.robot import load_robot

SPEC = load_robot('ur5e')


def whole():
    start = SPEC.ready + 0.05
    turn = motion(SPEC, SPEC.ready, 0.2)
    pieces = (Rest(start, 0.3), walk(SPEC, start, SPEC.ready, 0.1), Rest(SPEC.ready, 0.5), turn)
    return Plan(pieces), turn


def test_pieces_join_without_a_step_and_keep_the_limits():
    plan, _ = whole()
    time = np.linspace(0, plan.seconds, 20001)
    q, v = plan(time)
    h = time[1]
    assert np.abs(np.gradient(q, h, axis=0) - v).max() < 1e-3
    assert (np.abs(np.diff(q, axis=0)) / h <= 0.2 * SPEC.velocity).all()
    assert (np.abs(np.diff(q, 2, axis=0)) / h**2 <= SPEC.acceleration).all()


def test_a_plan_says_when_a_piece_of_it_begins():
    plan, turn = whole()
    begin = plan.begin(turn)
    assert begin == pytest.approx(plan.seconds - turn.seconds)
    later = turn.seconds / 3
    assert plan(np.array([begin + later]))[0][0] == pytest.approx(turn.at(np.array([later]))[0])


def test_before_it_begins_and_after_its_end_it_rests():
    plan, _ = whole()
    q, v = plan(np.array([-1.0, 0.0, plan.seconds + 5.0]))
    assert (q[0] == SPEC.ready + 0.05).all() and q[2] == pytest.approx(SPEC.ready)
    assert v == pytest.approx(0, abs=1e-12)


def test_a_short_way_still_takes_a_moment():
    assert walk(SPEC, SPEC.ready, SPEC.ready, 0.1).seconds == SHORTEST_S
