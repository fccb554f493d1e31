"""The checkpoint that ships, closed-loop in simulated time: without seeing it fails."""

from collections.abc import Iterator

import pytest

from gen_nodes.checkpoint_files import shipped_checkpoint
from gen_nodes.hil.live import EVALUATION_SEED
from gen_nodes.hil.references import LockstepJob, run_one

SEEDS = range(EVALUATION_SEED, EVALUATION_SEED + 3)


def verdicts(actor: str) -> Iterator[bool]:
    """Whether it touched the ball, episode by episode."""
    for seed in SEEDS:
        job = LockstepJob(actor, 'ur5e', 'reach', 0, seed, checkpoint=shipped_checkpoint())
        yield run_one(job).success


@pytest.mark.parametrize(('actor', 'expected'), [('policy', True), ('blind', False)])
def test_the_shipped_policy_reaches_the_ball_in_most_episodes_and_blindfolded_in_few(
    actor, expected
) -> None:
    as_expected = 0
    for success in verdicts(actor):
        as_expected += success == expected
        if as_expected == 2:
            return
    pytest.fail(f'{actor}: {as_expected} of {len(SEEDS)} episodes went as they should')
