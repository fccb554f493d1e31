"""What a step of the acceptance suite showed, and the verdict over all. No ROS, no clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gen_nodes.hil.acceptance.steps import Step


@dataclass(frozen=True)
class Check:
    """One bar: what was asked, what was measured, what is demanded, whether it is met."""

    what: str
    measured: str
    bar: str
    met: bool


def at_most(what: str, value: float, most: float, unit: str = '') -> Check:
    """A figure that must not exceed `most`; one that is not finite does."""
    return Check(
        what, in_words(value, unit), f'at most {in_words(most, unit)}', bool(value <= most)
    )


def between(what: str, value: float, least: float, most: float, unit: str = '') -> Check:
    """A figure that must lie in [least, most]."""
    most_in_words = f'to {in_words(most, unit)}' if math.isfinite(most) else f'{unit} or more'
    bar = f'{least:.4g} {most_in_words}'
    return Check(what, in_words(value, unit), bar, bool(least <= value <= most))


def holds(what: str, met: bool, measured: str = '') -> Check:
    """Something that is so or is not."""
    return Check(what, measured or ('yes' if met else 'no'), 'yes', bool(met))


def in_words(value: float, unit: str = '') -> str:
    """A figure with its unit."""
    return f'{value:.4g} {unit}'.strip() if math.isfinite(value) else 'never'


@dataclass(frozen=True)
class Findings:
    """What a step, or a part of one, showed."""

    checks: tuple[Check, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    traces: Mapping[str, Any] = field(default_factory=dict)


def together(parts: Mapping[str, Findings]) -> Findings:
    """Several findings as one; bars and figures say to which part they belong."""
    return Findings(
        tuple(
            Check(f'{name}: {c.what}' if name else c.what, c.measured, c.bar, c.met)
            for name, part in parts.items()
            for c in part.checks
        ),
        {name: part.figures for name, part in parts.items() if part.figures},
        tuple(note for part in parts.values() for note in part.notes),
        {name: part.traces for name, part in parts.items() if part.traces},
    )


@dataclass(frozen=True)
class Result:
    """What came out of a step. skipped: why, '' where it was done. error: what kept it from its
    end. traces: curves for the page.
    """

    step: Step
    checks: tuple[Check, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ''
    error: str = ''
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    traces: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Done to its end, and every bar met."""
        return not (self.skipped or self.error) and all(check.met for check in self.checks)

    @property
    def failed(self) -> bool:
        """Done, and not passed."""
        return not (self.skipped or self.passed)

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """Every bar that was not met, in words."""
        missed = (f'{c.what}: {c.measured} ({c.bar})' for c in self.checks if not c.met)
        return tuple(missed) + ((self.error,) if self.error else ())

    def as_json(self) -> dict[str, Any]:
        """As the report holds it."""
        return {
            'name': self.step.name,
            'title': self.step.title,
            'passed': self.passed,
            'skipped': bool(self.skipped),
            'why_skipped': self.skipped,
            'done': self.step.does,
            'figures': finite(self.figures),
            'checks': [vars(check) for check in self.checks],
            'bar': '; '.join(f'{check.what}: {check.bar}' for check in self.checks),
            'advice': self.step.advice if self.failed else '',
            'error': self.error,
            'notes': list(self.notes),
            'seconds': round(self.seconds, 2),
            'traces': finite(self.traces),
        }


def finite(value: Any) -> Any:
    """Plain JSON: arrays as lists, numbers to 6 digits, what is not finite as null."""
    if hasattr(value, 'tolist'):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, float):
        return float(f'{value:.6g}') if math.isfinite(value) else None
    return value


def all_passed(results: Iterable[Result], steps: Sequence[Step], *, allow_skips: bool) -> bool:
    """Whether every step that was asked for was done and passed; or, where that is allowed, was
    skipped.
    """
    by_name = {result.step.name: result for result in results}
    return all(
        step.name in by_name
        and (by_name[step.name].passed or (allow_skips and bool(by_name[step.name].skipped)))
        for step in steps
    )
