"""Commands on real ROS, in every form that drivers take, as a driver hears them."""

import re
import time

import numpy as np
import pytest
import rclpy
from rclpy.action import ActionServer, GoalResponse

from gen_nodes.embodiment.stop import StopPath
from gen_nodes.errors import ConfigError
from gen_nodes.robot import load_robot, resource_root
from gen_nodes.ros.commands import CommandPaths
from gen_nodes.ros.executor import make_executor
from gen_nodes.ros.messages_rclpy import action_class, message_class, wired_class
from gen_nodes.types import NS, CommandSample

HAND, GOALS = '/hand/gripper_cmd', 'control_msgs/action/GripperCommand'
JOINTS = load_robot('ur5e').joint_names
ARM, FINGER = JOINTS[:5], JOINTS[5]
PATHS = re.compile(r'    - kind: forward_position\n.*\n.*\n')


@pytest.fixture
def robot(tmp_path):
    """Makes a UR5e whose last joint is a gripper's, with these command paths."""

    def make(*paths):
        text = (resource_root() / 'config' / 'robots' / 'ur5e.yaml').read_text()
        lines = ''.join(f'    - {{{path}}}\n' for path in paths)
        file = tmp_path / 'ur5e.yaml'
        file.write_text(
            PATHS.sub(lines, text).replace('control:', f'roles: {{gripper: [{FINGER}]}}\ncontrol:')
        )
        return load_robot(str(file))

    return make


class Bench:
    """A node that commands and a node that hears, on one executor."""

    def __init__(self):
        rclpy.init()
        self.executor = make_executor()
        self.node, self.driver = rclpy.create_node('commander'), rclpy.create_node('driver')
        self.executor.add_node(self.node)
        self.executor.add_node(self.driver)
        self.commands = self.serving = None

    def paths(self, spec, isolated=False):
        self.commands = CommandPaths(self.node, spec, isolated)
        return self.commands

    def listen(self, kind, topic):
        heard = []
        self.driver.create_subscription(message_class(kind), topic, heard.append, 10)
        return heard

    def server(self, type_name=GOALS, accept=True):
        """An action server for the gripper; the positions and efforts that it is given."""
        goals = []

        def on_goal(request):
            return GoalResponse.ACCEPT if accept else GoalResponse.REJECT

        def execute(handle):
            goals.append(handle.request.command)
            handle.succeed()
            return action_class(type_name).Result()

        self.serving = ActionServer(
            self.driver, action_class(type_name), HAND, execute, goal_callback=on_goal
        )
        return goals

    def until(self, condition, action=lambda: None, timeout_s=20.0):
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end
            action()
            self.executor.spin_once(timeout_sec=0.008)

    def repeat(self, action, seconds):
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, action)

    def close(self):
        for one in (self.commands, self.serving):
            if one is not None:
                one.destroy()
        self.executor.shutdown()
        self.node.destroy_node()
        self.driver.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


def command(values=np.arange(6.0), rates=np.arange(6.0) / 10):
    return CommandSample('executed', 0, 0, 1, 'position', JOINTS, np.array(values), rates)


def brake(rows=7, n=6):
    """A stop in 0.1 s, of rows that tell joints and rows apart."""
    rng = np.random.default_rng(0)
    times = np.linspace(0.1 / rows, 0.1, rows)
    position, velocity, acceleration = rng.uniform(-1, 1, (3, rows, n))
    velocity[-1] = acceleration[-1] = 0.0
    return StopPath(times, position, velocity, acceleration)


@pytest.mark.parametrize(
    ('kind', 'expected'), [('forward_position', [5.0, 2.0]), ('forward_velocity', [0.5, 0.2])]
)
def test_forward_paths_take_their_own_joints_in_their_own_order(bench, robot, kind, expected):
    rest = [name for name in JOINTS if name not in (JOINTS[5], JOINTS[2])]
    spec = robot(
        f'kind: {kind}, topic: /a, joints: [{JOINTS[5]}, {JOINTS[2]}]',
        f'kind: forward_position, topic: /b, joints: [{", ".join(rest)}]',
    )
    heard, others = (bench.listen('std_msgs/msg/Float64MultiArray', name) for name in ('/a', '/b'))
    paths = bench.paths(spec)
    bench.until(lambda: heard and others, lambda: paths.send(command(), None))
    assert heard[0].data.tolist() == expected
    assert others[0].data.tolist() == [0.0, 1.0, 3.0, 4.0]


def test_a_trajectory_holds_the_command_one_period_ahead_and_the_brake_from_there(bench, robot):
    names = JOINTS[::-1]
    spec = robot(f'kind: joint_trajectory, topic: /arm/in, joints: [{", ".join(names)}]')
    heard = bench.listen('trajectory_msgs/msg/JointTrajectory', '/arm/in')
    paths, sent, stop = bench.paths(spec), command(), brake()
    bench.until(lambda: heard, lambda: paths.send(sent, stop))
    message = heard[0]
    assert tuple(message.joint_names) == names
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (0, 0)
    rows = message.points
    for key, table in (
        ('positions', stop.positions),
        ('velocities', stop.velocities),
        ('accelerations', stop.accelerations),
    ):
        assert [getattr(row, key).tolist() for row in rows] == table[:, ::-1].tolist()
    period = 1 / spec.control.rate_hz
    times = [p.time_from_start.sec + p.time_from_start.nanosec / NS for p in message.points]
    assert np.allclose(times, period + stop.times_s, atol=1e-9)
    assert not any(message.points[-1].velocities)


def test_trajectories_of_changing_length_are_sent_as_they_are(bench, robot):
    spec = robot(f'kind: joint_trajectory, topic: /arm/in, joints: [{", ".join(JOINTS)}]')
    heard = bench.listen('trajectory_msgs/msg/JointTrajectory', '/arm/in')
    paths = bench.paths(spec)
    bench.until(lambda: heard, lambda: paths.send(command(), brake()))
    heard.clear()
    paths.send(command(), brake(rows=3))
    bench.until(lambda: any(len(message.points) == 3 for message in heard))


@pytest.fixture
def hand(robot, interfaces):
    return robot(
        f'kind: forward_position, topic: /a, joints: [{", ".join(ARM)}]',
        f'kind: gripper_action, topic: {HAND}, type: {GOALS}, joints: [{FINGER}], max_effort: 40',
    )


def grip(position):
    return command([*range(5), position])


def test_a_gripper_gets_a_goal_when_its_command_moves_and_only_then(bench, hand):
    goals, paths = bench.server(), bench.paths(hand)
    bench.until(lambda: goals, lambda: paths.send(grip(0.3), None))
    assert (goals[0].position, goals[0].max_effort) == (0.3, 40.0)
    travel = 2 * np.pi  # the joint's is more than a turn
    bench.repeat(lambda: paths.send(grip(0.3 + 0.009 * travel), None), 0.5)
    assert len(goals) == 1
    bench.until(lambda: len(goals) > 1, lambda: paths.send(grip(0.3 + 0.011 * travel), None))
    assert goals[1].position == 0.3 + 0.011 * travel
    assert paths.troubles == ()


def test_goals_come_at_most_ten_times_a_second_and_the_newest_wins(bench, hand):
    goals, paths = bench.server(), bench.paths(hand)
    bench.until(lambda: goals, lambda: paths.send(grip(0.0), None))
    goals.clear()
    start = time.monotonic()
    bench.repeat(lambda: paths.send(grip(time.monotonic() - start), None), 1.0)
    assert 4 <= len(goals) <= 11
    assert np.all(np.diff([goal.position for goal in goals]) >= 0.09)
    bench.until(lambda: goals[-1].position == 2.0, lambda: paths.send(grip(2.0), None))


def test_a_missing_gripper_is_named_and_found_when_it_comes(bench, hand):
    paths = bench.paths(hand)
    bench.until(lambda: paths.troubles, lambda: paths.send(grip(0.3), None))
    assert paths.troubles == (f"no action server for '{HAND}' ({GOALS})",)
    goals = bench.server()
    bench.until(lambda: goals, lambda: paths.send(grip(0.3), None))
    bench.until(lambda: not paths.troubles)


def test_no_goal_follows_the_last_command(bench, hand):
    paths = bench.paths(hand)
    bench.until(lambda: paths.troubles, lambda: paths.send(grip(0.3), None))
    goals = bench.server()
    bench.repeat(lambda: None, 1.0)
    assert goals == []


def test_a_refused_goal_is_named_and_tried_again(bench, hand):
    bench.server(accept=False)
    paths = bench.paths(hand)
    bench.until(lambda: paths.troubles, lambda: paths.send(grip(0.3), None))
    bench.until(
        lambda: paths.troubles == (f"'{HAND}' refused a goal",),
        lambda: paths.send(grip(0.3), None),
    )


def test_a_gripper_that_dies_is_named_and_told_again_when_it_is_back(bench, hand):
    goals, paths = bench.server(), bench.paths(hand)
    bench.until(lambda: goals, lambda: paths.send(grip(0.3), None))
    bench.serving.destroy()
    bench.until(lambda: paths.troubles, lambda: paths.send(grip(1.3), None))
    goals = bench.server()
    bench.until(lambda: goals and not paths.troubles, lambda: paths.send(grip(1.3), None))
    assert goals[0].position == 1.3


def test_a_parallel_gripper_is_told_joint_effort_and_greatest_speed(bench, robot, interfaces):
    kind = 'control_msgs/action/ParallelGripperCommand'
    spec = robot(
        f'kind: forward_position, topic: /a, joints: [{", ".join(ARM)}]',
        f'kind: gripper_action, topic: {HAND}, type: {kind}, joints: [{FINGER}], max_effort: 40',
    )
    goals, paths = bench.server(kind), bench.paths(spec)
    bench.until(lambda: goals, lambda: paths.send(grip(0.3), None))
    told = goals[0]
    assert (list(told.name), told.position.tolist()) == ([FINGER], [0.3])
    assert (told.velocity.tolist(), told.effort.tolist()) == ([spec.velocity[5]], [40.0])


def test_a_package_that_is_missing_is_named_with_the_key_and_what_to_install():
    with pytest.raises(ConfigError) as error:
        wired_class('franka_msgs/msg/FrankaRobotState', 'safety: topics[0]', '/robots/fr3.yaml')
    said = str(error.value)
    assert said.startswith("robot YAML '/robots/fr3.yaml': safety: topics[0]: franka_msgs/msg/Fr")
    assert 'sudo apt install ros-jazzy-franka-msgs' in said and '\n' not in said


def test_a_message_that_a_package_lacks_is_named():
    with pytest.raises(ConfigError, match='std_msgs as installed here has no msg Boolean'):
        wired_class('std_msgs/msg/Boolean', 'safety: topics[0]', 'x.yaml')
