"""Demonstrations with detours: who leads when, and what is marked as nobody's will."""

from __future__ import annotations

import numpy as np
import pytest

from gen_nodes.hil.collect import DISTURBANCE, FOREIGN, Detour, Detours, ExpertActor
from gen_nodes.hil.lockstep import Lockstep
from gen_nodes.hil.world import load_world
from gen_nodes.robot import load_robot
from gen_nodes.types import NS, ActionChunk

SPEC = load_robot('ur5e')
SECONDS = 3.0


class Heard:
    """Every command and chunk of an episode."""

    def __init__(self) -> None:
        self.commands, self.chunks = [], []

    def sample(self, sample, log_ns: int) -> None:
        pass

    def command(self, command) -> None:
        self.commands.append(command)

    def chunk(self, chunk, log_ns: int) -> None:
        self.chunks.append(chunk)


class Stubborn:
    """A learner that wants every joint to go on at a constant rate."""

    rate = 0.2

    def __init__(self) -> None:
        self.instruction, self.seen, self.decisions = '', 0, 0
        self.newest = None

    def reset(self, instruction: str) -> None:
        self.__init__()
        self.instruction = instruction

    def observe(self, observation) -> None:
        self.seen += 1
        for sample in observation.samples:
            if sample.stream == 'executed':
                self.newest = sample

    def act(self, now_ns: int) -> ActionChunk | None:
        if self.newest is None:
            return None
        self.decisions += 1
        times = 0.05 * np.arange(17)
        rates = np.full((17, SPEC.n), self.rate)
        values = self.newest.values + np.outer(times, rates[0])
        return ActionChunk(
            now_ns, now_ns, self.decisions, SPEC.joint_names, 'position', times, values, rates
        )


@pytest.fixture(scope='module')
def loop() -> Lockstep:
    return Lockstep(SPEC, load_world('tabletop'), 0)


def recorded(loop: Lockstep, actor: ExpertActor) -> Heard:
    heard = Heard()
    loop.run(actor, 'reach', 3, listener=heard, seconds=SECONDS, mark=actor.marks)
    return heard


def test_commands_of_a_detour_are_marked_and_no_others(loop):
    actor = ExpertActor(SPEC, 0, Detours(SECONDS))
    heard = recorded(loop, actor)
    assert actor.stretches and all(stretch.push is not None for stretch in actor.stretches)
    for command in heard.commands:
        elapsed = (command.capture_ns - actor.start_ns) / NS
        inside = any(d.start_s <= elapsed < d.end_s for d in actor.stretches)
        after = any(0 <= elapsed - d.end_s < 0.3 for d in actor.stretches)
        assert DISTURBANCE in command.marks or not inside
        assert DISTURBANCE not in command.marks or inside or after


def test_a_push_swells_and_fades():
    push = np.array([0.4, 0.0, -0.2])
    detour = Detour(1.0, 2.0, push)
    np.testing.assert_allclose(detour.pushing(1.5), push)
    for none in (0.9, 1.0, 2.0, 2.1):
        np.testing.assert_allclose(detour.pushing(none), 0.0, atol=1e-12)


def test_where_marks_end_the_arm_follows_the_expert_again(loop):
    actor = ExpertActor(SPEC, 0, Detours(SECONDS))
    heard = recorded(loop, actor)
    marked = np.array([DISTURBANCE in command.marks for command in heard.commands])
    ends = np.flatnonzero(marked[:-1] & ~marked[1:]) + 1
    assert len(ends) and loop.emulator.scene.balls
    goal = next(
        b.position for b in loop.emulator.scene.balls if b.name == loop.emulator.scene.target
    )
    kinematics = SPEC.kinematics()
    for end in ends:
        tips = [kinematics.tips(c.values)[0] for c in heard.commands[end : end + 8]]
        came = np.linalg.norm(tips[0] - goal) - np.linalg.norm(tips[-1] - goal)
        assert came > -1e-3, 'it still runs away from the goal'


def test_without_detours_nothing_is_marked_and_the_expert_arrives(loop):
    actor = ExpertActor(SPEC, 0)
    heard = Heard()
    outcome = loop.run(actor, 'reach', 3, listener=heard, seconds=SECONDS, mark=actor.marks)
    assert heard.commands and not any(command.marks for command in heard.commands)
    assert outcome.final_error_m < 0.01


def test_a_learner_sees_everything_and_leads_in_its_stretches_only(loop):
    learner = Stubborn()
    actor = ExpertActor(SPEC, 0, Detours(SECONDS, learner_share=1.0), learner)
    heard = recorded(loop, actor)
    assert learner.instruction and learner.seen > 0.9 * SECONDS * 50
    for chunk in heard.chunks:
        elapsed = (chunk.stamp_ns - actor.start_ns) / NS
        led = any(d.start_s <= elapsed < d.end_s for d in actor.stretches)
        assert (chunk.sequence < FOREIGN) == led or elapsed < 0.1
    assert learner.decisions > 5
    taken = [c for c in heard.commands if 0 < c.sequence < FOREIGN]
    assert taken and all(DISTURBANCE in command.marks for command in taken)
