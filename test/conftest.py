"""Every test runs isolated, so nothing that a test starts can reach a robot, and leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gen_nodes.ros.isolation import isolate_this_process
from gen_nodes.ros.shared_memory import FOLDER, remove_dead

isolate_this_process()


def fast_dds_names() -> set[str]:
    names = {name for name in os.listdir(FOLDER) if name.startswith('fastrtps_')}
    return {name.removesuffix('_el').removesuffix('_sl') for name in names}


@pytest.fixture(scope='session', autouse=True)
def _no_shared_memory_stays_of_processes_that_tests_kill() -> Iterator[None]:
    before = fast_dds_names()
    yield
    remove_dead(fast_dds_names() - before)
