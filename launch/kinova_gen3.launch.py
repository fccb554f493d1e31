"""The stack for a Kinova Gen3: ros2 launch gen_stack kinova_gen3.launch.py"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription


def generate_launch_description() -> LaunchDescription:
    stack = str(Path(__file__).with_name('stack.launch.py'))
    return LaunchDescription(
        [IncludeLaunchDescription(stack, launch_arguments={'robot': 'kinova_gen3'}.items())]
    )
