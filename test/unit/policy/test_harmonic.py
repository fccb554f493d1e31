"""The policy as a stream: what it must not depend on, and what it must refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gen_nodes.model.config import ModelConfig
from gen_nodes.model.harmonic import HarmonicModel
from gen_nodes.policy.checkpoint import CheckpointHeader
from gen_nodes.policy.harmonic import HarmonicPolicy, HeldNoise, PolicyError
from gen_nodes.robot import load_robot
from gen_nodes.types import CameraSample, CommandSample, JointSample, Observation

CONFIG = ModelConfig(width=32, layers=2, heads=2, pixel_features=8, words=64)
TICK_NS, START_NS = 20_000_000, 5_000_000_000
SPEC = load_robot('ur5e')


@pytest.fixture
def policy() -> HarmonicPolicy:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = HarmonicModel(CONFIG).eval().requires_grad_(False)
    model.decode.weight.normal_(0, 0.2)
    return HarmonicPolicy(model, CheckpointHeader(CONFIG, ('front',), {}), SPEC)


def frame(capture_ns: int, arrival_ns: int, seed: int = 0) -> CameraSample:
    rng = np.random.default_rng(seed)
    k = np.array([[28.0, 0, 16], [0, 28.0, 16], [0, 0, 1]])
    return CameraSample(
        'front',
        capture_ns,
        arrival_ns,
        'optical',
        rng.integers(0, 255, (32, 32, 3), dtype=np.uint8),
        rng.integers(500, 1500, (32, 32), dtype=np.uint16),
        k,
        np.eye(4),
    )


def observations(count: int, start_ns: int = START_NS, instruction: str = 'touch the red ball'):
    """A frame every second observation, joint states and commands in all."""
    for i in range(count):
        now = start_ns + i * TICK_NS
        q = SPEC.ready + 0.01 * i
        samples = [
            JointSample(
                'joint_states',
                now - 2_000_000,
                now,
                SPEC.joint_names,
                q,
                np.full(SPEC.n, 0.1),
                np.full(SPEC.n, np.nan),
            ),
            CommandSample(
                'executed',
                now - 1_000_000,
                now,
                0,
                'position',
                SPEC.joint_names,
                q + 0.005,
                np.full(SPEC.n, 0.1),
            ),
        ]
        if i % 2 == 0:
            samples.append(frame(now - 12_000_000, now, i))
        yield Observation(now, i, instruction, tuple(samples))


def decided(policy: HarmonicPolicy, stream) -> list[np.ndarray]:
    """Values of the chunk after each observation."""
    out = []
    for observation in stream:
        policy.observe(observation)
        chunk = policy.act(observation.stamp_ns)
        out.append(None if chunk is None else chunk.values)
    return out


def test_shifting_all_stamps_changes_nothing(policy):
    period_ns = policy.noise.knot_ns
    a = decided(policy, observations(12))
    policy.reset('touch the red ball')
    policy.noise.draw = HeldNoiseShifted(policy.noise, 1_000_000 * period_ns).draw
    b = decided(policy, observations(12, START_NS + 1_000_000 * period_ns))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5, rtol=0)


class HeldNoiseShifted:
    """Noise of the same instants in a stream that starts later."""

    def __init__(self, noise: HeldNoise, shift_ns: int) -> None:
        self.inner, self.shift_ns = (
            HeldNoise(noise.joints, noise.knot_ns / 1e9, noise.seed),
            shift_ns,
        )

    def draw(self, start_ns: int, knots: int) -> np.ndarray:
        return self.inner.draw(start_ns - self.shift_ns, knots)


def test_the_same_stream_gives_the_same_decisions(policy):
    a = decided(policy, observations(8))
    policy.reset('')
    b = decided(policy, observations(8))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_where_the_clock_is_set_back_it_begins_anew(policy):
    wanted = decided(policy, observations(8))
    policy.reset('')
    decided(policy, observations(8, START_NS + 10_000_000_000))
    again = decided(policy, observations(8))
    assert again[0] is not None
    assert all(np.array_equal(x, y) for x, y in zip(wanted, again, strict=True))


def test_a_frame_that_arrives_later_cannot_change_an_earlier_decision(policy):
    stream = list(observations(8))
    a = decided(policy, stream)
    policy.reset('')
    last = stream[6]
    changed = replace(
        last,
        samples=tuple(
            frame(s.capture_ns, s.arrival_ns, 99) if isinstance(s, CameraSample) else s
            for s in last.samples
        ),
    )
    b = decided(policy, [*stream[:6], changed, stream[7]])
    assert all(np.array_equal(x, y) for x, y in zip(a[:6], b[:6], strict=True))
    assert not np.array_equal(a[6], b[6])


def test_a_late_frame_counts_with_its_capture_time(policy):
    stream = list(observations(8))
    late = next(s for s in stream[4].samples if isinstance(s, CameraSample))
    without = replace(stream[4], samples=tuple(s for s in stream[4].samples if s is not late))
    together = replace(
        stream[6], samples=(*stream[6].samples, replace(late, arrival_ns=stream[6].stamp_ns))
    )
    none = decided(policy, [*stream[:4], without, *stream[5:]])
    policy.reset('')
    joined = decided(policy, [*stream[:4], without, stream[5], together, stream[7]])
    assert np.array_equal(none[5], joined[5])
    assert not np.array_equal(none[6], joined[6])


def test_without_an_instruction_a_frame_or_a_joint_state_there_is_no_decision(policy):
    assert decided(policy, observations(3, instruction='')) == [None] * 3
    policy.reset('touch the red ball')
    blind = [replace(o, samples=o.samples[:2]) for o in observations(3)]
    assert decided(policy, blind) == [None] * 3
    assert policy.act(START_NS) is None


def test_a_new_chunk_continues_from_the_commands_under_way(policy):
    *_, last = decided(policy, observations(6))
    chunk = policy.plan
    np.testing.assert_array_equal(chunk.values[0], last[0])
    np.testing.assert_allclose(chunk.values[0], policy.body.command, atol=1e-9)
    assert chunk.times_s[0] == policy.delay_s
    assert chunk.times_s[-1] - chunk.times_s[0] >= 0.8 - 1e-9


def test_the_cache_stays_bounded_whatever_the_history(policy):
    sizes = []
    for observation in observations(160):
        policy.observe(observation)
        sizes.append(len(policy.cache))
    assert max(sizes[60:]) <= max(sizes[:60])


def test_a_non_finite_decision_is_an_error_and_no_chunk(policy):
    for observation in observations(4):
        policy.observe(observation)
    policy.model.decode.bias.fill_(torch.nan)
    with pytest.raises(PolicyError, match='non-finite'):
        policy.act(observation.stamp_ns)


def played(policy, late_ns: int) -> float:
    """Delay after a second in which every chunk is first executed this long after it should."""
    for observation in observations(50):
        samples = [
            replace(
                s, sequence=policy.sequence, capture_ns=policy.decided[policy.sequence] + late_ns
            )
            if isinstance(s, CommandSample) and policy.sequence in policy.decided
            else s
            for s in observation.samples
        ]
        policy.observe(replace(observation, samples=tuple(samples)))
        policy.act(observation.stamp_ns)
    return policy.delay_s


def test_chunks_that_come_late_raise_the_delay_at_once(policy):
    assert played(policy, 40_000_000) == pytest.approx(0.10)


def test_chunks_that_come_in_time_let_the_delay_fall_slowly(policy):
    assert 0.03 <= played(policy, 5_000_000) < 0.05


def test_noise_of_a_future_instant_is_held_over_decisions():
    noise = HeldNoise(3, 0.05, 0)
    a, b = noise.draw(0, 16), noise.draw(100_000_000, 16)
    np.testing.assert_array_equal(a[2:], b[:-2])


def test_where_somebody_else_leads_a_decision_starts_on_that_lead(policy):
    """The commands under way are not the policy's own: it goes on from their position and rate."""
    for observation in observations(4):
        sent = replace(observation.samples[1], sequence=1000)
        samples = (observation.samples[0], sent, *observation.samples[2:])
        policy.observe(replace(observation, samples=samples))
    chunk = policy.act(observation.stamp_ns)
    ahead_s = (chunk.stamp_ns - sent.capture_ns) / 1e9 + chunk.times_s[0]
    assert chunk.values[0] == pytest.approx(sent.values + ahead_s * sent.rates)
    assert chunk.rates[0] == pytest.approx(sent.rates)
