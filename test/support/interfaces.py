"""Builds the robots' interface packages that this machine lacks, from their public definitions.

What a user gets from apt (`ros-jazzy-control-msgs`, `ros-jazzy-ur-dashboard-msgs`), as far as tests
need it, made with the stack's own build tools in a temporary folder.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GRIPPER_COMMAND = """
float64 position
float64 max_effort
"""
GRIPPER_COMMAND_ACTION = """
GripperCommand command
---
float64 position
float64 effort
bool stalled
bool reached_goal
---
float64 position
float64 effort
bool stalled
bool reached_goal
"""
PARALLEL_GRIPPER_COMMAND_ACTION = """
sensor_msgs/JointState command
---
sensor_msgs/JointState state
bool stalled
bool reached_goal
---
sensor_msgs/JointState state
"""
SAFETY_MODE = """
uint8 NORMAL=1
uint8 REDUCED=2
uint8 PROTECTIVE_STOP=3
uint8 RECOVERY=4
uint8 SAFEGUARD_STOP=5
uint8 SYSTEM_EMERGENCY_STOP=6
uint8 ROBOT_EMERGENCY_STOP=7
uint8 VIOLATION=8
uint8 FAULT=9
uint8 VALIDATE_JOINT_ID=10
uint8 UNDEFINED_SAFETY_MODE=11
uint8 AUTOMATIC_MODE_SAFEGUARD_STOP=12
uint8 SYSTEM_THREE_POSITION_ENABLING_STOP=13
uint8 mode
"""
ROBOT_MODE = """
int8 NO_CONTROLLER=-1
int8 DISCONNECTED=0
int8 CONFIRM_SAFETY=1
int8 BOOTING=2
int8 POWER_OFF=3
int8 POWER_ON=4
int8 IDLE=5
int8 BACKDRIVE=6
int8 RUNNING=7
int8 UPDATING_FIRMWARE=8
int8 mode
"""
PACKAGES = {
    'control_msgs': {
        'msg/GripperCommand.msg': GRIPPER_COMMAND,
        'action/GripperCommand.action': GRIPPER_COMMAND_ACTION,
        'action/ParallelGripperCommand.action': PARALLEL_GRIPPER_COMMAND_ACTION,
    },
    'ur_dashboard_msgs': {'msg/SafetyMode.msg': SAFETY_MODE, 'msg/RobotMode.msg': ROBOT_MODE},
}
DEPENDENCIES = {'control_msgs': ('action_msgs', 'sensor_msgs'), 'ur_dashboard_msgs': ()}

PACKAGE_XML = """<?xml version="1.0"?>
<package format="3">
  <name>{name}</name>
  <version>0.0.0</version>
  <description>Public definitions, for tests.</description>
  <maintainer email="maintainers@example.com">gen_stack maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  {depends}
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
CMAKE = """cmake_minimum_required(VERSION 3.20)
project({name})
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
{finds}
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} {dependencies})
ament_package()
"""


@dataclass(frozen=True)
class Interfaces:
    """Built packages below one folder."""

    install: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that let a process find the packages, on top of this process's own."""
        prefixes = sorted(path for path in self.install.iterdir() if path.is_dir())
        found = {
            'AMENT_PREFIX_PATH': prefixes,
            'LD_LIBRARY_PATH': [prefix / 'lib' for prefix in prefixes],
            'PYTHONPATH': [
                path for prefix in prefixes for path in prefix.glob('**/python3*/*-packages')
            ],
        }
        return {
            name: os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get(name)])])
            for name, paths in found.items()
        }

    def use_here(self) -> None:
        """Make the packages importable in this process, for good."""
        waiting = sorted(self.install.glob('*/lib/*.so'))
        while waiting:  # each after those that it needs
            left = [library for library in waiting if not _loaded(library)]
            if left == waiting:
                raise RuntimeError(f'cannot load {[path.name for path in left]}')
            waiting = left
        for path in self.environment['PYTHONPATH'].split(os.pathsep):
            if path not in sys.path:
                sys.path.insert(0, path)


def _loaded(library: Path) -> bool:
    try:
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True


def build_interfaces(folder: Path) -> Interfaces:
    """Build all PACKAGES below `folder` (about a minute on two cores); raises CalledProcessError
    with colcon's output.
    """
    for name, files in PACKAGES.items():
        write_package(folder / 'src' / name, name, files)
    setup = _setup_env()
    command = setup.build_command()
    command = [word if word != '.' else str(folder / 'src') for word in command]
    command[command.index('gen_stack')] = 'control_msgs'
    command.insert(command.index('control_msgs') + 1, 'ur_dashboard_msgs')
    done = subprocess.run(
        command, cwd=folder, env=setup.build_environment(), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f'colcon failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}')
    return Interfaces(folder / 'install')


def write_package(folder: Path, name: str, files: dict[str, str]) -> None:
    """One interface package as source."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.lstrip())
    needs = DEPENDENCIES[name]
    depends = '\n  '.join(f'<depend>{need}</depend>' for need in needs)
    finds = '\n'.join(f'find_package({need} REQUIRED)' for need in needs)
    listed = ' '.join(f'"{path}"' for path in files)
    dependencies = f'DEPENDENCIES {" ".join(needs)}' if needs else ''
    (folder / 'package.xml').write_text(PACKAGE_XML.format(name=name, depends=depends))
    (folder / 'CMakeLists.txt').write_text(
        CMAKE.format(name=name, finds=finds, files=listed, dependencies=dependencies)
    )


def _setup_env():
    """tools/setup_env.py as a module."""
    spec = importlib.util.spec_from_file_location('setup_env', ROOT / 'tools' / 'setup_env.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == '__main__':
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    print(build_interfaces(folder).environment)
