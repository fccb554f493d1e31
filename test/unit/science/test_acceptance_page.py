"""The page of the acceptance suite, from a report as the suite writes it."""

import re

import numpy as np
import pytest
from html_page import Page

from gen_nodes.science.acceptance_page import acceptance_page

JOINTS = ('shoulder', 'elbow', 'finger')
S = np.linspace(-0.5, 2.5, 120)


def trace():
    q = np.stack([0.1 * np.sin(S), 0.05 * np.cos(S), 0.001 * S], axis=1)
    curve = {'s': S.tolist(), 'q': q.tolist()}
    return {
        'joints': list(JOINTS),
        'units': ['rad', 'rad', 'm'],
        'commanded': curve,
        'measured': curve,
        'marks': {'asked': 0.5, 'noticed': 0.52},
    }


def stop_figures():
    per_joint = dict.fromkeys(JOINTS, 0.02)
    return {
        'noticed_s': 0.004,
        'commanded_s': 0.1,
        'standing_s': per_joint,
        'distance': {'shoulder': 0.02, 'elbow': 0.05, 'finger': 0.001},
        'predicted_distance': dict.fromkeys(JOINTS, 0.03),
        'fastest': 0.18,
        'speed': dict.fromkeys(JOINTS, 0.1),
        'reason': 'stop was requested',
    }


def step(name, title, **given):
    return {
        'name': name,
        'title': title,
        'passed': True,
        'skipped': False,
        'why_skipped': '',
        'done': 'Nothing moves.',
        'figures': {},
        'checks': [{'what': 'x', 'measured': '1 s', 'bar': 'at most 2 s', 'met': True}],
        'bar': 'x: at most 2 s',
        'advice': '',
        'error': '',
        'notes': [],
        'seconds': 1.5,
        'traces': {},
        **given,
    }


def limits():
    figures = {
        'shares': dict.fromkeys(('position', 'velocity', 'acceleration', 'jerk'), 0.2),
        'speed': 0.2,
        'lag_s': dict.fromkeys(JOINTS, 0.05),
        'gain': dict.fromkeys(JOINTS, 0.98),
        'error': dict.fromkeys(JOINTS, 0.001),
    }
    return step(
        'limits',
        'Limits are kept',
        figures={'together at 0.2': figures},
        traces={'together at 0.2': trace()},
    )


def latency():
    ms = {'p50': 8.0, 'p99': 9.0, 'max': 9.5, 'count': 100}
    names = ('chunk_to_command', 'capture_to_command', 'control_period', 'relay_floor')
    figures = dict.fromkeys(names, ms) | {'nominal_ms': 8.0, 'gaps': 0}
    return step('latency', 'In time', figures=figures, traces=dict.fromkeys(names, [8.0] * 99))


@pytest.fixture
def report():
    rates = {'/joint_states': {'hz': 99.0, 'wanted_hz': 100.0, 'stream': 'joint_states'}}
    missed = {'what': 'distance (elbow)', 'measured': '0.05 rad', 'bar': 'at most 0.03 rad'}
    return {
        'robot': 'my_robot',
        'display_name': 'My <b>robot</b>',
        'target': 'emulator',
        'version': 'abc',
        'seed': 0,
        'machine': {'cores': 2},
        'config_sha256': 'cd' * 32,
        'command': 'gen hil run --robot my_robot',
        'started': '2026-11-21T15:00:00+00:00',
        'seconds': 80.0,
        'speeds': [0.1, 0.2],
        'wanted': 5,
        'ended': '',
        'passed': False,
        'steps': [
            step('topics', 'Every topic', figures={'rates': rates}),
            limits(),
            step(
                'stopping',
                'It stops',
                passed=False,
                advice='lower the acceleration',
                checks=[{**missed, 'met': False}],
                figures={'at 0.2': stop_figures()},
                traces={'at 0.2': trace()},
            ),
            step('safety_topics', 'Own signals', passed=False, skipped=True, why_skipped='none'),
            latency(),
        ],
    }


def read(report):
    page = Page(acceptance_page(report))
    assert page.open == []
    return page


def test_the_page_is_one_file_without_scripts_or_network(report):
    page = read(report)
    assert not page.tags & {'script', 'link', 'iframe', 'img'}
    assert 'http' not in acceptance_page(report)
    assert page.tags >= {'svg', 'table'}


def test_the_verdict_and_every_step_stand_first(report):
    text = read(report).text
    assert '3 of 5 steps' in text and 'not passed on an emulated robot' in text
    assert 'Speeds: 10 %, 20 % of the velocity limits' in text
    assert text.index('not passed') < text.index('Every topic') < text.index('How to do it again')


def test_a_missed_bar_is_shown_with_what_was_measured_and_what_to_do(report):
    text = read(report).text
    assert 'distance (elbow) 0.05 rad at most 0.03 rad ✗ no' in text
    assert 'What to do: lower the acceleration.' in text


def test_a_skipped_step_says_why(report):
    assert 'Skipped: none.' in read(report).text


def test_a_stop_is_told_with_its_figures_and_drawn_with_its_joints(report):
    page = read(report)
    assert 'noticed after 4 ms, the robot stood 20 ms later' in page.text
    assert all(name in page.text for name in JOINTS)
    assert page.text.count('to go [mrad]') == 1, 'the joint that went farthest is a turning one'


def test_where_no_joint_state_came_no_standstill_is_told(report):
    figures = stop_figures()
    del figures['standing_s'], figures['distance'], figures['predicted_distance']
    traces = {'joint states': trace()}
    report['steps'] = [step('sensors', 'S', figures={'joint states': figures}, traces=traces)]
    text = read(report).text
    assert 'told to brake for 100 ms' in text and 'predicted' not in text


def test_curves_and_figures_of_every_kind_are_drawn(report):
    labels = [value for name, value in read(report).attributes if name == 'aria-label']
    assert labels == [
        'rates of the topics',
        'greatest use of each limit',
        'commanded and measured positions',
        'how the robot stopped',
        'distribution of latencies',
        'time between commands over the run',
    ]


def test_text_of_a_robot_cannot_become_markup(report):
    page = read(report)
    assert 'b' not in page.tags and 'My <b>robot</b>' in page.text


def test_a_suite_that_ended_early_says_so(report):
    report.update(ended='interrupted by the person', steps=[])
    text = read(report).text
    assert '0 of 5 steps' in text and 'interrupted by the person' in text


def test_a_step_that_failed_before_it_measured_anything_needs_no_figures(report):
    names = ('topics', 'limits', 'stopping', 'latency')
    report['steps'] = [step(n, n, passed=False, error='it broke', checks=[]) for n in names]
    assert read(report).text.count('It did not come to its end: it broke') == 4


def test_many_bars_are_folded_away_but_never_one_that_was_missed(report):
    good = {'what': 'x', 'measured': '1', 'bar': 'at most 2', 'met': True}
    bad = {'what': 'one of many', 'measured': '3', 'bar': 'at most 2', 'met': False}
    report['steps'] = [step('still', 'Still', passed=False, checks=[good] * 30 + [bad])]
    html = acceptance_page(report)
    shown, folded = html.split('<details>')
    assert 'All 31 bars' in folded and shown.count('one of many') == 2
    assert read(report).tags >= {'details', 'summary'}


def test_colours_follow_the_page(report):
    drawn = re.findall(r'<svg.*?</svg>', acceptance_page(report), flags=re.S)
    assert drawn and all('var(--' in svg and 'xmlns' not in svg for svg in drawn)
