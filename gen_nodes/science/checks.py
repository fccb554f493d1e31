"""The stack's promises beside what a run measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

SUCCESS = 0.9
BLIND_SUCCESS = 0.1
TRACK_ERROR_M = 0.03
GAPS_PER_TICK = 1e-4
MEMORY_MB = 1500.0

Row = tuple[str, str | None, bool | None]


def check_rows(report: Mapping[str, Any]) -> Iterator[Row]:
    """(promise, what was measured or None, kept or None where it was not measured) per promise."""
    yield from task_rows(report)
    yield gaps_row(report)
    yield recorder_row(report.get('recorder') or {})
    yield memory_row(report)
    yield none_row('No process dies', report.get('deaths'))
    yield none_row('Nothing is left behind at the end', report.get('left_behind'))


def task_rows(report: Mapping[str, Any]) -> Iterator[Row]:
    """Success with eyes open, failure with eyes shut; an aborted episode counts as a failure."""
    success = report.get('success') or {}
    names = (
        'Succeeds in at least 90 % of episodes',
        'With its camera blanked it fails (at most 10 %)',
    )
    yield judged(names[0], success.get('policy'), share, lambda value: value >= SUCCESS)
    yield judged(names[1], success.get('blind'), share, lambda value: value <= BLIND_SUCCESS)
    if report.get('task') == 'track':
        error = (report.get('track_error_m') or {}).get('policy')
        name = 'Stays within 3 cm of the ball on average'
        yield judged(name, error, length, lambda value: value <= TRACK_ERROR_M)
    yield aborted_row(report.get('episodes_detail'))


def aborted_row(rows: Sequence[Mapping[str, Any]] | None) -> Row:
    """Every episode came to its end; those that did not are named."""
    name = 'No episode is aborted'
    if rows is None:
        return name, None, None
    aborted = [f'{row["id"]}: {row["note"]}' for row in rows if row.get('note')]
    return name, '; '.join(aborted) or 'none', not aborted


def judged(
    name: str,
    value: float | None,
    words: Callable[[float], str],
    kept: Callable[[float], bool],
) -> Row:
    """A row for one value."""
    return (name, None, None) if value is None else (name, words(value), kept(value))


def length(metres: float) -> str:
    """A length in cm."""
    return f'{100 * metres:.1f} cm'


def share(value: float) -> str:
    """A share of 0 to 1 in percent."""
    return f'{100 * value:.0f} %'


def gaps_row(report: Mapping[str, Any]) -> Row:
    """Gaps over two periods per command; one gap in a short run proves nothing."""
    name = 'At most 1 gap of over two control periods in 10,000 commands'
    control = report.get('control') or {}
    missed = control.get('missed')
    ticks = control.get('ticks')
    if missed is None or not ticks:
        return name, None if missed is None else f'{missed} gaps', None
    if missed == 1 and ticks * GAPS_PER_TICK < 1:
        return name, f'1 in {ticks:,}: the run is too short to tell', None
    return name, f'{missed} in {ticks:,}', missed <= GAPS_PER_TICK * ticks


def recorder_row(said: Mapping[str, Any]) -> Row:
    """Every message is in the bag or counted as lost."""
    name = 'Every message of the robot is in the bag or counted as lost'
    published, recorded, lost = (said.get(key) for key in ('published', 'recorded', 'lost'))
    if None in (published, recorded, lost):
        return name, None, None
    unaccounted = said.get('unaccounted', abs(published - recorded - lost))
    words = f'{published:,} published, {recorded:,} in the bags, {lost:,} counted as lost'
    if stack_lost := sum((said.get('stack_lost') or {}).values()):
        words += f"; of the stack's own messages {stack_lost:,} lost"
    return name, words, unaccounted == 0


def none_row(name: str, found: Any) -> Row:
    """Of these there must be none; `found` is a list, a count, or a mapping of lists."""
    if found is None:
        return name, None, None
    if isinstance(found, Mapping):
        found = [one for those in found.values() for one in those]
    count = len(found) if isinstance(found, list | tuple) else int(found)
    return name, str(count) if count else 'none', count == 0


def memory_row(report: Mapping[str, Any]) -> Row:
    """Resident memory of all processes together."""
    total = (report.get('memory_mb') or {}).get('total')
    name = 'All processes together take at most 1.5 GB'
    return judged(name, total, lambda value: f'{value:,.0f} MB', lambda value: value <= MEMORY_MB)
