"""Isolation is what keeps a demo from moving somebody's robot: tested with real participants."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from gen_nodes.errors import ConfigError
from gen_nodes.ros.isolation import DOMAINS, check_isolated, claim_domain, isolated_environment

TALKER = """
import rclpy, sys
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('talker')
publisher = node.create_publisher(String, 'secret', 10)
node.create_timer(0.02, lambda: publisher.publish(String(data='hello')))
print('talking', flush=True)
rclpy.spin(node)
"""
LISTENER = """
import rclpy, sys, time
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('listener')
heard = []
node.create_subscription(String, 'secret', heard.append, 10)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end and not heard:
    rclpy.spin_once(node, timeout_sec=0.1)
print('heard' if heard else 'silence', node.get_node_names())
"""


def start_talker(environment: dict[str, str]) -> subprocess.Popen:
    talker = subprocess.Popen(
        [sys.executable, '-c', TALKER], env=environment, text=True, stdout=subprocess.PIPE
    )
    assert talker.stdout.readline() == 'talking\n'
    return talker


def stop(talker: subprocess.Popen) -> None:
    talker.terminate()
    talker.wait(10)
    talker.stdout.close()


@pytest.fixture
def talker():
    process = start_talker(isolated_environment())
    yield process
    stop(process)


def listen(environment: dict[str, str], seconds: float) -> str:
    done = subprocess.run(
        [sys.executable, '-c', LISTENER, str(seconds)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def ordinary(**changes: str) -> dict[str, str]:
    """A participant as a person or a robot starts it: no isolation, the whole subnet."""
    environment = {
        k: v
        for k, v in os.environ.items()
        if k not in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'ROS_STATIC_PEERS')
    }
    return environment | {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET', 'ROS_DOMAIN_ID': '0'} | changes


def bound_addresses(pid: int) -> set[str]:
    """Local addresses of the process's UDP sockets that listen on a DDS port (below the ephemeral
    ones).
    """
    inodes = set()
    for fd in Path(f'/proc/{pid}/fd').iterdir():
        link = os.readlink(fd)
        if link.startswith('socket:['):
            inodes.add(link[8:-1])
    addresses = set()
    for line in Path(f'/proc/{pid}/net/udp').read_text().splitlines()[1:]:
        columns = line.split()
        address, port = columns[1].split(':')
        if columns[9] in inodes and int(port, 16) < 32768:
            addresses.add('.'.join(str(byte) for byte in reversed(bytes.fromhex(address))))
    return addresses


def test_a_participant_of_the_same_run_hears_the_talker(talker):
    assert listen(isolated_environment(), 15).startswith('heard')


@pytest.mark.parametrize('domain', ['0', '42', str(DOMAINS[-1])])
def test_a_participant_of_another_domain_never_hears_an_isolated_talker(talker, domain):
    heard = listen(ordinary(ROS_DOMAIN_ID=domain, ROS_STATIC_PEERS='127.0.0.1'), 3)
    assert heard.startswith('silence') and 'talker' not in heard


def test_an_isolated_process_listens_on_loopback_only_and_an_ordinary_one_does_not(talker):
    assert bound_addresses(talker.pid) == {'127.0.0.1'}
    other = start_talker(ordinary(ROS_DOMAIN_ID=str(DOMAINS[-1])))
    try:
        assert '0.0.0.0' in bound_addresses(other.pid)
    finally:
        stop(other)


def test_parallel_runs_never_share_a_domain_and_free_it_when_killed():
    code = (
        'from gen_nodes.ros.isolation import claim_domain; import time; '
        'print(claim_domain(), flush=True); time.sleep(60)'
    )
    runs = [
        subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        claimed = [int(run.stdout.readline()) for run in runs]
        assert len({*claimed, claim_domain()}) == 4
    finally:
        for run in runs:
            run.kill()
            run.wait()
            run.stdout.close()
    again = subprocess.run(
        [sys.executable, '-c', code.replace('60', '0')], capture_output=True, text=True
    )
    assert int(again.stdout) <= min(max(claimed), DOMAINS[-1])


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('ROS_DOMAIN_ID', '0'),
        ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET'),
        ('ROS_STATIC_PEERS', '10.0.0.7'),
        ('ROS_DISCOVERY_SERVER', '10.0.0.7:11811'),
        ('FASTRTPS_DEFAULT_PROFILES_FILE', '/elsewhere.xml'),
    ],
)
def test_an_environment_that_reaches_out_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        check_isolated(isolated_environment() | {name: value})


def test_what_the_caller_had_set_to_reach_out_is_removed():
    environment = isolated_environment(
        {'ROS_DISCOVERY_SERVER': 'robot:11811', 'ROS_STATIC_PEERS': 'robot'}
    )
    assert 'ROS_DISCOVERY_SERVER' not in environment and environment['ROS_STATIC_PEERS'] == ''
