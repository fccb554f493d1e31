"""The emulator on real ROS: the driver's topics, types and rates."""

import json
import time

import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from gen_nodes.hil.truth_messages import truth_of
from gen_nodes.nodes.robot_emulator import RobotEmulator
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.routes import stream_routes
from gen_nodes.types import NS

from .conftest import BEST_EFFORT, LATCHED

SPEC = load_robot('ur5e')
JOINTS = '/joint_states'
COMMANDS = SPEC.control.paths[0].topic


@pytest.fixture
def emulator(rig):
    return rig.start(RobotEmulator, robot='ur5e', max_state_rate_hz=100.0)


def positions(message):
    return np.array(
        [dict(zip(message.name, message.position, strict=True))[name] for name in SPEC.joint_names]
    )


def command(values):
    return Float64MultiArray(data=[float(value) for value in values])


def set_parameter(rig, name, value):
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    client = rig.probe.create_client(SetParameters, 'robot_emulator/set_parameters')
    assert client.wait_for_service(5.0)
    future = client.call_async(request)
    rig.until(future.done)
    return future.result().results[0]


def test_it_speaks_on_every_topic_of_the_robot_yaml(rig, emulator):
    routes = stream_routes(SPEC)
    heard = {
        topic: rig.listen(route.type, topic, LATCHED if route.latched else BEST_EFFORT)
        for topic, route in routes.items()
    }
    rig.until(lambda: all(heard.values()))
    for topic, route in routes.items():
        sample = route.sample(heard[topic][-1], rig.node.now_ns())
        assert not isinstance(sample, str), topic
        assert abs(sample.capture_ns - rig.node.now_ns()) < 5 * NS, topic


def test_stamps_come_at_the_rate_and_are_those_of_physics(rig, emulator):
    heard = rig.listen('sensor_msgs/msg/JointState', JOINTS, BEST_EFFORT)
    rig.until(lambda: len(heard) > 60)
    stamps = np.array([convert.stamp_ns(message) for message in heard])
    assert np.median(np.diff(stamps)) == NS // 100


def test_a_command_moves_the_joints_that_it_names(rig, emulator):
    heard = rig.listen('sensor_msgs/msg/JointState', JOINTS, BEST_EFFORT)
    publisher = rig.publisher('std_msgs/msg/Float64MultiArray', COMMANDS)
    rig.until(lambda: bool(heard))
    goal = positions(heard[-1]) + 0.1
    message = command(goal)
    rig.every(0.02, lambda: publisher.publish(message))
    rig.until(lambda: np.abs(positions(heard[-1]) - goal).max() < 0.005)


@pytest.mark.parametrize(
    ('values', 'reason'), [([1.0, 2.0], '2 values for 6 joints'), ([np.nan] * 6, 'not finite')]
)
def test_a_command_that_makes_no_sense_is_reported_and_moves_nothing(rig, emulator, values, reason):
    states = rig.listen('sensor_msgs/msg/JointState', JOINTS, BEST_EFFORT)
    diagnostics = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
    publisher = rig.publisher('std_msgs/msg/Float64MultiArray', COMMANDS)
    rig.until(lambda: bool(states))
    before = positions(states[-1])
    rig.every(0.02, lambda: publisher.publish(command(values)))
    rig.until(
        lambda: any(reason in status.message for array in diagnostics for status in array.status)
    )
    assert np.abs(positions(states[-1]) - before).max() < 2e-3


def test_reset_begins_the_episode_that_the_parameters_name(rig, emulator):
    scenes = rig.listen('std_msgs/msg/String', 'scene', LATCHED)
    truths = rig.listen('visualization_msgs/msg/MarkerArray', 'truth', BEST_EFFORT)
    poses = rig.listen(
        'geometry_msgs/msg/PoseStamped', SPEC.streams['front'].topics['pose'], LATCHED
    )
    rig.until(lambda: scenes and poses)
    assert set_parameter(rig, 'task', 'track').successful
    assert set_parameter(rig, 'episode_seed', 7).successful
    answer = rig.call(Trigger, 'robot_emulator/reset')
    assert answer.success
    rig.until(lambda: len(scenes) == 2 and len(poses) == 2)
    scene = json.loads(scenes[-1].data)
    assert scene == json.loads(answer.message)
    assert (scene['task'], scene['seed']) == ('track', 7)
    rig.until(lambda: convert.stamp_ns(truths[-1].markers[0]) > scene['start_ns'])
    assert scene['target'] in truth_of(truths[-1], scene['target']).objects
    assert not np.allclose(convert.matrix_of(poses[0].pose), convert.matrix_of(poses[1].pose))


def test_joint_states_go_on_while_an_episode_is_drawn(rig, emulator):
    heard = rig.listen('sensor_msgs/msg/JointState', JOINTS, BEST_EFFORT)
    rig.until(lambda: len(heard) > 5)
    for _ in range(5):
        rig.call(Trigger, 'robot_emulator/reset')
    rig.until(lambda: len(heard) > 50)
    stamps = np.array([convert.stamp_ns(message) for message in heard])
    assert (np.diff(stamps) > 0).all()


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('task', 'juggle', 'must be one of reach, track'),
        ('episode_seed', -1, 'out of range'),
        ('fault', 'blakc front', "Did you mean 'black'"),
        ('max_state_rate_hz', 50.0, 'restart'),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_with_a_reason(rig, emulator, name, value, reason):
    result = set_parameter(rig, name, value)
    assert not result.successful and reason in result.reason


def test_a_fault_can_be_made_and_mended_while_it_runs(rig, emulator):
    heard = rig.listen('sensor_msgs/msg/Image', SPEC.streams['front'].topics['rgb'], BEST_EFFORT)
    assert set_parameter(rig, 'fault', 'black front').successful
    rig.until(lambda: heard and not np.any(heard[-1].data))
    assert set_parameter(rig, 'fault', 'none').successful
    rig.until(lambda: np.any(heard[-1].data))


def test_it_says_that_the_robot_takes_commands(rig, emulator):
    topic = SPEC.safety_topics[0]
    heard = rig.listen(topic.type, topic.topic, LATCHED)
    rig.until(lambda: bool(heard))
    assert topic.allowed(heard[-1].data)


def test_it_is_never_paused_and_ends_cleanly(rig, emulator):
    heard = rig.listen('sensor_msgs/msg/JointState', JOINTS, BEST_EFFORT)
    rig.until(lambda: bool(heard))
    emulator.end()
    count = len(heard)
    deadline = time.monotonic() + 0.3
    rig.until(lambda: time.monotonic() > deadline)
    assert len(heard) - count < 30
    assert emulator._threads == []
