"""Plots of a report as inline SVG whose colours and font follow the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TOLERANCE_M = 0.03
TRACE_HZ = 25.0
# Stand-ins that matplotlib writes into the SVG, and the page's CSS variables that take their place.
INK, MUTED, LINE, ACCENT, GOOD, BAD, SECOND = (f'#{n:02d}{n:02d}{n:02d}' for n in range(1, 8))
CSS = {
    INK: 'ink',
    MUTED: 'muted',
    LINE: 'line',
    ACCENT: 'accent',
    GOOD: 'good',
    BAD: 'bad',
    SECOND: 'second',
}
STYLE = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'gen_stack',
    'text.parse_math': False,
    'font.size': 9,
    'text.color': INK,
    'axes.labelcolor': MUTED,
    'axes.edgecolor': LINE,
    'axes.titlesize': 9,
    'axes.titlecolor': INK,
    'axes.facecolor': 'none',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'xtick.color': LINE,
    'ytick.color': LINE,
    'xtick.labelcolor': MUTED,
    'ytick.labelcolor': MUTED,
    'xtick.labelsize': 8,
    'ytick.labelsize': 8,
    'grid.color': LINE,
    'grid.linewidth': 0.6,
    'legend.frameon': False,
    'legend.labelcolor': INK,
    'lines.linewidth': 1.4,
    'lines.solid_capstyle': 'round',
}


def chart(width: float, height: float, draw: Callable[[Figure], None], title: str) -> str:
    """SVG element of a figure of width x height [inch], drawn by `draw`; `title` is for readers
    that cannot see it.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout='constrained')
        draw(figure)
        figure.savefig(buffer, format='svg', transparent=True, metadata={'Date': None})
    svg = buffer.getvalue()
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r'<metadata>.*?</metadata>\s*', '', svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"', '<g', svg)
    svg = re.sub(r'font: ([\d.]+px) [^;"]*', r'font: \1 var(--font)', svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', '', svg).replace('xlink:href', 'href')
    for colour, name in CSS.items():
        svg = svg.replace(colour, f'var(--{name})')
    return svg.replace('<svg', f'<svg role="img" aria-label="{title}"', 1)


def comparison(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Success of several drivers: (name, share, lower, upper) per row, shares 0 to 1."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for y, (name, share, low, high) in enumerate(rows):
            colour = ACCENT if name == 'policy' else MUTED
            axes.barh(y, 100 * share, 0.5, color=colour, alpha=0.85)
            axes.plot([100 * low, 100 * high], [y, y], color=INK, linewidth=1)
            axes.text(103, y, f'{100 * share:.0f} %', va='center')
        axes.set_yticks(range(len(rows)), [row[0] for row in rows], color=INK)
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5), xlabel='episodes that succeeded [%]')
        axes.grid(axis='x')
        axes.set_axisbelow(True)
        axes.tick_params(axis='y', length=0)

    return chart(5.0, 0.7 + 0.36 * len(rows), draw, 'success beside expert, hold and blind')


def distances(episodes: Sequence[Mapping[str, Any]]) -> str:
    """Distance of the nearest tip from the ball over time, one small plot per episode."""
    columns = min(5, max(2, len(episodes)))
    lines = -(-len(episodes) // columns)
    longest = max(trace_s(one) for one in episodes)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for axes in grid.flat[len(episodes) :]:
            axes.set_visible(False)
        for axes, one in zip(grid.flat, episodes, strict=False):
            _distance(axes, one)
            axes.set(xlim=(0, longest), ylim=(0.3, 100))
        figure.supxlabel('time since the start [s]', size=8, color=MUTED)
        figure.supylabel('tip to centre of the ball [cm]', size=8, color=MUTED)

    return chart(2.15 * columns, 0.4 + 1.35 * lines, draw, 'distance from the ball over time')


def gap_m(episode: Mapping[str, Any]) -> np.ndarray:
    """(K,) distance of tip and target, clipped to their common length."""
    tip, target = np.array(episode['tip_m']), np.array(episode['target_m'])
    count = min(len(tip), len(target))
    return np.linalg.norm(tip[:count] - target[:count], axis=1)


def trace_s(episode: Mapping[str, Any]) -> float:
    """How long a traced episode took [s]; from the trace's rate where it does not say."""
    return episode.get('seconds') or len(episode['tip_m']) / TRACE_HZ


def _distance(axes: Axes, episode: Mapping[str, Any]) -> None:
    gap = 100 * gap_m(episode)
    good = bool(episode.get('success'))
    axes.axhspan(0.3, 100 * TOLERANCE_M, color=GOOD, alpha=0.13, linewidth=0)
    time_s = np.linspace(0, trace_s(episode), len(gap))
    axes.plot(time_s, np.maximum(gap, 0.3), color=ACCENT if good else BAD)
    axes.set_yscale('log')
    axes.set_yticks([1, 3, 10, 30], ['1', '3', '10', '30'])
    axes.minorticks_off()
    axes.set_title(f'{episode["id"]} {"✓" if good else "✗"}', color=INK if good else BAD, size=8.5)
    axes.grid(axis='y')


def projections(episode: Mapping[str, Any]) -> str:
    """The path of tip and ball from above, from the side and from the front, base frame."""
    tip, target = np.array(episode['tip_m']), np.array(episode['target_m'])
    views = (('from above', 0, 1), ('from the side', 0, 2), ('from the front', 1, 2))
    low, high = np.vstack([tip, target]).min(0), np.vstack([tip, target]).max(0)
    middle, half = (low + high) / 2, 0.55 * (high - low).max() + TOLERANCE_M

    def draw(figure: Figure) -> None:
        for axes, (name, a, b) in zip(figure.subplots(1, 3), views, strict=True):
            turn = np.linspace(0, 2 * np.pi, 60)
            axes.fill(
                target[-1, a] + TOLERANCE_M * np.cos(turn),
                target[-1, b] + TOLERANCE_M * np.sin(turn),
                color=SECOND,
                alpha=0.3,
                linewidth=0,
                label='ball at the end, radius 3 cm',
            )
            axes.plot(target[:, a], target[:, b], color=SECOND, label='centre of the ball')
            axes.plot(tip[:, a], tip[:, b], color=ACCENT, label='tip')
            axes.plot(*tip[0, [a, b]], 'o', color=ACCENT, markersize=4, label='start of the tip')
            axes.set(xlabel=f'{"xyz"[a]} [m]', ylabel=f'{"xyz"[b]} [m]')
            axes.set_title(name)
            axes.set_xlim(middle[a] - half, middle[a] + half)
            axes.set_ylim(middle[b] - half, middle[b] + half)
            axes.set_aspect('equal')
            axes.grid()
            axes.locator_params(nbins=5)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc='outside lower center', ncols=4, fontsize=8)

    return chart(10.4, 3.5, draw, 'path of tip and ball in three views')


def histograms(rows: Sequence[tuple[str, np.ndarray, float, float]]) -> str:
    """Durations on one logarithmic axis: (label, all of them or none [ms], p50, p99) per row."""
    values = [v for _, every, p50, p99 in rows for v in (*every, p50, p99) if v > 0]
    low, high = 0.8 * min(values), 1.3 * max(values)
    edges = np.geomspace(low, high, 120)
    ticks = [m * 10.0**e for e in range(-4, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high]

    def draw(figure: Figure) -> None:
        grid = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (label, every, p50, p99) in zip(grid, rows, strict=True):
            counts, _ = np.histogram(every, edges)
            axes.stairs(counts / max(1, counts.max()), edges, fill=True, color=ACCENT, alpha=0.75)
            axes.axvline(p50, color=INK, linewidth=1.2)
            axes.axvline(p99, color=BAD, linewidth=1.2, linestyle='--')
            axes.set_xscale('log')
            axes.set(xlim=(low, high), ylim=(0, 1.1), yticks=[])
            axes.set_ylabel(label, rotation=0, ha='right', va='center', color=INK)
            axes.spines.left.set_visible(False)
            axes.set_xticks(ticks, [f'{tick:g}' for tick in ticks])
            axes.minorticks_off()
            axes.grid(axis='x')
        grid[-1].set_xlabel('milliseconds (logarithmic); solid line p50, dashed line p99')

    return chart(10.4, 0.5 + 0.62 * len(rows), draw, 'distribution of latencies')


def periods(period_ms: np.ndarray, limit_ms: float) -> str:
    """Time between commands over the run; the longest of each stretch is drawn, so none hides."""
    stretches = np.array_split(period_ms, min(len(period_ms), 900))
    time_s = np.cumsum([0.0] + [float(stretch.sum()) / 1000 for stretch in stretches[:-1]])
    longest = np.array([stretch.max() for stretch in stretches])

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        over = longest > limit_ms
        axes.axhline(limit_ms, color=BAD, linewidth=1, linestyle='--')
        axes.text(time_s[-1], limit_ms, ' two periods: a gap', color=BAD, va='bottom', ha='right')
        axes.plot(time_s, longest, color=ACCENT, linewidth=0.8)
        axes.plot(time_s[over], longest[over], 'o', color=BAD, markersize=4)
        axes.set(xlabel='time in the run [s]', ylabel='between commands [ms]')
        axes.set(xlim=(0, max(time_s[-1], 1e-3)), ylim=(0, 1.15 * max(limit_ms, longest.max())))
        axes.grid(axis='y')

    return chart(10.4, 1.9, draw, 'time between commands over the run')


def memory(parts_mb: Mapping[str, float]) -> str:
    """Resident memory per process [MB], largest first."""
    rows = sorted(parts_mb.items(), key=lambda row: -row[1])

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.barh(range(len(rows)), [row[1] for row in rows], 0.55, color=ACCENT, alpha=0.85)
        for y, (_, megabytes) in enumerate(rows):
            axes.text(megabytes, y, f'  {megabytes:.0f} MB', va='center')
        axes.set_yticks(range(len(rows)), [row[0] for row in rows], color=INK)
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel='resident memory [MB]')
        axes.set_xlim(0, 1.15 * rows[0][1])
        axes.tick_params(axis='y', length=0)
        axes.grid(axis='x')
        axes.set_axisbelow(True)

    return chart(10.4, 0.6 + 0.27 * len(rows), draw, 'memory per process')
