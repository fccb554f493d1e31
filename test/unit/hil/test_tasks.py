"""Scenes and verdicts."""

import numpy as np
import pytest

from gen_nodes.hil.tasks import ReachJudge, TrackJudge, Truth, make_judge
from gen_nodes.types import NS


def truth_at(distance_m, t_ns=0):
    return Truth(
        t_ns,
        np.array([[distance_m, 0.0, 0.0], [5.0, 0.0, 0.0]]),
        {'red ball': np.zeros(3)},
        {'red ball': np.zeros(3)},
        'red ball',
        np.zeros(1),
        np.zeros(1),
    )


def watch(judge, distance_of, seconds, period_s=0.02):
    for i in range(round(seconds / period_s) + 1):
        t_ns = round(i * period_s * NS)
        judge.update(truth_at(distance_of(i * period_s)), t_ns)
    return judge


def test_reach_succeeds_when_a_tip_stays_in_the_ball_for_the_hold_time(world):
    judge = watch(ReachJudge(world.tasks.reach, 0), lambda t: 0.02 if t >= 1.0 else 0.2, 1.2)
    assert not judge.success and not judge.done
    assert watch(judge, lambda t: 0.02, 1.4).success
    assert judge.done and judge.error_m == pytest.approx(0.02)


def test_reach_that_leaves_the_ball_starts_to_hold_anew(world):
    judge = watch(
        ReachJudge(world.tasks.reach, 0), lambda t: 0.031 if 0.1 < t % 0.25 < 0.2 else 0.01, 7.9
    )
    assert not judge.success


def test_reach_fails_when_the_time_is_up(world):
    judge = watch(ReachJudge(world.tasks.reach, 0), lambda t: 0.05, world.tasks.reach.time_limit_s)
    assert judge.done and not judge.success
    assert watch(judge, lambda t: 0.0, 9.0).success is False


def test_track_counts_only_what_follows_settling(world):
    settle = world.tasks.track.settle_s
    judge = watch(
        TrackJudge(world.tasks.track, 0),
        lambda t: 0.5 if t < settle else 0.02,
        world.tasks.track.time_limit_s,
    )
    assert judge.done and judge.success
    assert judge.error_m == pytest.approx(0.02)


def test_track_is_a_mean_over_time_whatever_the_rate(world):
    settle = world.tasks.track.settle_s
    end = world.tasks.track.time_limit_s

    def distance(t):
        return 0.01 if t < (settle + end) / 2 else 0.07

    for period_s in (0.01, 0.05):
        judge = watch(TrackJudge(world.tasks.track, 0), distance, end, period_s)
        assert judge.error_m == pytest.approx(0.04, abs=2e-3)
        assert not judge.success


def test_no_verdict_is_given_while_settling(world):
    judge = watch(TrackJudge(world.tasks.track, 0), lambda t: 0.0, 1.0)
    assert not judge.success and judge.error_m == float('inf')


def test_scenes_are_the_same_for_the_same_seed_and_differ_otherwise(emulator):
    first, again, other = (emulator.draw(seed, 'reach').scene for seed in (1, 1, 2))
    assert first.instruction == again.instruction
    assert np.array_equal(first.balls[0].position, again.balls[0].position)
    assert not np.array_equal(first.balls[0].position, other.balls[0].position)


def test_scenes_are_fair(emulator, world):
    """Two colours, apart from each other and from the tips, the named one first, within reach of
    its arm.
    """
    for seed in range(20):
        draw = emulator.draw(seed, 'reach')
        first, second = draw.scene.balls
        assert first.colour != second.colour
        assert draw.scene.target == first.name and first.colour in draw.scene.instruction
        assert np.linalg.norm(first.position - second.position) > 0.1
        gap = emulator._stage.robot_gap(
            emulator._plant.qpos_of(draw.start_q), np.stack([first.position, second.position])
        )
        assert gap >= world.placement.from_robot
        tips = emulator.workspace.solver.tips(draw.start_q)
        assert np.linalg.norm(tips - first.position, axis=1).min() >= world.placement.from_tip
        arm = emulator.workspace.arm_of(first.position)
        assert emulator.workspace.solver.reach(draw.start_q, arm, first.position)[1] < 5e-3


def test_every_colour_and_every_instruction_comes_up(ur5e, world):
    scenes = [ur5e.draw(seed, 'reach').scene for seed in range(60)]
    assert {scene.balls[0].colour for scene in scenes} == set(world.ball.colours)
    assert len({scene.instruction.replace(scene.balls[0].colour, '') for scene in scenes}) == 4


def test_both_arms_get_their_turn(emulator):
    arms = {
        emulator.workspace.arm_of(emulator.draw(seed, 'reach').scene.balls[0].position)
        for seed in range(30)
    }
    assert len(arms) == len(emulator.workspace.tips_Tx3)


def test_a_path_keeps_its_speed_its_bends_and_its_volume(emulator, world):
    task = world.tasks.track
    for seed in range(3):
        scene = emulator.draw(seed, 'track').scene
        path = scene.balls[0].path
        arm = emulator.workspace.arm_of(path.points_Kx3.mean(0))
        assert emulator.workspace.contains(path.points_Kx3, arm).all()
        times = np.arange(2.0, task.time_limit_s, 0.02)
        states = [path.state(t) for t in times]
        places, velocities = (np.stack(column) for column in zip(*states, strict=True))
        assert np.linalg.norm(velocities, axis=1) == pytest.approx(task.speed, rel=0.02)
        assert np.allclose(np.diff(places, axis=0) / 0.02, velocities[:-1], atol=0.02)
        acceleration = np.linalg.norm(np.diff(velocities, axis=0), axis=1) / 0.02
        assert acceleration.max() < 1.2 * task.speed**2 / task.min_radius


def test_each_task_has_its_judge(ur5e, world):
    assert isinstance(make_judge(ur5e.draw(0, 'reach').scene, world, 0), ReachJudge)
    assert isinstance(make_judge(ur5e.draw(0, 'track').scene, world, 0), TrackJudge)
