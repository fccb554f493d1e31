"""What others tell the controller, and what their silence means."""

import numpy as np
import pytest

from gen_nodes.embodiment.signals import EstopWatch, StackWatch, WrenchWatch
from gen_nodes.safety import EstopSpec, WrenchLimit
from gen_nodes.types import NS, Heartbeat

MS = NS // 1000


def beat(node: str, fit: bool = True, instance: int = 7, cause: str = '') -> Heartbeat:
    return Heartbeat(100, node, fit, 42, cause, 'mend it' if cause else '', instance)


@pytest.fixture
def stack() -> StackWatch:
    return StackWatch(('eyes', 'hands'), 'self', 1)


def test_a_node_that_was_never_heard_is_named(stack):
    stack.offer(beat('eyes'), 0)
    found = stack.finding(0)
    assert (found.reason, found.next_step) == ('hands has not been heard', 'start hands')
    assert not found.latch


def test_all_heard_and_fit_is_no_finding(stack):
    stack.offer(beat('eyes'), 0)
    stack.offer(beat('hands'), 0)
    assert stack.finding(500 * MS) is None


def test_silence_for_more_than_half_a_second_is_a_hold_and_ends_with_the_next_beat(stack):
    stack.offer(beat('eyes'), 0)
    stack.offer(beat('hands'), 400 * MS)
    found = stack.finding(501 * MS)
    assert found.reason == 'eyes is silent: it hangs, has died, or is cut off'
    assert found.next_step == 'look at the log of eyes; restart it'
    assert not found.latch
    assert found.since_ns is None
    stack.offer(beat('eyes'), 600 * MS)
    assert stack.finding(600 * MS) is None


def test_an_unfit_node_gives_its_own_cause_since_its_own_time(stack):
    stack.offer(beat('eyes', fit=False, cause='blind'), 0)
    stack.offer(beat('hands'), 0)
    found = stack.finding(0)
    assert (found.reason, found.next_step) == ('eyes: blind', 'mend it')
    assert (found.latch, found.since_ns) == (False, 42)


def test_nodes_that_are_not_watched_do_not_count(stack):
    assert stack.offer(beat('stranger', fit=False, cause='ill'), 0) is None
    assert stack.finding(0).reason == 'eyes has not been heard'


def test_a_restarted_node_is_welcome(stack):
    assert stack.offer(beat('eyes', instance=7), 0) is None
    assert stack.offer(beat('eyes', instance=8), 100 * MS) is None
    assert stack.offer(beat('eyes', instance=8), 200 * MS) is None


def test_two_nodes_of_one_name_latch_a_stop(stack):
    stack.offer(beat('eyes', instance=7), 0)
    stack.offer(beat('eyes', instance=8), 50 * MS)
    found = stack.offer(beat('eyes', instance=7), 100 * MS)
    assert found.latch
    assert found.reason == 'two nodes are called eyes'
    assert found.next_step == 'end one of them, then call reset'


def test_another_of_ones_own_name_latches_a_stop_at_once(stack):
    assert stack.offer(beat('self', instance=1), 0) is None
    assert stack.offer(beat('self', instance=2), 0).reason == 'two nodes are called self'


def test_after_a_restart_the_stack_must_speak_again(stack):
    for name in ('eyes', 'hands'):
        stack.offer(beat(name), 0)
    stack.restart()
    assert stack.finding(0).reason == 'eyes has not been heard'


def test_an_estop_that_nobody_publishes_forbids_nothing():
    estop = EstopWatch(EstopSpec())
    assert estop.stands(10**12) is None
    assert estop.awaited() is None


def test_a_required_estop_is_awaited_until_its_first_word():
    estop = EstopWatch(EstopSpec('panel', required=True))
    assert estop.awaited().reason == "no word yet from the e-stop on 'panel'"
    assert not estop.awaited().latch
    estop.offer(False, 0)
    assert estop.awaited() is None


def test_a_pressed_estop_latches_and_stands_until_released():
    estop = EstopWatch(EstopSpec())
    found = estop.offer(True, 0)
    assert (found.reason, found.latch) == ('the e-stop is pressed', True)
    assert estop.stands(0).reason == 'the e-stop is pressed'
    assert estop.offer(False, 1) is None
    assert estop.stands(1) is None


def test_an_estop_once_heard_must_go_on_speaking():
    estop = EstopWatch(EstopSpec('panel', timeout_s=0.3))
    estop.offer(False, 0)
    assert estop.stands(300 * MS) is None
    found = estop.stands(301 * MS)
    assert found.latch
    assert found.reason == "the e-stop on 'panel' has fallen silent"
    estop.restart()
    assert estop.stands(301 * MS) is None


LIMIT = WrenchLimit('wrist', 50.0, 5.0)
NONE3 = np.zeros(3)


@pytest.mark.parametrize(
    ('force', 'torque', 'reason'),
    [
        ((30, 40, 0), (3, 4, 0), None),
        ((30, 40, 1), (0, 0, 0), "the force of 'wrist' is beyond 50 N"),
        ((0, 0, 0), (3, 4, 1), "the torque of 'wrist' is beyond 5 N m"),
        ((0, np.nan, 0), (0, 0, 0), "the force of 'wrist' is not finite"),
        ((0, 0, 0), (0, 0, np.inf), "the torque of 'wrist' is not finite"),
    ],
)
def test_force_and_torque_are_limited_by_their_length(force, torque, reason):
    watch = WrenchWatch(LIMIT, 0.2)
    found = watch.offer(np.array(force, float), np.array(torque, float), 0)
    assert (found.reason if found else None) == reason
    assert watch.stands() is found
    assert found is None or found.latch


def test_a_wrench_inside_its_limit_lifts_what_stood():
    watch = WrenchWatch(LIMIT, 0.2)
    watch.offer(np.array([99.0, 0, 0]), NONE3, 0)
    watch.offer(NONE3, NONE3, 1)
    assert watch.stands() is None


def test_a_wrench_that_limits_and_is_silent_holds():
    watch = WrenchWatch(LIMIT, 0.2)
    assert watch.silence(0).reason == "no word yet from 'wrist', which limits the force"
    watch.offer(NONE3, NONE3, 0)
    assert watch.silence(200 * MS) is None
    found = watch.silence(201 * MS)
    assert (found.reason, found.latch) == ("'wrist', which limits the force, is silent", False)
    watch.restart()
    assert watch.silence(0) is not None


def test_a_wrench_that_is_not_required_is_missed_only_once_it_was_heard():
    watch = WrenchWatch(WrenchLimit('wrist', 50.0, 5.0, required=False), 0.2)
    assert watch.silence(10**12) is None
    watch.offer(NONE3, NONE3, 0)
    assert watch.silence(201 * MS).reason == "'wrist', which limits the force, is silent"
