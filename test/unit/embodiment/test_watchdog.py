"""Joint states, following, the clock: where exactly a watch finds something, and its words."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.embodiment.limits import Limits
from gen_nodes.embodiment.watchdog import (
    ClockWatch,
    Finding,
    FollowWatch,
    StateWatch,
    WatchConfig,
)
from gen_nodes.types import NS, JointSample

MS = NS // 1000
NAMES = ('turn', 'slide')
FAR, VELOCITY = np.full(2, 9.0), np.array([2.0, 1.0])
LIMITS = Limits(NAMES, -FAR, FAR, -FAR, FAR, VELOCITY, 5 * VELOCITY, 50 * VELOCITY, None)
PRISMATIC, NONE, BOTH = np.array([False, True]), np.zeros(2, bool), np.ones(2, bool)
CONFIG = WatchConfig(state_timeout_s=0.2, chunk_timeout_s=0.5)
STILL = np.zeros(2)
CLOCKS = 'synchronise the clocks of driver and controller (chrony, PTP)'
WIRING = 'check the driver and the joint names in the robot YAML, then call reset'


@pytest.fixture
def states() -> StateWatch:
    return StateWatch(LIMITS, PRISMATIC, NONE, CONFIG)


def sample(ms: float, position: Sequence[float] = (0.0, 0.0), **changes) -> JointSample:
    """A joint state that was captured and came at one time."""
    q, at = np.array(position, float), round(ms * MS)
    return replace(JointSample('joint_states', at, at, NAMES, q, STILL, STILL), **changes)


def test_positions_are_taken_in_the_robots_order_whatever_the_drivers(states):
    named = sample(1, (1.0, 2.0, 3.0), names=('slide', 'else', 'turn'))
    assert states.offer(named, 1 * MS) is None
    assert states.position == pytest.approx([3.0, 1.0])
    assert states.offer(sample(2, (3.0, 1.0)), 2 * MS) is None
    assert states.position == pytest.approx([3.0, 1.0])
    assert states.capture_ns == 2 * MS


def test_a_repeated_state_is_no_news(states):
    states.offer(sample(0), 0)
    assert states.offer(sample(0, (0.1, 0.0)), 150 * MS) is None
    assert states.offer(sample(-1, (0.1, 0.0)), 150 * MS) is None
    assert states.position == pytest.approx([0.0, 0.0])
    assert states.silence(201 * MS) is not None


@pytest.mark.parametrize(
    ('off_ms', 'words'),
    [
        (50, ''),
        (50.1, 'stamped more than 0.05 s ahead of ROS time'),
        (-200, ''),
        (-200.1, 'stamped more than 0.2 s before they came'),
    ],
)
def test_a_stamp_too_far_from_its_arrival_is_not_believed(states, off_ms, words):
    came = 1000 * MS
    states.offer(sample(1000 + off_ms, arrival_ns=came), came)
    assert (states.position is None) == bool(words)
    if words:
        assert states.silence(came) == Finding(f'no joint state yet ({words})', CLOCKS, False)
        states.offer(sample(1001), came + 1 * MS)
        assert states.silence(came + 202 * MS).reason == 'joint states are stale'


@pytest.mark.parametrize(
    ('bad', 'reason', 'next_step'),
    [
        ({'names': ('turn', 'glide')}, "joint state lacks joint 'slide'", WIRING),
        ({'names': ('a', 'b')}, "joint state lacks joint 'turn'", WIRING),
        ({'names': ('turn', 'turn')}, 'joint state names a joint twice', WIRING),
        ({'position': np.zeros(1)}, 'joint state has 1 positions for 2 names', WIRING),
        (
            {'position': np.array([0.0, np.nan])},
            "joint state of 'slide' is not finite",
            'check the driver and its encoders, then call reset',
        ),
    ],
)
def test_wrong_content_latches_is_not_taken_and_forbids_a_reset_until_a_right_state(
    states, bad, reason, next_step
):
    found = states.offer(sample(0, **bad), 0)
    assert found == Finding(reason, next_step, True)
    assert states.position is None
    assert states.persisting(0) == found
    states.offer(sample(1), 1 * MS)
    assert states.persisting(1 * MS) is None


def test_a_driver_that_drops_a_joint_later_is_found_out(states):
    states.offer(sample(0), 0)
    found = states.offer(sample(1, names=('turn', 'glide')), 1 * MS)
    assert found.reason == "joint state lacks joint 'slide'"


@pytest.mark.parametrize(
    ('moved', 'words'),
    [
        ((2.149, 1.014), None),
        ((2.151, 0.0), "'turn' jumped by 2.151 in 1000 ms"),
        ((0.0, -1.016), "'slide' jumped by 1.016 in 1000 ms"),
    ],
)
@pytest.mark.parametrize(('capture_ms', 'arrival_ms'), [(1000, 1000), (1000, 60), (60, 1000)])
def test_a_jump_is_what_no_velocity_limit_allows(states, capture_ms, arrival_ms, moved, words):
    states.offer(sample(500, (1.0, 1.0)), 500 * MS)
    later = sample(500 + capture_ms, np.add(1.0, moved))
    found = states.offer(later, (500 + arrival_ms) * MS)
    assert (found and found.reason) == (words and f'measured position of {words}')
    if words:
        assert found == Finding(
            found.reason,
            'check encoder and driver, and that nobody else publishes its topic; then call reset',
            True,
        )
        later = sample(501 + capture_ms, np.add(1.0, moved))
        assert states.offer(later, (501 + arrival_ms) * MS) is None  # it is where it is


@pytest.mark.parametrize(
    ('age_ms', 'found'),
    [
        (200, None),
        (201, ('joint states are stale', 'check the robot driver and the network', False)),
        (2000, ('joint states are stale', 'check the robot driver and the network', False)),
        (
            2001,
            (
                'joint states silent for over 2 s',
                'restart the robot driver, check the network, then call reset',
                True,
            ),
        ),
    ],
)
def test_silence_holds_and_then_latches(states, age_ms, found):
    states.offer(sample(100), 100 * MS)
    assert states.silence((100 + age_ms) * MS) == (found and Finding(*found))
    assert states.persisting((100 + age_ms) * MS) == (found and Finding(*found))


@pytest.mark.parametrize(
    ('age_ms', 'reason', 'next_step', 'latch'),
    [
        (300, 'joint states are stale', CLOCKS, False),
        (2001, 'joint states silent for over 2 s', f'{CLOCKS}, then call reset', True),
    ],
)
def test_silence_because_stamps_are_not_believed_says_so(states, age_ms, reason, next_step, latch):
    states.offer(sample(0), 0)
    states.offer(sample(900, arrival_ns=100 * MS), 100 * MS)
    words = 'stamped more than 0.05 s ahead of ROS time'
    assert states.silence(age_ms * MS) == Finding(f'{reason} ({words})', next_step, latch)


def test_before_the_first_state_the_driver_is_missing(states):
    assert states.silence(0) == Finding('no joint state yet', 'start the robot driver', False)


MOVES = Finding(
    'the robot moves though nothing is commanded, or has not stood still for long enough',
    'wait until it stands; see who else commands it',
    False,
)


def test_a_robot_stands_after_a_fifth_of_a_second_in_one_place(states):
    assert states.motion(0) == MOVES
    states.offer(sample(100), 100 * MS)
    assert states.motion(299 * MS) == MOVES
    assert states.motion(300 * MS) is None


@pytest.mark.parametrize(
    ('moved', 'stands'),
    [
        ((0.0049, 0.0), True),
        ((-0.0051, 0.0), False),
        ((0.0, 0.00049), True),
        ((0.0, 0.00051), False),
    ],
)
def test_a_joint_that_moves_little_stands(states, moved, stands):
    states.offer(sample(0, (1.0, 1.0)), 0)
    states.offer(sample(150, np.add(1.0, moved)), 150 * MS)
    assert (states.motion(200 * MS) is None) == stands
    assert states.motion(350 * MS) is None


def test_a_slow_drift_is_motion(states):
    for ms in range(0, 400, 50):
        states.offer(sample(ms, (ms * 2e-4, 0.0)), ms * MS)
        assert states.motion(ms * MS) == MOVES


@pytest.mark.parametrize(
    ('command', 'elsewhere'),
    [
        ((1.019, 0.9981), False),
        ((1.021, 1.0), True),
        ((0.979, 1.0), True),
        ((1.0, 1.0021), True),
    ],
)
def test_a_robot_stands_elsewhere_when_it_is_clearly_off(states, command, elsewhere):
    states.offer(sample(0, (1.0, 1.0)), 0)
    assert states.elsewhere(np.array(command)).any() == elsewhere


@pytest.mark.parametrize(
    ('place', 'moved'),
    [
        ((1.0049, 1.0), False),
        ((0.9949, 1.0), True),
        ((1.0, 0.99951), False),
        ((1.0, 1.00051), True),
    ],
)
def test_a_joint_has_moved_when_it_is_further_off_than_noise(states, place, moved):
    states.offer(sample(0, (1.0, 1.0)), 0)
    assert states.moved(np.array(place)).tolist() == [
        moved and place[0] != 1.0,
        moved and place[1] != 1.0,
    ]


@pytest.mark.parametrize(
    ('place', 'words'),
    [
        ((9.049, -9.049), None),
        ((9.051, 0.0), "'turn' is measured 0.051 outside its limits"),
        ((0.0, -9.06), "'slide' is measured 0.060 outside its limits"),
        ((9.1, -9.2), "'slide' is measured 0.200 outside its limits"),
    ],
)
def test_a_joint_measured_clearly_outside_its_limits_is_found(states, place, words):
    states.offer(sample(0, place), 0)
    told = words and Finding(
        words, "move it inside by the robot's own means, then call reset", True
    )
    assert states.beyond() == told


def diverge(states: StateWatch, ms: int, command: tuple, velocity: tuple = (0, 0)):
    states.offer(sample(ms), ms * MS)
    return states.divergence(np.array(command), np.array(velocity, float), ms * MS)


def test_a_robot_that_stays_away_from_its_command_is_found_after_a_while(states):
    assert diverge(states, 100, (0.3, 0.0)) is None
    assert diverge(states, 299, (-0.3, 0.0)) is None
    assert diverge(states, 300, (0.3, 0.0)) == Finding(
        "'turn' is 0.300 away from its command",
        'see whether the arm is blocked, in a protective stop, or commanded by someone else; '
        'then call reset',
        True,
    )


def test_a_robot_at_its_command_is_not_away_wherever_that_is(states):
    there = (2.0, -2.0)
    for ms in range(0, 500, 100):
        states.offer(sample(ms, there), ms * MS)
        assert states.divergence(np.array(there), STILL, ms * MS) is None


def test_a_robot_that_comes_near_its_command_in_between_is_not_found(states):
    assert diverge(states, 0, (0.3, 0.0)) is None
    assert diverge(states, 150, (0.2, 0.02)) is None
    assert diverge(states, 300, (0.3, 0.0)) is None
    assert diverge(states, 450, (0.3, 0.0)) is None
    assert diverge(states, 500, (0.0, 0.021)).reason == "'slide' is 0.021 away from its command"


@pytest.mark.parametrize(('apart', 'far'), [(0.444, False), (0.446, True)])
def test_a_servo_may_lag_behind_the_fastest_recent_command(apart, far):
    states = StateWatch(LIMITS, PRISMATIC, NONE, replace(CONFIG, divergence_for_s=0.0))
    diverge(states, 0, (0.0, 0.0), (-1.0, 0.5))
    found = diverge(states, 10, (-apart, 0.0))  # 0.2 rad + 0.25 s * 0.98 * 1 rad/s
    assert (found is not None) == far


def test_silence_is_not_divergence_and_the_commands_meanwhile_count(states):
    diverge(states, 0, (0.3, 0.0))
    away = np.array([0.3, 0.0])
    assert states.divergence(away, np.array([2.0, 0.0]), 300 * MS) is None
    assert diverge(states, 310, (0.3, 0.0)) is None  # 0.2 rad + 0.25 s * 0.98 * 2 rad/s
    assert diverge(states, 600, (0.3, 0.0)) is None


def test_after_a_reset_divergence_is_judged_anew(states):
    diverge(states, 0, (0.3, 0.0))
    states.forget()
    assert diverge(states, 300, (0.3, 0.0)) is None
    assert diverge(states, 500, (0.3, 0.0)) is not None
    diverge(states, 510, (0.0, 0.0), (2.0, 0.0))
    states.forget()
    diverge(states, 520, (0.3, 0.0))
    assert diverge(states, 720, (0.3, 0.0)) is not None


def test_a_joint_that_need_not_follow_may_be_anywhere():
    states = StateWatch(LIMITS, PRISMATIC, PRISMATIC, replace(CONFIG, divergence_for_s=0.0))
    assert diverge(states, 0, (0.0, 9.0)) is None
    assert diverge(states, 10, (0.3, 9.0)).reason.startswith("'turn'")


def test_after_a_restart_nothing_that_was_heard_counts(states):
    states.offer(sample(100), 100 * MS)
    states.offer(sample(900, arrival_ns=110 * MS), 110 * MS)
    states.restart()
    assert states.position is None
    assert states.capture_ns is None
    assert states.silence(110 * MS).reason == 'no joint state yet'
    assert states.motion(900 * MS) == MOVES
    assert states.offer(sample(50, (5.0, 5.0)), 120 * MS) is None


def follow(
    watch: FollowWatch, commands: np.ndarray, measured: np.ndarray, every_ms: float = 20
) -> tuple[int, Finding | None]:
    """How many looks it took to find something, and what."""
    for look, (command, q) in enumerate(zip(commands, measured, strict=True)):
        found = watch.check(np.array(command), np.array(q), round((look + 1) * every_ms * MS))
        if found is not None:
            return look + 1, found
    return 0, None


def ramp(looks: int, turn: float, slide: float = 0.0) -> np.ndarray:
    """Positions (looks, 2) that grow by so much per look."""
    return np.arange(looks)[:, None] * np.array([turn, slide])


@pytest.fixture
def following() -> FollowWatch:
    return FollowWatch(NAMES, PRISMATIC, NONE, CONFIG)


LOOKS = 33  # 0.4 s, and 0.25 s before that, every 0.02 s


def test_an_arm_that_stays_while_it_is_commanded_away_is_found(following):
    looks, found = follow(following, ramp(40, 0.01), ramp(40, 0.0))
    assert looks == LOOKS
    assert found == Finding(
        "'turn' does not follow: commanded by 0.200 in 0.4 s, moved by 0.000",
        'see whether the arm is blocked, in a protective stop, commanded by someone else, or '
        'its driver repeats old values; then call reset',
        True,
    )


def test_it_looks_every_fiftieth_of_a_second_however_often_it_is_asked(following):
    assert follow(following, ramp(99, 0.01), ramp(99, 0.0), every_ms=19)[0] == 2 * LOOKS - 1
    following.forget()
    assert follow(following, ramp(99, 0.01), ramp(99, 0.0))[0] == LOOKS


@pytest.mark.parametrize(
    ('command', 'stuck'),
    [
        ((0.0024, 0.0), False),
        ((0.0026, 0.0), True),
        ((0.0, -0.00024), False),
        ((0.0, -0.00026), True),
    ],
)
def test_only_a_joint_that_was_commanded_far_can_be_stuck(following, command, stuck):
    assert (follow(following, ramp(40, *command), ramp(40, 0.0))[0] > 0) == stuck


@pytest.mark.parametrize(('share', 'stuck'), [(0.24, True), (0.26, False), (-0.26, False)])
def test_a_joint_that_moves_a_quarter_of_the_way_follows(following, share, stuck):
    measured = 5.0 + ramp(40, 0.01 * share)
    assert (follow(following, ramp(40, 0.01), measured)[0] > 0) == stuck


def test_a_joint_that_moves_late_is_not_stuck(following):
    late = np.maximum(ramp(99, 0.01) - 0.12, 0.0)  # 12 looks behind
    assert follow(following, ramp(99, 0.01), late)[0] == 0
    following.forget()
    late = np.maximum(ramp(99, 0.01) - 0.50, 0.0)
    assert follow(following, ramp(99, 0.01), late)[0] == LOOKS


def test_a_joint_that_has_just_been_commanded_is_not_stuck_yet(following):
    begins = np.maximum(ramp(99, 0.06) - 50 * 0.06, 0.0)
    looks, _ = follow(following, begins, ramp(99, 0.0))
    assert looks == 52 + 12  # 0.25 s after it was commanded far


def test_a_joint_that_moved_before_and_now_stands_is_stuck(following):
    stops = np.minimum(ramp(99, 0.01), 0.6)
    looks, _ = follow(following, ramp(99, 0.01), stops)
    assert 60 < looks <= 61 + 20


def test_of_the_stuck_joints_the_one_that_was_commanded_furthest_is_named(following):
    found = follow(following, ramp(40, 0.01, 0.02), ramp(40, 0.0))[1]
    assert found.reason.startswith("'slide'")
    following.forget()
    found = follow(following, ramp(40, 0.01, 0.02), ramp(40, 0.0, 0.02))[1]
    assert found.reason.startswith("'turn'")


def test_a_joint_that_is_free_is_never_stuck():
    following = FollowWatch(NAMES, PRISMATIC, PRISMATIC, CONFIG)
    assert follow(following, ramp(40, 0.0, 0.02), ramp(40, 0.0))[0] == 0
    following.forget()
    assert follow(following, ramp(40, 0.01, 0.02), ramp(40, 0.0))[0] == LOOKS


@pytest.mark.parametrize(('step_ms', 'words'), [(501, '+0.501'), (-501, '-0.501')])
def test_a_step_of_ros_time_against_the_steady_clock_latches_once(step_ms, words):
    clock = ClockWatch(CONFIG)
    assert clock.check(7000 * MS, 1000 * MS) is None
    assert clock.check((7100 + step_ms) * MS, 1100 * MS) == Finding(
        f'ROS clock jumped by {words} s',
        'check time synchronisation (chrony, PTP) or simulated time, then call reset',
        True,
    )
    assert clock.check((7200 + step_ms) * MS, 1200 * MS) is None


def test_a_clock_may_be_slewed(step_ms=500):
    clock = ClockWatch(CONFIG)
    for turn in range(5):
        assert clock.check(turn * (step_ms + 100) * MS, turn * 100 * MS) is None
