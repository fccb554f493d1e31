"""Sections of a report about the stack: latency, control, recording, memory, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from gen_nodes.science import charts
from gen_nodes.science.page import MISSING, Marked, paragraph, plain, section, table

LATENCIES = {
    'relay_floor': (
        'relay floor',
        'the same messages passed on by a process that does nothing else: what rclpy and DDS cost '
        'by themselves on this machine',
    ),
    'aggregator': (
        'aggregator hop',
        'from the capture of the newest sample until the observation that carries it is published',
    ),
    'camera': (
        'camera to observation',
        'from the capture of an image until the observation that carries it is published',
    ),
    'policy_tick': (
        'policy tick',
        'from the publication of an observation until the action chunk decided on it is published',
    ),
    'decision_to_command': (
        'decision to command',
        'from the stamp of a decision to the first command played from its chunk',
    ),
    'capture_to_command': (
        'capture to command',
        'from the capture of the newest sample that a decision used to the first command played '
        'from its chunk',
    ),
    'command_age': ('command age', 'how old the newest sample behind a command is, every command'),
    'control_period': ('control period', 'time between two commands to the robot'),
}
OPTIONAL = ('camera', 'decision_to_command', 'command_age')


@dataclass(frozen=True)
class Durations:
    """One kind of duration [ms]: what there is of single values, p50, p99 and the full count."""

    every: np.ndarray
    p50: float
    p99: float
    count: int


def figures(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Single durations by name [ms]."""
    given = report.get('figures') or {}
    return given.get('latency_ms') or given


def durations(report: Mapping[str, Any], name: str) -> Durations | None:
    """Durations of a name; None where it was not measured."""
    every = np.array(figures(report).get(name) or (), dtype=float)
    every = every[np.isfinite(every)]
    period = (report.get('control') or {}).get('period_ms')
    told = (report.get('latency_ms') or {}).get(name) or {}
    told = (period or told) if name == 'control_period' else told
    if told.get('p50') is not None and told.get('p99') is not None:
        return Durations(every, told['p50'], told['p99'], told.get('count') or len(every))
    return Durations(every, *np.percentile(every, (50, 99)), len(every)) if len(every) else None


def latency(report: Mapping[str, Any]) -> str:
    """Where the time goes between light on the sensor and the command."""
    measured = {**(report.get('latency_ms') or {}), **figures(report)}
    drawn, rows = [], []
    for name in (*LATENCIES, *(one for one in measured if one not in LATENCIES)):
        label, meaning = LATENCIES.get(name, (name.replace('_', ' '), ''))
        found = durations(report, name)
        if found is not None:
            count = f'{found.count:,}' if found.count else MISSING
            rows.append((label, f'{found.p50:.2f}', f'{found.p99:.2f}', count, meaning))
            drawn.append((label, found.every, found.p50, found.p99))
        elif name not in OPTIONAL:
            rows.append((label, MISSING, MISSING, MISSING, meaning))
    text = paragraph(
        'p50: half of all cases were faster. p99: one case in a hundred was slower. A case is one '
        'message, one decision or one command.'
    )
    return section(
        'Latency',
        text,
        charts.histograms(drawn) if drawn else '',
        table(('what', 'p50 [ms]', 'p99 [ms]', 'cases', 'meaning'), rows, (1, 2, 3)),
    )


def control(report: Mapping[str, Any]) -> str:
    """Whether the robot got its commands in time."""
    said, found = report.get('control') or {}, durations(report, 'control_period')
    ticks = f' in {said["ticks"]:,} ticks' if said.get('ticks') else ''
    worst = said.get('worst_gap_ms')
    parts = [
        paragraph(
            'A gap is a control tick that came more than two periods after the one before. '
            'The controller notices each, counts it and names it in its diagnostics.'
        ),
        paragraph(
            f'Gaps: {plain(said.get("missed"))}{ticks}.'
            + ('' if worst is None else f' The longest time between two ticks was {worst:.1f} ms.')
        ),
    ]
    if said.get('gaps'):
        parts.append(paragraph('Named by the controller: ' + plain(said['gaps']), 'bad'))
    if found is not None and 1 < len(found.every) == found.count:
        nominal = said.get('nominal_ms') or found.p50
        parts.append(charts.periods(found.every, 2 * nominal))
    return section('Control', *parts)


def recorder(report: Mapping[str, Any]) -> str:
    """What of the published messages is in the bags."""
    said, names = report.get('recorder') or {}, report.get('bags') or ()
    rows = [
        ('published by the robot between start and stop', said.get('published')),
        ('in the bags', said.get('recorded')),
        ('lost, by the recorder’s own count', said.get('lost')),
    ]
    if 'unaccounted' in said:
        rows.append(('neither in a bag nor counted as lost', said['unaccounted']))
    parts = [table(('messages', ''), [(a, plain(b)) for a, b in rows], (1,))]
    for bag, reasons in (said.get('not_good') or {}).items():
        parts.append(paragraph(f'{bag} is not good to train from: {plain(reasons)}', 'bad'))
    if names:
        parts.append(paragraph('Bags: ' + ', '.join(str(name) for name in names), 'muted'))
    return section('Recording', *parts)


def memory(report: Mapping[str, Any]) -> str:
    """Resident memory of every process, and what was left behind."""
    said = {
        name: value.get('rss') if isinstance(value, Mapping) else value
        for name, value in (report.get('memory_mb') or {}).items()
    }
    total = said.pop('total', None)
    parts = {name: value for name, value in said.items() if value}
    total = total if total is not None or not parts else sum(parts.values())
    words = (
        f'All processes together: {total:.0f} MB resident.'
        if total is not None
        else f'Memory was {MISSING}.'
    )
    return section(
        'Memory and processes',
        paragraph(words),
        charts.memory(parts) if parts else '',
        table(
            ('', ''),
            (
                ('processes that died during the run', plain(report.get('deaths'))),
                ('left behind after the run', plain(report.get('left_behind'))),
            ),
        ),
    )


def provenance(report: Mapping[str, Any]) -> str:
    """What is needed to do it again."""
    duration = report.get('duration_s')
    rows = [
        ('command', Marked(f'<code>{escape(plain(report.get("command")))}</code>')),
        ('seed', report.get('seed')),
        (
            'checkpoint, sha256',
            Marked(f'<code>{escape(plain(report.get("checkpoint_sha256")))}</code>'),
        ),
        ('versions', report.get('versions')),
        ('machine', report.get('machine')),
        ('started', report.get('started')),
        ('took', None if duration is None else f'{duration:.0f} s'),
    ]
    return section('How to do it again', table(('', ''), rows))
