"""The stack for a Unitree G1's upper body: ros2 launch gen_stack g1_upper_body.launch.py"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription


def generate_launch_description() -> LaunchDescription:
    stack = str(Path(__file__).with_name('stack.launch.py'))
    return LaunchDescription(
        [IncludeLaunchDescription(stack, launch_arguments={'robot': 'g1_upper_body'}.items())]
    )
