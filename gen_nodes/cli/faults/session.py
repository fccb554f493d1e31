"""A rig that lives as long as the faults of one robot: the real policy first, then the puppet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gen_nodes.cli.faults.bench import Bench
from gen_nodes.cli.faults.clock_step import ClockStep
from gen_nodes.cli.faults.trial import try_fault
from gen_nodes.cli.rig import POLICY, Rig
from gen_nodes.errors import GenError, RequirementError
from gen_nodes.hil.faults.catalogue import Fault
from gen_nodes.hil.faults.trial import Row
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
    environment = clock.environment if clock else {}
    with running(robot, out, announce, environment, policy) as rig:
        bench = Bench(rig, clock, why_not)
        try:
            yield from tried(bench, faults)
        finally:
            bench.close()


@contextmanager
def running(
    robot: str,
    out: Path,
    announce: Callable[[str], None],
    environment: Mapping[str, str],
    policy: bool,
) -> Iterator[Rig]:
    """The rig; where the policy that ships cannot drive this robot, without it."""

    def rig(policy: bool) -> Rig:
        return Rig(
            robot,
            out,
            policy=policy,
            announce=announce,
            environment=environment,
            parameters=FOLLOWED,
        )

    wanted = rig(policy)
    try:
        wanted.__enter__()
    except GenError as error:
        if not policy or POLICY not in dict(wanted.deaths):
            raise
        announce(f'the policy does not run, a puppet takes its part: {error}')
        wanted = rig(False).__enter__()
    try:
        yield wanted
    finally:
        wanted.__exit__()


def tried(bench: Bench, faults: list[Fault]) -> Iterator[Row]:
    """Every fault on one bench."""
    real = POLICY in bench.nodes
    if real:
        bench.use_policy()
    for fault in faults:
        if bench.puppet is None and not (real and fault.needs == 'policy'):
            bench.use_puppet()
        yield try_fault(bench, fault)
