"""The emulated driver on real ROS: it takes commands of every kind as the real controllers do, and
says on its safety topics when it takes none.
"""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.parameter import Parameter

from gen_nodes.nodes.robot_emulator import RobotEmulator
from gen_nodes.robot import load_robot, resource_root
from gen_nodes.ros.commands import CommandPaths
from gen_nodes.ros.messages_rclpy import action_class, message_class
from gen_nodes.types import NS, CommandSample

from .conftest import BEST_EFFORT, LATCHED

JOINTS = load_robot('ur5e').joint_names
ARM, FINGER = JOINTS[:5], JOINTS[5]
PATHS = re.compile(r'    - kind: forward_position\n.*\n.*\n')
TOPICS = re.compile(r'  topics:\n(    - .*\n)+')
HAND = '/hand/gripper_cmd'
WHOLE = f'topic: /arm/in, joints: [{", ".join(JOINTS)}]'
HANDED = (
    f'kind: joint_trajectory, topic: /arm/in, joints: [{", ".join(ARM)}]',
    f'kind: gripper_action, topic: {HAND}, joints: [{FINGER}], '
    'type: control_msgs/action/GripperCommand',
)
MODE = '{topic: /safety_mode, type: ur_dashboard_msgs/msg/SafetyMode, field: mode, allow: [1, 2]}'


@pytest.fixture
def robot(tmp_path):
    """Makes the YAML of a UR5e with these command paths and safety topics."""

    def make(*paths, topics=()):
        text = (resource_root() / 'config' / 'robots' / 'ur5e.yaml').read_text()
        text = PATHS.sub(''.join(f'    - {{{path}}}\n' for path in paths), text)
        listed = ''.join(f'    - {topic}\n' for topic in topics)
        text = TOPICS.sub(f'  topics:\n{listed}' if topics else '', text)
        file = tmp_path / 'ur5e.yaml'
        file.write_text(text)
        return str(file)

    return make


def measured(rig):
    """The positions that the driver reports, newest last, each in the order of JOINTS."""
    heard = rig.listen('sensor_msgs/msg/JointState', '/joint_states', BEST_EFFORT)
    rig.until(lambda: bool(heard))
    return lambda: np.array(
        [dict(zip(heard[-1].name, heard[-1].position, strict=True))[name] for name in JOINTS]
    )


def said(rig):
    heard = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
    return lambda words: any(words in s.message for array in heard for s in array.status)


def trajectory(names, goal, seconds, velocity=0.0):
    after = message_class('builtin_interfaces/msg/Duration')(
        sec=int(seconds), nanosec=int(seconds % 1 * NS)
    )
    point = message_class('trajectory_msgs/msg/JointTrajectoryPoint')(
        positions=list(goal), velocities=[velocity] * len(names), time_from_start=after
    )
    return message_class('trajectory_msgs/msg/JointTrajectory')(
        joint_names=list(names), points=[point]
    )


def set_fault(rig, text):
    request = SetParameters.Request(parameters=[Parameter('fault', value=text).to_parameter_msg()])
    client = rig.probe.create_client(SetParameters, 'robot_emulator/set_parameters')
    assert client.wait_for_service(5.0)
    future = client.call_async(request)
    rig.until(future.done)
    assert future.result().results[0].successful


def test_a_trajectory_is_followed(rig, robot):
    rig.start(RobotEmulator, robot=robot(f'kind: joint_trajectory, {WHOLE}'))
    place = measured(rig)
    publisher = rig.publisher('trajectory_msgs/msg/JointTrajectory', '/arm/in')
    rig.until(lambda: publisher.get_subscription_count() == 1)
    goal = place() + 0.1
    publisher.publish(trajectory(JOINTS[::-1], goal[::-1], 0.5))
    rig.until(lambda: np.abs(place() - goal).max() < 0.005)


@pytest.mark.parametrize(
    ('names', 'velocity', 'reason'),
    [
        (JOINTS, 0.1, 'its last point moves'),
        (JOINTS[1:], 0.0, f'joint {JOINTS[0]} is missing'),
        ((*JOINTS[:5], 'elbow'), 0.0, 'unknown joint elbow'),
    ],
)
def test_a_trajectory_that_the_controller_refuses_is_named(rig, robot, names, velocity, reason):
    rig.start(RobotEmulator, robot=robot(f'kind: joint_trajectory, {WHOLE}'))
    place, heard = measured(rig), said(rig)
    before = place()
    publisher = rig.publisher('trajectory_msgs/msg/JointTrajectory', '/arm/in')
    message = trajectory(names, np.zeros(len(names)), 0.5, velocity)
    rig.every(0.05, lambda: publisher.publish(message))
    rig.until(lambda: heard(reason))
    assert np.abs(place() - before).max() < 2e-3


def test_velocities_move_the_robot_until_they_cease(rig, robot):
    rig.start(RobotEmulator, robot=robot(f'kind: forward_velocity, {WHOLE}'))
    place = measured(rig)
    publisher = rig.publisher('std_msgs/msg/Float64MultiArray', '/arm/in')
    before = place()
    message = message_class('std_msgs/msg/Float64MultiArray')(data=[0.2] * 6)

    def push():
        if np.abs(place() - before).max() < 0.1:
            publisher.publish(message)

    rig.every(0.02, push)
    rig.until(lambda: np.abs(place() - before).min() > 0.1)
    rig.spin(0.3)
    stopped = place()
    rig.spin(0.3)
    assert np.abs(place() - stopped).max() < 2e-3 and np.abs(stopped - before).max() < 0.2


def test_a_gripper_goal_is_reached_and_answered(rig, robot, interfaces):
    rig.start(RobotEmulator, robot=robot(*HANDED))
    place = measured(rig)
    kind = action_class('control_msgs/action/GripperCommand')
    client = ActionClient(rig.probe, kind, HAND)
    rig.until(client.server_is_ready)
    goal = kind.Goal()
    goal.command.position = place()[5] + 0.3
    sent = client.send_goal_async(goal)
    rig.until(sent.done)
    result = sent.result().get_result_async()
    rig.until(result.done)
    told = result.result().result
    assert told.reached_goal and not told.stalled
    assert told.position == pytest.approx(goal.command.position, abs=0.13)  # 1 % of its travel
    rig.until(lambda: abs(place()[5] - goal.command.position) < 2e-3)
    client.destroy()


def test_a_new_goal_ends_the_one_before(rig, robot, interfaces):
    rig.start(RobotEmulator, robot=robot(*HANDED))
    place = measured(rig)
    kind = action_class('control_msgs/action/GripperCommand')
    client = ActionClient(rig.probe, kind, HAND)
    rig.until(client.server_is_ready)
    start, handles = place()[5], []
    for by in (2.0, -0.2):
        goal = kind.Goal()
        goal.command.position = start + by
        sent = client.send_goal_async(goal)
        rig.until(sent.done)
        handles.append(sent.result())
    rig.until(lambda: abs(place()[5] - (start - 0.2)) < 5e-3)
    answers = [handle.get_result_async() for handle in handles]
    rig.until(lambda: all(answer.done() for answer in answers))
    aborted, succeeded = 6, 4  # action_msgs/msg/GoalStatus
    assert [answer.result().status for answer in answers] == [aborted, succeeded]
    client.destroy()


def test_our_commands_move_arm_and_gripper(rig, robot, interfaces):
    file = robot(*HANDED)
    rig.start(RobotEmulator, robot=file)
    place = measured(rig)
    spec, goal = load_robot(file), place() + 0.05
    paths = CommandPaths(rig.probe, spec, isolated=False)
    rest = np.zeros((1, 6))

    class Standing:
        times_s, positions, velocities, accelerations = np.array([0.1]), goal[None], rest, rest

    # CommandPaths asks a planner for the brake; from rest it is one point at rest
    command = CommandSample('executed', 0, 0, 1, 'position', JOINTS, goal, np.zeros(6))
    rig.every(0.02, lambda: paths.send(command, Standing))
    rig.until(lambda: np.abs(place() - goal).max() < 5e-3)
    assert paths.troubles == () and paths.left_out == ()
    paths.destroy()


@pytest.mark.parametrize(('fault', 'mode'), [('protective_stop', 3), ('emergency_stop', 7)])
def test_a_robot_that_stops_by_itself_says_so_and_moves_no_more(
    rig, robot, interfaces, fault, mode
):
    topics = ('{topic: /running, type: std_msgs/msg/Bool, stop_when: false}', MODE)
    rig.start(RobotEmulator, robot=robot(f'kind: forward_position, {WHOLE}', topics=topics))
    modes = rig.listen('ur_dashboard_msgs/msg/SafetyMode', '/safety_mode', LATCHED)
    running = rig.listen('std_msgs/msg/Bool', '/running', LATCHED)
    place, heard = measured(rig), said(rig)
    rig.until(lambda: modes and running)
    assert (modes[-1].mode, running[-1].data) == (1, True)
    publisher = rig.publisher('std_msgs/msg/Float64MultiArray', '/arm/in')
    goal = place() + np.eye(6)[0]
    message = message_class('std_msgs/msg/Float64MultiArray')(data=goal.tolist())
    rig.every(0.02, lambda: publisher.publish(message))
    rig.until(lambda: abs(place() - goal)[0] < 0.9)
    set_fault(rig, fault)
    rig.until(lambda: modes[-1].mode == mode and not running[-1].data)
    rig.until(lambda: heard(f'/arm/in: {fault.replace("_", " ")}'))
    rig.spin(0.3)
    stopped = place()
    rig.spin(0.3)
    assert np.abs(place() - stopped).max() < 2e-3 and abs(place() - goal)[0] > 0.1
    set_fault(rig, 'none')
    rig.until(lambda: modes[-1].mode == 1 and running[-1].data)
    rig.until(lambda: np.abs(place() - goal).max() < 5e-3)


def emulator_process(file, **environment):
    command = [sys.executable, '-m', 'gen_nodes.nodes.robot_emulator']
    return subprocess.Popen(
        [*command, '--ros-args', '-p', f'robot:={file}'],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ('paths', 'topics', 'key', 'package'),
    [
        (HANDED, (), 'control: paths[1]', 'control-msgs'),
        ((f'kind: forward_position, {WHOLE}',), (MODE,), 'safety: topics[0]', 'ur-dashboard-msgs'),
    ],
)
def test_where_a_robot_may_be_reached_a_missing_package_is_an_error(
    robot, paths, topics, key, package
):
    # not isolated by the strictest of walls, though nothing leaves this machine
    process = emulator_process(robot(*paths, topics=topics), ROS_LOCALHOST_ONLY='1')
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert key in said and f'sudo apt install ros-jazzy-{package}' in said
    assert 'Traceback' not in said


def test_in_an_isolated_graph_it_is_left_out_and_the_gripper_moves_all_the_same(rig, robot):
    file = robot(*HANDED, topics=(MODE,))
    process = emulator_process(file)
    try:
        rig.start_probe()
        place, heard = measured(rig), said(rig)
        rig.until(lambda: heard('sudo apt install ros-jazzy-control-msgs'))
        assert heard('sudo apt install ros-jazzy-ur-dashboard-msgs')
        publisher = rig.publisher('std_msgs/msg/Float64MultiArray', f'{HAND}/stand_in')
        goal = place()[5] + 0.2
        message = message_class('std_msgs/msg/Float64MultiArray')(data=[goal])
        rig.every(0.05, lambda: publisher.publish(message))
        rig.until(lambda: abs(place()[5] - goal) < 2e-3)
    finally:
        process.terminate()
        process.communicate(timeout=20)
