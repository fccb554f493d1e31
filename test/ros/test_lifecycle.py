"""The base of every node: parameters, transitions, diagnostics."""

import ast
import importlib
import time
from pathlib import Path

import pytest
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.clock import ClockType
from rclpy.lifecycle import LifecycleNode

from gen_nodes.errors import ConfigError, RequirementError
from gen_nodes.ros.diagnostics import Level, Status
from gen_nodes.ros.episodes import hear_episodes
from gen_nodes.ros.graph import START_ORDER
from gen_nodes.ros.lifecycle import GenNode
from gen_nodes.ros.messages_rclpy import message_class
from gen_nodes.ros.parameters import Parameter
from gen_nodes.types import Episode

PARAMETERS = (
    Parameter('speed', 0.5, 'how fast [m/s]', 0.0, 2.0, live=True),
    Parameter('count', 3, 'how many', 1, 9),
    Parameter('colour', 'red', 'which ball', choices=('red', 'green')),
)


class Example(GenNode):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.jumps: list[float] = []
        super().__init__('example', PARAMETERS)

    def configure(self) -> None:
        self.done.append('configure')

    def activate(self) -> None:
        self.done.append('activate')

    def deactivate(self) -> None:
        self.done.append('deactivate')

    def clock_jumped(self, seconds: float) -> None:
        self.jumps.append(seconds)


class Failing(Example):
    """Lacks something."""

    def configure(self) -> None:
        raise RequirementError('the left sock is missing; put it on')


def set_parameter(rig, name: str, value: ParameterValue):
    client = rig.probe.create_client(SetParameters, 'example/set_parameters')
    assert client.wait_for_service(5.0)
    request = SetParameters.Request(parameters=[ParameterMessage(name=name, value=value)])
    future = client.call_async(request)
    rig.until(future.done)
    return future.result().results[0]


def number(value: float) -> ParameterValue:
    return ParameterValue(type=3, double_value=value)


def test_it_configures_and_activates_itself(rig):
    node = rig.start(Example)
    assert node.done == ['configure', 'activate']
    assert rig.call(GetState, 'example/get_state').current_state.label == 'active'


def test_without_autostart_it_waits_for_the_lifecycle_services(rig):
    node = rig.start(Example, autostart='false')
    assert node.done == []
    assert rig.call(GetState, 'example/get_state').current_state.label == 'unconfigured'
    node.trigger_configure()
    node.trigger_activate()
    assert node.done == ['configure', 'activate']


def test_a_failed_configuration_says_why_and_leaves_the_node_unconfigured(rig):
    with pytest.raises(AssertionError, match='the left sock is missing; put it on'):
        rig.start(Failing)
    assert rig.call(GetState, 'example/get_state').current_state.label == 'unconfigured'


class Broken(Example):
    """Has a mistake in its code."""

    def configure(self) -> None:
        raise KeyError('left sock')


def test_a_mistake_in_a_hook_fails_the_transition_and_is_told_in_words(rig):
    with pytest.raises(AssertionError, match="configure failed, KeyError: 'left sock'"):
        rig.start(Broken)
    assert rig.call(GetState, 'example/get_state').current_state.label == 'unconfigured'


def test_every_timer_runs_on_the_steady_clock_and_ends_when_destroyed(rig):
    node = rig.start(Example)
    fired: list[float] = []
    timer = node.create_timer(0.02, lambda: fired.append(time.monotonic()))
    rig.until(lambda: len(fired) > 5, 5.0)
    assert {one.clock.clock_type for one in node.timers} == {ClockType.STEADY_TIME}
    node.destroy_timer(timer)
    count = len(fired)
    rig.spin(0.2)
    assert len(fired) == count


def test_a_malformed_episode_is_reported_and_ignored(rig, statuses, latched):
    node = rig.start(Example)
    heard: list[Episode] = []
    hear_episodes(node, heard.append)
    diagnostics = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
    console = rig.publisher('gen_stack/msg/Episode', 'episode', latched)
    message = message_class('gen_stack/msg/Episode')
    console.publish(message(event=3, id='odd'))
    rig.until(lambda: any(level == 2 for level, _, _ in statuses(diagnostics, 'episode')), 5.0)
    assert heard == []
    assert statuses(diagnostics, 'episode')[-1][1].startswith('malformed and ignored: 3 is not')
    console.publish(message(event=0, id='good'))
    rig.until(lambda: [episode.id for episode in heard] == ['good'], 5.0)


def test_parameters_have_values_and_descriptions(rig):
    node = rig.start(Example, speed='2')
    assert (node.parameters['speed'], node.parameters['count']) == (2.0, 3)
    client = rig.probe.create_client(DescribeParameters, 'example/describe_parameters')
    assert client.wait_for_service(5.0)
    future = client.call_async(DescribeParameters.Request(names=['speed', 'colour']))
    rig.until(future.done)
    speed, colour = future.result().descriptors
    assert speed.description == 'how fast [m/s]'
    assert speed.floating_point_range[0].to_value == 2.0
    assert colour.additional_constraints == 'one of red, green'


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('speed', 2.5, 'speed must lie in [0, 2], got 2.5'),
        ('speed', 'fast', "speed must be a number, got 'fast'"),
        ('count', 1.5, 'count must be a whole number, got 1.5'),
        ('count', 10, 'count must lie in [1, 9], got 10'),
        ('colour', 'blue', "colour must be one of red, green, got 'blue'"),
    ],
)
def test_a_bad_parameter_at_the_start_is_refused_with_the_reason(rig, name, value, reason):
    with pytest.raises(ConfigError) as refused:
        rig.start(Example, **{name: value})
    assert str(refused.value) == f'parameter {reason}'


def test_while_running_only_live_parameters_change_and_only_within_range(rig):
    node = rig.start(Example)
    assert set_parameter(rig, 'speed', number(1.5)).successful
    assert node.parameters['speed'] == 1.5
    refused = set_parameter(rig, 'speed', number(3.0))
    assert not refused.successful
    assert 'out of range' in refused.reason
    refused = set_parameter(rig, 'count', ParameterValue(type=2, integer_value=4))
    assert 'cannot change while the node runs' in refused.reason


def test_diagnostics_come_at_1_hz_and_at_once_on_a_change(rig, statuses):
    node = rig.start(Example)
    heard = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
    node.diagnostics.ok('arm')
    rig.spin(2.6)
    assert 2 <= len(statuses(heard, 'arm')) <= 3
    node.diagnostics.report('arm', Status(Level.ERROR, 'it is stuck', 'free it'))
    rig.until(lambda: (2, 'it is stuck', 'free it') in statuses(heard, 'arm'), 0.5)
    node.diagnostics.ok('arm')
    rig.until(lambda: statuses(heard, 'arm')[-1] == (0, 'ok', ''), 0.5)


def test_a_loss_is_warned_of_once_and_a_recovery_told_once(rig):
    node = rig.start(Example)
    logged = rig.listen('rcl_interfaces/msg/Log', '/rosout')
    rig.every(0.1, lambda: node.get_logger().info('hello'))
    rig.until(lambda: any(message.msg == 'hello' for message in logged))
    for _ in range(5):
        node.diagnostics.report('arm', Status(Level.WARN, 'it is slow', 'oil it'))
    for _ in range(5):
        node.diagnostics.ok('arm', 'it is quick')
    rig.until(lambda: any(message.msg == 'arm: it is quick' for message in logged))
    rig.spin(0.3)
    said = [(message.level, message.msg) for message in logged if message.msg.startswith('arm')]
    assert said == [(30, 'arm: it is slow -> oil it'), (20, 'arm: it is quick')]


def test_a_jump_of_the_ros_clock_is_noticed_and_reported(rig, statuses):
    node = rig.start(Example)
    heard = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
    rig.spin(0.5)
    real = node.now_ns
    node.now_ns = lambda: real() + 10_000_000_000
    begun = time.monotonic()
    rig.until(lambda: node.jumps != [], 1.0)
    assert time.monotonic() - begun < 0.5
    assert node.jumps == [pytest.approx(10, abs=0.01)]
    rig.until(
        lambda: any('jumped by +10.0' in cause for _, cause, _ in statuses(heard, 'clock')), 1.0
    )


@pytest.mark.parametrize('name', START_ORDER)
def test_no_node_takes_a_name_that_rclpy_uses_for_its_own(rig, name):
    """Such an attribute would replace, for instance, the list of timers that rclpy fires."""
    rig.start(Example)
    bare = LifecycleNode('bare')
    taken = set(vars(bare))
    bare.destroy_node()
    source = Path(importlib.import_module(f'gen_nodes.nodes.{name}').__file__).read_text()
    own = {
        target.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == 'self'
    }
    assert not own & taken


def test_it_says_ten_times_a_second_whether_it_is_fit_and_at_once_when_that_changes(rig):
    node = rig.start(Example)
    heard = rig.listen('gen_stack/msg/Heartbeat', 'heartbeat')
    rig.spin(1.0)
    own = [beat for beat in heard if beat.node == 'example' and beat.fit]
    assert 8 <= len(own) <= 13
    assert len({beat.instance for beat in own}) == 1
    node.pulse.unfit('blind', 'mend it')
    rig.until(lambda: heard[-1].cause == 'blind', 0.05)
    assert (heard[-1].fit, heard[-1].next_step) == (False, 'mend it')
    since = heard[-1].since
    rig.spin(0.3)
    assert heard[-1].since == since
    node.trigger_deactivate()
    rig.until(lambda: heard[-1].cause == 'is not active', 0.2)
