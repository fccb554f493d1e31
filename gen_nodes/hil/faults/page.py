"""docs/faults.md from the results of several robots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gen_nodes.hil.faults.catalogue import FAULTS, Fault

Rows = Sequence[Mapping]

PAGE = """# Faults

Every fault of this page was injected into the running stack around an emulated robot: real nodes,
real DDS, real signals, one run per robot. Made by

```
{commands}
./gen hil faults --table {files} > docs/faults.md
```

`./gen hil faults --list` names the faults, `--only NAME` injects one.

| {heads} |
|---|---|---|---|---|---|---|---|
{summary}

A fault is met as it must be where its **ending** comes, braking begins within {periods:g} control
periods of being noticed, no command follows a stop, a reset is refused while the cause lasts (where
that can be known) and the robot moves after one only, `/diagnostics` names the cause within
{named} s, and the first command after the resume is within {jump:g} rad of what is measured.

| ending | |
|---|---|
| RUNNING | it does no harm, or none that the envelope leaves: the motion goes on without a jump |
| WAITING | the motion does not begin |
| HOLDING | braked; goes on by itself when the cause is gone |
| STOPPED | braked; goes on after an explicit reset only |
| SILENT | the controller itself is gone: nothing is commanded, the driver stays where it is |

Periods lie between two stamps of the controller's own: when it noticed, and its first braking
command. Whether a brake keeps the limits is not judged here but by `gen hil hostile` and
`gen hil run`. Where the driver is started again, the policy is silent until the judge hears the
robot: else it could not know from where the motion goes on.

In the cells: from the cause to its detection / to the commanded standstill / to its name on
`/diagnostics` [s]. A dash: does not apply. Bold: not met, and why.

| fault | what is done | ending | noticed by | {robots} |
|---|---|---|---|{rules}|
{rows}
"""
SUMMARY = (
    'robot',
    'faults',
    'met as they must be',
    'latest detection',
    'most periods from detection to braking',
    'most commands after a stop',
    'latest naming',
    'largest jump on resume',
)


def page(results: Mapping[str, Rows], joints: Mapping[str, int], bars: Mapping[str, float]) -> str:
    """The page.

    Args:
        results: robot name -> rows as `gen hil faults --json` wrote them.
        joints: robot name -> number of joints.
        bars: 'periods', 'named' [s] and 'jump' [rad]: what was demanded.
    """
    files = [f'{robot}.json' for robot in results]
    calls = zip(results, files, strict=True)
    named = [(robot, f'{robot}, {joints[robot]} joints') for robot in results]
    return PAGE.format(
        commands='\n'.join(
            f'./gen hil faults --robot {robot} --json {file}' for robot, file in calls
        ),
        files=' '.join(files),
        heads=' | '.join(SUMMARY),
        summary='\n'.join(summary(label, results[robot]) for robot, label in named),
        robots=' | '.join(label for _, label in named),
        rules='|'.join('---' for _ in results),
        rows='\n'.join(table(list(results.values()))),
        **bars,
    )


def table(results: Sequence[Rows]) -> list[str]:
    """A line per fault that any robot was given, in the order of the list."""
    found = [(fault, [find(rows, fault.name) for rows in results]) for fault in FAULTS]
    return [line(fault, rows) for fault, rows in found if any(rows)]


def find(rows: Rows, name: str) -> Mapping | None:
    """The row of a fault, None where the robot was spared it."""
    return next((row for row in rows if row['fault'] == name), None)


def summary(label: str, rows: Rows) -> str:
    """The worst of a robot's figures."""

    def worst(key: str, unit: str = '') -> str:
        values = [row[key] for row in rows if row[key] is not None]
        return f'{max(values):.3g}{unit}' if values else '-'

    cells = (
        label,
        str(len(rows)),
        str(sum(row['ok'] for row in rows)),
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
    return f'| `{fault.name}` | {fault.what} | {fault.ending} | {fault.noticed_by} | {cells} |'


def cell(row: Mapping | None) -> str:
    """Detected / stopped / named [s], bold where the fault was not met as it must be."""
    if row is None:
        return '-'
    keys = ('detected_s', 'stopped_s', 'diagnosed_s')
    text = ' / '.join('-' if row[key] is None else f'{row[key]:.2f}' for key in keys)
    return text if row['ok'] else f'**{text}: {row["note"].replace("|", "/")}**'
