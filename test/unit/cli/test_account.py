import pytest

from gen_nodes.cli.account import account


def published(certain: int, possible: int) -> dict:
    return {'e1': {'start_ns': 0, 'stop_ns': 1, 'topics': {'/a': [certain, possible]}}}


def verdict(lost: int) -> dict:
    return {'e1': {'id': 'e1', 'verdict': 'bad', 'reasons': ['lost'], 'lost': {'/a': lost}}}


def test_every_published_message_is_recorded_or_known_to_be_lost():
    told = account(published(100, 102), {'e1': {'/a': 98, '/executed': 50}}, verdict(3))
    sums = [told[key] for key in ('published', 'recorded', 'lost', 'unaccounted')]
    assert sums == [101, 98, 3, 0]
    assert told['not_good'] == {'e1': ['lost']}


def test_a_message_that_is_in_neither_is_unaccounted():
    assert account(published(100, 102), {'e1': {'/a': 98}}, verdict(1))['unaccounted'] == 1


def test_an_episode_without_a_bag_is_unaccounted_altogether():
    assert account(published(100, 102), {}, {})['unaccounted'] == 100


def test_what_the_emulator_had_not_noted_yet_at_the_stop_was_published_all_the_same():
    told = account(published(100, 100), {'e1': {'/a': 101}}, verdict(0))
    assert (told['published'], told['recorded'], told['unaccounted']) == (101, 101, 0)


@pytest.mark.parametrize('recorded', [95, 99, 100, 101, 103])
@pytest.mark.parametrize('lost', [0, 1, 4])
def test_published_is_recorded_and_lost_and_unaccounted(recorded, lost):
    told = account(published(100, 102), {'e1': {'/a': recorded}}, verdict(lost))
    assert told['published'] == told['recorded'] + told['lost'] + told['unaccounted']
    assert told['unaccounted'] == max(0, 100 - recorded - lost) and told['lost'] <= lost


def test_losses_of_the_stacks_own_topics_are_told_beside_the_account():
    lost = {'e1': {**verdict(0)['e1'], 'lost': {'/action_chunk': 3}}}
    told = account(published(100, 100), {'e1': {'/a': 100}}, lost)
    assert told['stack_lost'] == {'/action_chunk': 3} and told['lost'] == 0
