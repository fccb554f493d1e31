"""The supervisor of the stack's processes, with real nodes over Fast DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from gen_nodes.errors import ConfigError
from gen_nodes.ros.graph import Graph, ProcessSpec, describe_exit, stack_processes
from gen_nodes.ros.isolation import PROFILE, isolated_environment
from gen_nodes.ros.shared_memory import FOLDER, owned_by

NODE = """
import sys, time, rclpy
from rclpy.executors import ExternalShutdownException
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('unnamed', automatically_declare_parameters_from_overrides=True)
publisher = node.create_publisher(String, 'chatter', 10)
values = {key: value.value for key, value in node._parameters.items()}
print(values, node.get_fully_qualified_name(), flush=True)
try:
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException):
    print('ended at', time.monotonic(), flush=True)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
time.sleep(60)
"""
OWNER = """
import sys
from pathlib import Path
from gen_nodes.ros.graph import Graph, ProcessSpec
import os, time
specs = [ProcessSpec('one', 'plain_node'), ProcessSpec('two', 'plain_node')]
with Graph(specs, environment=os.environ, log_dir=Path(sys.argv[1])) as graph:
    print(*graph.pids().values(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    (tmp_path / 'plain_node.py').write_text(NODE)
    (tmp_path / 'stubborn_node.py').write_text(STUBBORN)
    isolated = isolated_environment()
    return isolated | {'PYTHONPATH': f'{tmp_path}:{isolated["PYTHONPATH"]}'}


@pytest.fixture
def shared_memory(environment, tmp_path) -> dict[str, str]:
    """The same with shared memory besides sockets, as Fast DDS has it where nothing is isolated."""
    profile = PROFILE.read_text()
    for before, added in (
        (
            '</transport_descriptors>',
            '<transport_descriptor><transport_id>shm</transport_id><type>SHM</type>'
            '</transport_descriptor>',
        ),
        ('</userTransports>', '<transport_id>shm</transport_id>'),
    ):
        profile = profile.replace(before, added + before)
    (tmp_path / 'shared_memory.xml').write_text(profile)
    return environment | {'FASTRTPS_DEFAULT_PROFILES_FILE': str(tmp_path / 'shared_memory.xml')}


def until(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def plain(name: str, **parameters) -> ProcessSpec:
    return ProcessSpec(name, 'plain_node', parameters)


def ready(graph: Graph) -> bool:
    return all(graph.log_tail(name) for name in graph.pids())


def fast_dds_files() -> set[str]:
    return {name for name in os.listdir(FOLDER) if 'fastrtps' in name}


def test_parameters_arrive_with_their_types_and_the_node_has_its_name(environment, tmp_path):
    given = {
        'text': '12',
        'words': 'touch the red ball',
        'rate': 30.0,
        'count': 3,
        'on': True,
        'list': [0.5, 1.0],
    }
    spec = ProcessSpec('arm_node', 'plain_node', given, namespace='/left')
    with Graph([spec], environment=environment, log_dir=tmp_path / 'log') as graph:
        assert until(lambda: ready(graph))
        line = graph.log_tail('arm_node')[0]
    assert line.endswith('/left/arm_node')
    for key, value in given.items():
        assert f'{key!r}: {value!r}' in line.replace("array('d', [0.5, 1.0])", '[0.5, 1.0]')


def test_processes_end_in_stop_order_whatever_the_start_order_was(environment, tmp_path):
    names = ('robot_emulator', 'harmonic_policy', 'data_recorder')
    with Graph(
        [plain(name) for name in names], environment=environment, log_dir=tmp_path / 'log'
    ) as graph:
        assert until(lambda: ready(graph))
    ended = {name: float(graph.log_tail(name)[-1].removeprefix('ended at ')) for name in names}
    assert ended['harmonic_policy'] < ended['data_recorder'] < ended['robot_emulator']


def test_a_killed_process_is_reported_once_and_can_be_restarted(environment, tmp_path):
    with Graph(
        [plain('one'), plain('two')], environment=environment, log_dir=tmp_path / 'log'
    ) as graph:
        assert until(lambda: ready(graph))
        before = graph.pids()
        os.kill(before['one'], signal.SIGKILL)
        assert until(lambda: 'one' not in graph.pids())
        assert graph.poll() == [('one', -signal.SIGKILL)] and graph.poll() == []
        assert describe_exit(-signal.SIGKILL) == 'killed by SIGKILL'
        graph.restart('one')
        assert graph.pids()['one'] != before['one'] and graph.pids()['two'] == before['two']


def test_a_process_that_ignores_every_request_is_killed_and_each_step_is_said(
    environment, tmp_path
):
    said = []
    spec = ProcessSpec('stubborn', 'stubborn_node')
    with Graph(
        [spec], environment=environment, log_dir=tmp_path / 'log', announce=said.append
    ) as graph:
        assert until(lambda: ready(graph))
        pid, start = graph.pids()['stubborn'], time.monotonic()
    assert 4.5 < time.monotonic() - start < 8 and not Path(f'/proc/{pid}').exists()
    assert (
        [line.split()[-1] for line in said] == ['s', 's', 'killed']
        and 'SIGINT' in said[0]
        and 'SIGTERM' in said[1]
    )


def test_no_shared_memory_is_left_of_killed_processes_and_that_of_others_stays(
    shared_memory, tmp_path
):
    apart = shared_memory | {'ROS_DOMAIN_ID': '59'}  # who talks to the dead makes their ports anew
    with Graph([plain('bystander')], environment=apart, log_dir=tmp_path / 'other') as bystander:
        assert until(lambda: owned_by(bystander.pids().get('bystander', 0)))
        with Graph(
            [plain('one'), plain('two')], environment=shared_memory, log_dir=tmp_path / 'log'
        ) as graph:
            assert until(lambda: ready(graph))
            time.sleep(1.5)  # the guardian looks every 0.25 s, on a busy machine less often
            owned = set().union(*map(owned_by, graph.pids().values()))
            assert len(owned) >= 2
            for pid in graph.pids().values():
                os.kill(pid, signal.SIGKILL)
        kept = owned_by(bystander.pids()['bystander'])
        assert kept and {f'{name}_el' for name in kept} <= fast_dds_files()
    assert not {file for file in fast_dds_files() for name in owned | kept if name in file}


def test_nothing_is_left_when_the_owner_of_the_graph_is_killed(shared_memory, tmp_path):
    owner = subprocess.Popen(
        [sys.executable, '-c', OWNER, str(tmp_path / 'log')],
        env=shared_memory,
        text=True,
        stdout=subprocess.PIPE,
    )
    pids = [int(word) for word in owner.stdout.readline().split()]
    assert len(pids) == 2 and until(lambda: all(map(owned_by, pids)))
    owned = set().union(*map(owned_by, pids))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert until(lambda: not any(Path(f'/proc/{pid}').exists() for pid in pids), 10)
    assert until(
        lambda: not {file for file in fast_dds_files() for name in owned if name in file}, 5
    )


def test_the_description_is_the_whole_stack_and_refuses_an_unknown_node():
    live = stack_processes(
        'ur5e', emulator=False, parameters={'harmonic_policy': {'checkpoint': 'x.safetensors'}}
    )
    assert [spec.name for spec in live] == [
        'sensor_aggregator',
        'data_recorder',
        'embodiment_controller',
        'harmonic_policy',
    ]
    assert live[-1].parameters == {'robot': 'ur5e', 'checkpoint': 'x.safetensors'}
    with pytest.raises(ConfigError, match="Did you mean 'harmonic_policy'"):
        stack_processes('ur5e', emulator=False, parameters={'harmonic_polcy': {}})
