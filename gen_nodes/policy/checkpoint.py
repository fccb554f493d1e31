"""Checkpoints: safetensors weights with a header that says what they are; none can run code."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from gen_nodes.errors import CheckpointError, ConfigError
from gen_nodes.model.config import ModelConfig, model_config
from gen_nodes.model.harmonic import HarmonicModel
from gen_nodes.reading import of_type
from gen_nodes.robot import RobotSpec
from gen_nodes.streams.tokens import JOINT_FEATURES, TOKENISER_VERSION
from gen_nodes.whole import whole

FORMAT = 'gen_stack checkpoint 1'
HEADER = ('cameras', 'model', 'provenance')


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint carries besides weights.

    cameras: streams it was trained on; provenance: robots, bags, train config, seed, code version,
        time.
    """

    config: ModelConfig
    cameras: tuple[str, ...]
    provenance: dict
    tokeniser_version: int = TOKENISER_VERSION
    joint_features: int = JOINT_FEATURES


def save_checkpoint(path: Path, model: HarmonicModel, header: CheckpointHeader) -> None:
    """Write weights and header; the file appears whole or not at all."""
    about = {
        'format': FORMAT,
        'tokeniser_version': header.tokeniser_version,
        'joint_features': header.joint_features,
        'cameras': header.cameras,
        'model': header.config.to_dict(),
        'provenance': header.provenance,
    }
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        partial.write_bytes(save(weights, metadata={'gen_stack': json.dumps(about)}))


def load_checkpoint(path: Path) -> tuple[HarmonicModel, CheckpointHeader]:
    """Model (float32, eval mode) and header. Raises CheckpointError: what cannot be honoured."""
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint '{path}' does not exist; train one with 'gen train' or give another path"
        )
    try:
        with safe_open(path, framework='pt') as file:
            about = json.loads((file.metadata() or {}).get('gen_stack', 'null'))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(
            f"checkpoint '{path}' is damaged or truncated ({error}); restore or retrain it"
        ) from error
    if not isinstance(about, dict) or about.get('format') != FORMAT:
        raise CheckpointError(
            f"'{path}' is not a gen_stack checkpoint (its header lacks format '{FORMAT}')"
        )
    header = _header(path, about)
    model = HarmonicModel(header.config)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"checkpoint '{path}' does not fit its own config: {error}"
        ) from error
    bad = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if bad:
        raise CheckpointError(
            f"checkpoint '{path}' holds non-finite weights in '{bad[0]}'; retrain it"
        )
    return model.eval().requires_grad_(False), header


def _header(path: Path, about: dict) -> CheckpointHeader:
    made_by = about.get('provenance')
    made_by = made_by.get('version', 'unknown') if isinstance(made_by, dict) else 'unknown'
    for key, here in (('tokeniser_version', TOKENISER_VERSION), ('joint_features', JOINT_FEATURES)):
        if about.get(key) != here:
            raise CheckpointError(
                f"checkpoint '{path}' has {key} {about.get(key)}, this code has {here}; "
                "retrain it with 'gen train' or use the code version that made it: "
                f'{made_by}'
            )
    model, lacking = about.get('model'), [key for key in HEADER if key not in about]
    if isinstance(model, dict):
        lacking += [f'model.{f.name}' for f in fields(ModelConfig) if f.name not in model]
    if lacking:
        raise CheckpointError(f"checkpoint '{path}': its header lacks '{lacking[0]}'; retrain it")
    try:
        return CheckpointHeader(
            model_config(model, 'model'),
            of_type(tuple[str, ...], about['cameras'], 'cameras'),
            of_type(dict, about['provenance'], 'provenance'),
        )
    except ConfigError as error:
        raise CheckpointError(f"checkpoint '{path}': {error}; retrain it") from error


def check_streams(path: Path, header: CheckpointHeader, spec: RobotSpec) -> None:
    """Raise CheckpointError where the robot and the checkpoint do not know each other's streams."""
    known = {'joint_states', *header.cameras}
    for name, stream in spec.streams.items():
        if stream.required and stream.type != 'joint_states' and name not in known:
            raise CheckpointError(
                f"checkpoint '{path}' does not know stream '{name}', which robot '{spec.name}' "
                f'requires; it knows: {", ".join(sorted(known))}. Retrain it with it or set '
                f"'required: false' in the robot's YAML"
            )
    for name in header.cameras:
        if name not in spec.streams:
            raise CheckpointError(
                f"robot '{spec.name}' has no camera stream '{name}', which '{path}' sees "
                f'with; its streams: {", ".join(spec.streams)}. Wire that camera in its YAML'
            )
