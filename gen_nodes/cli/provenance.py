"""What a report needs so that its run can be done again: versions, machine, command."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import psutil

from gen_nodes.version import code_version

PACKAGES = ('torch', 'mujoco', 'ruckig', 'pin', 'numpy', 'rosbags', 'mcap')


def versions() -> dict[str, str]:
    """Of this code and of what it rests on."""
    return {
        'gen_stack': code_version(),
        'python': platform.python_version(),
        'ros': os.environ.get('ROS_DISTRO', 'jazzy (wheels)'),
        'rmw': os.environ.get('RMW_IMPLEMENTATION', ''),
        **{name: installed_version(name) for name in PACKAGES},
    }


def machine() -> dict[str, str | int | float]:
    """What it ran on."""
    return {
        'system': platform.platform(),
        'processor': processor(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_gb': round(psutil.virtual_memory().total / 2**30, 1),
        'load_before': round(os.getloadavg()[1], 2),
    }


def processor() -> str:
    """Model name of the processor."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')),
        platform.machine(),
    )


def command_line() -> str:
    """The command that was given."""
    return shlex.join(['gen', *sys.argv[1:]])
