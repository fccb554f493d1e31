import pytest

from gen_nodes.science.intervals import wilson


@pytest.mark.parametrize(
    ('successes', 'trials', 'expected'),
    # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_interval_agrees_with_published_ones(successes, trials, expected):
    assert wilson(successes, trials) == pytest.approx(expected, abs=5e-5)


def test_all_successes_do_not_make_certainty():
    low, high = wilson(20, 20)
    assert 0.8 < low < 0.9
    assert high == 1.0


@pytest.mark.parametrize(('successes', 'trials'), [(1, 0), (-1, 5), (6, 5)])
def test_counts_that_make_no_proportion_are_refused(successes, trials):
    with pytest.raises(ValueError, match='trials'):
        wilson(successes, trials)
