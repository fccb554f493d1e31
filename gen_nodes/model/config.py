"""Model configuration: one frozen dataclass, from YAML or from a checkpoint's header."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gen_nodes.errors import ConfigError
from gen_nodes.reading import of_type, parse_yaml, read_text


@dataclass(frozen=True)
class ModelConfig:
    """What the network is. Widths are features, times seconds."""

    name: str = 'nano'
    width: int = 128  # residual stream
    layers: int = 3
    heads: int = 4
    mlp_ratio: int = 3
    words: int = 2048  # hashed vocabulary of the instruction
    pixel_features: int = 16  # of one image cell
    readouts: int = 1  # goal points read out of one frame
    vision_window_s: float = 0.8  # a frame stays in the cache this long after it arrived
    body_window_s: float = 0.1  # likewise for joint tokens
    body_period_s: float = 0.08  # joint tokens enter the stream this often
    knot_s: float = 0.05  # spacing of the action curve's knots
    knots_per_token: int = 8  # one act token carries this many knots of one joint
    act_tokens: int = 2  # act tokens per joint: horizon = knot_s * knots_per_token * act_tokens
    rate_scale: float = 0.5  # rad/s (m/s) that count as 1 in the network
    flow_steps: int = 2  # network evaluations per decision
    period_min_s: float = 0.02  # shortest and
    period_max_s: float = 60.0  # longest period of the rotary phases

    @property
    def knots(self) -> int:
        """Knots of one action curve."""
        return self.knots_per_token * self.act_tokens

    @property
    def horizon_s(self) -> float:
        """Length of one action curve."""
        return self.knots * self.knot_s

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != 'name' and not getattr(self, field.name) > 0:
                raise ConfigError(
                    f'model: {field.name} must be positive, is {getattr(self, field.name)}'
                )
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ConfigError(
                f'model: width {self.width} must be an even multiple of heads {self.heads}'
            )
        if self.horizon_s < 0.8 - 1e-9:
            raise ConfigError(
                f'model: horizon {self.horizon_s:.2f} s is shorter than 0.8 s; '
                'raise act_tokens, knots_per_token or knot_s'
            )

    def to_dict(self) -> dict:
        """Plain values, for a checkpoint's header."""
        return asdict(self)


def model_config(values: dict, where: str) -> ModelConfig:
    """ModelConfig from plain values. Raises ConfigError at an unknown key or a wrong type."""
    return of_type(ModelConfig, values, where)


def read_model_config(path: Path) -> ModelConfig:
    """ModelConfig from a YAML file."""
    return model_config(parse_yaml(read_text(path), str(path)).plain(), str(path))
