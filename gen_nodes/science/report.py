"""report.html: what a demo or an evaluation showed, in one file that explains itself.

Input is the mapping that report.json holds; what is missing in it is said to be not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gen_nodes.science import stack_sections, task_sections
from gen_nodes.science.page import page
from gen_nodes.whole import write_whole


def write_report(report: Mapping[str, Any], bags: Sequence[Path], out: Path) -> Path:
    """Write report.html into folder `out` and return its path.

    `report` has the keys of report.json (docs/report.md). A bag that cannot be read is said to be
    so in the page.
    """
    title = f'{report.get("robot", "robot")} · {report.get("task", "task")}'
    sections = (
        task_sections.headline(report, title),
        task_sections.promises(report),
        task_sections.filmstrips(report, bags),
        task_sections.trajectories(report),
        task_sections.episodes(report),
        stack_sections.latency(report),
        stack_sections.control(report),
        stack_sections.recorder(report),
        stack_sections.memory(report),
        stack_sections.provenance(report),
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / 'report.html'
    write_whole(path, page(title, sections))
    return path
