"""Training configuration, read strictly from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml

from gen_nodes.errors import ConfigError, reject_unknown_keys
from gen_nodes.model.config import ModelConfig, read_model_config
from gen_nodes.reading import of_keys


@dataclass(frozen=True)
class Hindsight:
    """Where a demonstration says its own goal was: no privileged label is used.

    at_end: the tip's place at the end of the episode; otherwise the tip's place at the frame's own
        capture time, once the demonstrator has had `after_s` to get there and `settle_s` since the
        last disturbance.
    """

    at_end: bool
    after_s: float = 0.0
    settle_s: float = 0.7


@dataclass(frozen=True)
class Displaced:
    """How sequences are altered: the acting arm is set beside where it was, and what it should do
    leads it back, `return_s` being the time in which a displacement falls to 1/e.

    A demonstrator is always where it wants to be, and how its commands lead the goal tells how the
    goal moves; a learner takes that for the reason, and its own errors then grow. Displaced at
    random, it has to look.
    """

    share: float = 0.8  # of the sequences
    tip_m: float = 0.03  # standard deviation per axis
    joint_rad: float = 0.01  # of every joint besides (a tenth as many metres, if prismatic)
    return_s: float = 0.12


@dataclass(frozen=True)
class TrainConfig:
    """Everything that makes a checkpoint, besides bags and code."""

    name: str
    model: ModelConfig
    robots: tuple[str, ...]
    bags: str  # directory with one folder of bags per robot
    cameras: tuple[str, ...]
    hindsight: Mapping[str, Hindsight]
    seed: int = 0
    goal_steps: int = 1500  # optimiser steps of the goal stage
    goal_batch: int = 32  # frames per robot and step in it
    steps: int = 3000  # optimiser steps of the act stage
    batch: int = 16  # sequences per robot and step
    decisions: int = 8  # decisions packed into one sequence
    span_s: float = 0.6  # they lie within this
    goal_learning_rate: float = 3.0e-3  # peak of the goal stage
    learning_rate: float = 1.0e-3
    warmup: int = 200
    weight_decay: float = 0.01
    average: float = 0.99  # decay of the running average of weights that is shipped
    displaced: Displaced = Displaced()
    rest_weight: float = 0.3  # of decisions in which the arm rests
    delay_s: tuple[float, float] = (0.02, 0.10)  # compute delay drawn per decision
    camera_delay_s: tuple[float, float] = (0.0, 0.06)  # added to a sequence's frames
    frames: int = 44  # of one sequence, at most
    frames_kept: float = 0.5  # at least this share of them, drawn: rate and dropouts vary
    held_out: float = 0.05  # of episodes, for validation
    validate_every: int = 500
    checkpoint_every: int = 500

    @property
    def all_steps(self) -> int:
        """Optimiser steps of both stages."""
        return self.goal_steps + self.steps

    def to_dict(self) -> dict:
        """Plain values, for provenance."""
        return asdict(self)


def read_train_config(path: Path) -> TrainConfig:
    """TrainConfig from YAML; `model` names a model config beside config/train. Unknown keys are
    errors.
    """
    if not path.is_file():
        raise ConfigError(f"train config '{path}' does not exist; try config/train/demo.yaml")
    values = yaml.safe_load(path.read_text())
    reject_unknown_keys(str(path), values, (f.name for f in fields(TrainConfig)))
    missing = [
        f.name
        for f in fields(TrainConfig)
        if f.name in ('name', 'model', 'robots', 'bags', 'cameras', 'hindsight')
        and f.name not in values
    ]
    if missing:
        raise ConfigError(f"{path}: missing key '{missing[0]}'")
    values['hindsight'] = {
        task: of_keys(Hindsight, rule, f'{path}: hindsight.{task}')
        for task, rule in values['hindsight'].items()
    }
    values['model'] = read_model_config(path.parent.parent / 'model' / f'{values["model"]}.yaml')
    if 'displaced' in values:
        values['displaced'] = of_keys(Displaced, values['displaced'], f'{path}: displaced')
    for key in ('robots', 'cameras', 'delay_s', 'camera_delay_s'):
        if key in values:
            values[key] = tuple(values[key])
    return TrainConfig(**values)
