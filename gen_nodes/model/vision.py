"""What to act on, read from image and instruction alone, before proprioception may mix in."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gen_nodes.model.config import ModelConfig

MAX_WORDS = 24  # words of an instruction beyond these are ignored
STRIDE = 2  # one image cell covers STRIDE x STRIDE pixels
NO_DEPTH = -30.0  # added to the score of a cell without depth


def word_ids(instruction: str, words: int) -> Tensor:
    """Words of an instruction as hashed ids (MAX_WORDS,), 0 = none. The same on every machine
    (CRC-32).
    """
    text = ''.join(c if c.isalnum() else ' ' for c in instruction.lower())
    ids = [1 + zlib.crc32(word.encode()) % (words - 1) for word in text.split()[:MAX_WORDS]]
    return torch.tensor(ids + [0] * (MAX_WORDS - len(ids)))


class Instruction(nn.Module):
    """Bag of words to one vector (B, width)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.words, config.width // 2, padding_idx=0)
        self.mlp = nn.Sequential(
            nn.Linear(config.width // 2, config.width),
            nn.GELU(),
            nn.Linear(config.width, config.width),
        )

    def forward(self, ids_BxW: Tensor) -> Tensor:
        """Sum of word vectors, then an MLP."""
        return self.mlp(self.embed(ids_BxW).sum(1))


def cell_points(
    depth_mm: Tensor, k: Tensor, base_from_camera: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Points that the image cells see, in the base frame.

    depth_mm (M,H,W), k (M,3,3), base_from_camera (M,4,4) -> points (M,3,h,w) [m], unit-depth rays
    (M,3,h,w) in the base frame, valid (M,h,w). Pixel centres lie at integer coordinates, as in
    sensor_msgs/CameraInfo.
    """
    depth = depth_mm[:, ::STRIDE, ::STRIDE].float() * 1e-3
    _, rows, columns = depth.shape
    v = torch.arange(rows, device=depth.device) * STRIDE
    u = torch.arange(columns, device=depth.device) * STRIDE
    x = ((u - k[:, 0, 2, None]) / k[:, 0, 0, None])[:, None, :].expand(-1, rows, -1)
    y = ((v - k[:, 1, 2, None]) / k[:, 1, 1, None])[:, :, None].expand(-1, -1, columns)
    rays = torch.stack((x, y, torch.ones_like(x)), dim=1)
    rays = torch.einsum('mij,mjhw->mihw', base_from_camera[:, :3, :3], rays)
    points = base_from_camera[:, :3, 3, None, None] + rays * depth[:, None]
    return points, rays, depth > 0


class Look(NamedTuple):
    """Readouts of M frames: features (M,R,D), points (M,R,3) [m]; and what they were chosen from:
    score (M,R,cells) of every cell before the softmax and the surface (M,3,h,w) [m] it shows.
    """

    features: Tensor
    points: Tensor
    score: Tensor
    surface: Tensor


class Vision(nn.Module):
    """Image and instruction to `readouts` goal points with features.

    A softmax over back-projected image cells, its queries made from the instruction; each cell may
    push its point along its ray (a ball's centre lies behind its surface).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.pixel_features
        self.readouts, self.key_width = config.readouts, c
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, STRIDE, 1),
            nn.GELU(),
            nn.Conv2d(16, c, 3, 1, 1),
            nn.GELU(),
            nn.Conv2d(c, c, 3, 1, 1),
            nn.GELU(),
        )
        self.keys = nn.Conv2d(c, c, 1)
        self.push = nn.Conv2d(c, 1, 1)
        self.queries = nn.Linear(config.width, config.readouts * c)
        self.features = nn.Linear(c + 3 + 1, config.width)
        self.sharpness = nn.Parameter(torch.zeros(()))
        self.slots = nn.Parameter(torch.randn(config.readouts, config.width) * 0.02)

    def forward(
        self,
        rgb_Mx3xHxW: Tensor,
        depth_mm: Tensor,
        k: Tensor,
        base_from_camera: Tensor,
        text_MxD: Tensor,
    ) -> Look:
        """What M frames show to M instructions. rgb is uint8."""
        cells = self.stem(rgb_Mx3xHxW.to(self.slots.dtype) / 127.5 - 1)
        surface, rays, valid = cell_points(depth_mm, k, base_from_camera)
        points = surface + rays * (0.1 * torch.tanh(self.push(cells)))
        queries = self.queries(text_MxD).view(-1, self.readouts, self.key_width)
        score = queries @ self.keys(cells).flatten(2) * self.sharpness.exp()
        score = score + torch.where(valid, 0.0, NO_DEPTH).flatten(1)[:, None]
        weight = F.softmax(score, dim=-1)
        point = weight @ points.flatten(2).transpose(1, 2)
        confidence = torch.logsumexp(score, -1, keepdim=True) * 0.1
        read = torch.cat((weight @ cells.flatten(2).transpose(1, 2), point, confidence), dim=-1)
        return Look(self.features(read) + self.slots, point, score, surface)
