"""A rig that lives as long as the faults of one robot: the real policy first, then the puppet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from gen_nodes.cli.clock_step import ClockStep
from gen_nodes.cli.hil_fault_bench import Bench
from gen_nodes.cli.hil_trial import try_fault
from gen_nodes.cli.rig import Rig
from gen_nodes.errors import RequirementError
from gen_nodes.hil.fault_judge import Row
from gen_nodes.hil.fault_list import Fault
from gen_nodes.hil.variants import with_wrench_limit
from gen_nodes.robot import RobotSpec

FOLLOWED = {'robot_emulator': {'task': 'track'}}  # a ball that never rests: the policy moves


def inject(
    robot: str, spec: RobotSpec, faults: list[Fault], out: Path, announce: Callable[[str], None]
) -> Iterator[Row]:
    """The row of every fault, in order. Raises GenError where the rig does not come up."""
    out.mkdir(parents=True, exist_ok=True)
    if spec.wrench_limit is None and any(fault.needs == 'wrench' for fault in faults):
        robot = str(with_wrench_limit(spec, out / 'limited'))
        announce('the description limits no wrench: tried with a limit of 150 N and 30 N m')
    clock, why_not = None, ''
    try:
        clock = ClockStep(out)
    except RequirementError as error:
        why_not = str(error)
    policy = any(fault.needs == 'policy' for fault in faults)
    with Rig(
        robot,
        out,
        policy=policy,
        announce=announce,
        environment=clock.environment if clock else {},
        parameters=FOLLOWED,
    ) as rig:
        bench = Bench(rig, clock, why_not)
        try:
            yield from tried(bench, faults)
        finally:
            bench.close()


def tried(bench: Bench, faults: list[Fault]) -> Iterator[Row]:
    """Every fault on one bench."""
    if any(fault.needs == 'policy' for fault in faults):
        bench.use_policy()
    for fault in faults:
        if fault.needs != 'policy' and bench.puppet is None:
            bench.use_puppet()
        yield try_fault(bench, fault)
