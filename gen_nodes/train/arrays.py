"""One episode as arrays: what training reads again and again. Made from a bag by the live
tokeniser, kept as shards.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gen_nodes.data.bags import BagReader
from gen_nodes.data.episodes import CommandCurve, episode_info, executed, replay
from gen_nodes.errors import BagError
from gen_nodes.robot import RobotSpec
from gen_nodes.streams.tokens import TOKENISER_VERSION, Tokeniser
from gen_nodes.types import NS
from gen_nodes.whole import whole

ARRAYS_VERSION = 2  # raise it where the same bag gives other arrays


@dataclass(frozen=True)
class EpisodeArrays:
    """F frames, T observations with a body, M commands of one episode; times in seconds since its
    first observation.

    arrays: rgb (F,3,H,W) uint8, depth (F,H,W) int16 [mm], k (F,3,3), pose (F,4,4), frame_capture,
        frame_arrival (F,); position (T,N) measured, tips (T,tips,3), body_capture, body_arrival,
        enters (T,); command_time (M,), command (M,N), marked (M,) bool: not the demonstrator's
        will.
    """

    robot: str
    task: str
    instruction: str
    arrays: dict[str, np.ndarray]
    made_from: str = ''

    def save(self, path: Path) -> None:
        """Write a shard; it appears whole or not at all."""
        about = {
            'robot': self.robot,
            'task': self.task,
            'instruction': self.instruction,
            'made_from': self.made_from,
        }
        arrays = {k: np.ascontiguousarray(v) for k, v in self.arrays.items()}
        with whole(path) as partial:
            partial.write_bytes(save(arrays, metadata=about))


def load_arrays(path: Path) -> EpisodeArrays:
    """A shard."""
    with safe_open(path, framework='numpy') as file:
        about = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return EpisodeArrays(
        about['robot'], about['task'], about['instruction'], arrays, about['made_from']
    )


def made_from(path: Path) -> str:
    """What a shard was made from, '' where there is none (or an unreadable one)."""
    try:
        with safe_open(path, framework='numpy') as file:
            return (file.metadata() or {}).get('made_from', '')
    except (OSError, SafetensorError):
        return ''


def fingerprint(bag: Path, spec: RobotSpec, cameras: tuple[str, ...], body_period_s: float) -> str:
    """All that the shard of a bag depends on: another value, another shard."""
    files = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted([bag] if bag.is_file() else bag.iterdir())
    ]
    depends = (ARRAYS_VERSION, TOKENISER_VERSION, spec.sha256, cameras, body_period_s, files)
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()


def episode_arrays(
    bag: BagReader, spec: RobotSpec, cameras: tuple[str, ...], body_period_s: float
) -> EpisodeArrays:
    """Replay a recorded episode through the aggregator and tokeniser of the live nodes. Raises
    BagError where it has
    nothing to learn from."""
    info, tokeniser = episode_info(bag), Tokeniser(spec, cameras, body_period_s)
    blocks = [tokeniser.push(observation) for observation in replay(bag, spec)]
    blocks = [block for block in blocks if block.body is not None]
    frames = [(frame, block.arrival_ns) for block in blocks for frame in block.frames]
    commands = executed(bag, spec)
    if not blocks or not frames or not len(commands.stamps_ns):
        raise BagError(
            f"bag '{bag.path}' has {len(blocks)} observations, {len(frames)} frames of "
            f'{", ".join(cameras)} and {len(commands.stamps_ns)} commands: nothing to learn from'
        )
    origin_ns = blocks[0].arrival_ns
    arrays = {
        **_frame_arrays(frames, origin_ns),
        **_body_arrays(blocks, spec, origin_ns),
        **_command_arrays(commands, origin_ns),
    }
    return EpisodeArrays(spec.name, info.task, info.instruction, arrays)


def _seconds(stamps_ns: list[int], origin_ns: int) -> np.ndarray:
    return (np.array(stamps_ns, dtype=np.int64) - origin_ns) / NS


def _frame_arrays(frames: list, origin_ns: int) -> dict[str, np.ndarray]:
    return {
        'rgb': np.stack([f.rgb_HxWx3.transpose(2, 0, 1) for f, _ in frames]),
        'depth': np.stack([f.depth_mm_HxW for f, _ in frames]).clip(0, 32767).astype(np.int16),
        'k': np.stack([f.k_3x3 for f, _ in frames]).astype(np.float32),
        'pose': np.stack([f.base_from_camera_4x4 for f, _ in frames]).astype(np.float32),
        'frame_capture': _seconds([f.capture_ns for f, _ in frames], origin_ns),
        'frame_arrival': _seconds([arrival for _, arrival in frames], origin_ns),
    }


def _body_arrays(blocks: list, spec: RobotSpec, origin_ns: int) -> dict[str, np.ndarray]:
    bodies = [block.body for block in blocks]
    position = np.stack([b.position for b in bodies])
    return {
        'position': position.astype(np.float32),
        'tips': spec.kinematics().batch_tips(position).astype(np.float32),
        'body_capture': _seconds([b.capture_ns for b in bodies], origin_ns),
        'body_arrival': _seconds([b.arrival_ns for b in blocks], origin_ns),
        'enters': np.array([b.body_enters for b in blocks]),
    }


def at(arrays: dict[str, np.ndarray], times: np.ndarray) -> np.ndarray:
    """Commanded positions (..., N) at `times`: linear between commands, held beyond the ends."""
    t, values = arrays['command_time'], arrays['command']
    index = np.clip(np.searchsorted(t, times), 1, len(t) - 1)
    share = (times - t[index - 1]) / np.maximum(t[index] - t[index - 1], 1e-9)
    share = np.clip(share, 0, 1)[..., None]
    return values[index - 1] * (1 - share) + values[index] * share


def _command_arrays(commands: CommandCurve, origin_ns: int) -> dict[str, np.ndarray]:
    return {
        'command_time': (commands.stamps_ns - origin_ns) / NS,
        'command': commands.values,
        'marked': commands.marked,
    }
