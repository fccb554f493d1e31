"""Files that are there whole or not at all, whatever ends the process meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEVICES = '/dev', '/proc'


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write instead of `path`, which is replaced when the block ends well; where it does
    not, nothing stays. A link stays a link, and a file keeps its permissions. A pipe or a device
    (/dev/stdout, also where that is redirected to a file) is written directly.
    """
    if is_device(path):
        yield path
        return
    target = path.resolve()
    partial = target.with_name(f'.{target.name}.partial')
    try:
        yield partial
        if target.exists():
            shutil.copymode(target, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def is_device(path: Path) -> bool:
    """Whether there is something that cannot be replaced: a pipe, a device, what leads to one."""
    special = path.exists() and not path.is_file() and not path.is_dir()
    return special or any(path.absolute().is_relative_to(folder) for folder in DEVICES)


def write_whole(path: Path, text: str) -> None:
    """Write a text file, UTF-8."""
    with whole(path) as partial:
        partial.write_text(text, encoding='utf-8')
