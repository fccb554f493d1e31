"""The launch files, run by real launch: same processes as `gen up`, and an orderly end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip('launch_ros')

from launch import LaunchContext
from launch.launch_description_sources import get_launch_description_from_python_launch_file
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

from gen_nodes.robot import known_robots
from gen_nodes.ros.graph import stack_processes
from gen_nodes.ros.isolation import check_isolated

FOLDER = Path(__file__).resolve().parents[2] / 'launch'
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
arguments = {'emulator': 'true', 'recorder': 'false'}
service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(sys.argv[1], launch_arguments=arguments.items())]))
sys.exit(service.run())
"""


def described(path: Path):
    return get_launch_description_from_python_launch_file(str(path))


@pytest.mark.parametrize('path', sorted(FOLDER.glob('*.launch.py')), ids=lambda path: path.name)
def test_every_argument_is_described(path):
    arguments = described(path).get_launch_arguments()
    assert {argument.name for argument in arguments} == {
        'robot',
        'checkpoint',
        'emulator',
        'recorder',
    }
    assert all(len(argument.description) > 20 for argument in arguments)


def test_every_robot_has_a_launch_file_of_a_few_lines():
    for robot in known_robots():
        assert len((FOLDER / f'{robot}.launch.py').read_text().splitlines()) < 20


@pytest.mark.parametrize('emulator', ['true', 'false'])
def test_launch_starts_what_the_description_says(emulator):
    context = LaunchContext()
    context.launch_configurations.update(
        robot='ur5e', emulator=emulator, recorder='true', checkpoint=''
    )
    actions = described(FOLDER / 'stack.launch.py').entities[-1].execute(context)
    wanted = [process.name for process in stack_processes('ur5e', emulator=emulator == 'true')]
    assert [action.node_executable for action in actions] == wanted
    assert all(isinstance(action, Node) for action in actions)


def environment_of(action: Node, context: LaunchContext) -> dict[str, str]:
    """What a process will have in its environment."""
    return {
        perform_substitutions(context, key): perform_substitutions(context, value)
        for key, value in action.env
    }


def test_an_emulated_robots_processes_share_one_isolated_domain_and_keep_the_rest(monkeypatch):
    monkeypatch.setenv('ROS_DISCOVERY_SERVER', 'factory:11811')
    monkeypatch.setenv('HOUSE_OF', 'mouse')
    context = LaunchContext()
    context.launch_configurations.update(
        robot='ur5e', emulator='true', recorder='true', checkpoint=''
    )
    actions = described(FOLDER / 'stack.launch.py').entities[-1].execute(context)
    environments = [environment_of(action, context) for action in actions]
    for environment in environments:
        check_isolated(environment)
        assert environment['HOUSE_OF'] == 'mouse'
    assert len({environment['ROS_DOMAIN_ID'] for environment in environments}) == 1


def test_the_stack_runs_under_launch_and_ends_when_interrupted(tmp_path):
    command = [sys.executable, '-c', RUN, str(FOLDER / 'ur5e.launch.py')]
    environment = os.environ | {'ROS_LOG_DIR': str(tmp_path), 'PYTHONUNBUFFERED': '1'}
    with open(tmp_path / 'output', 'w') as file:
        running = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        assert said(tmp_path / 'output', 'joint_states: live', 60)
        running.send_signal(2)
        assert running.wait(20) == 0
    finally:
        running.kill()
    output = (tmp_path / 'output').read_text()
    for name in ('robot_emulator', 'sensor_aggregator', 'embodiment_controller'):
        assert f'[{name}' in output
    assert output.count('process has finished cleanly') >= 3


def said(path: Path, text: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while text not in path.read_text() and time.monotonic() < end:
        time.sleep(0.1)
    return text in path.read_text()
