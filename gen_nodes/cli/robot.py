"""gen robot: robots are data; look at them, check them, begin a new one."""

from __future__ import annotations

HELP = 'robots are data: list them, check one and draw it, begin a new one from its URDF'
COMMANDS = {
    'list': 'the robots that are known, with joints, command paths and streams',
    'check': 'validate a robot description, say what it means, and draw it',
    'new': 'write a first robot YAML from any URDF, and say what you must fill in',
}
