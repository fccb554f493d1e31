"""The emulated robot behaves like a robot behind a driver."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.hil.driver import Point
from gen_nodes.hil.emulator import Emulator
from gen_nodes.robot import load_robot
from gen_nodes.types import (
    NS,
    CameraSample,
    JointSample,
    TactileSample,
    WrenchSample,
    seconds_to_ns,
)

START = 1_700_000_000 * NS


def joint_only(spec):
    """The same robot without the sensors that take time."""
    return dataclasses.replace(spec, streams={'joint_states': spec.streams['joint_states']})


def run(emulator, seconds):
    return emulator.step(emulator.now_ns + seconds_to_ns(seconds))


def test_the_same_seed_gives_the_same_samples(emulator):
    recordings = []
    for _ in range(2):
        emulator.reset(7, 'track', START)
        emulator.command(emulator._spec.joint_names, emulator.truth().q + 0.05, START)
        recordings.append(run(emulator, 0.3))
    for first, second in zip(*recordings, strict=True):
        for field in dataclasses.fields(first):
            assert np.array_equal(getattr(first, field.name), getattr(second, field.name)), (
                field.name
            )


def test_stepping_in_pieces_gives_the_same_as_at_once(ur5e):
    ur5e.reset(7, 'reach', START)
    at_once = [s.position for s in run(ur5e, 0.2) if isinstance(s, JointSample)]
    ur5e.reset(7, 'reach', START)
    pieces = [
        s.position
        for i in range(1, 41)
        for s in ur5e.step(START + i * NS // 200)
        if isinstance(s, JointSample)
    ]
    assert len(at_once) > 90
    assert all(np.array_equal(a, b) for a, b in zip(at_once, pieces, strict=True))


def test_every_stream_comes_at_its_rate_with_stamps_that_increase(emulator):
    emulator.reset(1, 'reach', START)
    samples = run(emulator, 1.0)
    for name, stream in emulator._spec.streams.items():
        stamps = [s.capture_ns for s in samples if s.stream == name]
        assert all(b > a for a, b in pairwise(stamps))
        assert len(stamps) == pytest.approx(min(stream.rate_hz, 500.0), abs=2), name


def test_a_rate_cap_thins_out_fast_streams_only(world):
    emulator = Emulator(load_robot('ur5e'), world, 0, max_state_rate_hz=100.0)
    samples = run(emulator, 1.0)
    assert sum(isinstance(s, JointSample) for s in samples) == pytest.approx(100, abs=2)
    assert sum(s.stream == 'front' for s in samples) == pytest.approx(30, abs=2)


def test_a_robot_at_rest_stays_where_it_is(emulator):
    emulator.reset(2, 'reach', START)
    before = emulator.truth().tips_Tx3
    emulator.advance(START + 2 * NS)
    assert np.linalg.norm(emulator.truth().tips_Tx3 - before, axis=1).max() < 1e-4


def test_the_servo_settles_on_what_is_commanded(emulator):
    emulator.reset(3, 'reach', START)
    arm = np.array([joint.role == 'arm' for joint in emulator._spec.joints])
    goal = emulator.truth().q + 0.1 * arm
    goal = np.clip(goal, emulator._spec.lower, emulator._spec.upper)
    emulator.command(emulator._spec.joint_names, goal, START)
    emulator.advance(START + NS)
    assert np.abs(emulator.truth().q - goal).max() < 2e-3
    assert np.abs(emulator.truth().qd).max() < 2e-3


def test_a_moving_joint_lags_within_the_worlds_range(emulator, world):
    emulator.reset(4, 'reach', START)
    names, q = emulator._spec.joint_names, emulator.truth().q
    arm = np.array([joint.role == 'arm' for joint in emulator._spec.joints])
    speed, now = -0.2 * arm * np.sign(q - emulator._spec.ready + 1e-9), 0.0
    while now < 0.8:
        emulator.command(names, q + speed * now, emulator.now_ns)
        now += 0.002
        emulator.advance(START + seconds_to_ns(now))
    lag_s = (q + speed * now - emulator.truth().q)[arm] / speed[arm]
    assert (lag_s > world.servo.lag_s[0] + world.servo.delay_s[0] - 0.004).all()
    assert (lag_s < world.servo.lag_s[1] + world.servo.delay_s[1] + 0.004).all()


def test_a_robot_that_was_just_put_somewhere_makes_no_effort(emulator):
    emulator.reset(4, 'reach', START)
    first = next(s for s in emulator.step(START) if isinstance(s, JointSample))
    rated = np.array([joint.effort for joint in emulator._spec.joints])
    assert (np.abs(first.effort) < 0.02 * rated).all()


def test_joints_that_are_not_named_keep_their_target(ur5e):
    ur5e.reset(5, 'reach', START)
    q = ur5e.truth().q
    assert ur5e.command(('elbow_joint',), np.array([q[2] + 0.1]), START) is None
    ur5e.advance(START + NS)
    assert np.abs(np.delete(ur5e.truth().q - q, 2)).max() < 1e-3
    assert ur5e.truth().q[2] - q[2] == pytest.approx(0.1, abs=2e-3)


@pytest.mark.parametrize(
    ('names', 'values', 'reason'),
    [
        (('elbow_joint',), [np.nan], 'not finite'),
        (('elbow_joint',), [np.inf], 'not finite'),
        (('elbow_joint',), [1.0, 2.0], '2 values for 1 joints'),
        (('elbow_joint', 'nose_joint'), [1.0, 2.0], 'unknown joint nose_joint'),
    ],
)
def test_a_command_that_a_driver_would_refuse_moves_nothing(ur5e, names, values, reason):
    ur5e.reset(5, 'reach', START)
    before = ur5e.truth().q
    assert ur5e.command(names, np.array(values), START) == reason
    ur5e.advance(START + NS // 2)
    assert np.abs(ur5e.truth().q - before).max() < 1e-4


def test_no_command_drives_a_joint_faster_or_farther_than_the_maker_allows(emulator):
    spec = emulator._spec
    arm = [i for i, one in enumerate(spec.joints) if one.role == 'arm']
    index = [i for i in arm if np.isfinite(spec.joints[i].published.upper)][-1]  # hits no floor
    joint = spec.joints[index]
    emulator.reset(6, 'reach', START)
    before = emulator.truth().q[index]
    emulator.command((joint.name,), np.array([1e3]), START)
    emulator.advance(START + NS // 4)
    assert 0.1 < emulator.truth().q[index] - before < 0.25 * joint.published.velocity
    emulator.advance(START + 3 * NS)
    assert emulator.truth().q[index] == pytest.approx(joint.published.upper, abs=5e-3)


def test_fingers_that_mimic_follow(world):
    emulator = Emulator(joint_only(load_robot('openarm_bimanual')), world, 0)
    emulator.command(('openarm_left_finger_joint1',), np.array([0.03]), 0)
    emulator.advance(NS)
    data = emulator._plant.data
    assert data.joint('openarm_left_finger_joint2').qpos[0] == pytest.approx(0.03, abs=1e-3)
    assert data.joint('openarm_right_finger_joint2').qpos[0] == pytest.approx(0.01, abs=1e-3)


def test_joint_states_are_measured_with_noise(ur5e, world):
    ur5e.reset(8, 'reach', START)
    truth = ur5e.truth().q
    samples = [s.position for s in run(ur5e, 1.0) if isinstance(s, JointSample)]
    spread = np.std(np.stack(samples) - truth)
    assert spread == pytest.approx(world.noise.joint_position, rel=0.2)


def test_sliding_joints_are_measured_ten_times_finer(world):
    spec = joint_only(load_robot('openarm_bimanual'))
    slides = np.array([joint.type == 'prismatic' for joint in spec.joints])
    emulator = Emulator(spec, world, 0)
    emulator.reset(8, 'reach', START)
    samples = np.stack([s.position for s in run(emulator, 1.0) if isinstance(s, JointSample)])
    spread = np.std(samples - emulator.truth().q, axis=0)
    assert slides.any()
    assert np.median(spread[slides]) == pytest.approx(world.noise.joint_position / 10, rel=0.2)
    assert np.median(spread[~slides]) == pytest.approx(world.noise.joint_position, rel=0.2)


def test_a_finger_in_a_ball_is_felt_by_skin_and_wrist(emulator, world):
    spec = emulator._spec
    tip = spec.tips.index(
        next(name for name in spec.tips if spec.streams['tactile'].mount.parent.startswith(name))
    )
    emulator.reset(9, 'reach', START)

    def feel():
        samples = run(emulator, 0.1)
        return (
            np.mean([s.force_RxC.sum() for s in samples if isinstance(s, TactileSample)]),
            np.mean([s.force for s in samples if isinstance(s, WrenchSample)] or [0.0], axis=0),
        )

    free_skin, free_wrist = feel()
    centre = emulator.truth().tips_Tx3[tip] + [0.0, 0.0, -0.02]  # the ball presses from below
    emulator._plant.move_balls(np.stack([centre, centre + 1.0]))
    felt_skin, felt_wrist = feel()
    depth = 0.01 + world.ball.radius - 0.02
    force = world.ball.stiffness * depth * 0.02 / (0.02 + 0.1 * world.ball.radius)
    assert felt_skin - free_skin == pytest.approx(force, rel=0.25)
    if 'wrench' not in spec.streams:
        return
    assert np.linalg.norm(felt_wrist - free_wrist) == pytest.approx(force, rel=0.25)
    pushed = emulator._plant.data.body(spec.streams['wrench'].frame).xmat.reshape(3, 3) @ (
        felt_wrist - free_wrist
    )
    assert pushed[2] > 0.8 * force


def test_the_wrist_feels_no_weight_whatever_its_orientation(ur5e, world):
    means = []
    for seed in range(2):
        ur5e.reset(seed, 'reach', START)
        bias = ur5e._draw.wrench_bias['wrench'][0]
        goal = ur5e._spec.ready + np.array([0, 0, 0, 0.5 * seed, 0.3 * seed, 0])
        ur5e.command(ur5e._spec.joint_names, goal, START)
        ur5e.advance(START + NS)
        forces = [s.force for s in run(ur5e, 0.5) if isinstance(s, WrenchSample)]
        means.append(np.mean(forces, axis=0) - bias)
    assert np.abs(means).max() < 0.1


def test_pushing_to_the_middle_of_a_ball_takes_little_force(ur5e):
    scene = ur5e.reset(10, 'reach', START)
    q, error = ur5e.workspace.solver.reach(ur5e.truth().q, 0, scene.balls[0].position)
    ur5e.command(ur5e._spec.joint_names, q, START)
    ur5e.advance(START + 3 * NS)
    assert error < 3e-3
    assert ur5e.truth().error_m < 5e-3
    assert sum(np.linalg.norm(touch.force) for touch in ur5e._plant.touches) < 5.0


def test_a_push_moves_the_robot_and_its_servo_brings_it_back(ur5e):
    ur5e.reset(11, 'reach', START)
    before = ur5e.truth().q
    kick = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    ur5e.disturb(velocity_N=kick)
    ur5e.advance(START + NS // 100)
    assert ur5e.truth().q[2] - before[2] > 1e-3
    ur5e.advance(START + NS)
    assert np.abs(ur5e.truth().q - before).max() < 1e-3


def test_a_tracked_ball_moves_at_its_speed_and_a_reached_one_rests(ur5e, world):
    ur5e.reset(12, 'track', START)
    assert np.linalg.norm(ur5e.truth().velocities[ur5e.scene.target]) == 0.0
    ur5e.advance(START + 2 * NS)
    first = ur5e.truth()
    ur5e.advance(START + 2 * NS + NS // 10)
    second = ur5e.truth()
    moved = np.linalg.norm(second.objects[second.target] - first.objects[first.target])
    assert moved == pytest.approx(0.1 * world.tasks.track.speed, rel=0.05)
    assert np.linalg.norm(first.velocities[first.target]) == pytest.approx(
        world.tasks.track.speed, rel=0.02
    )
    ur5e.reset(12, 'reach', START)
    ur5e.advance(START + NS)
    assert not ur5e.truth().velocities[ur5e.scene.target].any()


def test_a_clock_that_is_set_moves_no_joint_and_no_ball(ur5e):
    ur5e.reset(13, 'track', START)
    ur5e.advance(START + 2 * NS)
    before = ur5e.truth()
    ur5e.shift_clock(-10 * NS)
    after = ur5e.truth()
    assert after.stamp_ns == before.stamp_ns - 10 * NS
    assert np.array_equal(after.q, before.q)
    samples = ur5e.step(ur5e.now_ns + NS // 10)
    assert len([s for s in samples if isinstance(s, JointSample)]) == pytest.approx(50, abs=1)
    moved = ur5e.truth().objects[before.target] - before.objects[before.target]
    assert np.linalg.norm(moved) < 0.02


def test_an_episode_that_begins_now_leaves_every_stream_in_its_rhythm(ur5e):
    ur5e.reset(13, 'reach', START)
    samples = run(ur5e, 0.1)
    ur5e.begin(ur5e.draw(14, 'track'))
    samples += run(ur5e, 0.1)
    for name, stream in ur5e._spec.streams.items():
        gaps = np.diff([s.capture_ns for s in samples if s.stream == name])
        assert gaps.min() > 0.9 * NS / stream.rate_hz and gaps.max() < 1.1 * NS / stream.rate_hz, (
            name
        )


def test_the_next_due_time_is_when_something_comes(emulator):
    emulator.reset(14, 'reach', START)
    emulator.advance(START)
    for _ in range(5):
        due_ns = emulator.next_due_ns
        assert emulator.advance(due_ns - 1) == []
        assert emulator.advance(due_ns) != []


def test_an_unknown_task_names_the_nearest(ur5e):
    with pytest.raises(ConfigError, match="Did you mean 'reach'"):
        ur5e.reset(0, 'reech', START)


def test_all_cameras_give_colour_and_depth(emulator):
    emulator.reset(0, 'reach', START)
    images = [s for s in run(emulator, 0.1) if isinstance(s, CameraSample)]
    assert {s.stream for s in images} == {
        name for name, stream in emulator._spec.streams.items() if stream.type == 'camera'
    }
    assert all(s.rgb_HxWx3.dtype == np.uint8 and s.depth_mm_HxW.dtype == np.uint16 for s in images)


def held(emulator, names, q):
    """Points of a trajectory that reaches q in half a second and ends at rest."""
    return [Point(NS // 2, q, np.zeros(len(names)), np.zeros(len(names)))]


def test_a_trajectory_is_followed_to_its_end(ur5e):
    ur5e.reset(8, 'reach', START)
    names = ur5e._spec.joint_names
    goal = ur5e.truth().q + 0.2
    assert ur5e.command_trajectory(names, held(ur5e, names, goal), names, START) is None
    ur5e.advance(START + NS)
    assert ur5e.truth().q == pytest.approx(goal, abs=5e-3)


def test_a_velocity_moves_the_joints_until_it_ends(ur5e):
    ur5e.reset(8, 'reach', START)
    names, before = ur5e._spec.joint_names, ur5e.truth().q
    for tick in range(50):
        assert ur5e.command_velocity(names, np.full(6, 0.2), START + tick * NS // 100) is None
        ur5e.advance(START + tick * NS // 100)
    ur5e.advance(START + 2 * NS)
    assert ur5e.truth().q - before == pytest.approx(np.full(6, 0.2 * 0.59), abs=5e-3)


@pytest.mark.parametrize('hard', [False, True])
def test_a_robot_that_stops_by_itself_brakes_and_takes_no_command_until_it_resumes(ur5e, hard):
    ur5e.reset(8, 'reach', START)
    names = ur5e._spec.joint_names
    goal = ur5e.truth().q + np.eye(6)[0]
    ur5e.command_trajectory(names, held(ur5e, names, goal), names, START)
    ur5e.advance(START + NS // 4)
    speed = np.abs(ur5e.truth().qd).max()
    ur5e.halt('protective stop', hard=hard)
    assert ur5e.command(names, goal, START + NS // 4) == 'protective stop'
    ur5e.advance(START + NS)
    stopped = ur5e.truth()
    assert speed > 1.0 and np.abs(stopped.qd).max() < 1e-2
    assert (goal - stopped.q)[0] > 0.3
    ur5e.resume()
    ur5e.advance(START + 2 * NS)
    assert ur5e.truth().q == pytest.approx(stopped.q, abs=5e-3)
    assert ur5e.command(names, goal, START + 2 * NS) is None
    ur5e.advance(START + 4 * NS)
    assert ur5e.truth().q == pytest.approx(goal, abs=5e-3)


def test_a_gripper_is_watched_to_its_goal(world):
    emulator = Emulator(joint_only(load_robot('openarm_bimanual')), world, 0)
    finger = 'openarm_left_finger_joint1'
    assert emulator.command_gripper(finger, 0.03, 0) is None
    watch = emulator.grasp(finger, 0.03)
    emulator.advance(NS // 100)
    watch.look()
    assert not watch.reached
    emulator.advance(NS)
    assert watch.look()[0] == pytest.approx(0.03, abs=1e-3) and watch.reached
