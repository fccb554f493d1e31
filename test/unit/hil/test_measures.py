import numpy as np
import pytest

from gen_nodes.hil.measures import (
    Decision,
    EpisodeStamps,
    Measures,
    success_shares,
    summarise,
    thin,
    track_errors,
)
from gen_nodes.types import CommandSample, JointSample, Observation

MS = 1_000_000


def joint_sample(capture_ms: float) -> JointSample:
    still = np.zeros(1)
    return JointSample(
        'joint_states', round(capture_ms * MS), round(capture_ms * MS), ('a',), still, still, still
    )


@pytest.fixture
def measures() -> Measures:
    """Decided at 100 ms on a sample of 90 ms, published at 101; played at 130 and 138 ms."""
    stamps = EpisodeStamps(
        {7: Decision(100 * MS, 90 * MS, 112 * MS)},
        [(122 * MS, 0), (130 * MS, 7), (138 * MS, 7)],
        {100 * MS: 101 * MS},
    )
    measures = Measures()
    measures.add(stamps)
    return measures


@pytest.mark.parametrize(
    ('kind', 'ms'),
    [
        ('policy_tick', [11]),
        ('capture_to_command', [40]),
        ('decision_to_command', [30]),
        ('command_age', [40, 48]),
        ('control_period', [8, 8]),
    ],
)
def test_every_latency_is_a_difference_of_stamps(measures, kind, ms):
    assert measures.ms[kind] == pytest.approx(ms)


def test_a_command_of_an_unheard_decision_has_no_age():
    measures = Measures()
    measures.add(EpisodeStamps({}, [(10 * MS, 3)]))
    assert measures.summary()['command_age'] == {'p50': None, 'p99': None, 'max': None, 'count': 0}


def test_the_aggregators_hop_counts_from_the_newest_sample_and_not_from_our_own_commands():
    command = CommandSample(
        'executed', 99 * MS, 99 * MS, 1, 'position', ('a',), np.zeros(1), np.zeros(1)
    )
    measures = Measures()
    measures.add_observation(
        Observation(100 * MS, 1, '', (joint_sample(95), joint_sample(97), command)), 101 * MS, []
    )
    assert measures.ms['aggregator'] == pytest.approx([4])


def test_a_summary_holds_median_and_tail():
    told = summarise(list(range(101)))
    assert (told['p50'], told['p99'], told['max'], told['count']) == (50, 99, 100, 101)


def test_thinning_keeps_the_shape_and_the_limit():
    assert thin(list(range(10)), 4) == [0, 3, 6, 9]


def test_shares_and_errors_are_none_where_nobody_tried():
    rows = {
        'policy': [{'success': True, 'error_m': 0.02}, {'success': False, 'error_m': None}],
        'hold': [],
    }
    assert success_shares(rows) == {'policy': 0.5, 'hold': None}
    assert track_errors(rows, 'track') == {'policy': 0.02, 'hold': None}
    assert track_errors(rows, 'reach') == {'policy': None, 'hold': None}
