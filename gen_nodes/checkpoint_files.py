"""Which checkpoint file to run, and its checksum. Loads no weights and needs no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open

from gen_nodes.errors import CheckpointError
from gen_nodes.robot import resource_root


def shipped_checkpoint() -> Path:
    """The checkpoint in checkpoints/. Raises CheckpointError where there is none."""
    found = sorted((resource_root() / 'checkpoints').glob('*.safetensors'))
    if not found:
        raise CheckpointError(
            "no checkpoint in checkpoints/: train one with 'gen train', or name another"
        )
    return found[0]


def find_checkpoint(given: str | Path | None) -> Path:
    """The checkpoint asked for, or the one that ships where none is. Raises CheckpointError where
    it does not exist or is not whole; whether it fits a robot is for who loads it.
    """
    path = Path(given).resolve() if given else shipped_checkpoint()
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint '{given}' does not exist; train one with 'gen train', or name another"
        )
    try:
        with safe_open(path, framework='np'):
            return path
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"checkpoint '{path}' is damaged or truncated ({error}); restore or retrain it"
        ) from error


def sha256(path: Path) -> str:
    """Checksum of a file, hexadecimal."""
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
