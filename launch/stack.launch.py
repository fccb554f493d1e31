"""The whole stack for one robot: ros2 launch gen_stack stack.launch.py robot:=ur5e

Thin over gen_nodes.ros.graph, which `gen up` and the tests use too.
"""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from gen_nodes.ros.graph import ProcessSpec, stack_processes
from gen_nodes.ros.isolation import isolated_environment

ARGUMENTS = [
    DeclareLaunchArgument(
        'robot',
        description='Robot to run: the name of a file in config/robots (ur5e, xarm7, rby1, ...) '
        'or the path of a robot YAML.',
    ),
    DeclareLaunchArgument(
        'checkpoint', default_value='', description='Policy checkpoint. Empty: the one that ships.'
    ),
    DeclareLaunchArgument(
        'emulator',
        default_value='false',
        choices=['true', 'false'],
        description="true: an emulator plays the robot's driver, in a ROS domain of its own on "
        'this machine. false: the commands go to the real robot.',
    ),
    DeclareLaunchArgument(
        'recorder',
        default_value='true',
        choices=['true', 'false'],
        description='true: record every episode as a bag.',
    ),
]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=nodes)])


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    chosen = context.launch_configurations
    emulator, checkpoint = chosen['emulator'] == 'true', chosen['checkpoint']
    processes = stack_processes(
        chosen['robot'],
        emulator=emulator,
        recorder=chosen['recorder'] == 'true',
        parameters={'harmonic_policy': {'checkpoint': checkpoint}} if checkpoint else {},
    )
    # the domain is claimed until launch itself ends
    environment = isolated_environment(context.environment) if emulator else None
    return [node(process, environment) for process in processes]


def node(process: ProcessSpec, environment: dict[str, str] | None) -> Node:
    """environment: all of the process's, None for that of launch."""
    return Node(
        package='gen_stack',
        executable=process.name,
        name=process.name,
        output='screen',
        parameters=[dict(process.parameters)],
        remappings=list(process.remaps.items()),
        env=environment,
    )
