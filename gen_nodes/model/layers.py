"""The transformer's layers: rotary phases in real seconds, attention that also reads points."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POINT_SCALE_COARSE = 3.0  # 1/m: spans the workspace
POINT_SCALE_FINE = 15.0  # 1/m: resolves the last centimetres
STEADY_S = 0.02  # what is seen within less time than this tells little of its velocity
AHEAD_S = 0.6  # it is taken to go straight on for at most so long
NOTHING = 1e-6  # attention on what is seen, where nothing is
POINT_FEATURES = 21  # per head, see PointAttention


Past = list[
    tuple[Tensor, Tensor, Tensor]
]  # per layer: keys, values (B,H,S,...), capture times (B,S) [s]


class Tokens(NamedTuple):
    """A stretch of the stream: B sequences of T tokens.

    x (B,T,D); time_s (B,T) capture time; point (B,T,3) [m] in the base frame; seen (B,T,1), 1 where
    the point is of something seen, 0 where it is of the robot; tip (B,T,3) [m] and part (B,T,3)
    [rad/m]: where a joint's tip is and what the joint does for it to move by a metre, 0 where there
    is none; joint (T,) index of the joint a token belongs to, N for none.
    """

    x: Tensor
    time_s: Tensor
    point: Tensor
    seen: Tensor
    tip: Tensor
    part: Tensor
    joint: Tensor


def concatenate(parts: list[Tokens]) -> Tokens:
    """Join stretches along time."""
    return Tokens(
        *(
            torch.cat(column, dim=0 if name == 'joint' else 1)
            for name, column in zip(Tokens._fields, zip(*parts, strict=True), strict=True)
        )
    )


def rotary_frequencies(half: int, period_min_s: float, period_max_s: float) -> Tensor:
    """Angular frequencies (half,) of log-spaced periods [rad/s] (RoFormer, arXiv 2104.09864, in
    continuous time).
    """
    periods = torch.logspace(math.log10(period_min_s), math.log10(period_max_s), half)
    return 2 * math.pi / periods


def rotate(x_BxHxTxd: Tensor, time_s: Tensor, frequencies: Tensor) -> Tensor:
    """Turn feature pairs by time x frequency. Only differences of times matter to attention."""
    angle = (time_s[..., None] * frequencies)[:, None]
    cos, sin = angle.cos(), angle.sin()
    a, b = x_BxHxTxd.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class PointAttention(nn.Module):
    """Multi-head attention over time whose values carry 3-D points besides features.

    Every head also averages the points it attends to; the query token receives them relative to its
    own tip and as its own part in getting the tip there (by its row of the Jacobian's inverse), so
    that goal and joint meet in one frame, on any body. After invariant point attention (Jumper et
    al. 2021, AlphaFold, suppl. 1.8.2).

    What is seen moves: through the seen points a head also draws a straight line over time, by
    least squares with its attention as weights, and reads it at the query token's own time. So a
    token of the future is told where the goal will be then, whatever the rate and delay of frames.
    """

    def __init__(self, width: int, heads: int, frequencies: Tensor) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width + heads * POINT_FEATURES, width)
        self.q_norm = nn.RMSNorm(self.head_width)
        self.k_norm = nn.RMSNorm(self.head_width)
        self.register_buffer('frequencies', frequencies, persistent=False)

    def split(self, x: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys (neither turned yet), values with points appended, (B, heads, T, ...)."""
        batch, length, _ = x.shape
        q, k, v = (
            self.qkv(x).view(batch, length, 3, self.heads, self.head_width).permute(2, 0, 3, 1, 4)
        )
        points = torch.cat((tokens.point, tokens.seen), dim=-1)
        v = torch.cat((v, points[:, None].expand(-1, self.heads, -1, -1)), dim=-1)
        return self.q_norm(q), self.k_norm(k), v

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        tokens: Tokens,
        key_time_s: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        """Attend: q (B,H,T,d) of `tokens` over k, v (B,H,S,...) at key_time_s (B,S); bias is added
        to the scores.
        """
        scores = rotate(q, tokens.time_s, self.frequencies) @ rotate(
            k, key_time_s, self.frequencies
        ).transpose(-1, -2)
        scores = scores / math.sqrt(self.head_width)
        weight = F.softmax(scores if bias is None else scores + bias, dim=-1)
        features, point, seen = (weight @ v).split((self.head_width, 3, 1), dim=-1)
        goals = v[0, 0, :, -1].nonzero().flatten()  # the same in every sequence
        ahead_s = key_time_s[:, None, None, goals] - tokens.time_s[:, None, :, None]
        place, velocity = line(weight[..., goals], ahead_s, v[:, :, goals, -4:-1])
        tip, part = tokens.tip[:, None], tokens.part[:, None]
        geometry = (
            *from_joint(point - tip, part),
            *from_joint(seen * (place - tip), part),
            POINT_SCALE_COARSE * velocity,
            (velocity * part).sum(-1, keepdim=True),
            seen,
        )
        return self.out(torch.cat((features, *geometry), dim=-1).transpose(1, 2).flatten(2))


def line(weight: Tensor, ahead_s: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Place (..., T, 3) [m] at the queries' time and velocity (..., T, 3) [m/s] of the line of
    least squares through points (..., S, 3) with weight (..., T, S), which may sum to less than 1.
    ahead_s (..., T, S): time from a query to a point.
    """
    weight = weight / (weight.sum(-1, keepdim=True) + NOTHING)
    mean_s = (weight * ahead_s).sum(-1, keepdim=True)
    lever = weight * (ahead_s - mean_s)
    spread = (lever * (ahead_s - mean_s)).sum(-1, keepdim=True)
    mean = weight @ points
    velocity = (lever @ points - lever.sum(-1, keepdim=True) * mean) / (spread + STEADY_S**2)
    return mean - velocity * mean_s.clamp(-AHEAD_S, AHEAD_S), velocity


def from_joint(relative: Tensor, part: Tensor) -> tuple[Tensor, ...]:
    """A point relative to a joint's tip as features, coarse and fine: itself (3 + 3) and what the
    joint does to get there (1 + 1).
    """
    turn = (relative * part).sum(-1, keepdim=True)
    return (
        POINT_SCALE_COARSE * relative,
        torch.tanh(POINT_SCALE_FINE * relative),
        POINT_SCALE_COARSE * turn,
        torch.tanh(POINT_SCALE_FINE * turn),
    )


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, mlp_ratio: int, frequencies: Tensor) -> None:
        super().__init__()
        self.norm_attention = nn.RMSNorm(width)
        self.attention = PointAttention(width, heads, frequencies)
        self.norm_mlp = nn.RMSNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )

    def forward(
        self, tokens: Tokens, past: tuple[Tensor, Tensor, Tensor] | None, bias: Tensor | None
    ) -> tuple[Tokens, tuple[Tensor, Tensor]]:
        """One block over `tokens`, which also attend to `past` (k, v, time_s). Returns tokens and
        their own (k, v).
        """
        q, k, v = self.attention.split(self.norm_attention(tokens.x), tokens)
        own, time_s = (k, v), tokens.time_s
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
            time_s = torch.cat((past[2], time_s), dim=1)
        x = tokens.x + self.attention(q, k, v, tokens, time_s, bias)
        return tokens._replace(x=x + self.mlp(self.norm_mlp(x))), own

    def keys(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Only the tokens' keys and values."""
        _, k, v = self.attention.split(self.norm_attention(tokens.x), tokens)
        return k, v
