"""Published commands of a real controller core, cut into runs and checked."""

import numpy as np
import pytest

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.acceptance.limits import (
    check_limits,
    judge_limits,
    segments_of,
    unexplained_gaps,
    unheard,
)
from gen_nodes.hil.acceptance.motion import motion
from gen_nodes.hil.acceptance.track import track_of
from gen_nodes.robot import load_robot
from gen_nodes.types import NS, ActionChunk, JointSample, Mode

SPEC = load_robot('ur5e')
PERIOD_NS = round(NS / SPEC.control.rate_hz)
ZERO_NS = 1_800_000_000 * NS
TIMES_S = 0.05 * np.arange(17)
SILENT_NS = round((SPEC.control.chunk_timeout_s + 0.3) * NS)


class Bench:
    """A controller core with a robot that is where it is told to be, in simulated time."""

    def __init__(self, noise=0.0):
        self.core = ControllerCore(SPEC)
        self.now_ns, self.noise = ZERO_NS, noise
        self.position, self.random = SPEC.ready.copy(), np.random.default_rng(0)
        self.commands, self.states, self.samples = [], [], []
        self.core.activate(None, self.now_ns, self.now_ns)
        self.sequence = 0

    def chunk(self, curve, start_ns):
        elapsed = (self.now_ns - start_ns) / NS + TIMES_S
        self.sequence += 1
        self.core.on_chunk(
            ActionChunk(
                self.now_ns,
                self.now_ns,
                self.sequence,
                SPEC.joint_names,
                'position',
                TIMES_S,
                curve.at(elapsed),
                curve.at(elapsed, 1),
            ),
            self.now_ns,
            self.now_ns,
        )

    def tick(self):
        measured = self.position + self.noise * self.random.standard_normal(SPEC.n)
        still = np.zeros(SPEC.n)
        sample = JointSample(
            'joint_states', self.now_ns, self.now_ns, SPEC.joint_names, measured, still, still
        )
        self.samples.append(sample)
        self.core.on_joint_state(sample, self.now_ns)
        self.core.on_wrench(np.zeros(3), np.zeros(3), self.now_ns)
        command = self.core.tick(self.now_ns, self.now_ns)
        if command is not None:
            self.commands.append(command)
            self.position = command.values
        state = self.core.state(self.now_ns)
        before = self.states[-1] if self.states else None
        changed = before is None or (before.mode, before.reason) != (state.mode, state.reason)
        if changed or state.stamp_ns - before.stamp_ns >= NS // 2:
            self.states.append(state)
        self.now_ns += PERIOD_NS

    def play(self, curve, seconds, speed=0.2):
        self.core.set_speed_scale(speed)
        start_ns = self.now_ns
        for tick in range(round(seconds * NS / PERIOD_NS)):
            if tick % 5 == 0:
                self.chunk(curve, start_ns)
            self.tick()

    def rest(self, ns=SILENT_NS):
        for _ in range(ns // PERIOD_NS):
            self.tick()

    @property
    def segments(self):
        return segments_of(
            SPEC, self.commands, self.states, track_of(self.samples, SPEC.joint_names)
        )


def test_a_smooth_motion_is_one_run_without_violation():
    bench = Bench()
    curve = motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, curve.seconds)
    verdict = check_limits(SPEC, bench.segments)
    assert len(bench.segments) == 1 and verdict.total == 0
    findings = judge_limits(verdict, bench.segments, 0, 0.2)
    assert all(check.met for check in findings.checks)
    assert 0.15 < findings.figures['shares']['velocity'] < 0.2


def test_a_run_ends_where_a_hold_or_a_stop_has_come_to_rest():
    bench, curve = Bench(noise=1e-4), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    bench.rest()
    assert bench.states[-1].mode == Mode.HOLDING
    bench.play(curve, 0.8)
    bench.core.stop('test', 'none', bench.now_ns)
    bench.rest()
    bench.core.reset(bench.now_ns, bench.now_ns)
    bench.play(curve, 1.0)
    bench.rest()
    assert len({s.since_ns for s in bench.states if s.mode == Mode.RUNNING}) == 3
    assert len(bench.segments) == 3
    assert check_limits(SPEC, bench.segments).total == 0


def test_a_hold_that_is_over_before_the_robot_stands_is_part_of_its_run():
    bench, curve = Bench(noise=1e-4), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    while bench.states[-1].mode != Mode.HOLDING:
        bench.tick()
    bench.play(curve, 1.0)
    bench.rest()
    assert len({s.since_ns for s in bench.states if s.mode == Mode.RUNNING}) == 2
    assert len(bench.segments) == 1 and check_limits(SPEC, bench.segments).total == 0


def test_what_was_heard_from_a_hold_on_begins_with_a_run_of_its_own():
    bench, curve = Bench(noise=1e-4), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    bench.rest()
    since_ns = bench.now_ns
    bench.play(curve, 1.0)
    bench.rest()
    commands = [c for c in bench.commands if c.capture_ns >= since_ns]
    states = [s for s in bench.states if s.stamp_ns >= since_ns]
    measured = track_of(bench.samples, SPEC.joint_names)
    segments = segments_of(SPEC, commands, states, measured)
    assert len(segments) == 1 and check_limits(SPEC, segments).total == 0


def test_what_was_heard_in_the_middle_of_a_run_sets_out_from_where_it_is():
    bench, curve = Bench(noise=1e-3), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, curve.seconds + 0.5)
    since_ns = bench.now_ns
    bench.play(curve, 1.0)
    bench.rest()
    commands = [c for c in bench.commands if c.capture_ns >= since_ns]
    states = [s for s in bench.states if s.stamp_ns >= since_ns]
    assert states[0].mode == Mode.RUNNING and states[0].since_ns < since_ns
    segments = segments_of(SPEC, commands, states, track_of(bench.samples, SPEC.joint_names))
    assert len(segments) == 1 and check_limits(SPEC, segments).total == 0


@pytest.mark.parametrize('joint', [0, 5])
def test_one_command_that_is_off_by_a_milliradian_is_caught(joint):
    bench, curve = Bench(), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, curve.seconds)
    wrong = bench.commands[100]
    values = wrong.values.copy()
    values[joint] += 1e-3
    bench.commands[100] = type(wrong)(**{**vars(wrong), 'values': values})
    verdict = check_limits(SPEC, bench.segments)
    assert verdict.violations['jerk'] > 0
    assert verdict.first['jerk'].joint == SPEC.joint_names[joint]
    findings = judge_limits(verdict, bench.segments, 0, 0.2)
    assert not all(check.met for check in findings.checks)
    assert any(
        f'jerk limit of {SPEC.joint_names[joint]} first violated by command 101 of' in note
        for note in findings.notes
    )


def test_a_motion_that_is_faster_than_its_share_fails_though_no_limit_is_violated():
    bench, curve = Bench(), motion(SPEC, SPEC.ready, 0.3)
    bench.play(curve, curve.seconds, speed=1.0)
    findings = judge_limits(check_limits(SPEC, bench.segments), bench.segments, 0, 0.1)
    missed = [check.what for check in findings.checks if not check.met]
    assert missed == ['greatest share of a velocity limit']


def test_a_command_that_was_not_heard_is_counted_by_the_controllers_own_ticks():
    bench, curve = Bench(), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    bench.rest()
    assert unheard(bench.commands, bench.states) == 0
    del bench.commands[40:43]
    assert unheard(bench.commands, bench.states) == 3
    findings = judge_limits(check_limits(SPEC, bench.segments), bench.segments, 3, 0.2)
    assert not findings.checks[0].met and 'not heard' in findings.checks[0].what


def test_a_gap_counts_as_not_heard_unless_the_controller_owns_up_to_it():
    bench, curve = Bench(), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    bench.now_ns += 5 * PERIOD_NS  # it had no processor for a while
    bench.play(curve, 0.4)
    bench.rest()
    assert bench.states[-1].missed == 1
    assert unexplained_gaps(SPEC, bench.segments, bench.states) == 0
    del bench.commands[40:45]
    assert unexplained_gaps(SPEC, bench.segments, bench.states) == 1


def test_a_run_is_judged_though_the_joint_state_that_it_began_from_was_not_heard():
    bench, curve = Bench(noise=3e-4), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    bench.rest()
    first_ns = bench.commands[0].capture_ns
    bench.samples = [s for s in bench.samples if s.capture_ns != first_ns]
    assert check_limits(SPEC, bench.segments).total == 0


def test_a_first_command_far_from_what_is_measured_is_caught():
    bench, curve = Bench(noise=1e-4), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    bench.rest()
    bench.commands = [
        type(c)(**{**vars(c), 'values': c.values + (0.01 if i == 0 else 0.0)})
        for i, c in enumerate(bench.commands)
    ]
    assert check_limits(SPEC, bench.segments).violations['jerk'] > 0


def test_words_that_were_missed_while_it_held_count_for_no_missing_command():
    bench, curve = Bench(noise=1e-4), motion(SPEC, SPEC.ready, 0.2)
    bench.play(curve, 1.0)
    bench.rest(2 * NS)
    bench.play(curve, 1.0)
    bench.rest()
    bench.states = [s for s in bench.states if s.mode == Mode.RUNNING]
    assert len({s.since_ns for s in bench.states}) == 2
    assert unheard(bench.commands, bench.states) == 0
    assert len(bench.segments) == 2 and check_limits(SPEC, bench.segments).total == 0
