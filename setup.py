"""`pip install -e .`: the parts that need no ROS. A ROS machine builds with colcon, see
CMakeLists.txt.
"""

import re
from pathlib import Path

from setuptools import setup


def compatible(pin: str) -> str:
    """A pin of requirements.txt as a range: this release or a later one of its major version."""
    name, version = re.match(r'(\S+)==(\S+)', pin).groups()
    return f'{name}>={version},<{int(version.split(".")[0]) + 1}'


lines = (Path(__file__).parent / 'requirements.txt').read_text().splitlines()
setup(install_requires=[compatible(line) for line in lines if '==' in line])
