"""What a person may answer."""

import io
import os

import pytest

from gen_nodes.cli.acceptance.person import Person, Quit, Skipped
from gen_nodes.hil.acceptance.results import Result, holds
from gen_nodes.hil.acceptance.steps import STEPS

LIMITS = STEPS[3]
FAILED = Result(LIMITS, (holds('x', False),))


@pytest.fixture
def person():
    """Makes a person who types the given lines, then waits."""
    opened = []

    def make(*lines):
        read, write = os.pipe()
        opened.extend([os.fdopen(read), os.fdopen(write, 'w')])
        print(*lines, sep='\n', file=opened[-1], flush=True)
        said = io.StringIO()
        one = Person(True, lambda text: print(text, file=said), opened[-2])
        one.until = lambda condition, seconds: condition()
        one.said = said
        return one

    yield make
    for file in opened:
        file.close()


def test_every_step_is_announced_in_words(person):
    one = person('')
    one.announce(LIMITS, 4, 11)
    assert '[4/11] limits: Limits are kept' in one.said.getvalue()
    assert LIMITS.does in one.said.getvalue()


def test_a_person_may_skip_a_step_or_quit(person):
    with pytest.raises(Skipped, match='limits was left out'):
        person('s').announce(LIMITS, 4, 11)
    with pytest.raises(Quit):
        person('q').announce(LIMITS, 4, 11)


def test_an_answer_that_is_none_is_asked_for_again(person, capsys):
    person('yes please', '').announce(LIMITS, 4, 11)
    assert capsys.readouterr().out.count('The robot will MOVE.') == 2


def test_where_nobody_can_answer_any_more_everything_stops():
    with pytest.raises(Quit):
        Person(True, print, io.StringIO('')).announce(LIMITS, 4, 11)


def test_on_the_emulator_nothing_is_asked():
    one = Person(False, lambda text: None, io.StringIO(''))
    one.announce(LIMITS, 4, 11)
    assert one.goes_on(FAILED)


@pytest.mark.parametrize(('answer', 'goes_on'), [('', False), ('y', False), ('yes', True)])
def test_after_a_failed_safety_step_only_yes_goes_on(person, answer, goes_on):
    assert person(answer).goes_on(FAILED) is goes_on


def test_a_step_that_is_no_safety_step_stops_nobody(person):
    assert person().goes_on(Result(STEPS[-1], (holds('x', False),)))
    assert person().goes_on(Result(LIMITS, skipped='left out'))


def test_what_only_a_person_can_do_is_asked_for_until_it_shows(person):
    looks = iter([False, False, True, True, True])
    person('', '').does('press the stop', lambda: next(looks))
    with pytest.raises(Skipped, match='press the stop was left out'):
        person('s').does('press the stop', lambda: False)
