"""Draws the pictures of README.md and docs/: `./gen python tools/pictures.py` writes docs/*.svg.

Numbers in them come from the code and the configs; a test fails when a picture is out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from gen_nodes.model.config import ModelConfig, read_model_config

ROOT = Path(__file__).resolve().parent.parent
STYLE = """
svg { --page: #ffffff; --ink: #1b1f24; --muted: #667079; --line: #8a949d; --box: #f1f3f1;
  --accent: #2b6cb0; --good: #1f8a5b; --second: #b7791f; --bad: #c23b22; }
@media (prefers-color-scheme: dark) { svg { --page: #15181c; --ink: #e7e8e6; --muted: #98a1aa;
  --line: #77818b; --box: #22272d; --accent: #6ba6e3; --good: #4cc38a; --second: #e3b04b;
  --bad: #f0735a; } }
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: var(--ink); }
.small { fill: var(--muted); }
"""


class Picture:
    """An SVG under construction. Coordinates are pixels, y down; colours are names of STYLE."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        fill: str,
        stroke: str = 'none',
        radius: float = 7,
        opacity: float = 1.0,
    ) -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{radius:g}" '
            f'style="fill: var(--{fill}); fill-opacity: {opacity:g}; stroke: {paint(stroke)}"/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 13,
        anchor: str = 'middle',
        colour: str = 'ink',
        bold: bool = False,
    ) -> None:
        """One line of text; y is its baseline."""
        weight = '; font-weight: 650' if bold else ''
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" style="font-size: {size:g}px; '
            f'fill: var(--{colour}){weight}">{escape(words)}</text>'
        )

    def box(
        self, x: float, y: float, w: float, h: float, title: str, *lines: str, stroke: str = 'line'
    ) -> None:
        """A box with a title and smaller lines below it."""
        self.rect(x, y, w, h, 'box', stroke)
        top = y + h / 2 + 5 - 8 * len(lines)
        self.text(x + w / 2, top, title, 12.5, bold=True)
        for i, line in enumerate(lines):
            self.text(x + w / 2, top + 17 * (i + 1), line, 11.5, colour='muted')

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: str = 'line',
        dash: str = '',
        arrow: bool = True,
        width: float = 1.5,
    ) -> None:
        """A line through points, with an arrow head at its end."""
        path = 'M' + ' L'.join(f'{x:g} {y:g}' for x, y in points)
        head = f' marker-end="url(#head-{colour})"' if arrow else ''
        self.parts.append(
            f'<path d="{path}" style="fill: none; stroke: var(--{colour}); '
            f'stroke-width: {width:g}; stroke-dasharray: {dash or "none"}"{head}/>'
        )

    def svg(self) -> str:
        """The whole document."""
        heads = ''.join(
            f'<marker id="head-{colour}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 Z" '
            f'style="fill: var(--{colour})"/></marker>'
            for colour in ('line', 'muted', 'accent', 'good', 'second', 'bad')
        )
        frame = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" role="img"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {frame}><title>{escape(self.title)}</title>'
            f'<style>{STYLE}</style><defs>{heads}</defs>\n'
            f'<rect width="100%" height="100%" rx="10" style="fill: var(--page)"/>\n'
            + '\n'.join(self.parts)
            + '\n</svg>\n'
        )


def paint(colour: str) -> str:
    """A colour as CSS."""
    return colour if colour == 'none' else f'var(--{colour})'


# The flow of the stack ----------------------------------------------------------------------------


def flow() -> Picture:
    """What runs and what flows: live on top, from bag to policy below."""
    p = Picture(1000, 400, 'sensors to policy to robot, and bag to policy')
    names = ('robot driver', 'sensor_aggregator', 'harmonic_policy', 'embodiment_controller')
    lines = (
        ('or robot_emulator,', 'which speaks the same'),
        ('checks, pairs and thins', 'what arrived'),
        ('one transformer over', 'one token stream'),
        ('limits, watchdogs,', 'latched stop'),
    )
    left, width, gap, y, h = 24, 184, 72, 84, 84
    x = [left + i * (width + gap) for i in range(4)]
    for i, name in enumerate(names):
        p.box(x[i], y, width, h, name, *lines[i], stroke='accent' if i else 'line')
    for i, (what, rate) in enumerate(
        (('sensors', ''), ('observation', '50 Hz'), ('action_chunk', '25 Hz'))
    ):
        p.line([(x[i] + width, y + h / 2), (x[i + 1] - 2, y + h / 2)])
        p.text(x[i] + width + gap / 2, y + h / 2 - 8, what, 11.5, colour='muted')
        p.text(x[i] + width + gap / 2, y + h / 2 + 18, rate, 11.5, colour='muted')
    end = x[3] + width / 2
    p.line([(end, y), (end, 40), (x[0] + width / 2, 40), (x[0] + width / 2, y - 2)], 'accent')
    p.text((end + x[0]) / 2, 32, 'joint commands inside the envelope, 100 to 125 Hz', 12)
    middle = x[1] + width / 2
    p.line([(end, y + h), (end, 206), (middle, 206), (middle, y + h + 2)])
    p.text((x[2] + 40 + middle) / 2, 200, 'executed commands are sensed', 12)
    p.text(24, 64, 'live', 12, 'start', 'muted', bold=True)
    p.text(126, 262, 'from bag to policy', 12, 'start', 'muted', bold=True)
    below = (
        ('data_recorder', 'everything raw,', 'losses counted'),
        ('bag (MCAP)', 'one per episode,', 'stands alone'),
        ('gen train', 'tokens by the', "live nodes' code"),
        ('checkpoint', 'one for all robots,', 'says what made it'),
    )
    for i, (title, *rest) in enumerate(below):
        p.box(x[i], 284, width, 84, title, *rest, stroke='accent' if i == 0 else 'line')
        if i:
            p.line([(x[i - 1] + width, 326), (x[i] - 2, 326)])
    p.line([(x[0] + width / 2, y + h), (x[0] + width / 2, 282)], dash='4 4')
    p.line(
        [
            (x[3] + width / 2, 284),
            (x[3] + width / 2, 246),
            (x[2] + 40, 246),
            (x[2] + 40, y + h + 2),
        ],
        'good',
    )
    p.text((x[3] + width / 2 + x[2] + 40) / 2, 240, 'loads, or refuses and says why', 12)
    return p


# The token stream ---------------------------------------------------------------------------------

NOW, DELAY_S, CAMERA_DELAY_S = 0.0, 0.05, 0.03


def stream(model: ModelConfig) -> Picture:
    """Tokens on their time axis around one decision, and who sees whom."""
    p = Picture(1000, 470, 'the token stream around one decision')
    first, last = -model.vision_window_s - 0.06, DELAY_S + model.horizon_s + 0.04

    def at(seconds: float) -> float:
        return 150 + 650 * (seconds - first) / (last - first)

    lanes = {'camera': 90, 'joints': 142, 'under way': 194, 'future': 246}
    for words, y in lanes.items():
        p.text(20, y + 4, words, 12.5, 'start', bold=True)
        p.line([(150, y), (820, y)], 'line', '1 5', arrow=False, width=1)
    p.rect(at(NOW), 52, at(DELAY_S) - at(NOW), 218, 'second', opacity=0.16, radius=0)
    for when, words, colour in ((NOW, 'decision', 'ink'), (DELAY_S, 'takes over', 'second')):
        p.line([(at(when), 52), (at(when), 290)], 'muted', arrow=False, width=1)
        anchor = 'end' if when == NOW else 'start'
        p.text(at(when) + (-4 if when == NOW else 4), 46, words, 12, anchor, colour)
    context(p, model, at, lanes)
    span = model.knots_per_token * model.knot_s
    p.rect(at(DELAY_S) - 5, lanes['under way'] - 9, 10, 18, 'second', radius=2)
    p.text(
        at(DELAY_S) + 14,
        lanes['under way'] - 7,
        'clean: where the commands under way will have led',
        11.5,
        'start',
        'muted',
    )
    for a in range(model.act_tokens):
        start = DELAY_S + a * span
        p.rect(
            at(start) + 2,
            lanes['future'] - 13,
            at(start + span) - at(start) - 4,
            26,
            'good',
            radius=4,
            opacity=0.30,
        )
        for k in range(model.knots_per_token):
            x = at(start + (k + 0.5) * model.knot_s)
            p.line([(x, lanes['future'] - 7), (x, lanes['future'] + 7)], 'good', arrow=False)
    axis(p, at, first, last)
    legend(p, model)
    return p


def context(p: Picture, model: ModelConfig, at: Callable, lanes: dict[str, int]) -> None:
    """Frames and joints that a decision at NOW attends to, and younger ones that come too late."""
    for capture in np.arange(-model.vision_window_s, 0.05, 1 / 30):
        seen = capture + CAMERA_DELAY_S <= NOW
        p.rect(
            at(capture) - 3,
            lanes['camera'] - 8,
            6,
            16,
            'accent' if seen else 'muted',
            radius=2,
            opacity=0.9 if seen else 0.3,
        )
    for capture in np.arange(-0.02 - 8 * model.body_period_s, 0, model.body_period_s):
        seen = capture > NOW - model.body_window_s
        for k in range(3):
            p.rect(
                at(capture) - 3,
                lanes['joints'] - 13 + 9 * k,
                6,
                7,
                'accent',
                radius=2,
                opacity=0.9 if seen else 0.25,
            )


def axis(p: Picture, at: Callable, first: float, last: float) -> None:
    """Seconds."""
    p.line([(150, 290), (830, 290)])
    for tenth in range(int(np.ceil(10 * first / 2)) * 2, int(10 * last) + 1, 2):
        x = at(tenth / 10)
        p.line([(x, 290), (x, 296)], arrow=False)
        p.text(x, 311, f'{tenth / 10:+.1f}' if tenth else '0', 11, colour='muted')
    p.text(836, 294, 'seconds', 11.5, 'start', 'muted')


def legend(p: Picture, model: ModelConfig) -> None:
    """What the lanes are and who attends to whom."""
    rows = (
        (
            'camera',
            f'{model.readouts} goal token{"s" * (model.readouts > 1)} per frame, '
            'read from image and instruction alone; '
            f'cached for {model.vision_window_s:g} s. Pale: captured, not yet arrived, so unseen.',
        ),
        (
            'joints',
            f'one token per joint every {model.body_period_s:g} s: where it is, and its '
            f'descriptor; cached for {model.body_window_s:g} s.',
        ),
        ('under way', 'one clean token per joint at the instant when the new commands take over.'),
        (
            'future',
            f'{model.act_tokens} act tokens per joint, {model.knots_per_token} knots of '
            f'{model.knot_s:g} s each: {model.horizon_s:g} s ahead, made from noise in '
            f'{model.flow_steps} steps.',
        ),
        (
            'mask',
            'camera and joint tokens see what had arrived before them and never an act token;',
        ),
        (
            '',
            'under way and future tokens see all of it and each other. Nothing sees ahead.',
        ),
    )
    for i, (name, words) in enumerate(rows):
        y = 346 + 21 * i
        p.text(20, y, name, 12, 'start', bold=True)
        p.text(112, y, words, 12, 'start')


# The controller's modes ---------------------------------------------------------------------------


def modes() -> Picture:
    """States of the embodiment controller."""
    p = Picture(1000, 330, 'modes of the embodiment controller')
    p.box(20, 100, 130, 64, 'INACTIVE', 'commands nothing')
    p.box(270, 100, 150, 64, 'WAITING', 'still, no command yet')
    p.box(540, 100, 150, 64, 'RUNNING', 'plays action chunks', stroke='good')
    p.box(820, 100, 160, 64, 'HOLDING', 'brakes, stands still', stroke='second')
    p.box(540, 236, 150, 64, 'STOPPED', 'brakes, then nothing', stroke='bad')
    p.line([(150, 132), (268, 132)])
    p.text(209, 124, 'activate', 12)
    p.line([(420, 132), (538, 132)])
    p.text(479, 116, 'all inputs, a chunk,', 12)
    p.text(479, 150, 'the robot stands', 12)
    p.line([(690, 118), (818, 118)], 'second')
    p.text(754, 110, 'input or node gone', 12)
    p.line([(820, 148), (692, 148)], 'good')
    p.text(754, 168, 'it is back', 12)
    for x, y in ((615, 164), (345, 164), (900, 164)):
        down = (
            [(x, y), (x, 234)] if x == 615 else [(x, y), (x, 256), (538 if x < 540 else 692, 256)]
        )
        p.line(down, 'bad')
    p.text(624, 188, 'stop, e-stop, force, bad data,', 12, 'start')
    p.text(624, 205, 'does not follow, clock jump', 12, 'start')
    p.text(624, 222, 'robot’s own stop, intruder', 12, 'start')
    p.line([(540, 284), (305, 284), (305, 166)], 'good')
    p.text(422, 302, 'reset, refused while the cause lasts', 12)
    p.text(422, 318, 'or the arm still brakes; then slowly at first', 12)
    p.line([(615, 100), (615, 60), (85, 60), (85, 98)])
    p.text(350, 52, 'deactivate (from any mode): brakes first', 12)
    return p


def pictures() -> dict[str, str]:
    """File name -> SVG."""
    model = read_model_config(ROOT / 'config' / 'model' / 'nano.yaml')
    return {'flow.svg': flow().svg(), 'stream.svg': stream(model).svg(), 'modes.svg': modes().svg()}


if __name__ == '__main__':
    (ROOT / 'docs').mkdir(exist_ok=True)
    for file_name, svg in pictures().items():
        (ROOT / 'docs' / file_name).write_text(svg, encoding='utf-8')
