"""Which processes a stage runs, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gen_nodes.ros.graph import ParameterValue, ProcessSpec, stack_processes

RELAY = 'relay'


@dataclass(frozen=True)
class StageConfig:
    """What to run. checkpoint None: the expert acts in the policy's place."""

    robot: str
    seed: int
    out: Path
    checkpoint: Path | None = None
    world: str = 'tabletop'
    camera_shift_m: float = 0.0
    relay: bool = True
    parameters: Mapping[str, Mapping[str, ParameterValue]] = field(default_factory=dict)


# Driver's rates are up to 1 kHz; every process that hears them pays. Two cores carry this.
STATE_RATE_HZ = 125.0


def stage_processes_of(config: StageConfig) -> list[ProcessSpec]:
    """The stack with an emulator, and the yardstick beside it."""
    given: dict[str, dict[str, ParameterValue]] = {
        'robot_emulator': {
            'seed': config.seed,
            'world': config.world,
            'max_state_rate_hz': STATE_RATE_HZ,
        },
        'data_recorder': {'output_dir': str((config.out / 'bags').resolve())},
    }
    if config.checkpoint:
        given['harmonic_policy'] = {'checkpoint': str(Path(config.checkpoint).resolve())}
    for node, values in config.parameters.items():
        given.setdefault(node, {}).update(values)
    with_policy = config.checkpoint is not None
    processes = stack_processes(config.robot, emulator=True, policy=with_policy, parameters=given)
    relay = ProcessSpec(RELAY, 'gen_nodes.ros.relay', {'robot': config.robot})
    return [*processes, relay] if config.relay else list(processes)
