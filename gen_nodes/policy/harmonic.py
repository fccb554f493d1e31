"""The learned policy as a stream: observe appends tokens to the cache, act decides a curve of
future commands.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gen_nodes.errors import GenError
from gen_nodes.kinematics import Kinematics
from gen_nodes.model.cache import Cache
from gen_nodes.model.harmonic import Frames, HarmonicModel, Joints, relations
from gen_nodes.model.layers import concatenate
from gen_nodes.model.vision import word_ids
from gen_nodes.policy.checkpoint import CheckpointHeader, check_streams, load_checkpoint
from gen_nodes.policy.curves import curve, curve_position, curve_rate
from gen_nodes.robot import RobotSpec
from gen_nodes.streams.tokens import Body, TokenBlock, Tokeniser, joint_arrays
from gen_nodes.types import NS, ActionChunk, CameraSample, CommandSample, Observation, seconds_to_ns

DELAY_MIN_S, DELAY_MAX_S = 0.03, 0.10  # training covers 0.02 to 0.10
DELAY_START_S = 0.05
DELAY_FALL_S = 0.0005  # per chunk that came in time; one that came late raises the delay at once
SEEN_S = 0.02  # executed commands are seen this often
PLAN_MEMORY = 64


class PolicyError(GenError):
    """The network said something that must not reach a robot."""


class HarmonicPolicy:
    """Streaming inference for one robot. Not thread-safe: one thread calls it."""

    def __init__(
        self, model: HarmonicModel, header: CheckpointHeader, spec: RobotSpec, seed: int = 0
    ) -> None:
        self.model, self.config, self.spec = model, header.config, spec
        self.header = header
        self.kinematics = spec.kinematics()
        self.tokeniser = Tokeniser(spec, header.cameras, self.config.body_period_s)
        chain = self.kinematics.descriptors(spec.ready).chain
        self.table = relations(torch.as_tensor(np.array(chain, dtype=np.int64)))
        self.seed = seed
        self.reset('')

    def reset(self, instruction: str) -> None:
        """Forget the past; the instruction is read once."""
        self.tokeniser.reset()
        self.cache = Cache(self.config.layers)
        self.instruction = instruction
        self.text = self.model.instruction(word_ids(instruction, self.config.words)[None])
        self.body: Body | None = None
        self.observed_ns = 0  # stamp of the newest observation
        self.newest_capture_ns = 0
        self.sequence = 0
        self.plan: ActionChunk | None = None
        self.decided: dict[int, int] = {}  # sequence of a chunk -> when it was to take over
        self.delay_s = DELAY_START_S  # from a decision to the instant at which it takes over
        self.noise = HeldNoise(self.spec.n, self.config.knot_s, self.seed)

    # ---- sensing ---------------------------------------------------------------------------------

    @torch.inference_mode()
    def observe(self, observation: Observation) -> None:
        """Append an observation's tokens. A change of instruction starts anew, so does a clock that
        was set back: what is remembered would lie in the future.
        """
        if observation.instruction != self.instruction or observation.stamp_ns < self.observed_ns:
            self.reset(observation.instruction)
        self.observed_ns = observation.stamp_ns
        self._note_consumed(observation)
        block = self.tokeniser.push(observation)
        self.body = block.body or self.body
        self.newest_capture_ns = max(
            [self.newest_capture_ns, *(s.capture_ns for s in observation.samples)]
        )
        self.cache.evict(block.arrival_ns)
        self._append(block)

    def _note_consumed(self, observation: Observation) -> None:
        """Learn from what was executed whether decisions reach the robot before they take over."""
        for sample in observation.samples:
            if isinstance(sample, CommandSample) and sample.sequence in self.decided:
                late_s = (sample.capture_ns - self.decided.pop(sample.sequence)) / NS - SEEN_S
                change_s = late_s if late_s > 0 else -DELAY_FALL_S
                self.delay_s = min(max(self.delay_s + change_s, DELAY_MIN_S), DELAY_MAX_S)

    def _append(self, block: TokenBlock) -> None:
        now, n = block.arrival_ns, self.spec.n
        parts, capture, expiry = [], [], []
        if block.frames:
            parts.append(
                self.model.goal_tokens(
                    self.model.read_goals(frames_input(block.frames, now), self.text), n
                )
            )
            for frame in block.frames:
                capture += [frame.capture_ns] * self.config.readouts
            expiry += [now + seconds_to_ns(self.config.vision_window_s)] * len(capture)
        if block.body is not None and block.body_enters:
            parts.append(
                self.model.body_tokens(
                    joints_input(
                        block.body.position, block.body.capture_ns, self.spec, self.kinematics, now
                    )
                )
            )
            capture += [block.body.capture_ns] * n
            expiry += [now + seconds_to_ns(self.config.body_window_s)] * n
        if not parts:
            return
        tokens = concatenate(parts)
        bias = self.model.bias_after(self.cache, tokens, self.table, now)
        own = self.model.remember(tokens, bias, self.cache.past(now))
        self.cache.append(tokens, own, torch.tensor(capture), torch.tensor(expiry))

    # ---- acting ----------------------------------------------------------------------------------

    @torch.inference_mode()
    def act(self, now_ns: int) -> ActionChunk | None:
        """Decide. None before the first joint state and frame, and without an instruction."""
        if self.body is None or not self.instruction or not self._sees():
            return None
        delay_s = self.delay_s
        commit_ns = now_ns + seconds_to_ns(delay_s)
        anchor, rate = self._under_way(commit_ns)
        rates = self._flow(now_ns, commit_ns, anchor)
        if not np.isfinite(rates).all():
            raise PolicyError(
                'the policy decided a non-finite command; no chunk was published. '
                'Check the checkpoint and the sensors, then reset'
            )
        self.sequence += 1
        self.plan = curve(
            rates,
            anchor,
            rate,
            delay_s,
            self.config.knot_s,
            now_ns,
            self.newest_capture_ns,
            self.sequence,
            self.spec.joint_names,
        )
        self.decided[self.sequence] = commit_ns
        self.decided.pop(self.sequence - PLAN_MEMORY, None)
        return self.plan

    def _sees(self) -> bool:
        return bool((self.cache.joint == self.spec.n).any())

    def _under_way(self, commit_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """Position and rate that the commands under way will have at commit_ns, (N,) each."""
        body, sent, plan = self.body, self.tokeniser.command, self.plan
        if sent is None or sent.sequence == 0:  # the arm holds
            return body.command, np.zeros_like(body.command)
        if plan is None or sent.sequence > self.sequence:  # somebody else leads
            ahead_s = (commit_ns - sent.capture_ns) / NS
            return body.command + ahead_s * body.rate, body.rate
        moved = curve_position(plan, commit_ns) - curve_position(plan, sent.capture_ns)
        return body.command + moved, curve_rate(plan, commit_ns)

    def _flow(self, now_ns: int, commit_ns: int, anchor: np.ndarray) -> np.ndarray:
        """Rates (knots, N) by flow matching: a few Euler steps from noise held over decisions."""
        config, n = self.config, self.spec.n
        noise = torch.as_tensor(self.noise.draw(commit_ns, config.knots).T[None]).float()
        joints = joints_input(anchor, commit_ns, self.spec, self.kinematics, now_ns)
        past, bias, clean = self.cache.past(now_ns), None, None
        for step in range(config.flow_steps):
            tau = step / config.flow_steps
            noisy = noise if clean is None else (1 - tau) * noise + tau * clean
            tokens = self.model.decision_tokens(
                joints, self.text, noisy, torch.full((1, n, config.act_tokens), tau)
            )
            if bias is None:
                bias = self.model.bias_after(self.cache, tokens, self.table, now_ns)
            clean = self.model.flow_target(self.model.transform(tokens, bias, past), n)
        return clean[0].T.double().numpy() * config.rate_scale


class HeldNoise:
    """Noise on an absolute grid of time: a future instant keeps its noise from decision to
    decision.
    """

    def __init__(self, joints: int, knot_s: float, seed: int) -> None:
        self.joints, self.knot_ns, self.seed = joints, seconds_to_ns(knot_s), seed
        self.rows: dict[int, np.ndarray] = {}

    def draw(self, start_ns: int, knots: int) -> np.ndarray:
        """Standard normal noise (knots, joints) for the knots that follow start_ns."""
        first = start_ns // self.knot_ns
        self.rows = {i: row for i, row in self.rows.items() if i >= first}
        for i in range(first, first + knots):
            if i not in self.rows:
                self.rows[i] = np.random.default_rng((self.seed, i)).standard_normal(self.joints)
        return np.stack([self.rows[i] for i in range(first, first + knots)])


def frames_input(frames: tuple[CameraSample, ...], now_ns: int) -> Frames:
    """Network input of the frames of one observation (they must share a resolution)."""
    return Frames(
        torch.as_tensor(np.stack([f.rgb_HxWx3 for f in frames])).permute(0, 3, 1, 2)[None],
        torch.as_tensor(np.stack([f.depth_mm_HxW for f in frames]).astype(np.int32))[None],
        torch.as_tensor(np.stack([f.k_3x3 for f in frames]), dtype=torch.float32)[None],
        torch.as_tensor(np.stack([f.base_from_camera_4x4 for f in frames]), dtype=torch.float32)[
            None
        ],
        torch.tensor([[(f.capture_ns - now_ns) / NS for f in frames]], dtype=torch.float32),
    )


def joints_input(
    position: np.ndarray, stamp_ns: int, spec: RobotSpec, kinematics: Kinematics, now_ns: int
) -> Joints:
    """Network input of the joints at `position` (N,) at one instant."""
    d = kinematics.descriptors(position)
    arrays = joint_arrays(position, spec.lower, spec.upper, d)
    time_s = torch.tensor([[(stamp_ns - now_ns) / NS]], dtype=torch.float32)
    return Joints(*(torch.as_tensor(x)[None, None] for x in arrays), time_s)


def load_policy(path: str | Path, spec: RobotSpec, seed: int = 0) -> HarmonicPolicy:
    """Policy from a checkpoint for a robot. Raises CheckpointError where they do not fit."""
    model, header = load_checkpoint(Path(path))
    check_streams(Path(path), header, spec)
    return HarmonicPolicy(model, header, spec, seed)
