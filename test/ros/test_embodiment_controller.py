"""The controller node on real rclpy, with a driver that does what it is told."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger

from gen_nodes.errors import RequirementError
from gen_nodes.nodes.embodiment_controller import EmbodimentController
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
from gen_nodes.types import NS, ActionChunk, JointSample, Mode

ROBOT = 'openarm_bimanual'  # 16 joints, several command paths
SPEC = load_robot(ROBOT)
MESSAGES = RclpyMessages()


class Bench:
    """Driver and policy of the robot: follow commands, publish joint states, send chunks."""

    def __init__(self, rig, latched) -> None:
        self.rig, self.q, self.sequence = rig, np.array(SPEC.ready), 0
        self.send_states = self.send_chunks = True
        self.node = rig.start(EmbodimentController, robot=ROBOT)
        self.executed = rig.listen('gen_stack/msg/JointCommand', 'executed')
        self.states = rig.listen('gen_stack/msg/ControllerState', 'controller_state', latched)
        self.diagnostics = rig.listen('diagnostic_msgs/msg/DiagnosticArray', '/diagnostics')
        self.paths = [
            (path, rig.listen('std_msgs/msg/Float64MultiArray', path.topic))
            for path in SPEC.control.paths
        ]
        self.joint_states = rig.publisher('sensor_msgs/msg/JointState', SPEC.state.topic)
        self.chunks = rig.publisher('gen_stack/msg/ActionChunk', 'action_chunk')
        rig.every(0.01, self.publish_state)
        rig.every(0.04, self.publish_chunk)

    @property
    def now(self) -> int:
        return self.rig.probe.get_clock().now().nanoseconds

    def publish_state(self, **changes) -> None:
        for path, heard in self.paths:
            if heard:
                self.q[[SPEC.joint_names.index(name) for name in path.joints]] = heard[-1].data
        if self.send_states or changes:
            still = np.zeros(SPEC.n)
            sample = JointSample(
                'joint_states', self.now, self.now, SPEC.joint_names, self.q, still, still
            )
            message = convert.joint_state_message(MESSAGES, replace(sample, **changes))
            self.joint_states.publish(message)

    def publish_chunk(self) -> None:
        if not self.send_chunks:
            return
        self.sequence += 1
        now, times = self.now, 0.05 + np.linspace(0, 0.8, 21)
        phase = (now % (1000 * NS)) / NS + times[:, None] * np.ones((1, SPEC.n))
        size = 0.2 * np.minimum(SPEC.upper - SPEC.ready, SPEC.ready - SPEC.lower)
        values, rates = SPEC.ready + size * np.sin(phase), size * np.cos(phase)
        chunk = ActionChunk(
            now, now, self.sequence, SPEC.joint_names, 'position', times, values, rates
        )
        self.chunks.publish(convert.action_chunk_message(MESSAGES, chunk, SPEC.base_frame))

    def in_mode(self, mode: Mode) -> None:
        self.rig.until(lambda: self.states and self.states[-1].mode == mode)


@pytest.fixture
def bench(rig, latched) -> Bench:
    return Bench(rig, latched)


@pytest.fixture
def running(bench) -> Bench:
    bench.in_mode(Mode.RUNNING)
    return bench


def test_it_plays_chunks_on_every_command_path_and_reports_each_command(running):
    running.rig.spin(1.5)
    assert all(len(heard) > 100 for _, heard in running.paths)
    newest = running.executed[-1]
    assert tuple(newest.joint_names) == SPEC.joint_names
    assert newest.sequence > 0
    sent = {convert.stamp_ns(message): list(message.values) for message in running.executed}
    together = list(sent.values())
    for path, heard in running.paths:
        columns = [SPEC.joint_names.index(name) for name in path.joints]
        assert list(heard[-5].data) in [[values[i] for i in columns] for values in together]


def test_what_is_published_keeps_the_limits(running):
    running.rig.spin(2.0)
    p, h = np.array([message.values for message in running.executed]), 1 / SPEC.control.rate_hz
    for order, limit in ((1, SPEC.velocity), (2, SPEC.acceleration), (3, SPEC.jerk)):
        assert (np.abs(np.diff(p, order, axis=0)) / h**order <= limit * (1 + 1e-9)).all()


def test_when_chunks_stop_it_holds_says_why_and_resumes_by_itself(running, statuses):
    running.send_chunks = False
    running.in_mode(Mode.HOLDING)
    assert running.states[-1].reason == 'action chunks are stale'
    running.rig.until(
        lambda: (
            (1, 'holding: action chunks are stale', 'see the diagnostics of the policy')
            in statuses(running.diagnostics, 'mode')
        ),
        1.5,
    )
    running.send_chunks = True
    running.in_mode(Mode.RUNNING)


def test_a_nan_in_the_joint_states_stops_it_and_reset_refuses_while_it_persists(running):
    q = running.q.copy()
    q[3] = np.nan
    running.send_states = False
    running.rig.every(0.01, lambda: running.publish_state(position=q))
    running.in_mode(Mode.STOPPED)
    assert 'openarm_left_joint4' in running.states[-1].reason
    running.rig.spin(0.5)
    commands = len(running.executed)
    running.rig.spin(0.5)
    assert len(running.executed) == commands
    answer = running.rig.call(Trigger, 'embodiment_controller/reset')
    assert not answer.success
    assert 'not finite' in answer.message


def test_a_bad_joint_state_stops_it_though_a_good_one_follows_at_once(running):
    running.publish_state(position=np.full(SPEC.n, np.nan))
    running.publish_state()
    running.in_mode(Mode.STOPPED)
    assert 'not finite' in running.states[-1].reason


def test_bytes_that_are_no_joint_state_stop_it(running):
    running.node._inputs._on_joint_state(b'\x00\x01\x00\x00\xff\xff')
    running.in_mode(Mode.STOPPED)
    assert running.states[-1].reason.startswith('joint state is malformed')


def test_a_stop_outlives_deactivation_until_reset(running):
    assert running.rig.call(Trigger, 'embodiment_controller/stop').success
    running.in_mode(Mode.STOPPED)
    running.node.trigger_deactivate()
    running.in_mode(Mode.INACTIVE)
    running.node.trigger_activate()
    running.in_mode(Mode.STOPPED)
    assert running.states[-1].reason == 'stop was requested'
    running.rig.spin(0.3)
    assert running.rig.call(Trigger, 'embodiment_controller/reset').success
    running.in_mode(Mode.RUNNING)


def test_stop_latches_until_reset(running):
    assert running.rig.call(Trigger, 'embodiment_controller/stop').success
    running.in_mode(Mode.STOPPED)
    running.rig.spin(0.6)
    assert running.states[-1].mode == Mode.STOPPED
    assert running.rig.call(Trigger, 'embodiment_controller/reset').success
    running.in_mode(Mode.RUNNING)


def test_a_bad_chunk_is_named_on_the_diagnostics(running, statuses):
    times = np.array([0.0, 0.1])
    bad = np.full((2, SPEC.n), np.nan)
    running.send_chunks = False
    chunk = ActionChunk(running.now, running.now, 1, SPEC.joint_names, 'position', times, bad, bad)
    running.chunks.publish(convert.action_chunk_message(MESSAGES, chunk, SPEC.base_frame))
    running.rig.until(
        lambda: (
            (2, 'refused: values is not finite', 'check the policy')
            in statuses(running.diagnostics, 'action chunk')
        ),
        1.5,
    )


def test_deactivation_brakes_before_it_falls_silent(running):
    running.rig.until(lambda: np.abs(running.executed[-1].rates).max() > 0.02)
    running.node.trigger_deactivate()
    running.rig.spin(0.3)
    assert np.abs(running.executed[-1].rates).max() < 1e-6
    assert running.states[-1].mode == Mode.INACTIVE


def test_in_shadow_nothing_is_sent_to_the_robot(rig, latched):
    rig.start(EmbodimentController, robot=ROBOT, shadow='true')
    rig.spin(0.3)
    for path in SPEC.control.paths:
        assert rig.probe.get_publishers_info_by_topic(path.topic) == []


UR5E = load_robot('ur5e')  # it has a safety topic
SAFETY = UR5E.safety_topics[0]
WAITS_FOR_A_WORD = f"no word yet from safety topic '{SAFETY.topic}'"


def waits(rig, latched, **parameters) -> Callable[[str], None]:
    """Start the controller of a robot whose joint states come; waits until it gives a reason."""
    rig.start(EmbodimentController, robot='ur5e', **parameters)
    states = rig.listen('gen_stack/msg/ControllerState', 'controller_state', latched)
    driver = rig.publisher('sensor_msgs/msg/JointState', UR5E.state.topic)
    limited = UR5E.streams[UR5E.wrench_limit.stream]
    wrench = rig.publisher('geometry_msgs/msg/WrenchStamped', limited.topic)

    def publish_state() -> None:
        now, still = rig.probe.get_clock().now().nanoseconds, np.zeros(UR5E.n)
        sample = JointSample('joint_states', now, now, UR5E.joint_names, UR5E.ready, still, still)
        driver.publish(convert.joint_state_message(MESSAGES, sample))
        wrench.publish(message_class('geometry_msgs/msg/WrenchStamped')())

    rig.every(0.01, publish_state)
    return lambda reason: rig.until(lambda: states and states[-1].reason == reason)


@pytest.mark.parametrize(
    'durability', [DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL]
)
def test_it_waits_for_a_first_word_on_the_safety_topic_however_that_is_published(
    rig, latched, durability
):
    until = waits(rig, latched)
    until(WAITS_FOR_A_WORD)
    for topic in UR5E.safety_topics:
        try:
            kind = message_class(topic.type)
        except RequirementError:  # left out by the controller too
            continue
        good = kind(**{topic.field: topic.values[0] if topic.allow else not topic.values[0]})
        speaker = rig.publisher(topic.type, topic.topic, QoSProfile(depth=1, durability=durability))
        rig.every(0.1, partial(speaker.publish, good))
    until('no action chunk yet')


def test_in_shadow_it_does_not_wait_for_the_safety_topic(rig, latched):
    waits(rig, latched, shadow='true')('no action chunk yet')


def start(*words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, '-m', 'gen_nodes.nodes.embodiment_controller', '--ros-args', *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        (
            ('-p', 'robot:=ur5'),
            "embodiment_controller: unknown robot 'ur5'. Did you mean 'ur5e'? Valid: ",
        ),
        (
            ('-p', 'robot:=ur5e', '-p', 'shadow:=3'),
            'embodiment_controller: parameter shadow must be true or false, got 3',
        ),
    ],
)
def test_a_wrong_parameter_is_one_clear_line_and_exit_status_1(words, line):
    out, err = (process := start(*words)).communicate(timeout=30)
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith(line)
    assert 'Traceback' not in err + out


@pytest.mark.parametrize('ending', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(ending):
    process = start('-p', 'robot:=ur5e')
    while 'scheduling' not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(1.0)
    process.send_signal(ending)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert 'Traceback' not in err + out


def test_it_does_not_need_torch():
    code = 'import sys, gen_nodes.nodes.embodiment_controller; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], timeout=30).returncode == 0


def test_what_the_robot_forbids_while_the_controller_is_inactive_holds_after_it_is_activated(
    rig, latched
):
    node = rig.start(EmbodimentController, robot='ur5e', autostart='false')
    states = rig.listen('gen_stack/msg/ControllerState', 'controller_state', latched)
    node.trigger_configure()
    speaker = rig.publisher(SAFETY.type, SAFETY.topic, latched)
    speaker.publish(message_class(SAFETY.type)(data=False))
    rig.spin(0.5)
    node.trigger_activate()
    rig.until(lambda: states and states[-1].mode == Mode.STOPPED)
    assert SAFETY.topic in states[-1].reason
