import re

import pytest
from html_page import Page

from gen_nodes.science.report import write_report


def detail(number, success):
    tip = [[0.4, 0.0, 0.3 - 0.01 * k] for k in range(20)]
    target = [[0.4, 0.0, 0.1 if success else 0.0]] * 20
    return {
        'id': f'e{number}',
        'seed': number,
        'instruction': 'touch the red ball',
        'success': success,
        'error_m': 0.011 if success else 0.11,
        'seconds': 0.8,
        'tip_m': tip,
        'target_m': target,
    }


def whole_report():
    return {
        'robot': 'ur5e',
        'task': 'reach',
        'episodes': 3,
        'seed': 5,
        'checkpoint_sha256': 'ab' * 32,
        'success': {'policy': 2 / 3, 'expert': 1.0, 'hold': 0.0, 'blind': None},
        'latency_ms': {'relay_floor': {'p50': 0.41, 'p99': 1.27}},
        'control': {'period_ms': {'p50': 8.0, 'p99': 8.5}, 'missed': 1},
        'recorder': {'published': 1000, 'recorded': 998, 'lost': 2},
        'episodes_detail': [detail(1, True), detail(2, False), detail(3, True)],
        'memory_mb': {'harmonic_policy': 400.0, 'robot_emulator': {'rss': 200.0}, 'total': 600.0},
        'left_behind': {'processes': [], 'files': []},
        'deaths': [],
        'command': './gen eval --robot ur5e',
        'figures': {
            'latency_ms': {'control_period': [8.0] * 50 + [17.0], 'policy_tick': [9.0, 10.0, 11.0]}
        },
    }


@pytest.fixture
def report():
    return whole_report()


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The page of the whole report, made once."""
    return write_report(whole_report(), [], tmp_path_factory.mktemp('report'))


def read(path):
    page = Page(path.read_text())
    assert page.open == []
    return page


def test_a_page_needs_no_network_no_script_and_no_other_file(whole):
    page = read(whole)
    assert not page.tags & {'script', 'link', 'iframe', 'object'}
    for name, value in page.attributes:
        if name in ('href', 'src', 'xlink:href'):
            assert value.startswith(('#', 'data:image/png;base64,'))
    assert '@import' not in whole.read_text()
    assert 'http' not in re.sub('base64,[^"]*', '', whole.read_text())


def test_the_headline_counts_successes_and_says_how_sure_that_is(whole):
    text = read(whole).text
    assert '2 of 3' in text
    assert '95 % interval 21 % to 94 %' in text


def test_failures_are_named_as_plainly_as_successes(whole):
    text = read(whole).text
    assert '✗ no 11.0 cm' in text
    assert 'The worst episode, e2: “touch the red ball”, failure.' in text


def test_figures_carry_their_units_and_come_from_the_report(whole):
    text = read(whole).text
    assert 'p50 [ms]' in text
    assert '0.41 1.27' in text
    assert '10.00' in text  # median of policy_tick, from its figures
    assert '600 MB' in text
    assert '1,000 published, 998 in the bags, 2 counted as lost' in text


def test_a_driver_is_counted_over_its_own_episodes(report, tmp_path):
    report['references_detail'] = {'expert': [detail(1, True), detail(2, False)]}
    assert 'expert 1 of 2' in read(write_report(report, [], tmp_path)).text


def test_what_the_expert_did_is_never_counted_for_the_policy(report, tmp_path):
    report.update(actor='expert', success={'policy': None, 'expert': 1.0})
    text = read(write_report(report, [], tmp_path)).text
    assert 'policy not measured' in text
    assert 'It was the expert that acted' in text


def test_an_episode_without_a_verdict_counts_as_the_worst(report, tmp_path):
    report['episodes_detail'][1].update(error_m=None, note='harmonic_policy has died')
    text = read(write_report(report, [], tmp_path)).text
    assert '✗ no not measured 0.8 s harmonic_policy has died' in text
    assert 'The worst episode, e2' in text


def test_gaps_are_counted_out_of_all_ticks(report, tmp_path):
    report['control'].update(ticks=20_000, worst_gap_ms=17.04, gaps=['17.0 ms until 12.3'])
    text = read(write_report(report, [], tmp_path)).text
    assert 'Gaps: 1 in 20,000 ticks. The longest time between two ticks was 17.0 ms.' in text
    assert 'Named by the controller: 17.0 ms until 12.3' in text


def test_an_empty_report_says_not_measured_everywhere(tmp_path):
    text = read(write_report({}, [], tmp_path)).text
    assert text.count('not measured') > 20
    assert '✓' not in text
    assert '✗' not in text


@pytest.mark.parametrize(
    'key', ['success', 'latency_ms', 'control', 'figures', 'episodes_detail', 'memory_mb']
)
def test_any_part_may_be_missing(report, key, tmp_path):
    report['episodes_detail'] = [{**detail(2, False), 'tip_m': [], 'target_m': []}]
    del report[key]
    assert read(write_report(report, [], tmp_path)).text


def test_text_of_a_report_cannot_become_markup(report, tmp_path):
    report['episodes_detail'][1].update(id='<b>$x$', instruction='<script>alert(1)</script>')
    page = read(write_report(report, [], tmp_path))
    assert not page.tags & {'script', 'b'}
    assert '<script>alert(1)</script>' in page.text


def test_a_bag_that_cannot_be_read_is_said_to_be_so(report, tmp_path):
    text = read(write_report(report, [tmp_path / 'gone'], tmp_path)).text
    assert 'gone: no pictures: there is no bag' in text


def test_the_same_report_gives_the_same_page(report, whole, tmp_path):
    assert write_report(report, [], tmp_path).read_text() == whole.read_text()
