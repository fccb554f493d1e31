"""How fast the loop is, from the stamps that its messages carry: nothing is estimated. No clock.

Latencies in milliseconds:
  aggregator           newest sample captured -> the observation that carries it published
  camera               an image captured -> the observation that carries it published
  policy_tick          observation published -> the chunk decided on it published
  decision_to_command  decision stamp -> first command played from its chunk sent
  capture_to_command   newest sample a decision used captured -> the same command sent
  command_age          the same for every command: how old what it rests on is
  control_period       between consecutive commands, as they were sent
  relay_floor          captured -> passed on by a process that does nothing else
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gen_nodes.types import NS, Observation

KINDS = (
    'aggregator',
    'camera',
    'policy_tick',
    'decision_to_command',
    'capture_to_command',
    'command_age',
    'control_period',
    'relay_floor',
)
HISTOGRAM_SAMPLES = 4000  # of each kind, at most, in `arrays_ms`


@dataclass(frozen=True)
class Decision:
    """One action chunk: when decided, when the newest sample was captured, when published [ns]."""

    stamp_ns: int
    newest_capture_ns: int
    publish_ns: int


@dataclass
class EpisodeStamps:
    """What was heard in one episode."""

    decisions: dict[int, Decision] = field(default_factory=dict)  # by sequence
    commands: list[tuple[int, int]] = field(default_factory=list)  # (sent, sequence of its chunk)
    published: dict[int, int] = field(default_factory=dict)  # observation stamp -> published


class Measures:
    """Gathers latencies over episodes."""

    def __init__(self) -> None:
        self.ms: dict[str, list[float]] = defaultdict(list)

    def add(self, stamps: EpisodeStamps) -> None:
        """Take an episode's stamps."""
        for decision in stamps.decisions.values():
            if decision.stamp_ns in stamps.published:
                self._note('policy_tick', decision.publish_ns - stamps.published[decision.stamp_ns])
        seen: set[int] = set()
        for stamp_ns, sequence in stamps.commands:
            decision = stamps.decisions.get(sequence)
            if decision is None:
                continue
            age_ns = stamp_ns - decision.newest_capture_ns
            self._note('command_age', age_ns)
            if sequence not in seen:
                seen.add(sequence)
                self._note('capture_to_command', age_ns)
                self._note('decision_to_command', stamp_ns - decision.stamp_ns)
        for (before_ns, _), (stamp_ns, _) in zip(
            stamps.commands, stamps.commands[1:], strict=False
        ):
            self._note('control_period', stamp_ns - before_ns)

    def add_observation(
        self, observation: Observation, publish_ns: int, cameras: Iterable[str]
    ) -> None:
        """Take an observation and when it was published."""
        captures = [(s.capture_ns, s.stream) for s in observation.samples if s.stream != 'executed']
        if captures:
            self._note('aggregator', publish_ns - max(captures)[0])
        for capture_ns, stream in captures:
            if stream in cameras:
                self._note('camera', publish_ns - capture_ns)

    def add_floor(self, latencies_ms: Sequence[float]) -> None:
        """Take what the relay measured."""
        self.ms['relay_floor'].extend(latencies_ms)

    def _note(self, kind: str, ns: int) -> None:
        self.ms[kind].append(ns / NS * 1e3)

    def summary(self) -> dict[str, dict[str, float | None]]:
        """p50, p99, maximum [ms] and count of each kind."""
        return {kind: summarise(self.ms[kind]) for kind in KINDS}

    def arrays_ms(self) -> dict[str, list[float]]:
        """Values of each kind, evenly thinned, for histograms [ms]."""
        return {
            kind: [round(value, 3) for value in thin(self.ms[kind], HISTOGRAM_SAMPLES)]
            for kind in KINDS
        }


def summarise(values: Sequence[float]) -> dict[str, float | None]:
    """p50, p99, max, count; None where there are no values."""
    if not len(values):
        return {'p50': None, 'p99': None, 'max': None, 'count': 0}
    p50, p99 = np.percentile(values, (50, 99))
    return {
        'p50': round(float(p50), 3),
        'p99': round(float(p99), 3),
        'max': round(float(max(values)), 3),
        'count': len(values),
    }


def thin(values: Sequence[float], most: int) -> list[float]:
    """At most `most` of the values, evenly spread."""
    step = max(1, -(-len(values) // most))
    return list(values[::step])


def success_shares(rows: Mapping[str, Sequence[Mapping]]) -> dict[str, float | None]:
    """Share of successful episodes per actor, None where there are none."""
    return {
        actor: sum(row['success'] for row in those) / len(those) if those else None
        for actor, those in rows.items()
    }


def track_errors(rows: Mapping[str, Sequence[Mapping]], task: str) -> dict[str, float | None]:
    """Per actor, mean over episodes of the mean distance from the ball [m]; None in other tasks.

    An episode that was aborted before it could be measured has no distance: it counts as a failure
    in `success_shares`, and only there.
    """
    return {
        actor: _mean([row['error_m'] for row in those if row['error_m'] is not None])
        if task == 'track'
        else None
        for actor, those in rows.items()
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 5) if values else None
