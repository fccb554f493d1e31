"""Emulators are shared by the tests of a module: building one is not what is tested."""

import pytest

from gen_nodes.hil.emulator import Emulator
from gen_nodes.hil.world import load_world
from gen_nodes.robot import known_robots, load_robot


@pytest.fixture(scope='session')
def world():
    return load_world('tabletop')


@pytest.fixture(scope='session', params=known_robots())
def emulator(request, world):
    return Emulator(load_robot(request.param), world, seed=0)


@pytest.fixture(scope='session')
def ur5e(world):
    return Emulator(load_robot('ur5e'), world, seed=0)
