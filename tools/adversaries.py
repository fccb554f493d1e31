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
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings, target
from hypothesis import strategies as st

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.checker.command_log import CommandLog
from gen_nodes.hil.checker.limit_checker import LimitChecker
from gen_nodes.hil.checker.published import Segment
from gen_nodes.hil.checker.stated_limits import StatedLimits
from gen_nodes.hil.checker.verdict import KINDS, Verdict
from gen_nodes.hil.hostile.adversaries import CORPUS, Adversary, Stretch, save_adversaries
from gen_nodes.hil.hostile.chunks import adversary_drafts
from gen_nodes.hil.hostile.run import known
from gen_nodes.hil.hostile.world import EPOCH_NS
from gen_nodes.robot import RobotSpec, resource_root
from gen_nodes.types import NS, ActionChunk, JointSample

ROBOTS = ('ur5e', 'franka_fr3', 'openarm_bimanual')
KEPT = 3  # per robot and kind of limit
STANDS_S = 0.3  # before it is commanded


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


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--examples', type=int, default=600, help='per robot and kind of limit')
    parser.add_argument('--robots', nargs='+', default=ROBOTS, help='where to search')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=resource_root() / CORPUS)
    args = parser.parse_args(words)
    found, violations = [], 0
    for robot in args.robots:
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


def judged(adversary: Adversary) -> Verdict:
    """What the checker says of an adversary alone."""
    spec, limits = known(adversary.robot)
    checker = LimitChecker(limits, 1.0 / spec.control.rate_hz)
    for segment in press(ControllerCore(spec), spec, limits, adversary):
        checker.add(segment)
    return checker.verdict()


def press(
    core: ControllerCore, spec: RobotSpec, limits: StatedLimits, adversary: Adversary
) -> list[Segment]:
    """One adversary alone against a robot that does exactly what it is told: the commands of an
    inactive controller without a stack to watch.
    """
    period_s = 1.0 / spec.control.rate_hz
    log, q, tick = CommandLog(spec, NS, period_s), np.array(spec.ready), 0
    still = np.zeros(spec.n)

    def instant(tick: int) -> tuple[int, int]:
        steady_ns = NS + round(tick * period_s * NS)
        return steady_ns + EPOCH_NS, steady_ns

    def step(chunk: Callable[[int], ActionChunk] | None) -> None:
        nonlocal q, tick
        tick += 1
        now_ns, steady_ns = instant(tick)
        state = JointSample('joint_states', now_ns, now_ns, spec.joint_names, q, still, still)
        core.on_estop(False, steady_ns)
        core.on_wrench(np.zeros(3), np.zeros(3), steady_ns)
        core.on_joint_state(state, steady_ns)
        if chunk is not None:
            core.on_chunk(chunk(now_ns), now_ns, steady_ns)
        command = core.tick(now_ns, steady_ns)
        log.take(command, core, tick, q)
        q = q if command is None else command.values

    core.activate(None, *instant(0))
    for _ in range(round(STANDS_S / period_s)):
        step(None)
    for draft in adversary_drafts(adversary, limits, q, period_s):
        for _ in range(draft.wait - 1):
            step(None)
        step(lambda now_ns, draft=draft: draft.chunk(now_ns, tick))
    core.wind_down()
    while not core.at_rest:
        step(None)
    core.reset(*instant(tick))  # what stopped it must not stop the next one
    core.deactivate()
    log.close()
    return log.ended()


if __name__ == '__main__':
    sys.exit(main())
