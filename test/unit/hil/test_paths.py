"""Balls move smoothly, at one speed, where the arm can follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.hil.paths import random_path
from gen_nodes.hil.workspace import Workspace
from gen_nodes.hil.world import load_world
from gen_nodes.robot import load_robot

WORLD = load_world('tabletop')
TRACK = WORLD.tasks.track


@pytest.fixture(scope='module', params=['ur5e', 'franka_fr3', 'openarm_bimanual'])
def workspace(request) -> Workspace:
    return Workspace(load_robot(request.param), WORLD.placement)


def test_a_ball_keeps_its_speed_and_turns_no_tighter_than_said(workspace):
    path = random_path(workspace, 0, TRACK, np.random.default_rng(1))
    times = np.arange(TRACK.still_s + 0.6, TRACK.time_limit_s, 0.01)
    places, velocities = zip(*(path.state(time) for time in times), strict=True)
    speed = np.linalg.norm(np.diff(places, axis=0), axis=1) / 0.01
    assert speed == pytest.approx(np.full(len(speed), TRACK.speed), rel=0.02)
    told = np.linalg.norm(velocities, axis=1)
    assert told == pytest.approx(np.full(len(told), TRACK.speed), rel=0.02)
    heading = np.array(velocities)[::20] / TRACK.speed
    turned = np.linalg.norm(np.diff(heading, axis=0), axis=1)
    assert turned.max() < 1.15 * 0.2 * TRACK.speed / TRACK.min_radius
    assert workspace.contains(np.array(places), 0).all()


def test_a_ball_rests_first_and_at_the_end(workspace):
    path = random_path(workspace, 0, TRACK, np.random.default_rng(2))
    for time in (0.0, TRACK.still_s):
        place, velocity = path.state(time)
        np.testing.assert_array_equal(place, path.points_Kx3[0])
        assert not velocity.any()
    assert not path.state(100.0)[1].any()


def test_paths_differ_with_the_seed_and_only_with_it(workspace):
    a, b, c = (random_path(workspace, 0, TRACK, np.random.default_rng(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(a.points_Kx3, b.points_Kx3)
    assert np.abs(a.points_Kx3[0] - c.points_Kx3[0]).max() > 1e-3


def test_a_path_that_cannot_be_is_refused(workspace):
    straight = replace(TRACK, min_radius=5.0)
    with pytest.raises(ConfigError, match='no tighter than 5 m and that tip 0'):
        random_path(workspace, 0, straight, np.random.default_rng(0))
