"""One view of a robot in one pose: its shapes, grid, joint axes with numbers, tip frames.

Drawn in pixels, y downwards, so that everything keeps its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch

from gen_nodes.robot import RobotSpec
from gen_nodes.science.robot_rays import Placed, View, picture
from gen_nodes.urdf_tree import UrdfTree

X, Y, Z = np.eye(3)
VIEWS = (
    View('front', Y, Z, X),  # the viewer faces the robot
    View('side', X, Z, -Y),
    View('top', X, Y, Z),
)
AXIS_NAMES = {'front': ('y', 'z'), 'side': ('x', 'z'), 'top': ('x', 'y')}
PAD_M, STEP_M, BOLD_STEPS = 0.09, 0.1, 5
INK, MUTED, PAPER, PANEL = '#1f2733', '#687385', '#ffffff', '#f5f7fa'
GRID, BOLD_GRID, FLOOR = '#e4e8ee', '#cbd3de', '#8b97a8'
ROLES = {'arm': '#1d5fd1', 'gripper': '#d06a00', 'torso': '#7a3fc4', 'head': '#0b8a63'}
FRAME = ('#d92d20', '#22a447', '#2563eb')  # x, y, z
BADGE, AXIS, TRIAD = 9.0, 24.0, 26.0  # pixels


@dataclass(frozen=True)
class Pose:
    """A configuration to draw, and what to call it."""

    title: str
    q_N: np.ndarray


class Scene:
    """What is to be seen at one pose, in the base frame."""

    def __init__(self, spec: RobotSpec, tree: UrdfTree, pose: Pose) -> None:
        kinematics = spec.kinematics()
        self.spec, self.pose = spec, pose
        frames = {
            name: kinematics.frame(name, pose.q_N)
            for name in tree.links
            if name in kinematics.frame_names
        }
        self.shapes = [
            Placed(shape, frames[name] @ shape.link_from_shape_4x4)
            for name, link in tree.links.items()
            if name in frames
            for shape in link.looks or link.solids
        ]
        self.bones = [
            (frames[joint.parent][:3, 3], frames[joint.child][:3, 3])
            for joint in tree.joints
            if joint.parent in frames and joint.child in frames
        ]
        self.origins, self.axes = kinematics.joint_frames(pose.q_N)
        self.tips = {name: frames[name] for name in spec.tips}
        points = [np.zeros((1, 3)), self.origins, *(placed.corners() for placed in self.shapes)]
        points += [pose[None, :3, 3] for pose in self.tips.values()]
        everything = np.concatenate(points)
        self.lower, self.upper = everything.min(0) - PAD_M, everything.max(0) + PAD_M

    def window(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner of a view [m]."""
        corners = view.flat(np.stack([self.lower, self.upper]))
        return corners.min(0), corners.max(0)


class Panel:
    """One view of one pose."""

    def __init__(
        self,
        axes: Axes,
        scene: Scene,
        view: View,
        window: tuple[np.ndarray, np.ndarray],
        scale: float,
    ) -> None:
        self.axes, self.scale, self.scene, self.view = axes, scale, scene, view
        self.lower, self.upper = window
        self.width, self.height = (self.upper - self.lower) * self.scale

    def at(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of points (..., 3)."""
        flat = (self.view.flat(points) - self.lower) * self.scale
        return np.stack([flat[..., 0], self.height - flat[..., 1]], axis=-1)

    def draw(self) -> None:
        self._paper()
        image = picture(self.scene.shapes, self.view, self.lower, self.upper, self.scale)
        extent = (0, self.width, self.height, 0)
        self.axes.imshow(image, extent=extent, aspect='auto', interpolation='none', zorder=3)
        for ends in self.scene.bones if not self.scene.shapes else ():
            self.axes.plot(*self.at(np.stack(ends)).T, color=MUTED, lw=5, solid_capstyle='round')
        self.axes.set(xlim=(0, self.width), ylim=(self.height, 0))
        self._fences()
        self._joints()
        self._tips()

    def _paper(self) -> None:
        frame = FancyBboxPatch(
            (0, 0), self.width, self.height, boxstyle='square,pad=0', fc=PANEL, ec='none', zorder=0
        )
        self.axes.add_patch(frame)
        across, upward = AXIS_NAMES[self.view.name]
        for axis in (0, 1):
            first, last = np.ceil(self.lower[axis] / STEP_M), np.floor(self.upper[axis] / STEP_M)
            for step in range(int(first), int(last) + 1):
                self._line(axis, step, (step * STEP_M - self.lower[axis]) * self.scale)
        note = {'va': 'center', 'size': 8.5, 'color': MUTED, 'clip_on': False}
        self.axes.text(0, -10, self.view.name, weight='bold', **note | {'color': INK})
        self.axes.text(self.width, self.height + 12, f'{across} [m]', ha='right', **note)
        self.axes.text(-6, -10, f'{upward} [m]', ha='right', **note)

    def _line(self, axis: int, step: int, pixels: float) -> None:
        bold = step % BOLD_STEPS == 0
        floor = axis == 1 and step == 0 and self.view.name != 'top'
        style = {
            'color': FLOOR if floor else BOLD_GRID if bold else GRID,
            'lw': 1.8 if floor else 1.0 if bold else 0.7,
            'zorder': 1,
        }
        note = {'size': 8, 'color': MUTED, 'clip_on': False}
        if axis == 0:
            self.axes.plot([pixels, pixels], [0, self.height], **style)
            if bold and pixels < self.width - 52:
                self.axes.text(
                    pixels, self.height + 12, f'{step * STEP_M:g}', ha='center', va='center', **note
                )
            return
        down = self.height - pixels
        self.axes.plot([0, self.width], [down, down], **style)
        if bold and down > 8:
            self.axes.text(-6, down, f'{step * STEP_M:g}', ha='right', va='center', **note)

    def _fences(self) -> None:
        for fence in self.scene.spec.fences:
            ends = self.at(np.stack([fence.lower, fence.upper]))
            low, high = ends.min(0), ends.max(0)
            colour = FRAME[1] if fence.keep_in else FRAME[0]
            x, y = [low[0], high[0], high[0], low[0], low[0]], [low[1]] * 2 + [high[1]] * 2
            self.axes.plot(x, [*y, low[1]], color=colour, lw=1.2, ls=(0, (5, 3)), zorder=4)

    def _joints(self) -> None:
        points = self.at(self.scene.origins)
        flat = self.view.flat(self.scene.axes) * [1, -1]
        lengths = np.linalg.norm(flat, axis=1)
        away = [self._aside(points[i], flat[i], lengths[i]) for i in range(len(points))]
        tips = self.at(np.array([pose[:3, 3] for pose in self.scene.tips.values()]))
        badges = spread(points, np.array(away), tips, (self.width, self.height))
        for i, joint in enumerate(self.scene.spec.joints):
            colour = ROLES[joint.role]
            towards = float(self.scene.axes[i] @ self.view.near)
            self._axis(points[i], flat[i], lengths[i], towards, colour)
            self._badge(points[i], badges[i], i + 1, colour, joint.type == 'prismatic')

    def _aside(self, point: np.ndarray, flat: np.ndarray, length: float) -> np.ndarray:
        """First guess for a badge: beside the axis, on the side away from the picture's middle."""
        across = np.array([-flat[1], flat[0]]) / length if length > 0.3 else np.array([0.7, -0.7])
        outward = point - 0.5 * np.array([self.width, self.height])
        return across * (1 if across @ outward >= 0 else -1)

    def _axis(
        self, point: np.ndarray, flat: np.ndarray, length: float, towards: float, colour: str
    ) -> None:
        if length < 0.25:
            self.axes.add_patch(Circle(point, 5, fc=PAPER, ec=colour, lw=1.6, zorder=6))
            mark = {'marker': 'o' if towards > 0 else 'x', 'color': colour, 'zorder': 7}
            self.axes.plot(*point, ms=3.2 if towards > 0 else 5, mew=1.4, **mark)
            return
        tail, head = point - AXIS * flat, point + AXIS * flat
        along = flat / length
        across = np.array([-along[1], along[0]])
        tip = np.stack(
            [head + 5 * along, head - 4 * along + 4.5 * across, head - 4 * along - 4.5 * across]
        )
        ends = np.stack([tail, head])
        self.axes.plot(*ends.T, color=PAPER, lw=3.6, solid_capstyle='round', zorder=5)
        self.axes.plot(*ends.T, color=colour, lw=1.7, solid_capstyle='round', zorder=6)
        self.axes.fill(*tip.T, fc=colour, ec=PAPER, lw=0.7, zorder=6)

    def _badge(
        self, point: np.ndarray, badge: np.ndarray, number: int, colour: str, square: bool
    ) -> None:
        self.axes.plot(*np.stack([point, badge]).T, color=colour, lw=0.9, alpha=0.8, zorder=12)
        if square:
            corner, size = badge - BADGE + 1, 2 * BADGE - 2
            patch = FancyBboxPatch(
                corner, size, size, boxstyle='square,pad=0', fc=colour, ec=PAPER, lw=1, zorder=13
            )
        else:
            patch = Circle(badge, BADGE, fc=colour, ec=PAPER, lw=1, zorder=13)
        self.axes.add_patch(patch)
        self.axes.text(
            *badge,
            str(number),
            size=7.5,
            weight='bold',
            color=PAPER,
            ha='center',
            va='center_baseline',
            zorder=14,
        )

    def _tips(self) -> None:
        for pose in self.scene.tips.values():
            origin = self.at(pose[:3, 3])
            for axis, colour in enumerate(FRAME):
                flat = self.view.flat(pose[:3, axis]) * [1, -1]
                ends = np.stack([origin, origin + TRIAD * flat])
                self.axes.plot(*ends.T, color=PAPER, lw=4.4, solid_capstyle='round', zorder=9)
                self.axes.plot(*ends.T, color=colour, lw=2.2, solid_capstyle='round', zorder=10)
            self.axes.plot(*origin, 'o', ms=4, color=INK, mec=PAPER, mew=0.8, zorder=11)


def spread(
    points_Nx2: np.ndarray, aside_Nx2: np.ndarray, tips_Tx2: np.ndarray, size: tuple[float, float]
) -> np.ndarray:
    """Places (N, 2) of badges beside `points`, in the direction `aside`, that do not overlap each
    other, the points or the tips.
    """
    wanted = points_Nx2 + 26 * aside_Nx2
    placed = wanted + 0.5 * np.stack(
        [np.cos(np.arange(len(wanted))), np.sin(np.arange(len(wanted)))], 1
    )
    for _ in range(300):
        push = 0.06 * (wanted - placed)
        for others, least in ((placed, 2 * BADGE + 3), (points_Nx2, BADGE + 8), (tips_Tx2, 26)):
            apart = placed[:, None] - others[None]
            gap = np.linalg.norm(apart, axis=-1)
            near = (gap < least) & (gap > 0)
            ways = apart / np.maximum(gap, 1e-6)[..., None]
            push += (ways * (near * (least - gap) * 0.4)[..., None]).sum(1)
        placed = np.clip(placed + push, BADGE + 2, np.array(size) - BADGE - 2)
    return placed
