"""Ten thousand hostile chunks for every robot: no limit is violated, and the robot really moves."""

import json
import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.errors import GenError
from gen_nodes.hil.checker.command_file import CommandWriter, read_segments
from gen_nodes.hil.checker.limit_checker import LimitChecker
from gen_nodes.hil.checker.published import Segment
from gen_nodes.hil.checker.verdict import KINDS
from gen_nodes.hil.hostile.adversaries import CORPUS, load_adversaries
from gen_nodes.hil.hostile.report import Tally
from gen_nodes.hil.hostile.run import Part, Plan, known, run_trial, run_trials
from gen_nodes.hil.hostile.trial import controller
from gen_nodes.robot import known_robots, resource_root

JOBS = len(os.sched_getaffinity(0))


def tally_of(plan: Plan, jobs: int = 1) -> Tally:
    tally = Tally(plan)
    for part in run_trials(plan, jobs):
        tally.add(part)
    return tally


@pytest.mark.parametrize('robot', known_robots())
def test_ten_thousand_hostile_chunks_violate_no_limit(robot):
    tally = tally_of(Plan(robot, 10_000, seed=1), JOBS)
    assert tally.verdict.first == {} and tally.verdict.total == 0
    assert tally.moved and tally.pressed, (tally.running, tally.travelled)
    assert tally.chunks == 10_000 and tally.verdict.commands > 10_000
    for kind in KINDS[1:]:
        assert 0.95 < tally.verdict.worst[kind].fraction <= 1 + 1e-6  # it did press on them


def test_the_result_does_not_depend_on_the_number_of_processes():
    plan = Plan('ur5e', 500, seed=2, trial_chunks=200)
    one, two = (tally_of(plan, jobs).report() for jobs in (1, 2))
    assert one == two
    assert one['trials'] == 3 and one['chunks'] == 500
    assert tally_of(replace(plan, seed=3)).report()['commands'] != one['commands']


def test_a_file_of_commands_checked_again_gives_the_same_verdict(tmp_path):
    plan = Plan('franka_fr3', 1000, seed=4, part_folder=tmp_path, trial_chunks=500)
    tally = tally_of(plan)
    spec, limits = known('franka_fr3')
    period_s = 1 / spec.control.rate_hz
    whole = tmp_path / 'all.parquet'
    with CommandWriter(whole, limits.names, period_s, {'robot': spec.name}) as out:
        for number in range(plan.trials):
            out.append(plan.part(number))
    checker = LimitChecker(limits, period_s)
    for segment in read_segments(whole, limits.names):
        checker.add(segment)
    again = checker.verdict()
    assert again.commands == tally.verdict.commands > 500
    assert (again.worst, again.violations) == (tally.verdict.worst, tally.verdict.violations)
    assert (again.lowest == tally.verdict.lowest).all()


def test_a_robot_that_does_not_move_is_no_proof():
    class Idle(type(controller(known('ur5e')[0]))):
        def on_chunk(self, chunk, now_ns, steady_ns):
            return 'not today'

    plan = Plan('ur5e', 200, seed=1)
    tally = Tally(plan)
    tally.add(run_trial(plan, 0, Idle))
    assert not tally.moved and tally.verdict.total == 0
    json.dumps(tally.report(), allow_nan=False)


def test_a_robot_that_is_put_elsewhere_but_never_commanded_to_move_is_no_proof():
    plan = Plan('ur5e', 200, seed=1)
    _, limits = known('ur5e')
    checker = LimitChecker(limits, 0.008)
    for number, place in enumerate((limits.lower, limits.middle, limits.upper)):
        values = np.tile(place, (100, 1))
        checker.add(Segment(number, place, np.arange(100) * 8_000_000, values))
    tally, modes = Tally(plan), Counter({'RUNNING': 300})
    tally.add(Part(0, 200, 300, checker.verdict(), modes, Counter(), Counter()))
    assert tally.running == 1 and not tally.travelled.any() and not tally.moved


def test_a_robot_that_crawls_is_no_proof_in_a_long_run():
    _, limits = known('ur5e')
    checker = LimitChecker(limits, 0.008)
    way = np.linspace(0, 0.1, 1000)[:, None] * np.ones(limits.middle.shape)
    way = way**2  # from rest, at a fiftieth of every limit
    checker.add(Segment(0, limits.middle, np.arange(1000) * 8_000_000, limits.middle + way))
    for chunks, pressed in [(4999, True), (5000, False)]:
        tally = Tally(Plan('ur5e', chunks, seed=1))
        part = Part(0, chunks, 1000, checker.verdict(), Counter(), Counter(), Counter())
        tally.add(part)
        assert tally.pressed == pressed


def test_a_controller_that_breaks_down_is_reported_with_what_is_needed_to_see_it_again():
    class Brittle(type(controller(known('ur5e')[0]))):
        def on_chunk(self, chunk, now_ns, steady_ns):
            return {}['nothing']

    with pytest.raises(GenError, match=r"broke down: KeyError: 'nothing' \(robot ur5e, seed 1, t"):
        run_trial(Plan('ur5e', 200, seed=1), 0, Brittle)


def test_the_corpus_presses_on_every_kind_of_limit():
    corpus = load_adversaries()
    assert {one.presses for one in corpus} == set(KINDS)
    assert all(one.fraction <= 1 + 1e-9 for one in corpus)
    assert (resource_root() / CORPUS).stat().st_size < 100_000


def test_travel_is_judged_by_what_a_short_run_allows():
    tally = tally_of(Plan('ur5e', 300, seed=1))
    assert tally.moved and np.all(tally.travelled < 0.9)
