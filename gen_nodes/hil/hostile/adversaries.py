"""Sequences of references that a search found to press hardest on a limit.

They are kept in units of a robot's own limits, so that one found on one robot is played on all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gen_nodes.errors import ConfigError
from gen_nodes.hil.checker.stated_limits import StatedLimits
from gen_nodes.reading import of_type, read_text
from gen_nodes.robot import resource_root

CORPUS = Path('config') / 'hostile' / 'adversaries.json'
TURN = 2 * np.pi


@dataclass(frozen=True)
class Stretch:
    """A reference for `ticks` control periods. place: where it begins, -1 and 1 are the ends of
    travel (`stay`: it goes on from where the last one ended). speed, bend: its velocity and
    acceleration as shares of the limits. rest: no reference at all, so that the robot brakes.
    mirrored: every second joint the other way.
    """

    place: float
    speed: float
    bend: float
    ticks: int
    stay: bool = False
    rest: bool = False
    mirrored: bool = False


@dataclass(frozen=True)
class Adversary:
    """Stretches one after another, the limit they press on, and how hard (1: all of it)."""

    presses: str
    robot: str
    fraction: float
    stretches: tuple[Stretch, ...]

    def references(
        self, limits: StatedLimits, here: np.ndarray, period_s: float
    ) -> Iterator[tuple[np.ndarray, np.ndarray] | None]:
        """Position and velocity (N,) for each control period, None where there is none."""
        finite = np.isfinite(limits.lower)
        lower, upper = np.where(finite, limits.lower, -TURN), np.where(finite, limits.upper, TURN)
        middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower)
        q = here
        for one in self.stretches:
            sign = np.where(np.arange(len(here)) % 2 == 1, -1.0 if one.mirrored else 1.0, 1.0)
            q = q if one.stay else middle + sign * one.place * half
            rate = sign * one.speed * limits.velocity
            for _ in range(one.ticks):
                q = q + rate * period_s
                rate = rate + sign * one.bend * limits.acceleration * period_s
                yield None if one.rest else (q, rate)


def load_adversaries(path: Path | None = None) -> tuple[Adversary, ...]:
    """The corpus of the repository, or the one at `path`. Raises ConfigError."""
    path = path or resource_root() / CORPUS
    try:
        entries = json.loads(read_text(path))
    except ValueError as error:
        raise ConfigError(f"adversaries '{path}': not valid JSON: {error}") from error
    return of_type(tuple[Adversary, ...], entries, f"adversaries '{path}'")


def save_adversaries(adversaries: tuple[Adversary, ...], path: Path) -> None:
    """Write a corpus, one adversary per line."""
    lines = ',\n'.join(json.dumps(asdict(one)) for one in adversaries)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[\n{lines}\n]\n')
