"""What the operator is told of a signal, word for word, and where exactly silence begins."""

import numpy as np
import pytest

from gen_nodes.embodiment.signals import EstopWatch, StackWatch, WrenchWatch
from gen_nodes.embodiment.watchdog import Finding
from gen_nodes.safety import EstopSpec, WrenchLimit
from gen_nodes.types import NS, Heartbeat

MS = NS // 1000
LIMIT = WrenchLimit('wrist', 50.0, 5.0)
NONE3 = np.zeros(3)


def beat(node: str, instance: int = 7) -> Heartbeat:
    return Heartbeat(100, node, True, 42, '', '', instance)


def test_a_node_that_is_missing_or_silent_holds_and_does_not_latch():
    stack = StackWatch(('eyes',))
    assert stack.finding(0) == Finding('eyes has not been heard', 'start eyes', False)
    stack.offer(beat('eyes'), 100 * MS)
    assert stack.silent(600 * MS) is None
    assert stack.silent(601 * MS) == Finding(
        'eyes is silent: it hangs, has died, or is cut off',
        'look at the log of eyes; restart it',
        False,
    )


def test_a_node_that_was_never_heard_is_missing_but_not_silent():
    stack = StackWatch(('eyes', 'hands'))
    stack.offer(beat('hands'), 0)
    assert stack.silent(501 * MS).reason.startswith('hands is silent')


@pytest.mark.parametrize('own', ['', 'eyes'])
def test_a_second_node_of_a_name_is_told_while_it_speaks(own):
    stack = StackWatch(() if own else ('eyes',), own, 1)
    assert stack.twin(0) is None
    for instance in (1, 2, 1):
        found = stack.offer(beat('eyes', instance), 100 * MS)
    found = stack.offer(beat('eyes', 2), 200 * MS) if own else found
    assert found == Finding('two nodes are called eyes', 'end one of them, then call reset', True)
    last = 200 if own else 100
    assert stack.twin((last + 500) * MS) == found
    assert stack.twin((last + 501) * MS) is None


def test_without_a_name_of_ones_own_nobody_is_an_intruder():
    stack = StackWatch(())
    assert stack.offer(beat('', instance=0), 0) is None
    assert stack.offer(beat('', instance=1), 0) is not None
    assert stack.offer(beat('XXXX', instance=5), 0) is None


def test_a_pressed_estop_is_told():
    assert EstopWatch(EstopSpec()).offer(True, 0) == Finding(
        'the e-stop is pressed', 'release it, then call reset', True
    )


def test_an_estop_falls_silent_a_timeout_after_its_last_word():
    estop = EstopWatch(EstopSpec('panel', timeout_s=0.3))
    estop.offer(False, 200 * MS)
    assert estop.stands(500 * MS) is None
    assert estop.stands(501 * MS) == Finding(
        "the e-stop on 'panel' has fallen silent",
        'bring its publisher back, or activate the controller anew without it; then call reset',
        True,
    )


def test_a_required_estop_that_has_not_spoken_holds_and_does_not_latch():
    assert EstopWatch(EstopSpec('panel', required=True)).awaited() == Finding(
        "no word yet from the e-stop on 'panel'", 'start its publisher', False
    )


@pytest.mark.parametrize(
    ('force', 'reason', 'next_step'),
    [
        (
            np.nan,
            "the force of 'wrist' is not finite",
            'check the sensor and its driver, then call reset',
        ),
        (
            51.0,
            "the force of 'wrist' is beyond 50 N",
            'see what the robot touches, zero the sensor if it drifted; then call reset',
        ),
    ],
)
def test_a_wrench_that_stops_is_told(force, reason, next_step):
    found = WrenchWatch(LIMIT, 0.2).offer(np.array([force, 0, 0]), NONE3, 0)
    assert found == Finding(reason, next_step, True)


def test_a_wrench_exactly_at_its_limit_is_allowed():
    watch = WrenchWatch(LIMIT, 0.2)
    assert watch.offer(np.array([50.0, 0, 0]), np.array([0, 0, 5.0]), 0) is None


def test_a_wrench_falls_silent_a_timeout_after_its_last_word_and_holds():
    watch, step = WrenchWatch(LIMIT, 0.2), 'check the sensor and its driver'
    assert watch.stands() is None
    assert watch.silence(0) == Finding(
        "no word yet from 'wrist', which limits the force", step, False
    )
    watch.offer(NONE3, NONE3, 300 * MS)
    assert watch.silence(500 * MS) is None
    assert watch.silence(501 * MS) == Finding(
        "'wrist', which limits the force, is silent", step, False
    )


def test_what_a_wrench_forbade_is_forgotten_on_restart():
    watch = WrenchWatch(LIMIT, 0.2)
    watch.offer(np.array([99.0, 0, 0]), NONE3, 0)
    watch.restart()
    assert watch.stands() is None
