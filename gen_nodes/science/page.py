"""HTML pieces of a report: one page without scripts, other files or network, light or dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

MISSING = 'not measured'
STYLE = """
:root { color-scheme: light dark;
  --font: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif;
  --mono: ui-monospace, 'DejaVu Sans Mono', monospace;
  --page: #f6f6f3; --card: #ffffff; --ink: #1b1f24; --muted: #667079; --line: #dfe1dc;
  --accent: #2b6cb0; --good: #1f8a5b; --bad: #c23b22; --second: #c98a1b; }
@media (prefers-color-scheme: dark) { :root {
  --page: #121417; --card: #1a1d22; --ink: #e7e8e6; --muted: #98a1aa; --line: #33383f;
  --accent: #6ba6e3; --good: #4cc38a; --bad: #f0735a; --second: #e3b04b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 68rem; background: var(--page);
  color: var(--ink); font: 15px/1.55 var(--font); }
h1 { margin: 0; font-size: 1.5rem; font-weight: 650; }
h2 { margin: 0 0 .35rem; font-size: 1.1rem; font-weight: 650; }
p { margin: .3rem 0 .7rem; max-width: 48rem; }
.muted { color: var(--muted); } .good { color: var(--good); } .bad { color: var(--bad); }
section { margin-top: 1.2rem; padding: 1.2rem 1.4rem 1.3rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; }
svg { display: block; max-width: 100%; height: auto; margin: .3rem 0 .8rem; }
code { font: .87em var(--mono); overflow-wrap: anywhere; }
.head { display: grid; gap: 1rem 2rem; align-items: center; margin-bottom: .8rem;
  grid-template-columns: minmax(0, 1fr) minmax(0, 1.15fr); }
@media (max-width: 46rem) { .head { grid-template-columns: 1fr; } }
.number { font-size: 3.2rem; line-height: 1.15; font-weight: 700; letter-spacing: -.02em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92em; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem 1.4rem .28rem 0; vertical-align: top; text-align: left;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--muted); } tr:last-child td { border-bottom: 0; }
th, td.n, .mark { white-space: nowrap; } td.n, th.n { text-align: right; }
.film { display: grid; gap: .5rem; margin: .3rem 0 1.1rem;
  grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
figure { margin: 0; } figcaption { font-size: .8em; color: var(--muted); }
figure img { width: 100%; display: block; image-rendering: pixelated; border-radius: 4px; }
"""


def page(title: str, sections: Iterable[str]) -> str:
    """The whole document."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{STYLE}</style></head><body>\n'
        + '\n'.join(filter(None, sections))
        + '\n</body></html>\n'
    )


def section(title: str, *parts: str) -> str:
    """A card with a heading."""
    return f'<section><h2>{escape(title)}</h2>\n' + '\n'.join(parts) + '</section>'


def paragraph(text: str, kind: str = '') -> str:
    """A paragraph; kind: '', 'muted', 'good' or 'bad'."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f'<p>{escape(text)}</p>'


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Sequence[int] = ()) -> str:
    """A table; `numbers` are the columns set flush right. Cells are text or Marked."""
    kinds = [' class="n"' if column in numbers else '' for column in range(len(head))]
    line = ''.join(f'<th{kind}>{escape(cell)}</th>' for kind, cell in zip(kinds, head, strict=True))
    body = ''.join(
        '<tr>'
        + ''.join(
            f'<td{kind}>{cell_text(cell)}</td>' for kind, cell in zip(kinds, row, strict=True)
        )
        + '</tr>'
        for row in rows
    )
    top = f'<thead><tr>{line}</tr></thead>' if any(head) else ''
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


class Marked(str):
    """HTML that is safe already."""


def cell_text(cell: Any) -> str:
    """A cell's HTML."""
    return cell if isinstance(cell, Marked) else escape(plain(cell))


def verdict(good: bool | None) -> Marked:
    """A mark for met, not met or not measured."""
    if good is None:
        return Marked('<span class="muted">–</span>')
    return Marked(
        '<span class="mark good">✓ yes</span>' if good else '<span class="mark bad">✗ no</span>'
    )


def plain(value: Any) -> str:
    """Any JSON value in words; nothing at all is 'not measured'."""
    if value is None:
        return MISSING
    if isinstance(value, Mapping):
        return ', '.join(f'{key} {plain(one)}' for key, one in value.items()) or 'none'
    if isinstance(value, list | tuple):
        return ', '.join(plain(one) for one in value) or 'none'
    if isinstance(value, float):
        return f'{value:.4g}'
    return str(value)


def film(frames: Iterable[tuple[str, str]]) -> str:
    """A filmstrip of (data URL, caption)."""
    return (
        '<div class="film">'
        + ''.join(
            f'<figure><img src="{url}" alt="camera at {escape(caption)}">'
            f'<figcaption>{escape(caption)}</figcaption></figure>'
            for url, caption in frames
        )
        + '</div>'
    )
