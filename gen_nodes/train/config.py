"""Training configuration, read strictly from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gen_nodes.errors import ConfigError
from gen_nodes.model.config import ModelConfig, read_model_config
from gen_nodes.reading import of_type, parse_yaml, read_text

LEAST = {
    0: ('seed', 'goal_steps', 'steps', 'warmup', 'weight_decay', 'rest_weight'),
    1: ('batch', 'decisions', 'frames', 'validate_every', 'checkpoint_every'),
    2: ('goal_batch',),  # half of it are beginnings of episodes
}
POSITIVE = ('goal_learning_rate', 'learning_rate', 'span_s')
SHARES = ('held_out', 'average')


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

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and self.return_s > 0):
            raise ConfigError(
                f'share must be within [0, 1] and return_s positive, are {self.share} and '
                f'{self.return_s}'
            )


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

    def __post_init__(self) -> None:
        for least, keys in LEAST.items():
            for key in keys:
                if getattr(self, key) < least:
                    raise ConfigError(f'{key} must be at least {least}, is {getattr(self, key)}')
        for key in POSITIVE:
            if not getattr(self, key) > 0:
                raise ConfigError(f'{key} must be positive, is {getattr(self, key)}')
        for key in SHARES:
            if not 0 <= getattr(self, key) < 1:
                raise ConfigError(f'{key} must be within [0, 1), is {getattr(self, key)}')
        if not 0 <= self.frames_kept <= 1:
            raise ConfigError(f'frames_kept must be within [0, 1], is {self.frames_kept}')

    def to_dict(self) -> dict:
        """Plain values, for provenance."""
        return asdict(self)


def read_train_config(path: Path) -> TrainConfig:
    """TrainConfig from YAML; `model` names a model config beside config/train. Raises ConfigError
    that names the key.
    """
    if not path.is_file():
        raise ConfigError(f"train config '{path}' does not exist; try config/train/demo.yaml")
    values = parse_yaml(read_text(path), str(path))
    models = path.resolve().parent.parent / 'model'
    known = sorted(file.stem for file in models.glob('*.yaml'))
    if not known:
        raise ConfigError(f'{path}: its model is looked for in {models}, where no config is')
    name = values.text('model', valid=known)
    model = read_model_config(models / f'{name}.yaml')
    return of_type(TrainConfig, values.plain() | {'model': model}, str(path))
