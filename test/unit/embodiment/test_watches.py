"""All watches asked as one: what comes first, what is kept, what is forgotten."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.embodiment.limits import limits_of
from gen_nodes.embodiment.watchdog import Finding, WatchConfig
from gen_nodes.embodiment.watches import Command, Watches
from gen_nodes.robot import load_robot
from gen_nodes.safety import EstopSpec, WrenchLimit
from gen_nodes.types import NS, Heartbeat, JointSample

MS = NS // 1000
BARE = load_robot('ur5e')
STREAM = next(iter(BARE.streams))
SPEC = replace(
    BARE,
    estop=EstopSpec('panel', timeout_s=0.5, required=True),
    wrench_limit=WrenchLimit(STREAM, 50.0, 5.0),
)
CONFIG = WatchConfig(state_timeout_s=0.2, chunk_timeout_s=0.5)
STILL, WEAK, STRONG = np.zeros(SPEC.n), np.zeros(3), np.array([99.0, 0, 0])
Make = Callable[..., Watches]


def make(spec=SPEC, config=CONFIG, **options) -> Watches:
    options = {'awaited': ('/brakes', '/program'), 'stack': ('eyes',), **options}
    return Watches(spec, limits_of(spec), config, **options)


def state(ms: float, position=SPEC.ready) -> JointSample:
    at = round(ms * MS)
    return JointSample('joint_states', at, at, SPEC.joint_names, position, STILL, STILL)


def beat(node: str = 'eyes', instance: int = 1) -> Heartbeat:
    return Heartbeat(0, node, True, 0, '', '', instance)


def at(position: np.ndarray) -> Command:
    """Commanded to stand there."""
    return position, STILL, position


def all_speak(watches: Watches, ms: float) -> None:
    at = round(ms * MS)
    assert watches.joint_state(state(ms), at) is None
    assert watches.safety('/brakes', True, '') is None
    assert watches.safety('/program', True, '') is None
    assert watches.estop.offer(False, at) is None
    assert watches.heartbeat(beat(), at) is None
    if watches.wrench is not None:
        assert watches.wrench.offer(WEAK, WEAK, at) is None


@pytest.fixture
def watches() -> Watches:
    watches = make()
    watches.restart(0, 0)
    return watches


def test_what_has_not_spoken_is_named_one_after_the_other_until_all_have(watches):
    def reason() -> str:
        found = watches.finding(None, 10 * MS, False)
        assert not found.latch
        return found.reason

    assert reason() == 'no joint state yet'
    watches.joint_state(state(10), 10 * MS)
    assert watches.finding(None, 10 * MS, False) == Finding(
        "no word yet from safety topic '/brakes'",
        'start the robot driver; see that it publishes this topic, reliably',
        False,
    )
    watches.safety('/brakes', True, '')
    assert reason() == "no word yet from safety topic '/program'"
    watches.safety('/program', False, 'is False')
    assert reason() == "no word yet from the e-stop on 'panel'"
    watches.estop.offer(False, 10 * MS)
    assert reason() == f"no word yet from '{STREAM}', which limits the force"
    watches.wrench.offer(WEAK, WEAK, 10 * MS)
    assert reason() == 'eyes has not been heard'
    watches.heartbeat(beat(), 10 * MS)
    assert watches.finding(None, 10 * MS, False) is None


def test_the_wrench_may_be_as_late_as_its_stream(watches):
    all_speak(watches, 0)
    late = round(SPEC.streams[STREAM].timeout_s * NS)
    assert watches.wrench.silence(late) is None
    assert watches.wrench.silence(late + 1) is not None


@pytest.mark.parametrize(
    ('spec', 'config'),
    [(replace(SPEC, wrench_limit=None), CONFIG), (SPEC, replace(CONFIG, wrench=False))],
)
def test_no_wrench_is_awaited_where_none_limits(spec, config):
    watches = make(spec, config)
    all_speak(watches, 0)
    assert watches.wrench is None
    assert watches.finding(None, 0, False) is None
    assert watches.forbidden(0) is None
    watches.restart(0, 0)
    assert watches.wrench is None


def test_a_divergence_comes_before_the_estop_and_that_before_silence(watches):
    all_speak(watches, 0)
    away = SPEC.ready + 0.3, STILL, SPEC.ready + 0.3
    for ms in range(0, 400, 100):
        watches.joint_state(state(ms), ms * MS)
        found = watches.finding(away, ms * MS, True)
    assert 'away from its command' in found.reason
    watches.estop.offer(True, 300 * MS)
    assert 'away from its command' in watches.finding(away, 300 * MS, True).reason
    assert watches.finding(None, 600 * MS, False).reason == 'the e-stop is pressed'
    watches.estop.offer(False, 600 * MS)
    assert watches.finding(None, 600 * MS, False).reason == 'joint states are stale'


def test_joint_states_that_are_lost_latch_only_while_running_or_holding(watches):
    all_speak(watches, 0)
    watches.estop.offer(False, 2001 * MS)
    here = SPEC.ready, STILL, SPEC.ready
    assert watches.finding(here, 2001 * MS, True).latch
    assert watches.finding(None, 2001 * MS, True).latch
    assert watches.finding(None, 2001 * MS, False) == Finding(
        'joint states silent for over 2 s', 'restart the robot driver, check the network', False
    )


def follow(watches: Watches, begin_ms: int, end_ms: int, gap: range = range(0)) -> Finding | None:
    """What is found while the command moves on and the arm stays, silent during `gap`."""
    found = None
    for ms in range(begin_ms, end_ms, 20):
        all_speak(watches, ms) if ms not in gap else watches.estop.offer(False, ms * MS)
        command = at(SPEC.ready + 2e-4 * (ms - begin_ms))
        found = watches.finding(command, ms * MS, True)
        if found is not None and found.latch:
            return found
    return found


def test_an_arm_that_does_not_follow_is_found(watches):
    assert follow(watches, 0, 33 * 20 - 20) is None
    watches.forget()
    found = follow(watches, 2000, 2000 + 33 * 20)
    assert 'does not follow' in found.reason
    assert found.latch


def test_while_joint_states_are_silent_the_arm_is_not_judged(watches):
    assert follow(watches, 0, 33 * 20, gap=range(100, 400)) is None


def test_where_divergence_is_not_watched_following_is_not_either():
    watches = make(config=replace(CONFIG, divergence=np.inf))
    assert follow(watches, 0, 1000) is None


def test_after_a_reset_following_and_divergence_are_judged_anew(watches):
    follow(watches, 0, 33 * 20 - 20)
    watches.forget()
    assert follow(watches, 33 * 20, 33 * 20 + 400) is None
    away = SPEC.ready + 0.3, STILL, SPEC.ready + 0.3
    watches.finding(away, 33 * 20 * MS + 380 * MS, True)
    watches.forget()
    all_speak(watches, 1300)
    assert watches.finding(away, 1300 * MS, True) is None


def test_what_the_robot_forbids_is_kept_until_it_allows_it(watches):
    forbidden = watches.safety('/brakes', False, 'are closed')
    assert forbidden == Finding(
        '/brakes: are closed', "clear it by the robot's own means, then call reset", True
    )
    watches.safety('/other', False, 'is off')
    assert watches.forbidden(0) == forbidden
    assert watches.safety('/brakes', True, '') is None
    assert watches.forbidden(0).reason == '/other: is off'
    assert watches.safety('/other', True, '') is None
    assert watches.safety('/other', True, '') is None
    assert watches.forbidden(0) is None


def test_estop_and_wrench_forbid_a_reset_and_so_do_joint_states(watches):
    all_speak(watches, 0)
    assert watches.persisting(0) is None
    watches.estop.offer(True, 0)
    assert watches.persisting(0) == watches.forbidden(0)
    assert watches.forbidden(0).reason == 'the e-stop is pressed'
    watches.estop.offer(False, 0)
    watches.wrench.offer(STRONG, WEAK, 0)
    assert 'beyond 50 N' in watches.forbidden(0).reason
    watches.wrench.offer(WEAK, WEAK, 0)
    assert watches.forbidden(201 * MS) is None
    assert watches.persisting(201 * MS).reason == 'joint states are stale'


def test_a_silent_estop_forbids_a_reset(watches):
    all_speak(watches, 0)
    assert watches.forbidden(501 * MS).reason == "the e-stop on 'panel' has fallen silent"


def test_a_joint_measured_outside_its_limits_stops_a_robot_that_is_commanded(watches):
    all_speak(watches, 0)
    all_speak(watches, 3000)
    outside = np.where(np.arange(SPEC.n) == 1, SPEC.upper + 0.06, SPEC.ready)
    watches.joint_state(state(3001, outside), 3001 * MS)
    command = outside, STILL, outside
    found = watches.finding(command, 3001 * MS, True)
    assert found.reason == f"'{SPEC.joint_names[1]}' is measured 0.060 outside its limits"
    assert watches.finding(None, 3001 * MS, True) is None
    watches.estop.offer(False, 3300 * MS)
    assert watches.finding(command, 3300 * MS, True).reason == 'joint states are stale'


def test_a_second_node_of_a_name_forbids_a_reset_while_it_speaks(watches):
    all_speak(watches, 0)
    for instance in (2, 1):
        watches.heartbeat(beat(instance=instance), 100 * MS)
    watches.estop.offer(False, 600 * MS)
    assert watches.forbidden(600 * MS).reason == 'two nodes are called eyes'
    watches.estop.offer(False, 601 * MS)
    assert watches.forbidden(601 * MS) is None


def test_a_second_node_of_ones_own_name_is_an_intruder():
    watches = make(own='hands', own_instance=3)
    assert watches.heartbeat(beat('hands', 3), 0) is None
    assert watches.heartbeat(beat('hands', 4), 0).reason == 'two nodes are called hands'


def test_by_default_nothing_is_awaited_and_nobody_is_an_intruder():
    watches = Watches(BARE, limits_of(BARE), CONFIG)
    assert watches.heartbeat(beat('', 0), 0) is None
    assert watches.heartbeat(beat('XXXX', 9), 0) is None
    watches.joint_state(state(0), 0)
    assert watches.stack.finding(0) is None


def test_a_clock_jump_is_told_and_old_joint_states_are_forgotten(watches):
    all_speak(watches, 0)
    assert watches.clock(100 * MS, 100 * MS) is None
    assert watches.states.position is not None
    assert 'ROS clock jumped by +1.000 s' in watches.clock(1200 * MS, 200 * MS).reason
    assert watches.states.position is None


def test_a_restart_forgets_all_but_what_the_robot_forbids(watches):
    all_speak(watches, 0)
    watches.safety('/brakes', False, 'are closed')
    watches.estop.offer(True, 0)
    watches.wrench.offer(STRONG, WEAK, 0)
    watches.restart(90_000 * MS, 0)
    assert watches.forbidden(0).reason == '/brakes: are closed'
    assert watches.finding(None, 0, False).reason == 'no joint state yet'
    watches.safety('/brakes', True, '')
    assert watches.forbidden(0) is None
    assert watches.stack.finding(0).reason == 'eyes has not been heard'
    assert watches.clock(90_100 * MS, 100 * MS) is None
    assert watches.clock(91_200 * MS, 200 * MS) is not None


def test_a_restart_forgets_how_the_arm_followed(watches):
    follow(watches, 0, 33 * 20 - 20)
    watches.restart(0, 33 * 20 * MS)
    assert follow(watches, 33 * 20, 33 * 20 + 400) is None


def test_grippers_need_not_follow_and_sliding_joints_are_measured_in_tenths():
    slider, gripper, *others = BARE.joints
    joints = replace(slider, type='prismatic'), replace(gripper, role='gripper'), *others
    watches = make(replace(BARE, joints=joints, wrench_limit=None), awaited=(), stack=())
    held, slid = (x * np.eye(SPEC.n)[i] for i, x in ((1, 9.0), (0, 0.03)))
    for ms in range(0, 1000, 20):
        watches.joint_state(state(ms), ms * MS)
        assert watches.finding(at(SPEC.ready + held * ms / 1000), ms * MS, True) is None
    for ms in range(1000, 1300, 100):
        watches.joint_state(state(ms), ms * MS)
        found = watches.finding(at(SPEC.ready + held + slid), ms * MS, True)
    assert found.reason == f"'{slider.name}' is 0.030 away from its command"


def test_a_sliding_joint_that_does_not_follow_is_found_after_a_tenth_of_the_way():
    joints = replace(BARE.joints[0], type='prismatic'), *BARE.joints[1:]
    watches = make(replace(BARE, joints=joints, wrench_limit=None), awaited=(), stack=())
    slide, found = 0.02 * np.eye(SPEC.n)[0], None
    for ms in range(0, 1000, 20):
        watches.joint_state(state(ms), ms * MS)
        found = found or watches.finding(at(SPEC.ready + slide * ms / 1000), ms * MS, True)
    assert f"'{BARE.joints[0].name}' does not follow" in found.reason
