"""Made-up episodes for tests of training: joints that swing, frames that show noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gen_nodes.model.config import ModelConfig
from gen_nodes.robot import load_robot
from gen_nodes.train.arrays import EpisodeArrays
from gen_nodes.train.config import Hindsight, TrainConfig

SPEC = load_robot('ur5e')
N = SPEC.n
MODEL = ModelConfig(width=16, layers=2, heads=2, pixel_features=8, words=64)
CONFIG = TrainConfig(
    name='test',
    model=MODEL,
    robots=('made_up',),
    bags='',
    cameras=('front',),
    hindsight={'reach': Hindsight(at_end=True), 'track': Hindsight(False, 1.0, 0.5)},
    goal_steps=3,
    goal_batch=4,
    steps=4,
    batch=2,
    decisions=2,
    frames=8,
    warmup=2,
    validate_every=100,
    checkpoint_every=3,
)


def episode(seed: int, task: str = 'reach', seconds: float = 2.5) -> EpisodeArrays:
    """One episode with marks on the commands between 0.8 s and 1.0 s."""
    rng = np.random.default_rng(seed)
    ticks, frames = np.arange(0, seconds, 0.02), np.arange(0.01, seconds - 0.05, 1 / 30)
    stamps = np.arange(0, seconds, 0.01)
    swing = np.sin(2 * stamps)[:, None] * np.ones(N)
    arrays = {
        'rgb': rng.integers(0, 255, (len(frames), 3, 16, 16), dtype=np.uint8),
        'depth': rng.integers(400, 1500, (len(frames), 16, 16)).astype(np.int16),
        'k': np.tile(
            np.array([[14.0, 0, 8], [0, 14, 8], [0, 0, 1]], np.float32), (len(frames), 1, 1)
        ),
        'pose': np.tile(np.eye(4, dtype=np.float32), (len(frames), 1, 1)),
        'frame_capture': frames,
        'frame_arrival': frames + 0.02,
        'position': rng.uniform(-1, 1, (len(ticks), N)).astype(np.float32),
        'tips': np.stack([np.sin(ticks), ticks, 0 * ticks], -1)[:, None].astype(np.float32),
        'body_capture': ticks - 0.002,
        'body_arrival': ticks,
        'enters': np.arange(len(ticks)) % 4 == 0,
        'command_time': stamps,
        'command': swing,
        'marked': (stamps > 0.8) & (stamps < 1.0),
    }
    return EpisodeArrays('made_up', task, f'{task} the red ball', arrays)


def shorter(**changes: object) -> TrainConfig:
    """The test's config with changes."""
    return replace(CONFIG, **changes)
