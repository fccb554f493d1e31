"""Sections of a report about the task: how often it worked, how, and what the camera saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from gen_nodes.errors import BagError
from gen_nodes.science import charts
from gen_nodes.science.checks import check_rows
from gen_nodes.science.filmstrip import Film, read_film
from gen_nodes.science.intervals import wilson
from gen_nodes.science.page import MISSING, film, paragraph, section, table, verdict

DRIVERS = {
    'policy': 'the checkpoint, seeing camera, joint states and instruction only',
    'expert': 'inverse kinematics that is told where the ball is: the ceiling',
    'hold': 'the robot stands still: the floor',
    'blind': 'the same checkpoint with its camera blanked: what it can do without seeing',
}
CRITERIA = {
    'reach': 'Success: a tip stays within 3 cm of the centre of the named ball for 0.3 s, '
    'within 8 s.',
    'track': 'Success: after 3 s, a tip is on average within 3 cm of the centre of the ball, '
    'which moves at 0.15 m/s.',
}
STRIPS = 4
PLOTS = 25


def counts(report: Mapping[str, Any], driver: str = 'policy') -> tuple[int, int] | None:
    """Successes and episodes of a driver, None where it was not measured."""
    details = (report.get('references_detail') or {}).get(driver)
    if driver == 'policy' and report.get('actor', 'policy') == 'policy':
        details = report.get('episodes_detail')
    if details:
        return sum(bool(one.get('success')) for one in details), len(details)
    share, total = (report.get('success') or {}).get(driver), report.get('episodes')
    return (round(share * total), total) if share is not None and total else None


def live(report: Mapping[str, Any]) -> tuple[int, int] | None:
    """Successes and episodes of whoever acted: the policy, or the expert in its place."""
    details = report.get('episodes_detail')
    if details:
        return sum(bool(one.get('success')) for one in details), len(details)
    return counts(report)


def percent(share: float) -> str:
    """A share of 0 to 1 as text."""
    return f'{100 * share:.0f} %'


def headline(report: Mapping[str, Any], title: str) -> str:
    """How often it worked, beside expert, hold and blind."""
    task, found = report.get('task', ''), live(report)
    if found:
        low, high = wilson(*found)
        number = f'{found[0]} of {found[1]}'
        sure = (
            f'{percent(found[0] / found[1])} succeeded; '
            f'95 % interval {percent(low)} to {percent(high)} (Wilson)'
        )
    else:
        number, sure = MISSING, 'no episode came to a verdict'
    rows = []
    for name in DRIVERS:
        measured = counts(report, name)
        if measured:
            rows.append((name, measured[0] / measured[1], *wilson(*measured)))
    left = (
        f'<div><h1>{escape(title)}</h1><div class="number">{number}</div>'
        + paragraph(sure)
        + paragraph(CRITERIA.get(task, ''), 'muted')
        + paragraph(conditions(report), 'muted')
        + '</div>'
    )
    right = charts.comparison(rows) if rows else paragraph('Success was ' + MISSING, 'muted')
    return f'<section><div class="head">{left}<div>{right}</div></div>{drivers(report)}</section>'


def conditions(report: Mapping[str, Any]) -> str:
    """How it was measured, as far as the report says."""
    modes = {
        'live': 'Measured live: every node a process of its own, over DDS, the robot emulated in '
        'real time. Expert, hold and blind ran the same scenes in simulated time.',
        'lockstep': 'All of it ran in simulated time, without DDS.',
    }
    words, shift = modes.get(report.get('mode', ''), ''), report.get('camera_shift_m')
    if report.get('actor') == 'expert':
        words += (
            ' It was the expert that acted, in the place of the policy: this tests the loop alone.'
        )
    if shift:
        words += f' The camera stood {shift:g} m beside where it does in training, its pose known.'
    return words


def worst_m(episode: Mapping[str, Any]) -> float:
    """Error of an episode for sorting; one that came to no verdict is the worst."""
    error = episode.get('error_m')
    return np.inf if error is None else error


def drivers(report: Mapping[str, Any]) -> str:
    """The four drivers in numbers and what they are."""
    errors = report.get('track_error_m') or {}
    tracked = any(value is not None for value in errors.values())
    rows = []
    for name, meaning in DRIVERS.items():
        found = counts(report, name)
        row = [name, f'{found[0]} of {found[1]}' if found else MISSING]
        if tracked:
            row.append(centimetres(errors.get(name)))
        rows.append([*row, meaning])
    head = ['driver', 'succeeded', *(['mean error'] if tracked else []), 'what it is']
    return table(head, rows, range(1, len(head) - 1))


def centimetres(metres: float | None) -> str:
    """A length in cm."""
    return MISSING if metres is None or not np.isfinite(metres) else f'{100 * metres:.1f} cm'


def seconds(value: float | None) -> str:
    """A duration in s."""
    return MISSING if value is None else f'{value:.1f} s'


def promises(report: Mapping[str, Any]) -> str:
    """What the stack promises, beside what was measured."""
    rows = [(name, measured, verdict(good)) for name, measured, good in check_rows(report)]
    return section('Does it keep its promises?', table(('promise', 'measured here', 'kept'), rows))


def episodes(report: Mapping[str, Any]) -> str:
    """Every episode, failures in their place."""
    details = report.get('episodes_detail')
    if not details:
        return section('Episodes', paragraph('Single episodes were not recorded in this report.'))
    error = 'mean error' if report.get('task') == 'track' else 'error at the verdict'
    rows = [
        (
            one.get('id'),
            one.get('seed'),
            one.get('instruction'),
            verdict(one.get('success')),
            centimetres(one.get('error_m')),
            seconds(one.get('seconds')),
            one.get('note') or '',
        )
        for one in details
    ]
    head = ('episode', 'seed', 'instruction', 'succeeded', error, 'duration', '')
    return section('Episodes', table(head, rows, (1, 4, 5)))


def trajectories(report: Mapping[str, Any]) -> str:
    """Distance over time of every episode and the paths of the worst one and a typical one."""
    traced = [
        one
        for one in report.get('episodes_detail') or ()
        if len(one.get('tip_m') or ()) > 1 and len(one.get('target_m') or ()) > 1
    ]
    if not traced:
        return section('Trajectories', paragraph(f'Trajectories were {MISSING}.', 'muted'))
    ranked = sorted(traced, key=lambda one: (bool(one.get('success')), -worst_m(one)))
    shown = traced if len(traced) <= PLOTS else sorted(ranked[:PLOTS], key=traced.index)
    parts = [
        paragraph(
            'Distance of the nearest tip from the centre of the ball, logarithmic. The green '
            'band is the tolerance of 3 cm; failures are red.'
        )
    ]
    if len(shown) < len(traced):
        parts.append(paragraph(f'The {PLOTS} worst of {len(traced)} episodes are drawn.', 'muted'))
    parts.append(charts.distances(shown))
    typical = ranked[len(ranked) // 2]
    for name, one in (('worst', ranked[0]), ('typical', typical)):
        if name == 'worst' or one is not ranked[0]:
            words = 'The only episode' if len(traced) == 1 else f'The {name} episode'
            parts += [
                paragraph(
                    f'{words}, {one["id"]}: “{one.get("instruction", "")}”, '
                    + ('success' if one.get('success') else 'failure')
                    + '.'
                ),
                charts.projections(one),
            ]
    return section('Trajectories', *parts)


def filmstrips(report: Mapping[str, Any], bags: Sequence[Path]) -> str:
    """What the camera saw, failures first."""
    outcome = {
        str(one.get('id')): one.get('success') for one in report.get('episodes_detail') or ()
    }
    films: list[Film] = []
    parts = [
        paragraph(
            'Read back from the recorded bags, at the camera’s own resolution, pixels enlarged '
            'unchanged. Times count from the first picture.'
        )
    ]
    for bag in bags:
        try:
            films.append(read_film(Path(bag)))
        except (BagError, ValueError, OSError) as error:
            parts.append(paragraph(f'{Path(bag).name}: no pictures: {error}', 'bad'))
    if not films:
        return section(
            'What the camera saw', *parts[1:], paragraph('No pictures were recorded.', 'muted')
        )
    films.sort(key=lambda one: outcome.get(one.id) is not False)
    for one in films[:STRIPS]:
        words = {True: 'success', False: 'failure'}.get(outcome.get(one.id), 'no verdict')
        parts += [
            paragraph(f'{one.id}: “{one.instruction}” ({words}), {one.topic}'),
            film((frame.data_url, f'{frame.time_s:.1f} s') for frame in one.frames),
        ]
    if len(films) > STRIPS:
        parts.append(paragraph(f'Shown: {STRIPS} of {len(films)} bags, failures first.', 'muted'))
    return section('What the camera saw', *parts)
