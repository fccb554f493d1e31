"""A picture of a robot: front, side and top views of two poses, and a list of its joints.

Drawn in pixels: one unit of the page is one pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gen_nodes.robot import RobotSpec
from gen_nodes.science.robot_panel import (
    FRAME,
    GRID,
    INK,
    MUTED,
    PAPER,
    ROLES,
    STEP_M,
    VIEWS,
    Panel,
    Pose,
    Scene,
)
from gen_nodes.urdf_tree import UrdfTree
from gen_nodes.whole import whole

PAGE, LEGEND, MARGIN, GAP = 1600, 352, 56, 58  # pixels
HEAD, TITLE, FOOT = 92, 52, 40
LARGEST_SCALE, TALLEST = 1200.0, (640, 460)  # pixels per metre; pixels of the rows


def draw_robot(
    spec: RobotSpec, tree: UrdfTree, path: Path, facts: Sequence[tuple[str, str]] = ()
) -> None:
    """Write the picture as PNG of 1600 pixels' width. `facts`: (what, value) under the joints."""
    poses = (Pose('ready', spec.ready), zero_pose(spec))
    rows = [
        _Row(Scene(spec, tree, pose), tallest) for pose, tallest in zip(poses, TALLEST, strict=True)
    ]
    listed = HEAD + 24 * spec.n + 26 * len(facts) + 130
    height = int(max(HEAD + sum(row.height + TITLE + FOOT for row in rows), listed))
    figure = Figure(figsize=(PAGE / 100, height / 100), dpi=100, facecolor=PAPER)
    page = _pixels(figure, 0, 0, PAGE, height, height)
    _head(page, spec)
    top = HEAD
    for row in rows:
        _draw_row(figure, page, row, top, height)
        top += row.height + TITLE + FOOT
    _legend(page, spec, facts)
    with whole(path) as partial:
        figure.savefig(partial, format='png', dpi=100, facecolor=PAPER)


def zero_pose(spec: RobotSpec) -> Pose:
    """All joints at zero, or as near to it as their limits allow."""
    q = np.clip(np.zeros(spec.n), spec.lower, spec.upper)
    moved = [name for name, value in zip(spec.joint_names, q, strict=True) if value]
    if not moved:
        return Pose('zero', q)
    told = ', '.join(moved[:4]) + (' ...' if len(moved) > 4 else '')
    return Pose(f'nearest to zero (zero is outside the limits of {told})', q)


class _Row:
    """One pose: the scale of its three views [pixel/m], and the window [m] of each.

    All views of a row are equally high, and together as wide as the page allows.
    """

    def __init__(self, scene: Scene, tallest: float) -> None:
        room = PAGE - LEGEND - 2 * MARGIN - (len(VIEWS) - 1) * GAP
        windows = [scene.window(view) for view in VIEWS]
        sizes = np.array([upper - lower for lower, upper in windows])
        high = sizes[:, 1].max()
        self.scene = scene
        self.scale = min(LARGEST_SCALE, room / sizes[:, 0].sum(), tallest / high)
        self.height = high * self.scale
        wide = sizes[:, 0] + (room / self.scale - sizes[:, 0].sum()) / len(VIEWS)
        grown = [np.array([width, high]) - size for width, size in zip(wide, sizes, strict=True)]
        self.windows = [
            _grown(window, more, sunk=view.name == 'top')
            for view, window, more in zip(VIEWS, windows, grown, strict=True)
        ]
        self.widths = wide * self.scale


def _grown(
    window: tuple[np.ndarray, np.ndarray], more_2: np.ndarray, sunk: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A window larger by `more`, half of it on each side; upwards all above, unless `sunk`."""
    lower, upper = window
    below = 0.5 * more_2 * [1.0, float(sunk)]
    return lower - below, upper + more_2 - below


def _pixels(
    figure: Figure, left: float, top: float, width: float, height: float, page: float
) -> Axes:
    """Axes over a part of the page, its unit the pixel, y downwards, without ticks."""
    axes = figure.add_axes((left / PAGE, 1 - (top + height) / page, width / PAGE, height / page))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis('off')
    return axes


def _head(page: Axes, spec: RobotSpec) -> None:
    page.text(MARGIN - 20, 38, spec.display_name, size=17, weight='bold', color=INK, va='center')
    told = (
        f'{spec.name}    {spec.n} joints    base {spec.base_frame}    tips {", ".join(spec.tips)}'
    )
    page.text(MARGIN - 20, 68, told, size=9.5, color=MUTED, va='center')


def _draw_row(figure: Figure, page: Axes, row: _Row, top: float, page_height: float) -> None:
    page.text(
        MARGIN - 20,
        top + 10,
        row.scene.pose.title,
        size=11.5,
        weight='bold',
        color=INK,
        va='center',
    )
    left = MARGIN
    for view, window, width in zip(VIEWS, row.windows, row.widths, strict=True):
        axes = _pixels(figure, left, top + TITLE, width, row.height, page_height)
        Panel(axes, row.scene, view, window, row.scale).draw()
        left += width + GAP


def _legend(page: Axes, spec: RobotSpec, facts: Sequence[tuple[str, str]]) -> None:
    left, down = PAGE - LEGEND + 6, HEAD - 46
    note = {'va': 'center', 'size': 8.5}
    page.text(left, down, 'joints', weight='bold', color=INK, va='center', size=9.5)
    page.text(PAGE - 24, down, 'range, ready', color=MUTED, ha='right', **note)
    for i, joint in enumerate(spec.joints):
        down += 24
        colour, square = ROLES[joint.role], joint.type == 'prismatic'
        page.plot(left + 9, down, 's' if square else 'o', ms=13, color=colour)
        page.text(
            left + 9, down, str(i + 1), size=7.5, weight='bold', color=PAPER, ha='center',
            va='center_baseline',
        )  # fmt: skip
        page.text(left + 26, down, _short(joint.name), color=INK, **note)
        page.text(PAGE - 24, down, _range(spec, i), color=MUTED, ha='right', **note)
    down = _keys(page, left, down + 40, {joint.role for joint in spec.joints})
    for what, value in facts:
        down += 26
        page.text(left, down, what, color=MUTED, **note)
        page.text(PAGE - 24, down, value, color=INK, ha='right', **note)


def _keys(page: Axes, left: float, down: float, roles: set[str]) -> float:
    note = {'va': 'center', 'size': 8.5, 'color': MUTED}
    page.plot([left, PAGE - 24], [down - 16, down - 16], color=GRID, lw=1)
    x = left
    for role in [role for role in ROLES if role in roles]:
        page.plot(x + 6, down + 4, 'o', ms=8, color=ROLES[role])
        page.text(x + 18, down + 4, role, **note)
        x += 84
    down += 28
    page.annotate(
        '',
        (left + 26, down),
        (left, down),
        arrowprops={'arrowstyle': '-|>', 'color': INK, 'lw': 1.6},
    )
    page.text(left + 36, down, 'axis, positive way; dot: towards you, x: away', **note)
    down += 24
    for i, (colour, name) in enumerate(zip(FRAME, 'xyz', strict=True)):
        page.plot([left + 44 * i, left + 44 * i + 20], [down, down], color=colour, lw=2.4)
        page.text(left + 44 * i + 25, down, name, **note)
    page.text(left + 138, down, f'tip frames    grid {STEP_M:g} m', **note)
    return down


def _range(spec: RobotSpec, i: int) -> str:
    joint, ready = spec.joints[i], spec.ready[i]
    if joint.type == 'prismatic':
        return f'{1000 * joint.lower:.0f} to {1000 * joint.upper:.0f} mm, {1000 * ready:.0f}'
    if joint.type == 'continuous' and not np.isfinite(joint.upper):
        return f'endless, {np.degrees(ready):.0f}°'
    low, high, here = np.degrees([joint.lower, joint.upper, ready])
    return f'{low:.0f}° to {high:.0f}°, {here:.0f}°'


def _short(name: str, most: int = 25) -> str:
    return name if len(name) <= most else f'{name[: most - 12]}…{name[-11:]}'
