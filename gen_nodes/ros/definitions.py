"""Message definitions of installed ROS packages, for types that no library carries."""

from __future__ import annotations

import os
from pathlib import Path

BASIC = {
    'bool',
    'byte',
    'char',
    'float32',
    'float64',
    'int8',
    'uint8',
    'int16',
    'uint16',
    'int32',
    'uint32',
    'int64',
    'uint64',
    'string',
    'wstring',
}


def installed_definition(type_name: str, prefixes: tuple[str, ...] | None = None) -> str:
    """ros2msg text of 'package/msg/Name' with all it needs, '' where its .msg file is not
    installed.
    """
    prefixes = prefixes or tuple(
        filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep))
    )
    texts: dict[str, str] = {}
    pending = [type_name]
    while pending:
        name = pending.pop(0)
        text = read(name, prefixes)
        if text is None:
            return ''
        texts[name] = text
        pending += [
            other
            for other in dependencies(text, name)
            if other not in texts and other not in pending
        ]
    first, *others = texts
    return texts[first] + ''.join(
        f'\n{"=" * 80}\nMSG: {short(name)}\n{texts[name]}' for name in others
    )


def read(type_name: str, prefixes: tuple[str, ...]) -> str | None:
    """Text of one .msg file."""
    package, _, name = type_name.split('/')
    for prefix in prefixes:
        path = Path(prefix) / 'share' / package / 'msg' / f'{name}.msg'
        if path.is_file():
            return path.read_text()
    return None


def dependencies(text: str, type_name: str) -> list[str]:
    """Types that a definition uses."""
    found = []
    for line in text.splitlines():
        words = line.split('#')[0].split()
        if not words:
            continue
        used = words[0].split('[')[0].split('<')[0]
        if used not in BASIC:
            parts = used.split('/')
            package = parts[0] if len(parts) > 1 else type_name.split('/')[0]
            found.append(f'{package}/msg/{parts[-1]}')
    return found


def short(type_name: str) -> str:
    """'package/Name' of 'package/msg/Name', as ros2msg separators have it."""
    package, _, name = type_name.split('/')
    return f'{package}/{name}'
