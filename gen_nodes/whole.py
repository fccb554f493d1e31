"""Files that are there whole or not at all, whatever ends the process meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write instead of `path`, which is replaced when the block ends well; where it does
    not, nothing stays. A pipe or a device (/dev/stdout) is written directly.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file, UTF-8."""
    with whole(path) as partial:
        partial.write_text(text, encoding='utf-8')
