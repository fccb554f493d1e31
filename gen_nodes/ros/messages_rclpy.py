"""Message factory over the classes that rosidl generated; see convert.Messages. Imports ROS when
first used.
"""

from __future__ import annotations

from array import array
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from gen_nodes.errors import RequirementError

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
    """Class of 'package/msg/Name'."""
    package, _, name = type_name.split('/')
    try:
        return getattr(import_module(f'{package}.msg'), name)
    except ImportError as error:
        raise RequirementError(
            f'ROS messages of {package} cannot be imported ({error}); '
            'run through ./gen, or source the workspace that was built with colcon'
        ) from error


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
