"""Shared-memory files of Fast DDS: which process owns which, and removal of those whose owner died.

Fast DDS 2.14 makes `/dev/shm/fastrtps_<id>` per participant and `fastrtps_port<n>` per port. The
owner of each holds an exclusive lock on a file `<name>_el` beside it; the kernel drops the lock
when the owner dies, and only then may the files go (the rule of Fast DDS's own `fastdds shm
clean`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

FOLDER = '/dev/shm'
PREFIX, LOCK_SUFFIX = f'{FOLDER}/fastrtps_', '_el'


def owned_by(pid: int) -> set[str]:
    """Names of the segments and ports that a process owns; empty when it is gone or not ours."""
    names = set()
    try:
        descriptors = os.listdir(f'/proc/{pid}/fd')
    except OSError:
        return names  # it ended meanwhile
    for descriptor in descriptors:
        try:
            target = os.readlink(f'/proc/{pid}/fd/{descriptor}')
        except OSError:
            continue  # closed meanwhile
        if target.startswith(PREFIX) and target.endswith(LOCK_SUFFIX):
            names.add(target[len(FOLDER) + 1 : -len(LOCK_SUFFIX)])
    return names


def remove_dead(names: Iterable[str]) -> list[str]:
    """Remove the files of those `names` whose owner is dead. Returns what was removed."""
    return [name for name in sorted(names) if remove_if_dead(name)]


def remove_if_dead(name: str) -> bool:
    path = f'{FOLDER}/{name}'
    if not (os.path.exists(path) or os.path.exists(path + LOCK_SUFFIX)):
        return False  # its owner removed it in an orderly way
    try:  # an owner removes its lock before its memory, and may die or be disturbed between the two
        lock = os.open(path + LOCK_SUFFIX, os.O_RDONLY | os.O_CREAT, 0o644)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # somebody lives in it
    else:
        for file in (name, f'sem.{name}_mutex', f'{name}_sl', f'{name}{LOCK_SUFFIX}'):
            remove(f'{FOLDER}/{file}')
        return True
    finally:
        os.close(lock)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
