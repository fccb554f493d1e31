"""Writes docs/envelope.md from measurements:

./gen python test/bench/envelope.py --json out/envelope.json
./gen hil hostile --robot NAME --chunks 1000000 --seed 0 --json out/hostile/NAME.json
./gen python tools/envelope_page.py out/envelope.json out/hostile/*.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / 'docs' / 'envelope.md'
HEAD = """# The envelope, measured

What it keeps and how: [safety.md](safety.md#envelope). This page is written by
`tools/envelope_page.py` from the JSON of the commands below.

## Hostile chunks

`./gen hil hostile --robot NAME --chunks {chunks} --seed {seed} --json PATH`: chunks that no policy
should make (jumps, noise, NaN, wrong names and stamps, sequences that Hypothesis found to come
nearest to a limit), joint states that stall, jump and lie, clock steps, stops and resets, against
the real controller in simulated time. What it publishes is checked by
`gen_nodes/hil/checker/limit_checker.py`, which shares no code with the envelope and reads the
limits itself. Worst: the greatest share of a limit that any published command took, 1 being the
limit; position counts from the middle of the range. A robot may begin a little outside its limits
(position up to 1) and is never led further out.

"""
COLUMNS = 'robot|chunks|commands|violations|position|velocity|acceleration|jerk|running|code'
COST = """
## Cost of a step

`./gen python test/bench/envelope.py --json PATH`: microseconds of `Envelope.follow` on one core
({processor}, load {load}), median / p99, beside bare Ruckig that solves the same problem in turns
with it. Smooth: a reference inside the limits. Hostile: jumps and ramps beyond them at full speed,
every joint at once. What is asked of it, a median of 50 us alone and of 200 us with clearance for
22 joints, holds for smooth references; hostile ones cost more.

"""
COST_COLUMNS = 'robot|joints|clearance|smooth|Ruckig beside|hostile|Ruckig beside|smooth changed by'


def header(columns: str) -> str:
    """First two lines of a table."""
    names = columns.split('|')
    return f'| {" | ".join(names)} |\n|{"---|" * len(names)}\n'


def main() -> int:
    bench, hostile = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    runs = [json.loads(path.read_text()) for path in hostile]
    cost = json.loads(bench.read_text())
    PAGE.write_text(hostile_table(runs) + cost_table(cost))
    return 0


def hostile_table(runs: list[dict]) -> str:
    """One row per robot."""
    most, seeds = max(run['chunks'] for run in runs), {run['seed'] for run in runs}
    text = HEAD.format(chunks=most, seed=', '.join(map(str, sorted(seeds)))) + header(COLUMNS)
    for run in sorted(runs, key=lambda run: run['robot']):
        worst = ' | '.join(
            f'{run["worst"][k]:.6f}' for k in ('position', 'velocity', 'acceleration', 'jerk')
        )
        text += (
            f'| {run["robot"]} | {run["chunks"]:,} | {run["commands"]:,} | {run["violations"]} | '
            f'{worst} | {100 * run["checker"]["share_running"]:.0f} % | {run["version"]} |\n'
        )
    return text


def cost_table(report: dict) -> str:
    """One row per robot and watch."""
    machine = report['machine']
    text = COST.format(processor=machine['processor'], load=machine['load_before'])
    text += header(COST_COLUMNS)
    for name, figures in report['robots'].items():
        for watch, word in (('alone', 'no'), ('with_clearance', 'watched')):
            cells = []
            for kind in ('smooth', 'hostile'):
                of = figures[watch][kind]
                cells += [pair(of['envelope_us']), pair(of['bare_ruckig_us'])]
            off = figures[watch]['passthrough']['max_deviation']
            text += f'| {name} | {figures["joints"]} | {word} | {" | ".join(cells)} | {off:.0e} |\n'
    return text


def pair(figures: dict) -> str:
    return f'{figures["median"]:.0f} / {figures["p99"]:.0f}'


if __name__ == '__main__':
    sys.exit(main())
