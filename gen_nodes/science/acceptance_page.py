"""The page of the acceptance suite, from the mapping that its JSON holds: one file, no scripts, no
network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from gen_nodes.science import acceptance_charts, charts
from gen_nodes.science.page import Marked, page, paragraph, plain, section, table, verdict

TARGETS = {
    'emulator': 'an emulated robot, isolated from every other',
    'real': 'the real robot',
}
MANY = 20  # bars of a step
LATENCIES = {
    'relay_floor': 'relay floor',
    'chunk_to_command': 'chunk to command',
    'capture_to_command': 'capture to command',
    'control_period': 'control period',
}


def acceptance_page(report: Mapping[str, Any]) -> str:
    """The whole page as HTML."""
    title = f'{report["display_name"]}: acceptance'
    steps = report['steps']
    return page(
        title,
        [headline(report, title), overview(report), *map(step_section, steps), provenance(report)],
    )


def headline(report: Mapping[str, Any], title: str) -> str:
    """The verdict in one sentence."""
    steps = report['steps']
    passed = sum(step['passed'] for step in steps)
    kind = 'good' if report['passed'] else 'bad'
    words = 'passed' if report['passed'] else 'not passed'
    speeds = ', '.join(f'{100 * speed:g} %' for speed in report['speeds'])
    parts = [
        f'<h1>{escape(title)}</h1>',
        f'<p class="{kind} number">{passed} of {report["wanted"]} steps</p>',
        paragraph(f'The suite was {words} on {TARGETS[report["target"]]}.', kind),
        paragraph(f'Speeds: {speeds} of the velocity limits in force.', 'muted'),
    ]
    if report['ended']:
        parts.append(paragraph(f'It ended before its last step: {report["ended"]}', 'bad'))
    return '\n'.join(parts)


def overview(report: Mapping[str, Any]) -> str:
    """One line per step."""
    rows = [
        (
            step['title'],
            mark(step),
            f'{sum(check["met"] for check in step["checks"])} of {len(step["checks"])}',
            f'{step["seconds"]:.1f}',
            shortfall(step),
        )
        for step in report['steps']
    ]
    return section('Steps', table(('step', '', 'bars met', 'took [s]', ''), rows, (2, 3)))


def mark(step: Mapping[str, Any]) -> Marked:
    """Passed, failed or skipped."""
    return (
        Marked('<span class="muted">skipped</span>') if step['skipped'] else verdict(step['passed'])
    )


def shortfall(step: Mapping[str, Any]) -> str:
    """Why it was not passed, '' where it was."""
    missed = [f'{c["what"]}: {c["measured"]}' for c in step['checks'] if not c['met']]
    return '; '.join(filter(None, [step['why_skipped'], step['error'], *missed]))


def step_section(step: Mapping[str, Any]) -> str:
    """A step: what was done, its curves, its bars."""
    parts = [paragraph(step['done'], 'muted')]
    if step['skipped']:
        parts.append(paragraph(f'Skipped: {step["why_skipped"]}.', 'muted'))
    if step['error']:
        parts.append(paragraph(f'It did not come to its end: {step["error"]}', 'bad'))
    if step['advice']:
        parts.append(paragraph(f'What to do: {step["advice"]}.', 'bad'))
    parts += [paragraph(note, 'muted') for note in step['notes']]
    parts += DRAWN.get(step['name'], stops)(step)
    return section(step['title'], *parts, bars(step['checks']))


def bars(checks: Sequence[Mapping[str, Any]]) -> str:
    """A table of bars; where there are many, those that are met are folded away."""
    if len(checks) <= MANY:
        return bar_table(checks)
    missed = [check for check in checks if not check['met']]
    folded = f'<details><summary>All {len(checks)} bars</summary>{bar_table(checks)}</details>'
    return bar_table(missed) + folded


def bar_table(checks: Sequence[Mapping[str, Any]]) -> str:
    """What was measured beside what is demanded."""
    rows = [(c['what'], c['measured'], c['bar'], verdict(c['met'])) for c in checks]
    return table(('bar', 'measured', 'demanded', 'met'), rows) if rows else ''


def rates(step: Mapping[str, Any]) -> list[str]:
    """Topics."""
    rows = (step['figures'] or {}).get('rates') or {}
    return [acceptance_charts.rates(rows)] if any(r['wanted_hz'] for r in rows.values()) else []


def limits(step: Mapping[str, Any]) -> list[str]:
    """Use of the limits, and how the joints followed at the greatest speed."""
    figures = step['figures']
    rows = {name: part['shares'] for name, part in figures.items() if 'shares' in part}
    if not rows:
        return []
    allowed = {name: figures[name]['speed'] for name in rows}
    parts = [
        paragraph('Greatest share of each limit in what was published:'),
        acceptance_charts.shares(rows, allowed),
    ]
    for name, trace in list(step['traces'].items())[-1:]:
        parts += [paragraph(f'All joints, {name}:'), acceptance_charts.motion(trace)]
        parts.append(following(figures[name]))
    return parts


def following(figures: Mapping[str, Any]) -> str:
    """Lag, gain and error of every joint."""
    rows = [
        (name, f'{1e3 * lag:.0f}', f'{figures["gain"][name]:.3f}', f'{1e3 * error:.2f}')
        for (name, lag), error in zip(
            figures['lag_s'].items(), figures['error'].values(), strict=True
        )
    ]
    head = ('joint', 'lag [ms]', 'gain', 'error beyond lag [mrad or mm]')
    return table(head, rows, (1, 2, 3))


def stops(step: Mapping[str, Any]) -> list[str]:
    """Every stop of a step."""
    parts = []
    for name, trace in step['traces'].items():
        figures = step['figures'][name]
        text = (
            f'{name[:1].upper()}{name[1:]}: noticed after {1e3 * figures["noticed_s"]:.0f} ms, '
            f'{rested(figures)}; the fastest joint had {100 * figures["fastest"]:.0f} % of its '
            f'velocity limit. Cause: {figures["reason"]}.'
        )
        parts += [paragraph(text.lstrip(': ')), acceptance_charts.stop(trace, figures)]
    return parts


def rested(figures: Mapping[str, Any]) -> str:
    """When the robot stood; where nobody saw that, how long it was told to brake."""
    if 'standing_s' not in figures:
        return f'told to brake for {1e3 * figures["commanded_s"]:.0f} ms'
    seconds = max((value or 0.0) for value in figures['standing_s'].values())
    return f'the robot stood {1e3 * seconds:.0f} ms later'


def latency(step: Mapping[str, Any]) -> list[str]:
    """Distributions, and the control period over the run."""
    traces, figures = step['traces'], step['figures']
    drawn = [
        (label, np.array(traces[name]), figures[name]['p50'], figures[name]['p99'])
        for name, label in LATENCIES.items()
        if traces.get(name)
    ]
    if not drawn:
        return []
    period = np.array(traces['control_period'])
    rows = [(label, f'{p50:.2f}', f'{p99:.2f}', len(every)) for label, every, p50, p99 in drawn]
    return [
        charts.histograms(drawn),
        table(('what', 'p50 [ms]', 'p99 [ms]', 'cases'), rows, (1, 2, 3)),
        charts.periods(period, 2 * figures['nominal_ms']),
    ]


DRAWN = {'topics': rates, 'limits': limits, 'latency': latency, 'still': lambda step: []}


def provenance(report: Mapping[str, Any]) -> str:
    """What is needed to do it again."""
    rows: Sequence[tuple[str, Any]] = [
        ('command', Marked(f'<code>{escape(report["command"])}</code>')),
        ('robot description, sha256', Marked(f'<code>{report["config_sha256"]}</code>')),
        ('version', report['version']),
        ('seed', report['seed']),
        ('machine', plain(report['machine'])),
        ('started', report['started']),
        ('took', f'{report["seconds"]:.0f} s'),
    ]
    return section('How to do it again', table(('', ''), rows))
