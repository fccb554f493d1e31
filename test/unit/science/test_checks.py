import pytest

from gen_nodes.science.checks import check_rows


def kept(report, word):
    (row,) = [row for row in check_rows(report) if word in row[0]]
    return row[2]


def test_what_was_not_measured_is_neither_kept_nor_broken():
    assert {row[2] for row in check_rows({})} == {None}
    assert {row[1] for row in check_rows({})} == {None}


@pytest.mark.parametrize(('share', 'expected'), [(0.9, True), (0.85, False)])
def test_reach_must_succeed_in_nine_of_ten(share, expected):
    assert kept({'task': 'reach', 'success': {'policy': share}}, '90 %') is expected


def test_a_policy_that_succeeds_without_seeing_breaks_a_promise():
    assert kept({'task': 'reach', 'success': {'blind': 0.5}}, 'blanked') is False
    assert kept({'task': 'track', 'success': {'blind': 0.5}}, 'blanked') is False


@pytest.mark.parametrize(('share', 'expected'), [(0.9, True), (0.85, False)])
def test_track_must_succeed_as_often_as_reach(share, expected):
    report = {'task': 'track', 'success': {'policy': share}, 'track_error_m': {'policy': 0.01}}
    assert kept(report, '90 %') is expected


def test_an_aborted_episode_is_named():
    row = {'id': 'track_s0_001', 'note': 'the controller stopped: joint states are silent'}
    (told,) = [r for r in check_rows({'episodes_detail': [row]}) if 'aborted' in r[0]]
    assert told[1:] == ('track_s0_001: the controller stopped: joint states are silent', False)
    assert kept({'episodes_detail': [{**row, 'note': ''}]}, 'aborted') is True


def test_track_is_judged_by_its_mean_error_too():
    assert kept({'task': 'track', 'track_error_m': {'policy': 0.031}}, 'on average') is False
    assert kept({'task': 'track', 'track_error_m': {'policy': 0.029}}, 'on average') is True


@pytest.mark.parametrize(
    ('missed', 'ticks', 'expected'),
    [(0, 500, True), (1, 5_000, None), (1, 10_000, True), (2, 10_000, False), (2, 5_000, False)],
)
def test_gaps_count_per_ten_thousand_commands(missed, ticks, expected):
    assert kept({'control': {'missed': missed, 'ticks': ticks}}, 'gap') is expected


def test_a_message_that_is_neither_recorded_nor_counted_as_lost_breaks_a_promise():
    told = {'published': 10, 'recorded': 8, 'lost': 1}
    assert kept({'recorder': told}, 'bag') is False
    assert kept({'recorder': {**told, 'lost': 2}}, 'bag') is True
    assert kept({'recorder': {**told, 'lost': 2, 'unaccounted': 1}}, 'bag') is False


def test_losses_of_the_stacks_own_messages_are_told():
    told = {'published': 10, 'recorded': 10, 'lost': 0, 'stack_lost': {'/action_chunk': 3}}
    (row,) = [row for row in check_rows({'recorder': told}) if 'bag' in row[0]]
    assert row[1].endswith("of the stack's own messages 3 lost")


def test_memory_deaths_and_leftovers_are_judged():
    report = {'memory_mb': {'total': 1501}, 'deaths': ['harmonic_policy'], 'left_behind': []}
    assert kept(report, '1.5 GB') is False
    assert kept(report, 'dies') is False
    assert kept(report, 'left behind') is True
    assert kept({'left_behind': {'processes': [], 'files': ['/dev/shm/x']}}, 'behind') is False
