"""docs/faults.md from the results of several robots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gen_nodes.hil.fault_list import FAULTS, Fault

SUMMARY = (
    'robot',
    'faults',
    'as they must be',
    'latest detection',
    'most periods from detection to braking',
    'most commands after a stop',
    'latest naming',
    'largest jump on resume',
)
HEAD = """# Faults

Every fault of this page was injected into the running stack around an emulated robot: real nodes,
real DDS, each robot class in one run. Made by

```
{commands}
./gen hil faults --table {files} > docs/faults.md
```

| {heads} |
|---|---|---|---|---|---|---|---|
{summary}

**Ending**: what the fault must come to. RUNNING: no harm, or none that the envelope leaves.
WAITING: motion never begins. HOLDING: braked, goes on by itself. STOPPED: braked, goes on after a
reset only. SILENT: the controller itself is gone.
**Cells**: cause to detection / cause to commanded standstill / cause to its name on `/diagnostics`
[s]; a cell in bold is not as it must be. A dash: does not apply.
**Periods** are control periods of the robot, 8 to 10 ms.

| fault | what is done | ending | noticed by | {robots} |
|---|---|---|---|{rules}|
{rows}
"""


def page(results: Mapping[str, Sequence[Mapping]]) -> str:
    """The page. results: robot name -> rows as `gen hil faults --json` wrote them."""
    return HEAD.format(
        heads=' | '.join(SUMMARY),
        commands='\n'.join(
            f'./gen hil faults --robot {robot} --json {robot}.json' for robot in results
        ),
        files=' '.join(f'{robot}.json' for robot in results),
        summary='\n'.join(summary(robot, rows) for robot, rows in results.items()),
        robots=' | '.join(results),
        rules='|'.join('---' for _ in results),
        rows='\n'.join(
            line(fault, [find(rows, fault.name) for rows in results.values()])
            for fault in FAULTS
            if any(find(rows, fault.name) for rows in results.values())
        ),
    )


def find(rows: Sequence[Mapping], name: str) -> Mapping | None:
    """The row of a fault, None where the robot was spared it."""
    return next((row for row in rows if row['fault'] == name), None)


def summary(robot: str, rows: Sequence[Mapping]) -> str:
    """The worst of a robot's figures."""

    def worst(key: str, unit: str = '') -> str:
        values = [row[key] for row in rows if row[key] is not None]
        return f'{max(values):.3g}{unit}' if values else '-'

    good = sum(row['ok'] for row in rows)
    cells = (
        robot,
        str(len(rows)),
        str(good),
        worst('detected_s', ' s'),
        worst('periods_to_stop'),
        worst('commands_after_stop'),
        worst('diagnosed_s', ' s'),
        worst('resume_jump_rad', ' rad'),
    )
    return f'| {" | ".join(cells)} |'


def line(fault: Fault, rows: Sequence[Mapping | None]) -> str:
    """One fault, a cell per robot."""
    cells = ' | '.join(cell(row) for row in rows)
    return f'| {fault.name} | {fault.what} | {fault.ending} | {fault.noticed_by} | {cells} |'


def cell(row: Mapping | None) -> str:
    """Detected / stopped / named [s], bold where the fault was not met as it must be."""
    if row is None:
        return '-'
    keys = ('detected_s', 'stopped_s', 'diagnosed_s')
    text = ' / '.join('-' if row[key] is None else f'{row[key]:.2f}' for key in keys)
    return text if row['ok'] else f'**{text}: {row["note"]}**'
