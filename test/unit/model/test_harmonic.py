"""Properties of the stream model that every robot relies on."""

from __future__ import annotations

import pytest
import torch

from gen_nodes.model.cache import Cache
from gen_nodes.model.config import ModelConfig
from gen_nodes.model.harmonic import Frames, HarmonicModel, Joints, Visibility, relations
from gen_nodes.model.layers import concatenate
from gen_nodes.model.vision import word_ids
from gen_nodes.streams.tokens import JOINT_FEATURES
from gen_nodes.train.batches import visibility

N, M, T, Q = 5, 12, 6, 3
CONFIG = ModelConfig(width=32, layers=3, heads=2, readouts=2, pixel_features=8, words=64)


@pytest.fixture(scope='module')
def model() -> HarmonicModel:
    torch.manual_seed(0)
    built = HarmonicModel(CONFIG).eval().requires_grad_(False)
    built.decode.weight.normal_(0, 0.2)
    built.relation.normal_()
    return built


class Sequence:
    """A hand-made stretch of stream: frames, joint tokens, decisions with their arrivals."""

    def __init__(self, seed: int = 1) -> None:
        g = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=g)

        self.frame_arrival = torch.arange(M)[None].double() * 0.04 - 0.5
        self.body_arrival = torch.arange(T)[None].double() * 0.08 - 0.5
        self.tick_arrival = torch.tensor([[-0.2, -0.1, 0.0]]).double()
        pose = torch.eye(4).expand(1, M, 4, 4).clone()
        pose[..., :3, 3] = normal(1, M, 3)
        self.frames = Frames(
            torch.randint(0, 255, (1, M, 3, 16, 16), generator=g, dtype=torch.uint8),
            torch.randint(300, 2000, (1, M, 16, 16), generator=g),
            torch.tensor([[14.0, 0, 8], [0, 14.0, 8], [0, 0, 1]]).expand(1, M, 3, 3),
            pose,
            (self.frame_arrival - 0.02).float(),
        )
        self.body = self.joints(normal, T, (self.body_arrival - 0.004).float())
        self.decisions = self.joints(normal, Q, (self.tick_arrival + 0.05).float())
        self.noise = normal(1, Q, N, CONFIG.knots)
        self.words = word_ids('touch the red ball', CONFIG.words)[None]
        self.chain = torch.tensor([0, 0, 0, 1, 1])
        self.frame_valid = torch.ones(1, M, dtype=torch.bool)

    @staticmethod
    def joints(normal, count: int, time_s: torch.Tensor) -> Joints:
        return Joints(
            normal(1, count, N, JOINT_FEATURES),
            normal(1, count, N, 3),
            normal(1, count, N, 3),
            time_s,
        )

    def sees(self) -> Visibility:
        row = {
            'frame_arrival': self.frame_arrival,
            'body_arrival': self.body_arrival,
            'tick_arrival': self.tick_arrival,
            'frame_valid': self.frame_valid,
            'body_valid': torch.ones(1, T, dtype=torch.bool),
        }
        return visibility(row, CONFIG, N)

    def decide(self, model: HarmonicModel) -> torch.Tensor:
        text = model.instruction(self.words)
        return model(
            model.read_goals(self.frames, text),
            self.body,
            self.decisions,
            text,
            self.chain,
            self.sees(),
            self.noise,
            torch.zeros(1, Q, N, CONFIG.act_tokens),
        )


def test_shifting_all_stamps_changes_nothing(model):
    a, b = Sequence(), Sequence()
    b.frames = b.frames._replace(time_s=b.frames.time_s + 0.25)
    b.body = b.body._replace(time_s=b.body.time_s + 0.25)
    b.decisions = b.decisions._replace(time_s=b.decisions.time_s + 0.25)
    torch.testing.assert_close(a.decide(model), b.decide(model), atol=1e-5, rtol=0)


def test_permuting_joints_permutes_the_output(model):
    a, b = Sequence(), Sequence()
    order = torch.tensor([3, 0, 4, 2, 1])

    def permuted(joints: Joints) -> Joints:
        return Joints(
            joints.features[:, :, order],
            joints.tip[:, :, order],
            joints.part[:, :, order],
            joints.time_s,
        )

    b.body, b.chain, b.noise = permuted(b.body), b.chain[order], b.noise[:, :, order]
    b.decisions = permuted(b.decisions)
    torch.testing.assert_close(a.decide(model)[:, :, order], b.decide(model), atol=1e-5, rtol=0)


def test_a_frame_that_has_not_arrived_cannot_change_a_decision(model):
    a, b = Sequence(), Sequence()
    late = a.frame_arrival[0] > a.tick_arrival[0, 0]
    rgb = b.frames.rgb.clone()
    rgb[0, late] = 0
    b.frames = b.frames._replace(rgb=rgb)
    first_a, first_b = a.decide(model)[:, 0], b.decide(model)[:, 0]
    assert torch.equal(first_a, first_b)
    assert not torch.equal(a.decide(model)[:, 2], b.decide(model)[:, 2])


def test_streamed_equals_recomputed(model):
    s = Sequence()
    recomputed = s.decide(model)
    torch.testing.assert_close(streamed(model, s), recomputed, atol=1e-4, rtol=0)


def streamed(model: HarmonicModel, s: Sequence) -> torch.Tensor:
    """Decisions of the sequence made one arrival at a time through the windowed cache."""
    cache, table = Cache(CONFIG.layers), relations(s.chain)
    text = model.instruction(s.words)

    def ns(seconds: float) -> int:
        return round(seconds * 1e9)

    arrivals = sorted(
        {
            round(float(t), 6)
            for part in (s.frame_arrival, s.body_arrival, s.tick_arrival)
            for t in part[0]
        }
    )
    out = []
    for arrival in arrivals:
        now = ns(arrival)
        cache.evict(now)
        parts, capture, expiry = [], [], []
        for m in torch.nonzero((s.frame_arrival[0] - arrival).abs() < 1e-6).flatten():
            frame = Frames(*(x[:, m : m + 1] for x in s.frames))
            parts.append(
                model.goal_tokens(
                    model.read_goals(frame._replace(time_s=frame.time_s - arrival), text), N
                )
            )
            capture += [ns(float(frame.time_s))] * CONFIG.readouts
            expiry += [now + ns(CONFIG.vision_window_s)] * CONFIG.readouts
        for t in torch.nonzero((s.body_arrival[0] - arrival).abs() < 1e-6).flatten():
            body = Joints(*(x[:, t : t + 1] for x in s.body))
            parts.append(model.body_tokens(body._replace(time_s=body.time_s - arrival)))
            capture += [ns(float(body.time_s))] * N
            expiry += [now + ns(CONFIG.body_window_s)] * N
        if parts:
            tokens = concatenate(parts)
            bias = model.bias_after(cache, tokens, table, now)
            cache.append(
                tokens,
                model.remember(tokens, bias, cache.past(now)),
                torch.tensor(capture),
                torch.tensor(expiry),
            )
        for q in torch.nonzero((s.tick_arrival[0] - arrival).abs() < 1e-6).flatten():
            joints = Joints(*(x[:, q : q + 1] for x in s.decisions))
            tokens = model.decision_tokens(
                joints._replace(time_s=joints.time_s - arrival),
                text,
                s.noise[:, q],
                torch.zeros(1, N, CONFIG.act_tokens),
            )
            bias = model.bias_after(cache, tokens, table, now)
            x = model.transform(tokens, bias, cache.past(now))
            out.append(model.flow_target(x, N)[:, None])
    return torch.cat(out, dim=1)


def test_nano_has_at_most_five_million_parameters():
    assert sum(p.numel() for p in HarmonicModel(ModelConfig()).parameters()) <= 5_000_000


@pytest.mark.parametrize('n', [1, 6, 16, 40])
def test_the_same_weights_accept_any_number_of_joints(model, n):
    joints = Joints(
        torch.randn(1, 1, n, JOINT_FEATURES),
        torch.randn(1, 1, n, 3),
        torch.randn(1, 1, n, 3),
        torch.zeros(1, 1),
    )
    text = model.instruction(word_ids('track the ball', CONFIG.words)[None])
    tokens = model.decision_tokens(
        joints, text, torch.randn(1, n, CONFIG.knots), torch.zeros(1, n, CONFIG.act_tokens)
    )
    table = relations(torch.zeros(n, dtype=torch.long))
    bias = model.bias_after(Cache(CONFIG.layers), tokens, table, 0)
    assert model.flow_target(model.transform(tokens, bias), n).shape == (1, n, CONFIG.knots)
