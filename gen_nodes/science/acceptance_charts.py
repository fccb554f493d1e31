"""Plots of the acceptance suite's page as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gen_nodes.science.charts import ACCENT, BAD, GOOD, INK, MUTED, SECOND, chart

WIDTH = 10.4
RATE_LEAST, RATE_MOST = 80, 125  # percent of the wanted rate: the band that is drawn
KINDS = ('position', 'velocity', 'acceleration', 'jerk')
AROUND_S = 0.5, 1.2  # of a stop: before and after it was asked for
COLUMNS = 4
CROWDED = 12  # joints: beyond, labels are turned


def rates(rows: Mapping[str, Mapping[str, float]]) -> str:
    """Measured rate of each topic as a share of the wanted one."""
    names = [name for name, row in rows.items() if row['wanted_hz']]
    shares = [100 * rows[name]['hz'] / rows[name]['wanted_hz'] for name in names]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvspan(RATE_LEAST, RATE_MOST, color=GOOD, alpha=0.13, linewidth=0)
        for y, (name, share) in enumerate(zip(names, shares, strict=True)):
            good = RATE_LEAST <= share <= RATE_MOST
            axes.barh(y, share, 0.55, color=ACCENT if good else BAD, alpha=0.85)
            axes.text(share, y, f'  {rows[name]["hz"]:.1f} Hz', va='center')
        axes.set_yticks(range(len(names)), names, color=INK)
        axes.set(ylim=(len(names) - 0.4, -0.6), xlim=(0, max(160, 1.15 * max(shares))))
        axes.set_xlabel('measured rate as a share of the wanted one [%]')
        axes.tick_params(axis='y', length=0)
        axes.grid(axis='x')
        axes.set_axisbelow(True)

    return chart(WIDTH, 0.7 + 0.27 * len(names), draw, 'rates of the topics')


def shares(rows: Mapping[str, Mapping[str, float]], allowed: Mapping[str, float]) -> str:
    """Greatest share of each limit that published commands used, one group per part; the velocity
    that was allowed is marked.
    """
    names = list(rows)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        colours = dict(zip(KINDS, (MUTED, ACCENT, SECOND, GOOD), strict=True))
        for k, kind in enumerate(KINDS):
            x = np.arange(len(names)) + 0.2 * (k - 1.5)
            values = [100 * (rows[name].get(kind) or 0.0) for name in names]
            axes.bar(x, values, 0.18, color=colours[kind], label=kind)
        for x, name in enumerate(names):
            if name in allowed:
                most = 100 * allowed[name]
                axes.plot([x - 0.2, x], [most, most], color=BAD, linewidth=1.5)
        axes.plot([], [], color=BAD, linewidth=1.5, label='velocity allowed')
        axes.axhline(100, color=BAD, linewidth=1, linestyle='--')
        axes.set_xticks(range(len(names)), names, color=INK)
        axes.set(ylabel='used of the limit [%]', ylim=(0, 112))
        axes.grid(axis='y')
        axes.set_axisbelow(True)
        axes.legend(loc='upper right', ncols=5, fontsize=8)

    return chart(WIDTH, 2.6, draw, 'greatest use of each limit')


def motion(trace: Mapping[str, Any]) -> str:
    """Commanded and measured position of every joint, one small plot each."""
    joints = trace['joints']
    columns = min(COLUMNS, len(joints))
    lines = -(-len(joints) // columns)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(lines, columns, sharex=True, squeeze=False)
        for axes in grid.flat[len(joints) :]:
            axes.set_visible(False)
        for joint, axes in zip(range(len(joints)), grid.flat, strict=False):
            _two_lines(axes, trace, joint)
            axes.set_title(f'{joints[joint]} [{trace["units"][joint]}]')
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc='outside lower right', ncols=2, fontsize=8)
        figure.supxlabel('time since the start [s]', size=8, color=MUTED)

    return chart(WIDTH, 0.6 + 1.25 * lines, draw, 'commanded and measured positions')


def _two_lines(axes: Axes, trace: Mapping[str, Any], joint: int) -> None:
    for name, colour, style in (('commanded', MUTED, '--'), ('measured', ACCENT, '-')):
        curve = trace[name]
        if curve['s']:
            q = np.array(curve['q'])[:, joint]
            axes.plot(curve['s'], q, style, color=colour, linewidth=1.1, label=name)
    axes.locator_params(nbins=4)
    axes.grid()


def stop(trace: Mapping[str, Any], figures: Mapping[str, Any]) -> str:
    """A stop: how the joint that went farthest came to rest, and how far every joint went beside
    what its limits and its lag predict.
    """
    joints = trace['joints']
    units = np.array([0.1 if unit == 'm' else 1.0 for unit in trace['units']])
    seen = 'distance' in figures
    went = figures['distance'] if seen else figures['speed']
    farthest = int(np.argmax([abs(went[name] or 0.0) for name in joints] / units))

    def draw(figure: Figure) -> None:
        if not seen:
            _stop_curve(figure.add_subplot(), trace, farthest)
            return
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        _stop_curve(left, trace, farthest)
        distance, most = (
            1e3 * np.array([figures[key][name] or 0.0 for name in joints])
            for key in ('distance', 'predicted_distance')
        )
        _beside(right, joints, distance, most)
        right.set_ylabel('distance [mrad or mm]')

    return chart(WIDTH, 2.7 if len(joints) <= CROWDED else 3.1, draw, 'how the robot stopped')


def _stop_curve(axes: Axes, trace: Mapping[str, Any], joint: int) -> None:
    """Way still to go of a joint, with the instants of the cause and of its being noticed."""
    asked, noticed = trace['marks']['asked'], trace['marks']['noticed']
    end = np.array(trace['measured']['q'])[-1, joint]
    for name, colour, style in (('commanded', MUTED, '--'), ('measured', ACCENT, '-')):
        time = np.array(trace[name]['s'])
        part = (time >= asked - AROUND_S[0]) & (time <= noticed + AROUND_S[1])
        gone = 1e3 * (np.array(trace[name]['q'])[part, joint] - end)
        axes.plot(time[part] - asked, gone, style, color=colour, label=name)
    axes.axvline(0, color=INK, linewidth=1)
    axes.axvline(noticed - asked, color=BAD, linewidth=1, linestyle='--')
    axes.set_xlabel('time since the cause (solid); noticed (dashed) [s]')
    axes.set_ylabel(f'to go [m{trace["units"][joint]}]')
    axes.set_title(trace['joints'][joint])
    axes.legend(fontsize=8, loc='best')
    axes.grid()


def _beside(axes: Axes, names: Sequence[str], value: np.ndarray, most: np.ndarray) -> None:
    """Bars with the bar that each must stay below."""
    x = np.arange(len(names))
    good = value <= most
    axes.bar(x[good], value[good], 0.6, color=ACCENT, alpha=0.85)
    axes.bar(x[~good], value[~good], 0.6, color=BAD, alpha=0.85)
    for at, limit in zip(x, most, strict=True):
        axes.plot([at - 0.4, at + 0.4], [limit, limit], color=INK, linewidth=1.2)
    axes.plot([], [], color=INK, linewidth=1.2, label='predicted, at most')
    size = 7.5 if len(names) <= CROWDED else 6
    axes.set_xticks(x, names, rotation=40, ha='right', color=INK, fontsize=size)
    axes.set_ylim(0, 1.25 * max(1e-9, float(most.max()), float(value.max())))
    axes.legend(fontsize=8, loc='upper right')
    axes.grid(axis='y')
    axes.set_axisbelow(True)
