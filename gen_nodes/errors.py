"""Errors that name the wrong value, the valid ones and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GenError(Exception):
    """An error a person can act on. The CLI prints its one line and exits with status 1."""


class ConfigError(GenError):
    """A file or argument says something that cannot be honoured."""


class RobotError(ConfigError):
    """URDF and robot YAML do not describe a usable robot."""


class CheckpointError(GenError):
    """A checkpoint is damaged, of another tokeniser version, or lacks what the robot needs."""


class BagError(GenError):
    """A bag cannot be read or written as asked."""


class RequirementError(GenError):
    """Something that must be installed is missing; the message says what to install."""


def unknown_name(kind: str, name: str, valid: Iterable[str]) -> ConfigError:
    """Error for a name that does not exist: lists the valid ones and suggests the nearest."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f" Did you mean '{near[0]}'?" if near else ''
    return ConfigError(f"unknown {kind} '{name}'.{hint} Valid: {', '.join(names) or 'none'}.")


def reject_unknown_keys(where: str, given: Iterable[str], valid: Iterable[str]) -> None:
    """Raise ConfigError at the first key of `given` that is not in `valid`."""
    names = set(valid)
    for key in given:
        if key not in names:
            raise ConfigError(f'{where}: {unknown_name("key", str(key), names)}')
