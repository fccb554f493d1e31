"""Threads that cannot die unnoticed."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path


def start_thread(run: Callable[[], None], name: str) -> threading.Thread:
    """Start a daemon thread. Whatever `run` raises is told in one line on standard error and ends
    the process at once with exit status 1: a node without its thread must not look as if it worked.
    """
    thread = threading.Thread(target=_run, args=(run, name), name=name, daemon=True)
    thread.start()
    return thread


def _run(run: Callable[[], None], name: str) -> None:
    try:
        run()
    except BaseException as error:
        program = Path(sys.argv[0]).name.removesuffix('.py')
        place = traceback.extract_tb(error.__traceback__)[-1]
        cause = ' '.join(f'{type(error).__name__}: {error}'.split())
        where = f'{Path(place.filename).name}:{place.lineno}'
        print(f"{program}: thread '{name}' failed, {cause} ({where})", file=sys.stderr, flush=True)
        os._exit(1)  # not through the interpreter's end, which would wait for what may hang
