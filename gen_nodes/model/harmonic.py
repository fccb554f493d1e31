"""The policy network: one transformer over one continuous-time stream of sensing and acting tokens.

Context tokens (goal points of every frame, joints with the commands they were given) enter the
stream as they arrive and stay in a windowed cache. A decision adds clean tokens for the commands
under way and noisy act tokens for the future, and makes those clean by flow matching (Lipman et al.
2022, arXiv 2210.02747). Nothing here belongs to a robot: joints are described by numbers and share
one encoder and one decoder.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gen_nodes.model.cache import Cache
from gen_nodes.model.config import ModelConfig
from gen_nodes.model.layers import Block, Past, Tokens, concatenate, rotary_frequencies
from gen_nodes.model.vision import Instruction, Look, Vision
from gen_nodes.streams.tokens import JOINT_FEATURES

GOAL_BIAS = 4.0
FORGETTING = (2.0, 6.0)  # [1/s] heads begin with these in turn: how fast older goals lose weight
RELATIONS = 4  # none, same joint, same chain, other chain


class Frames(NamedTuple):
    """M frames of B sequences: rgb (B,M,3,H,W) uint8, depth_mm (B,M,H,W), k (B,M,3,3), pose
    (B,M,4,4), time_s (B,M).
    """

    rgb: Tensor
    depth_mm: Tensor
    k: Tensor
    pose: Tensor
    time_s: Tensor


class Goals(NamedTuple):
    """What was read out of M frames: features (B,M,R,D), points (B,M,R,3) [m] and the frames'
    capture times (B,M).
    """

    features: Tensor
    points: Tensor
    time_s: Tensor


class Joints(NamedTuple):
    """N joints at T instants of B sequences: features (B,T,N,F), tip (B,T,N,3) [m], part (B,T,N,3)
    [rad/m], time_s (B,T).
    """

    features: Tensor
    tip: Tensor
    part: Tensor
    time_s: Tensor


def relations(chain: Tensor) -> Tensor:
    """How joints relate, (N+1, N+1); chain (N,) tells which tip a joint moves. Index N stands for
    no joint.
    """
    n = len(chain)
    table = torch.zeros(n + 1, n + 1, dtype=torch.long, device=chain.device)
    table[:n, :n] = torch.where(chain[:, None] == chain[None], 2, 3)
    table[range(n), range(n)] = 1
    return table


class Visibility(NamedTuple):
    """Which token sees which: context (B,S,S) among context tokens, decision (B,Q,S) of a decision
    over the context.
    """

    context: Tensor
    decision: Tensor


class HarmonicModel(nn.Module):
    """See the module's docstring. Methods build tokens, `transform` runs the layers, `flow_target`
    reads the result.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.instruction = Instruction(config)
        self.vision = Vision(config)
        self.joint = nn.Sequential(
            nn.Linear(JOINT_FEATURES, width), nn.GELU(), nn.Linear(width, width)
        )
        self.noisy = nn.Linear(config.knots_per_token + 3, width)
        self.text = nn.Linear(width, width)
        self.kinds = nn.Parameter(torch.randn(4, width) * 0.02)  # frame, joint, under way, act
        half = width // config.heads // 2
        frequencies = rotary_frequencies(half, config.period_min_s, config.period_max_s)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, config.mlp_ratio, frequencies) for _ in range(config.layers)
        )
        self.relation = nn.Parameter(torch.zeros(config.heads, RELATIONS))
        with torch.no_grad():  # half of the heads begin by looking at goals
            self.relation[: config.heads // 2, 0] = GOAL_BIAS
        forgetting = torch.tensor(FORGETTING).repeat(config.heads)[: config.heads]
        self.forgetting = nn.Parameter(forgetting.log())
        self.norm = nn.RMSNorm(width)
        self.decode = nn.Linear(width, config.knots_per_token)
        nn.init.zeros_(self.decode.weight)
        nn.init.zeros_(self.decode.bias)

    # ---- tokens ----------------------------------------------------------------------------------

    def read_goals(self, frames: Frames, text_BxD: Tensor) -> Goals:
        """Goal points of every frame, from image and instruction alone."""
        batch, count = frames.time_s.shape
        look = self.look(frames, text_BxD)
        return Goals(
            look.features.unflatten(0, (batch, count)),
            look.points.unflatten(0, (batch, count)),
            frames.time_s,
        )

    def look(self, frames: Frames, text_BxD: Tensor) -> Look:
        """What B sequences of M frames show, flattened to B*M."""
        text = text_BxD[:, None].expand(-1, frames.time_s.shape[1], -1).flatten(0, 1)
        return self.vision(*(part.flatten(0, 1) for part in frames[:4]), text)

    def goal_tokens(self, goals: Goals, joints: int) -> Tokens:
        """`readouts` tokens per frame, (B, M*R), carrying the goal points."""
        points, readouts = goals.points.flatten(1, 2), self.config.readouts
        return Tokens(
            goals.features.flatten(1, 2) + self.kinds[0],
            goals.time_s.repeat_interleave(readouts, dim=1),
            points,
            torch.ones_like(points[..., :1]),
            points,
            torch.zeros_like(points),
            torch.full((points.shape[1],), joints, device=points.device),
        )

    def joint_tokens(self, joints: Joints, kind: int, x_BxTxNxD: Tensor) -> Tokens:
        """One token per joint and instant, (B, T*N), carrying the joint's tip."""
        instants, n = joints.features.shape[1:3]
        tip, part = joints.tip.flatten(1, 2), joints.part.flatten(1, 2)
        return Tokens(
            (x_BxTxNxD + self.kinds[kind]).flatten(1, 2),
            joints.time_s.repeat_interleave(n, dim=1),
            tip,
            torch.zeros_like(tip[..., :1]),
            tip,
            part,
            torch.arange(n, device=tip.device).repeat(instants),
        )

    def body_tokens(self, joints: Joints) -> Tokens:
        """Joint tokens of the context: what was measured and commanded at an instant."""
        return self.joint_tokens(joints, 1, self.joint(joints.features))

    def decision_tokens(
        self, joints: Joints, text_BxD: Tensor, noisy_BxNxK: Tensor, flow_time_BxNxA: Tensor
    ) -> Tokens:
        """Tokens of one decision of B sequences, (B, (1 + A)*N): clean ones for the commands under
        way, then A noisy act tokens per joint.

        joints (B,1,N,...) is where the commands under way will have led when the new ones take
        over, which is its time.
        """
        config = self.config
        embedded = self.joint(joints.features) + self.text(text_BxD)[:, None, None]
        parts = [self.joint_tokens(joints, 2, embedded)]
        noisy = noisy_BxNxK[:, None].unflatten(-1, (config.act_tokens, config.knots_per_token))
        span_s = config.knots_per_token * config.knot_s
        for a in range(config.act_tokens):
            middle_s = span_s * (a + 0.5)
            tau = flow_time_BxNxA[:, None, :, a : a + 1]
            x = torch.cat((noisy[..., a, :], tau, 1 - tau, torch.full_like(tau, middle_s)), dim=-1)
            ahead = joints._replace(time_s=joints.time_s + middle_s)
            parts.append(self.joint_tokens(ahead, 3, embedded + self.noisy(x)))
        return concatenate(parts)

    # ---- layers ----------------------------------------------------------------------------------

    def bias(
        self,
        query_joint: Tensor,
        key_joint: Tensor,
        key_time_s: Tensor,
        table: Tensor,
        allowed_BxTxS: Tensor | None,
    ) -> Tensor:
        """Attention bias (B, H, T, S): learned per relation of joints; the less, the longer before
        the newest goal that the query may see a goal was seen; minus infinity where not allowed.
        """
        never = float('-inf')
        goal = key_joint == len(table) - 1
        time_s = key_time_s[:, None].masked_fill(~goal, never)
        if allowed_BxTxS is not None:
            time_s = time_s.masked_fill(~allowed_BxTxS, never)
        newest_s = time_s.amax(-1, keepdim=True)
        age_s = torch.where(goal, newest_s - key_time_s[:, None], 0.0).clamp_min(0)
        forgotten = self.forgetting.exp()[:, None, None] * age_s[:, None]
        learned = self.relation[:, table[query_joint][:, key_joint]] - forgotten
        if allowed_BxTxS is None:
            return learned
        return learned.masked_fill(~allowed_BxTxS[:, None], never)

    def bias_after(self, cache: Cache, tokens: Tokens, table: Tensor, now_ns: int) -> Tensor:
        """Attention bias (1, H, T, S) of new tokens over what is cached and themselves."""
        joint = torch.cat((cache.joint, tokens.joint))
        time_s = torch.cat((cache.times_s(now_ns), tokens.time_s), dim=1)
        return self.bias(tokens.joint, joint, time_s, table, None)

    def transform(self, tokens: Tokens, bias: Tensor, past: Past | None = None) -> Tensor:
        """Features (B,T,D) of tokens that attend to `past` and to each other."""
        for i, block in enumerate(self.blocks):
            tokens = block(tokens, past[i] if past else None, bias)[0]
        return tokens.x

    def remember(
        self, tokens: Tokens, bias: Tensor, past: Past | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of context tokens at every layer: all that later tokens need of them."""
        kept = []
        for i, block in enumerate(self.blocks[:-1]):
            tokens, own = block(tokens, past[i] if past else None, bias)
            kept.append(own)
        return [*kept, self.blocks[-1].keys(tokens)]

    def flow_target(self, x: Tensor, n: int) -> Tensor:
        """Clean rates (B,N,knots) in units of rate_scale, from a decision's features
        (B, (1 + A)*N, D).
        """
        acts = x.unflatten(1, (1 + self.config.act_tokens, n))[:, 1:]
        return self.decode(self.norm(acts)).permute(0, 2, 1, 3).flatten(-2)

    # ---- training --------------------------------------------------------------------------------

    def forward(
        self,
        goals: Goals,
        body: Joints,
        decisions: Joints,
        text_BxD: Tensor,
        chain: Tensor,
        sees: Visibility,
        noisy: Tensor,
        flow_time: Tensor,
    ) -> Tensor:
        """Whole sequences with Q decisions each: predicted clean rates (B,Q,N,knots).

        Equals what streaming computes. noisy (B,Q,N,knots), flow_time (B,Q,N,A).
        """
        n, (batch, count) = len(chain), decisions.time_s.shape
        table = relations(chain)
        context = concatenate([self.goal_tokens(goals, n), self.body_tokens(body)])
        kept = self.remember(
            context,
            self.bias(context.joint, context.joint, context.time_s, table, sees.context),
        )

        def each(x: Tensor) -> Tensor:
            return x.repeat_interleave(count, dim=0)

        past = [(each(k), each(v), each(context.time_s)) for k, v in kept]
        joints = Joints(*(x.flatten(0, 1)[:, None] for x in decisions))
        tokens = self.decision_tokens(
            joints, each(text_BxD), noisy.flatten(0, 1), flow_time.flatten(0, 1)
        )
        length = len(tokens.joint)
        own = sees.decision.new_ones(batch * count, length, length)
        seen = sees.decision.flatten(0, 1)[:, None].expand(-1, length, -1)
        keys = torch.cat((context.joint, tokens.joint))
        times_s = torch.cat((past[0][2], tokens.time_s), dim=1)
        bias = self.bias(tokens.joint, keys, times_s, table, torch.cat((seen, own), dim=2))
        x = self.transform(tokens, bias, past)
        return self.flow_target(x, n).unflatten(0, (batch, count))
