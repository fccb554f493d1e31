"""ROS messages without ROS: definitions, construction and CDR through the rosbags type store.

Knows every type of ROS 2 Jazzy's common interfaces and this package's own `msg/`.
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from gen_nodes.errors import BagError, RequirementError

PACKAGE = 'gen_stack'
HEAD = 4  # bytes of CDR encapsulation
# ROS's serialiser estimates the length: what lies behind the message may be a few bytes of nothing
SLACK = 256
ZERO = {'string': '', 'bool': False, 'float32': 0.0, 'float64': 0.0}


def message_folder() -> Path:
    """Folder with this package's *.msg files: of the source tree, or of the installed ROS
    package.
    """
    for parent in Path(__file__).resolve().parents:
        for folder in (parent / 'msg', parent / 'share' / PACKAGE / 'msg'):
            if (folder / 'Observation.msg').is_file():
                return folder
    raise RequirementError(
        f'message definitions (msg/*.msg) not found beside {Path(__file__).parents[1]}'
    )


@cache
def type_store() -> Typestore:
    """Type store of ROS 2 Jazzy with this package's messages."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(message_folder().glob('*.msg')):
        types.update(get_types_from_msg(path.read_text(), f'{PACKAGE}/msg/{path.stem}'))
    store.register(types)
    return store


class RosbagsMessages:
    """Message factory and CDR coder over a rosbags type store; see ros/convert.py Messages."""

    def __init__(self, store: Typestore | None = None) -> None:
        self.store = store or type_store()
        self.fields: dict[str, dict[str, tuple[Any, str | None]]] = {}

    def make(self, type_name: str, **fields: Any) -> Any:
        """A message; fields not given are zero. Raises TypeError for a field that the type does
        not have.
        """
        known = self.fields.get(type_name) or self.fields.setdefault(
            type_name, fields_of(self.store, type_name)
        )
        values = {name: zero(self, desc) for name, (desc, _) in known.items() if name not in fields}
        for name, value in fields.items():
            if name not in known:
                raise TypeError(f'{type_name} has no field {name!r}; it has {", ".join(known)}')
            numbers = known[name][1]
            values[name] = (
                value if numbers is None else np.ascontiguousarray(value, dtype=numbers).reshape(-1)
            )
        return self.store.types[type_name](**values)

    def knows(self, type_name: str) -> bool:
        """Whether messages of this type can be made and decoded."""
        return type_name in self.store.fielddefs

    def learn(self, type_name: str, definition: str) -> None:
        """Take over a foreign type from the ros2msg text in its bag. Raises BagError where it
        contradicts a known one.
        """
        own = Typestore()  # what one bag defines must not reach the next
        own.types, own.fielddefs, self.fields = (
            dict(self.store.types),
            dict(self.store.fielddefs),
            {},
        )
        self.store = own
        try:
            own.register(get_types_from_msg(definition, type_name))
        except TypesysError as error:
            raise BagError(
                f'{type_name}: the definition in the bag cannot be used: {error}'
            ) from error

    def serialize(self, type_name: str, message: Any) -> bytes:
        """CDR of a message."""
        return bytes(self.store.serialize_cdr(message, type_name))

    def deserialize(self, type_name: str, raw: bytes | memoryview) -> Any:
        """Message of its CDR. Raises BagError where the bytes do not fit the type."""
        if not self.knows(type_name):
            raise BagError(f'type {type_name} is unknown and the bag does not define it')
        if len(raw) < HEAD or bytes(raw[:2]) not in (b'\x00\x00', b'\x00\x01'):
            raise BagError(f'{type_name}: {len(raw)} bytes cannot be decoded: not plain CDR')
        known = self.store.get_msgdef(type_name)
        decode = known.deserialize_cdr_le if raw[1] else known.deserialize_cdr_be
        try:
            message, used = decode(memoryview(raw)[HEAD:], 0, known.cls, self.store)
        except (struct.error, ValueError, IndexError, SerdeError) as error:
            raise BagError(f'{type_name}: {len(raw)} bytes cannot be decoded: {error}') from error
        if used + HEAD + SLACK < len(raw):
            raise BagError(
                f'{type_name}: {len(raw)} bytes cannot be decoded: only {used + HEAD} belong to it'
            )
        return message

    def definition(self, type_name: str) -> str:
        """Definition with everything it needs, as the schema encoding 'ros2msg' wants it."""
        return self.store.generate_msgdef(type_name, ros_version=2)[0]

    def type_hash(self, type_name: str) -> str:
        """RIHS01 hash as DDS and rosbag2 carry it (REP-2016)."""
        return self.store.hash_rihs01(type_name)


def fields_of(store: Typestore, type_name: str) -> dict[str, tuple[Any, str | None]]:
    """Field name -> (rosbags field description, numpy's type name where it is a sequence of
    numbers).
    """
    if type_name not in store.fielddefs:
        raise BagError(f'message type {type_name} is unknown')
    return {name: (desc, number_type(desc)) for name, desc in store.fielddefs[type_name][1]}


def number_type(desc: Any) -> str | None:
    """numpy's type name of a number sequence, None for any other field."""
    kind, detail = desc
    if kind not in (Nodetype.ARRAY, Nodetype.SEQUENCE) or detail[0][0] != Nodetype.BASE:
        return None
    return None if detail[0][1][0] == 'string' else numpy_type(detail[0][1][0])


def numpy_type(base: str) -> str:
    """numpy's name of a ROS base type."""
    return {'byte': 'uint8', 'char': 'uint8'}.get(base, base)


def zero(messages: RosbagsMessages, desc: Any) -> Any:
    """Zero value of a field."""
    kind, detail = desc
    if kind == Nodetype.BASE:
        return ZERO.get(detail[0], 0)
    if kind == Nodetype.NAME:
        return messages.make(detail)
    (item_kind, item), count = detail
    length = count if kind == Nodetype.ARRAY else 0
    if item_kind == Nodetype.BASE and item[0] != 'string':
        return np.zeros(length, dtype=numpy_type(item[0]))
    return [zero(messages, (item_kind, item)) for _ in range(length)]
