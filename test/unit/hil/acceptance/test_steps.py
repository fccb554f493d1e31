"""The list of steps, and the page that explains them."""

import re
from pathlib import Path

import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.hil.acceptance.steps import NAMES, STEPS, chosen, speeds

DOC = Path(__file__).resolve().parents[4] / 'docs' / 'acceptance.md'


def test_steps_come_in_the_order_of_growing_trust():
    assert NAMES[:3] == ('description', 'topics', 'still')
    assert not any(step.moves for step in STEPS[:3]) and all(step.moves for step in STEPS[3:])
    assert NAMES.index('limits') < NAMES.index('stopping') < NAMES.index('watchdogs')


def test_an_unknown_step_lists_the_valid_ones():
    with pytest.raises(ConfigError) as error:
        chosen(['limit'])
    assert "Did you mean 'limits'?" in str(error.value)
    assert all(name in str(error.value) for name in NAMES)


def test_chosen_steps_keep_the_suites_order():
    assert [step.name for step in chosen(['recorder', 'topics'])] == ['topics', 'recorder']
    assert chosen([]) == STEPS


@pytest.mark.parametrize(
    ('greatest', 'order'),
    [(0.05, (0.05,)), (0.1, (0.1,)), (0.2, (0.1, 0.2)), (0.3, (0.1, 0.3)), (1.0, (0.1, 0.3, 1.0))],
)
def test_slow_comes_first_and_nothing_is_faster_than_asked_for(greatest, order):
    assert speeds(greatest) == order


@pytest.mark.parametrize('speed', [0.0, -0.1, 1.01, float('nan')])
def test_an_impossible_speed_is_refused(speed):
    with pytest.raises(ConfigError, match='--speed'):
        speeds(speed)


def test_the_documentation_explains_every_step_in_order():
    headings = re.findall(r'^### `(\w+)`', DOC.read_text(), flags=re.M)
    assert tuple(headings) == NAMES
