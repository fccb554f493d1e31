"""The trainer, resumable, with a validation curve. Two stages, one after the other:

goal: image and instruction learn where the goal is, from where the demonstration's own tip ended
    up;
act: with that reading finished and fixed, the stream learns by flow matching how to move every
    joint. Fixing it keeps the goal's read-out away from proprioception, which would otherwise take
    the shortcut 'the goal is where the tip is'.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gen_nodes.errors import ConfigError
from gen_nodes.model.harmonic import HarmonicModel
from gen_nodes.streams.tokens import JOINT_FEATURES, TOKENISER_VERSION
from gen_nodes.train.batches import Batch, FrameBatch, RobotEpisodes, Sampler
from gen_nodes.train.config import TrainConfig
from gen_nodes.version import code_version
from gen_nodes.whole import whole

NOWHERE = -1e4  # score of a cell that is left out
NEAR_M = 0.04  # cells within this of the goal show it
GOAL_BETA_M = 0.02  # Huber corner of the goal loss
NEAR_S = 0.3  # knots nearer than this weigh more: decisions are renewed long before the later ones
VALIDATION_BATCHES = 4
VALIDATION_FRAMES = 128


def goal_loss(model: HarmonicModel, batch: FrameBatch) -> tuple[Tensor, Tensor]:
    """Loss of reading goals, and distances of the first goal point from the goal (B,) [m].

    The point should be the goal (Huber), and the cells that show something near it should be the
    ones attended to (cross-entropy): the demonstration's own end labels both.
    """
    look = model.look(batch.frames, model.instruction(batch.words))
    distance = (look.points[:, 0] - batch.goal).norm(dim=-1)
    near = (look.surface - batch.goal[..., None, None]).norm(dim=1).flatten(1) < NEAR_M
    score = look.score[:, 0]
    chosen = torch.logsumexp(score.masked_fill(~near, NOWHERE), -1) - torch.logsumexp(score, -1)
    shown = near.any(-1)
    missed = -torch.where(shown, chosen, 0.0).sum() / shown.sum().clamp_min(1)
    huber = nn.functional.huber_loss(distance, torch.zeros_like(distance), delta=GOAL_BETA_M)
    return missed + huber / GOAL_BETA_M, distance.detach()


def flow_loss(model: HarmonicModel, batch: Batch, noise: Tensor, flow_time: Tensor) -> Tensor:
    """Flow matching loss (predicting the clean end) of one batch. flow_time (B,Q,N,A): 0 is noise,
    1 is clean. It is per joint of one arm: a second arm, which rests, takes nothing from the first.
    """
    config = model.config
    tau = flow_time.repeat_interleave(config.knots_per_token, -1)
    noisy = (1 - tau) * noise + tau * batch.target
    clean = model(
        batch.goals,
        batch.body,
        batch.decisions,
        batch.text,
        batch.chain,
        batch.sees,
        noisy,
        flow_time,
    )
    lead = torch.arange(config.knots, device=noise.device) * config.knot_s
    weight = batch.known * batch.weight[..., None, None] * torch.exp(-lead / NEAR_S)
    weight = weight.expand_as(clean)
    error = ((clean - batch.target).square() * weight).sum() / weight.sum().clamp_min(1)
    return error * batch.arms


def draw_noise(batch: Batch, act_tokens: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise and flow times: half of the tokens at 0, where generation starts, the rest uniform."""
    noise = torch.randn(batch.target.shape, generator=generator, device=batch.target.device)
    shape = (*batch.target.shape[:2], 1, act_tokens)
    tau = torch.rand(shape, generator=generator, device=noise.device)
    tau = torch.where(
        torch.rand((*shape[:2], 1, 1), generator=generator, device=noise.device) < 0.5, 0.0, tau
    )
    return noise, tau.expand(-1, -1, batch.target.shape[2], -1)


class Draws(torch.utils.data.Dataset):
    """Rows of every step from `first` on, seeded by the step: a resumed run draws what an
    uninterrupted one would.
    """

    def __init__(self, samplers: dict[str, Sampler], config: TrainConfig, first: int) -> None:
        self.samplers, self.config, self.first = samplers, config, first

    def __len__(self) -> int:
        return self.config.all_steps - self.first

    def __getitem__(self, index: int) -> dict[str, dict]:
        if index >= len(self):
            raise IndexError(index)
        rng = np.random.default_rng((self.config.seed, self.first + index))
        return {
            name: sampler.draw(rng, self.config.batch) for name, sampler in self.samplers.items()
        }


class Trainer:
    """Trains one model on the episodes of several robots and writes progress, curve and state under
    `out`.
    """

    def __init__(
        self,
        config: TrainConfig,
        train: dict[str, RobotEpisodes],
        held_out: dict[str, RobotEpisodes],
        device: torch.device,
        out: Path,
        workers: int = 0,
        version: str = '',
    ) -> None:
        self.config, self.train, self.held_out, self.device, self.out = (
            config,
            train,
            held_out,
            device,
            out,
        )
        self.workers, self.version = workers, version or code_version()
        torch.manual_seed(config.seed)
        self.model = HarmonicModel(config.model).to(device)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config.average)
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            betas=(0.9, 0.98),
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.step = 0
        self.seconds = 0.0
        self.versions: list[str] = []  # of the code that made steps

    def _rate(self, step: int) -> float:
        """Learning rate over the act stage's: in each stage linear warm-up, then half a cosine."""
        config = self.config
        first, last, peak = config.goal_steps, config.all_steps, 1.0
        if step < config.goal_steps:
            first, last = 0, config.goal_steps
            peak = config.goal_learning_rate / config.learning_rate
        if step - first < config.warmup:
            return peak * (step - first + 1) / config.warmup
        share = (step - first - config.warmup) / max(1, last - first - config.warmup)
        return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))

    def run(self) -> Iterator[dict]:
        """Train to the end; yields a row per step with losses, and validation figures where they
        were taken.
        """
        while self.step < self.config.goal_steps:
            yield self._finish(self._goal_step, time.perf_counter(), ())
        if self.step >= self.config.all_steps:
            return
        self._fix_reading()
        drawn = Draws(
            {name: episodes.sampler for name, episodes in self.train.items()},
            self.config,
            self.step,
        )
        began = time.perf_counter()
        loader = torch.utils.data.DataLoader(
            drawn,
            batch_size=None,
            num_workers=self.workers,
            multiprocessing_context='fork' if self.workers else None,  # kinematics is not pickled
        )
        for rows in loader:
            yield self._finish(self._act_step, began, (rows,))
            began = time.perf_counter()

    def _finish(self, step: Callable[..., dict], began: float, inputs: tuple) -> dict:
        """One optimiser step with everything that goes around it."""
        generator = torch.Generator(self.device).manual_seed(
            hash((self.config.seed, self.step)) % 2**31
        )
        if self.version not in self.versions:
            self.versions.append(self.version)
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        row = {'step': self.step + 1} | step(generator, *inputs)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.average.update_parameters(self.model)
        self.step += 1
        self.seconds += time.perf_counter() - began
        config, last = self.config, self.step in (self.config.goal_steps, self.config.all_steps)
        if self.step % config.validate_every == 0 or last:
            row |= self.validate()
            self._append_curve(row)
        if self.step % config.checkpoint_every == 0 or last:
            self.save_state()
        return row

    def _goal_step(self, generator: torch.Generator) -> dict:
        rng = np.random.default_rng((self.config.seed, 1, self.step))
        row = {}
        for name, episodes in self.train.items():
            half = self.config.goal_batch // 2
            parts = (episodes.draw_frames(rng, half), episodes.draw_frames(rng, half, first=True))
            for part in parts:
                loss, distance = goal_loss(self.model, augment(part, generator))
                (loss / len(parts) / len(self.train)).backward()
            row[f'{name}/goal_m'] = distance.mean()
        return row

    def _fix_reading(self) -> None:
        """From here on vision and instruction stay at their averages; frames are read once."""
        if self.step == self.config.goal_steps:
            self.model.load_state_dict(self.average.module.state_dict())
        self.model.vision.requires_grad_(False)
        self.model.instruction.requires_grad_(False)
        for episodes in (*self.train.values(), *self.held_out.values()):
            episodes.read(self.model)

    def _act_step(self, generator: torch.Generator, rows: dict[str, dict]) -> dict:
        row = {}
        for name, episodes in self.train.items():
            batch = episodes.assemble(rows[name])
            loss = flow_loss(
                self.model, batch, *draw_noise(batch, self.config.model.act_tokens, generator)
            )
            (loss / len(self.train)).backward()
            row[f'{name}/flow'] = loss.detach()
        return row

    @torch.no_grad()
    def validate(self) -> dict:
        """Of the averaged weights on unseen episodes: goal error at their start, and the flow loss
        in the act stage.
        """
        model, row = self.average.module.eval(), {}
        for name, episodes in self.held_out.items():
            rng = np.random.default_rng(0)
            generator = torch.Generator(self.device).manual_seed(0)
            frames = episodes.draw_frames(rng, VALIDATION_FRAMES, first=True)
            row[f'{name}/start_goal_m'] = goal_loss(model, frames)[1].mean()
            row[f'{name}/held_out_flow'] = torch.tensor(math.nan)
            if self.step > self.config.goal_steps:
                batches = [episodes.draw(rng, self.config.batch) for _ in range(VALIDATION_BATCHES)]
                row[f'{name}/held_out_flow'] = torch.stack(
                    [
                        flow_loss(
                            model,
                            batch,
                            *draw_noise(batch, self.config.model.act_tokens, generator),
                        )
                        for batch in batches
                    ]
                ).mean()
        return row

    # ---- state on disk ---------------------------------------------------------------------------

    def _append_curve(self, row: dict) -> None:
        path = self.out / 'curve.csv'
        names = [
            f'{robot}/{figure}'
            for robot in self.train
            for figure in ('start_goal_m', 'held_out_flow')
        ]
        values = {k: f'{float(row[k]):.6g}' for k in ('step', *names)} | {
            'seconds': f'{self.seconds:.1f}'
        }
        new = not path.exists()
        with path.open('a', newline='') as file:
            writer = csv.DictWriter(file, list(values))
            if new:
                writer.writeheader()
            writer.writerow(values)

    def save_state(self) -> None:
        """Everything needed to resume, as safetensors and JSON; replaced whole."""
        tensors = {f'model.{k}': v for k, v in self.model.state_dict().items()}
        tensors |= {f'average.{k}': v for k, v in self.average.state_dict().items()}
        for i, state in self.optimizer.state_dict()['state'].items():
            tensors |= {f'optimizer.{i}.{k}': v for k, v in state.items()}
        progress = {'step': self.step, 'seconds': self.seconds, 'versions': self.versions}
        with whole(self.out / 'state.safetensors') as partial:
            save_file(
                {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()},
                partial,
                metadata={'progress': json.dumps(progress), 'config': self._config_text()},
            )

    def _config_text(self) -> str:
        inputs = {'tokeniser_version': TOKENISER_VERSION, 'joint_features': JOINT_FEATURES}
        return json.dumps(self.config.to_dict() | inputs, sort_keys=True)

    def resume(self) -> bool:
        """Continue from the state under `out`, if there is one. Raises ConfigError where another
        config made it.
        """
        path = self.out / 'state.safetensors'
        if not path.exists():
            return False
        with safe_open(path, framework='pt') as file:
            about = file.metadata()
        progress, before = json.loads(about['progress']), json.loads(about.get('config', '{}'))
        now = json.loads(self._config_text())
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            raise ConfigError(
                f"{path} was made with another config: '{changed[0]}' was "
                f'{before.get(changed[0])}, is {now[changed[0]]}. Use --fresh to start anew, or '
                '--out for another folder'
            )
        tensors = load_file(path)

        def part(prefix: str) -> dict:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part('model.'))
        self.average.load_state_dict(part('average.'))
        state = self.optimizer.state_dict()
        state['state'] = {}
        for key, value in part('optimizer.').items():
            index, name = key.split('.', 1)
            state['state'].setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict(state)
        self.step, self.seconds = progress['step'], progress['seconds']
        self.versions = progress['versions']
        self.schedule.last_epoch = self.step
        for group in self.optimizer.param_groups:
            group['lr'] = self.config.learning_rate * self._rate(self.step)
        return True


def augment(batch: FrameBatch, generator: torch.Generator) -> FrameBatch:
    """Brightness, contrast and tint drawn per frame, noise per pixel; geometry stays as it is."""
    rgb = batch.frames.rgb.float()

    def draw(low: float, high: float, channels: int) -> Tensor:
        shape = (len(rgb), 1, channels, 1, 1)
        return low + (high - low) * torch.rand(shape, generator=generator, device=rgb.device)

    rgb = (rgb - 128) * draw(0.75, 1.25, 1) * draw(0.9, 1.1, 3) + 128 + 255 * draw(-0.1, 0.1, 1)
    rgb = rgb + 4 * torch.randn(rgb.shape, generator=generator, device=rgb.device)
    return batch._replace(frames=batch.frames._replace(rgb=rgb.clamp(0, 255)))
