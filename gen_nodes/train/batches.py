"""Batches of packed sequences: many decision times over one stretch of the stream, with delay drawn
at random.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gen_nodes.model.config import ModelConfig
from gen_nodes.model.harmonic import Frames, Goals, HarmonicModel, Joints, Visibility
from gen_nodes.model.vision import word_ids
from gen_nodes.robot import RobotSpec
from gen_nodes.train.arrays import EpisodeArrays, at
from gen_nodes.train.bodies import Bodies
from gen_nodes.train.config import Hindsight, TrainConfig

PER_FRAME = ('rgb', 'depth', 'k', 'pose')
BODY = ('features', 'tip', 'part')
PER_EPISODE = (
    'frame_capture',
    'frame_arrival',
    'body_capture',
    'body_arrival',
    'enters',
    'position',
    'command_time',
    'command',
    'marked',
)
FOLLOWED_S = 0.5  # an arm stands this long after the command to
SETTLED_S = 0.1  # what momentum a detour leaves is braked in this time: nobody's will until then
FIRST_FRAMES = 10  # of an episode: the tip has hardly moved yet
MOVING = 0.06  # a decision whose rates stay below this share of rate_scale is one of rest
SAME_S = 1e-6  # arrivals closer than this are of one observation


class Batch(NamedTuple):
    """Inputs of HarmonicModel.forward besides noise, and what it should say.

    target (B,Q,N,K) mean rates between knots in units of rate_scale, known (B,Q,1,K) and weight
    (B,Q). arms: how many the joints belong to.
    """

    goals: Goals
    body: Joints
    decisions: Joints
    text: Tensor
    chain: Tensor
    sees: Visibility
    target: Tensor
    known: Tensor
    weight: Tensor
    arms: int


class FrameBatch(NamedTuple):
    """B single frames with their instructions (B,W) and goals in hindsight (B,3) [m]."""

    frames: Frames
    words: Tensor
    goal: Tensor


class Sampler:
    """Draws sequences of one robot's episodes: indices, times, joints and targets. No tensors, so
    that workers may share it.
    """

    def __init__(self, episodes: list[EpisodeArrays], bodies: Bodies, config: TrainConfig) -> None:
        self.config, self.model, self.bodies = config, config.model, bodies
        self.acting = [acting_tip(e.arrays) for e in episodes]
        self.meta = [{k: e.arrays[k] for k in PER_EPISODE} for e in episodes]
        self.frame_start = np.cumsum([0, *(len(e.arrays['rgb']) for e in episodes)])
        self.body_max = 2 + int(
            (config.span_s + config.model.body_window_s) / config.model.body_period_s
        )

    def draw(self, rng: np.random.Generator, batch: int) -> dict[str, np.ndarray]:
        """Rows of a random batch."""
        rows = [self._sequence(rng, int(i)) for i in rng.integers(len(self.meta), size=batch)]
        drawn = {k: np.stack([row[k] for row in rows]) for k in rows[0]}
        for name in ('body', 'decision'):  # kinematics of all rows at once
            tokens = self.bodies.tokens(drawn.pop(f'{name}_position'))
            drawn |= {f'{name}_{k}': v for k, v in tokens.items()}
        return drawn

    def _sequence(self, rng: np.random.Generator, episode: int) -> dict[str, np.ndarray]:
        """Indices, times and targets of one sequence; times relative to its last decision."""
        meta, config, model = self.meta[episode], self.config, self.model
        arrival = meta['body_arrival']
        end = rng.uniform(config.span_s * 0.3, arrival[-1] - 0.1)
        low, high = np.searchsorted(arrival, (end - config.span_s, end))
        ticks = np.sort(rng.integers(max(low, 2), max(high, 3), size=config.decisions))
        frames = self._frames(rng, meta, end)
        entering = np.flatnonzero(
            meta['enters']
            & (arrival <= end)
            & (arrival > end - config.span_s - model.body_window_s)
        )[-self.body_max :]
        delay = rng.uniform(*config.delay_s, size=config.decisions)
        commit = np.minimum(arrival[ticks] + delay, arrival[-1])
        aside = self.bodies.displacement(
            rng, at(meta, commit[:1])[0], self.acting[episode], config.displaced
        )
        target, known = self._target(meta, commit, aside)
        measured = meta['position'][padded(entering, self.body_max)]
        return {
            **frames,
            'episode': np.int64(episode),
            'frame': frames['frame'] + self.frame_start[episode],
            'body_position': self.bodies.blurred(rng, measured) + aside,
            'body_valid': padded(np.ones(len(entering), dtype=bool), self.body_max),
            'body_capture': (padded(meta['body_capture'][entering], self.body_max) - end).astype(
                np.float32
            ),
            'body_arrival': padded(arrival[entering], self.body_max) - end,
            'tick_arrival': arrival[ticks] - end,
            'decision_position': at(meta, commit) + aside,
            'commit_time': (commit - end).astype(np.float32),
            'target': target,
            'known': known,
        }

    def _frames(self, rng: np.random.Generator, meta: dict, end: float) -> dict[str, np.ndarray]:
        """Frames that a decision of the sequence could have seen: late, some lost, thinned at
        random to `frames`.
        """
        config = self.config
        arrival = meta['frame_arrival'] + rng.uniform(*config.camera_delay_s)
        index = np.flatnonzero(
            (arrival <= end) & (arrival > end - config.span_s - self.model.vision_window_s)
        )
        kept = min(config.frames, round(len(index) * rng.uniform(config.frames_kept, 1.0)))
        index = np.sort(rng.choice(index, kept, replace=False)) if kept else np.array([0])
        # an arrival is only ever noticed at an observation
        ticks = meta['body_arrival']
        noticed = ticks[np.minimum(np.searchsorted(ticks, arrival[index] - 1e-6), len(ticks) - 1)]
        return {
            'frame': padded(index, config.frames),
            'frame_valid': padded(np.ones(len(index), dtype=bool), config.frames),
            'frame_capture': (padded(meta['frame_capture'][index], config.frames) - end).astype(
                np.float32
            ),
            'frame_arrival': padded(noticed, config.frames) - end,
        }

    def _target(
        self, meta: dict, commit_Q: np.ndarray, aside_N: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean rates between knots (Q,N,K) in units of rate_scale that lead from `aside_N` beside
        the demonstration back to it, and where they are the demonstrator's will.
        """
        model = self.model
        times = commit_Q[:, None] + model.knot_s * np.arange(model.knots + 1)
        left = np.exp(-(times - commit_Q[:, None]) / self.config.displaced.return_s)
        rates = np.diff(at(meta, times) + left[..., None] * aside_N, axis=1) / model.knot_s
        willed = marked_before(meta, times[:, 1:]) == marked_before(meta, times[:, :-1] - SETTLED_S)
        known = willed & (times[:, 1:] <= meta['command_time'][-1])
        known = np.logical_and.accumulate(known, axis=1)  # what follows a detour was not foreseen
        return (
            (rates / model.rate_scale).transpose(0, 2, 1).astype(np.float32),
            known[:, None].astype(np.float32),
        )


class RobotEpisodes:
    """All episodes of one robot on one device: turns a sampler's rows into batches."""

    def __init__(
        self,
        episodes: list[EpisodeArrays],
        spec: RobotSpec,
        config: TrainConfig,
        device: torch.device,
    ) -> None:
        self.config, self.device = config, device
        bodies = Bodies(spec)
        self.sampler = Sampler(episodes, bodies, config)
        self.chain = torch.as_tensor(np.array(bodies.chain, dtype=np.int64), device=device)
        self.arms = len(set(bodies.chain))
        self.tensors = {
            k: torch.cat([torch.as_tensor(e.arrays[k]) for e in episodes]).to(device)
            for k in PER_FRAME
        }
        self.words = torch.stack(
            [word_ids(e.instruction, config.model.words) for e in episodes]
        ).to(device)
        counts = [len(e.arrays['rgb']) for e in episodes]
        self.frame_words = self.words.repeat_interleave(torch.tensor(counts, device=device), dim=0)
        goals, known = zip(
            *(goal_of_frames(e, config.hindsight[e.task]) for e in episodes), strict=True
        )
        self.goal = torch.as_tensor(np.concatenate(goals), device=device)
        self.goal_known = np.flatnonzero(np.concatenate(known))
        first = np.concatenate([np.arange(count) < FIRST_FRAMES for count in counts])
        self.first_known = np.flatnonzero(np.concatenate(known) & first)

    def draw_frames(self, rng: np.random.Generator, batch: int, first: bool = False) -> FrameBatch:
        """Random frames whose goal is known; `first`: of the beginnings of episodes, where the tip
        is elsewhere.
        """
        known = self.first_known if first and len(self.first_known) else self.goal_known
        index = torch.as_tensor(rng.choice(known, batch), device=self.device)
        frames = Frames(
            *(self.tensors[k][index][:, None] for k in PER_FRAME),
            torch.zeros(batch, 1, device=self.device),
        )
        return FrameBatch(frames, self.frame_words[index], self.goal[index])

    @torch.no_grad()
    def read(self, model: HarmonicModel, batch: int = 64) -> None:
        """Read every frame's goals once with a finished vision, for training what acts on them."""
        parts = []
        for start in range(0, len(self.frame_words), batch):
            part = slice(start, start + batch)
            frames = Frames(
                *(self.tensors[k][part][:, None] for k in PER_FRAME),
                torch.zeros(len(self.frame_words[part]), 1, device=self.device),
            )
            parts.append(model.read_goals(frames, model.instruction(self.frame_words[part])))
        self.read_features = torch.cat([p.features for p in parts]).squeeze(1)
        self.read_points = torch.cat([p.points for p in parts]).squeeze(1)
        self.text = model.instruction(self.words)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """A random batch, see Sampler.draw. `read` comes first."""
        return self.assemble(self.sampler.draw(rng, batch))

    def assemble(self, rows: dict[str, np.ndarray]) -> Batch:
        """Look up what the rows point at."""
        row = {k: torch.as_tensor(v).to(self.device, non_blocking=True) for k, v in rows.items()}
        goals = Goals(
            self.read_features[row['frame']], self.read_points[row['frame']], row['frame_capture']
        )
        body = Joints(*(row[f'body_{k}'] for k in BODY), row['body_capture'])
        decisions = Joints(*(row[f'decision_{k}'] for k in BODY), row['commit_time'])
        moving = (row['target'].abs() * row['known']).amax((-1, -2)) > MOVING
        weight = torch.where(moving, 1.0, self.config.rest_weight)
        return Batch(
            goals,
            body,
            decisions,
            self.text[row['episode']],
            self.chain,
            visibility(row, self.config.model, len(self.chain)),
            row['target'],
            row['known'],
            weight,
            self.arms,
        )


def padded(values: np.ndarray, length: int) -> np.ndarray:
    """Pad at the end with zeros to `length`."""
    return np.concatenate((values, np.zeros(length - len(values), dtype=values.dtype)))


def goal_of_frames(episode: EpisodeArrays, rule: Hindsight) -> tuple[np.ndarray, np.ndarray]:
    """Goal of every frame (F,3) in hindsight and whether it is known (F,). See Hindsight."""
    a = episode.arrays
    tips, arrival = a['tips'], a['body_capture']
    tip = tips[:, acting_tip(a)]
    if rule.at_end:
        return np.repeat(tip[-1:], len(a['rgb']), axis=0), np.ones(len(a['rgb']), dtype=bool)
    capture = a['frame_capture']
    there = np.stack([np.interp(capture, arrival, column) for column in tip.T], axis=-1).astype(
        np.float32
    )
    last = np.full(len(capture), -np.inf)
    disturbed = a['command_time'][a['marked']]
    if len(disturbed):
        index = np.searchsorted(disturbed, capture)
        last = np.where(index > 0, disturbed[np.maximum(index - 1, 0)], -np.inf)
    return there, (capture >= rule.after_s) & (capture - last >= rule.settle_s)


def marked_before(a: dict[str, np.ndarray], times: np.ndarray) -> np.ndarray:
    """How many commands had been marked by then: no more within a stretch that nobody else led."""
    marked = np.concatenate((np.zeros(1), np.cumsum(a['marked'])))
    return marked[np.searchsorted(a['command_time'], times)]


def acting_tip(a: dict[str, np.ndarray]) -> int:
    """The tip that the demonstrator moved: it went furthest, stretch by stretch, while nobody else
    led.
    """
    times = a['body_capture']
    willed = marked_before(a, times) == marked_before(a, times - FOLLOWED_S)
    ends = np.flatnonzero(np.diff(willed)) + 1
    stretches = [part for part in np.split(np.arange(len(willed)), ends) if willed[part[0]]]
    way = [np.linalg.norm(a['tips'][s[-1]] - a['tips'][s[0]], axis=-1) for s in stretches]
    return int(np.sum(way, axis=0).argmax()) if way else 0


def visibility(row: dict[str, Tensor], model: ModelConfig, n: int) -> Visibility:
    """What had arrived and has not left its window, of context tokens ordered as in
    HarmonicModel.forward.

    Context tokens always see themselves, so that padding has something to attend to.
    """

    def per_token(frames: Tensor, body: Tensor) -> Tensor:
        return torch.cat(
            (frames.repeat_interleave(model.readouts, 1), body.repeat_interleave(n, 1)), 1
        )

    arrival = per_token(row['frame_arrival'], row['body_arrival'])
    expiry = per_token(
        row['frame_arrival'] + model.vision_window_s, row['body_arrival'] + model.body_window_s
    )
    valid = per_token(row['frame_valid'], row['body_valid'])

    def sees(query: Tensor) -> Tensor:
        query = query[..., None]
        return (
            (arrival[:, None] <= query + SAME_S)
            & (query < expiry[:, None] - SAME_S)
            & valid[:, None]
        )

    itself = torch.eye(arrival.shape[1], dtype=torch.bool, device=arrival.device)
    return Visibility(sees(arrival) | itself, sees(row['tick_arrival']))
