"""gen episode, as a person calls it beside a running stack."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip('rclpy')

from gen_nodes.nodes.sensor_aggregator import SensorAggregator

GEN = [sys.executable, '-m', 'gen_nodes.cli.main', 'episode']
HERE = ('--domain', os.environ['ROS_DOMAIN_ID'])


def say(rig, *words: str) -> str:
    """Call it while the node spins."""
    process = subprocess.Popen([*GEN, *words], stdout=subprocess.PIPE, text=True)
    rig.until(lambda: process.poll() is not None)
    assert process.returncode == 0
    return process.communicate()[0]


def test_a_started_episode_gives_the_instruction_and_a_stopped_one_takes_it_away(rig) -> None:
    rig.start(SensorAggregator, robot='ur5e')
    observations = rig.listen('gen_stack/msg/Observation', 'observation')
    said = say(rig, 'start', *HERE, '--instruction', 'touch the red ball', '--id', 'one')
    assert said == 'start one: 1 nodes heard it\n'
    rig.until(lambda: observations[-1].instruction == 'touch the red ball')
    say(rig, 'stop', *HERE)
    rig.until(lambda: observations[-1].instruction == '')


@pytest.mark.parametrize(
    ('words', 'status', 'line'),
    [
        (('start', *HERE), 1, 'start needs --instruction'),
        (('stop', '--domain', '7'), 1, '--domain 7 must lie in'),
        (('stop',), 2, 'one of the arguments --domain --real is required'),
        (('stop', *HERE), 1, 'nobody listens to /episode'),
    ],
)
def test_what_reaches_nobody_is_one_clear_line(words, status, line) -> None:
    done = subprocess.run([*GEN, *words], capture_output=True, text=True)
    assert done.returncode == status and line in done.stderr and done.stderr.count('\n') == 1
