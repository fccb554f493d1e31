"""Bars, results and the verdict of the acceptance suite."""

import json
import math

import numpy as np
import pytest

from gen_nodes.hil.acceptance.results import (
    Check,
    Findings,
    Result,
    all_passed,
    at_most,
    between,
    finite,
    holds,
    together,
)
from gen_nodes.hil.acceptance.steps import STEPS

GOOD, BAD = holds('a', True), holds('b', False)


@pytest.mark.parametrize(
    ('check', 'met'),
    [
        (at_most('x', 0.1, 0.1, 's'), True),
        (at_most('x', 0.11, 0.1, 's'), False),
        (at_most('x', math.nan, 0.1), False),
        (at_most('x', math.inf, 0.1), False),
        (between('x', 0.8, 0.8, 1.2), True),
        (between('x', 1.3, 0.8, 1.2), False),
        (between('x', math.nan, 0.8, 1.2), False),
    ],
)
def test_a_bar_is_met_up_to_its_limit_and_never_by_what_is_not_a_number(check, met):
    assert check.met is met


def test_a_figure_stands_beside_its_bar_with_the_unit():
    assert at_most('distance', 0.02345, 0.03, 'rad') == Check(
        'distance', '0.02345 rad', 'at most 0.03 rad', True
    )
    assert at_most('resumes', math.inf, 1.0, 's').measured == 'never'


def test_one_missed_bar_fails_a_step_and_gives_the_advice():
    result = Result(STEPS[3], (GOOD, BAD))
    assert result.failed and result.shortfalls == ('b: no (yes)',)
    assert result.as_json()['advice'] == STEPS[3].advice


def test_a_step_that_did_not_come_to_its_end_has_failed_whatever_it_measured():
    result = Result(STEPS[3], (GOOD,), error='the controller stopped')
    assert result.failed and 'the controller stopped' in result.shortfalls


def test_a_skipped_step_is_neither_passed_nor_failed():
    result = Result(STEPS[3], skipped='left out by the person')
    assert not result.passed and not result.failed
    assert result.as_json()['skipped'] is True and result.as_json()['advice'] == ''


def test_only_a_suite_whose_every_step_passed_is_passed():
    steps = STEPS[:2]
    first, second = (Result(step, (GOOD,)) for step in steps)
    skipped = Result(steps[1], skipped='left out')
    assert all_passed([first, second], steps, allow_skips=False)
    assert not all_passed([first], steps, allow_skips=True), 'a step was never reached'
    assert not all_passed([first, skipped], steps, allow_skips=False)
    assert all_passed([first, skipped], steps, allow_skips=True)
    assert not all_passed([first, Result(steps[1], (BAD,))], steps, allow_skips=True)


def test_findings_of_several_parts_say_to_which_they_belong():
    whole = together({'pressed': Findings((GOOD,), {'s': 1.0}), '': Findings((BAD,), notes=('n',))})
    assert [check.what for check in whole.checks] == ['pressed: a', 'b']
    assert whole.figures == {'pressed': {'s': 1.0}} and whole.notes == ('n',)


def test_results_are_plain_json_whatever_was_measured():
    figures = {'lag': np.array([0.05, np.nan]), 'worst': math.inf, 'count': 3, 'name': 'x'}
    text = json.dumps(Result(STEPS[0], figures=figures).as_json(), allow_nan=False)
    assert json.loads(text)['figures'] == {
        'lag': [0.05, None],
        'worst': None,
        'count': 3,
        'name': 'x',
    }
    assert finite(1 / 3) == 0.333333
