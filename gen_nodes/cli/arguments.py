"""What several commands check or prepare in the same way before they start."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from gen_nodes.errors import ConfigError
from gen_nodes.whole import is_device


def stop_in_order_when_ended() -> None:
    """SIGTERM and a closed terminal end a command as Ctrl-C does: everything stops in order."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def check_json(path: Path | None) -> None:
    """Raise ConfigError where --json names a file that cannot be written."""
    check_output('--json', path)


def check_output(option: str, path: Path | None) -> None:
    """Raise ConfigError where an option names a file that cannot be written."""
    if path is None:
        return
    target = path.resolve()
    if not is_device(path):
        if not target.parent.is_dir():
            raise ConfigError(f"{option} '{path}': there is no folder '{target.parent}'")
        if not os.access(target.parent, os.W_OK | os.X_OK):  # it is written beside, then put there
            raise ConfigError(f"{option} '{path}': nothing can be written in '{target.parent}'")
    if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
        raise ConfigError(f"{option} '{path}' cannot be written")


def check_folder(option: str, path: Path) -> None:
    """Make a folder that an option names. Raises ConfigError where nothing can be written there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{option} '{path}' cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise ConfigError(f"{option} '{path}' cannot be written")


def check_seed(seed: int) -> None:
    """Raise ConfigError where --seed is out of range."""
    if not 0 <= seed < 2**31:
        raise ConfigError(f'--seed {seed} must lie in [0, {2**31 - 1}]')
