"""Message factory over the classes that rosidl generated; see convert.Messages. Imports ROS when
first used.
"""

from __future__ import annotations

from array import array
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from gen_nodes.errors import ConfigError, RequirementError

CODES = {
    'double': 'd',
    'float': 'f',
    'int8': 'b',
    'uint8': 'B',
    'octet': 'B',
    'int16': 'h',
    'uint16': 'H',
    'int32': 'i',
    'uint32': 'I',
    'int64': 'q',
    'uint64': 'Q',
}


@cache
def message_class(type_name: str) -> type:
    """Class of 'package/msg/Name'; raises RequirementError that says what to install."""
    return _interface(type_name, 'msg')


@cache
def action_class(type_name: str) -> type:
    """Class of 'package/action/Name'; raises RequirementError that says what to install."""
    return _interface(type_name, 'action')


def _interface(type_name: str, kind: str) -> type:
    package, _, name = type_name.split('/')
    try:
        return getattr(import_module(f'{package}.{kind}'), name)
    except ImportError as error:
        raise RequirementError(
            f'ROS messages of {package} cannot be imported ({error}); {_remedy(package)}'
        ) from error
    except AttributeError as error:
        raise RequirementError(
            f'package {package} as installed here has no {kind} {name}; check the name, or '
            f'install a version that has it: sudo apt install {apt_name(package)}'
        ) from error


def _remedy(package: str) -> str:
    if package == 'gen_stack':
        return 'run through ./gen, or source the workspace that was built with colcon'
    return f'sudo apt install {apt_name(package)}, or source the workspace that has it'


def apt_name(package: str) -> str:
    """Debian package of a ROS package: 'control_msgs' is in 'ros-jazzy-control-msgs'."""
    return f'ros-jazzy-{package.replace("_", "-")}'


def wired_class(type_name: str, key: str, where: object) -> type:
    """Class of a message or action that the robot YAML `where` names under `key`; raises
    ConfigError that names both.
    """
    make = action_class if '/action/' in type_name else message_class
    try:
        return make(type_name)
    except RequirementError as error:
        raise ConfigError(f"robot YAML '{where}': {key}: {type_name}: {error}") from error


@cache
def array_codes(type_name: str) -> dict[str, str]:
    """Field name -> array.array type code, for fields that are number sequences of free length."""
    types = message_class(type_name).get_fields_and_field_types()
    return {
        name: CODES[text[9:-1]]
        for name, text in types.items()
        if text.startswith('sequence<') and text[9:-1] in CODES
    }


class RclpyMessages:
    """Makes rosidl messages; numpy arrays become array.array in one copy."""

    def make(self, type_name: str, **fields: Any) -> Any:
        """A message; fields not given keep rosidl's default. Raises AttributeError for an unknown
        field.
        """
        message, codes = message_class(type_name)(), array_codes(type_name)
        for name, value in fields.items():
            if not hasattr(message, name):
                raise AttributeError(f'{type_name} has no field {name!r}')
            if name in codes and isinstance(value, np.ndarray):
                value = array(codes[name], np.ascontiguousarray(value, dtype=codes[name]).tobytes())
            setattr(message, name, value)
        return message

    def serialize(self, type_name: str, message: Any) -> bytes:
        """CDR of a message."""
        from rclpy.serialization import serialize_message

        return serialize_message(message)

    def deserialize(self, type_name: str, raw: bytes) -> Any:
        """Message of its CDR."""
        from rclpy.serialization import deserialize_message

        return deserialize_message(raw, message_class(type_name))
