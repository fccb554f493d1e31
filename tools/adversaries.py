"""Searches sequences of references that press hardest on the controller's limits, by Hypothesis:

    ./gen python tools/adversaries.py

writes config/hostile/adversaries.json, which `gen hil hostile` mixes into its chunks. Searched on
one robot of each class, kept in units of a robot's limits. Ends with status 1 where a limit was
violated: then the sequence stands first in the file.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.adversaries import CORPUS, Adversary, Stretch, save_adversaries
from gen_nodes.hil.hostile import press
from gen_nodes.hil.hostile_run import known
from gen_nodes.hil.limit_checker import KINDS, LimitChecker, Verdict
from gen_nodes.robot import load_robot, resource_root

ROBOTS = ('ur5e', 'franka_fr3', 'openarm_bimanual')
KEPT = 3  # per robot and kind of limit


def thousandths(most: float) -> st.SearchStrategy[float]:
    """Numbers from -most to most that look as short in a file as they are."""
    return st.integers(round(-1000 * most), round(1000 * most)).map(lambda x: x / 1000)


STRETCHES = st.lists(
    st.builds(
        Stretch,
        place=thousandths(1.05),
        speed=thousandths(2.0),
        bend=thousandths(2.0),
        ticks=st.integers(1, 60),
        stay=st.booleans(),
        rest=st.booleans(),
        mirrored=st.booleans(),
    ),
    min_size=1,
    max_size=10,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--examples', type=int, default=600, help='per robot and kind of limit')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=resource_root() / CORPUS)
    args = parser.parse_args()
    found, violations = [], 0
    for robot in ROBOTS:
        for kind in KINDS:
            best, wrong = search(robot, kind, args.examples, args.seed)
            found += best
            violations += wrong
            print(f'{robot}, {kind}: {best[0].fraction:.9f}, {wrong} violations', flush=True)
    save_adversaries(tuple(sorted(found, key=lambda one: one.fraction <= 1)), args.out)
    return int(violations > 0)


def search(robot: str, kind: str, examples: int, number: int) -> tuple[list[Adversary], int]:
    """The sequences that press hardest on one kind of limit, and how many violations there were."""
    best: dict[float, Adversary] = {}
    wrong: dict[str, int] = defaultdict(int)

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.target),
        suppress_health_check=list(HealthCheck),
    )
    @given(STRETCHES)
    def try_one(stretches: list[Stretch]) -> None:
        one = Adversary(kind, robot, 0.0, tuple(stretches))
        verdict = judged(one)
        fraction = verdict.worst[kind].fraction
        target(fraction)
        wrong[kind] += verdict.total
        best[fraction] = Adversary(kind, robot, fraction, one.stretches)

    try_one()
    return [best[key] for key in sorted(best, reverse=True)[:KEPT]], wrong[kind]


@cache
def core_of(robot: str) -> ControllerCore:
    return ControllerCore(load_robot(robot))


def judged(adversary: Adversary) -> Verdict:
    """What the checker says of an adversary alone."""
    spec, limits = known(adversary.robot)
    checker = LimitChecker(limits, 1.0 / spec.control.rate_hz)
    for segment in press(core_of(adversary.robot), spec, limits, adversary):
        checker.add(segment)
    return checker.verdict()


if __name__ == '__main__':
    sys.exit(main())
