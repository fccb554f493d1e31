"""The world is a config: read strictly."""

import copy

import pytest
import yaml

from gen_nodes.errors import ConfigError
from gen_nodes.hil.world import known_worlds, load_world, parse_world
from gen_nodes.robot import resource_root


@pytest.fixture
def document():
    return yaml.safe_load((resource_root() / 'config/worlds/tabletop.yaml').read_text())


def test_every_shipped_world_loads():
    assert [load_world(name).name for name in known_worlds()] == list(known_worlds())


def test_an_unknown_world_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'tabletop'"):
        load_world('tabletopp')


@pytest.mark.parametrize('section', [(), ('servo',), ('tasks', 'track')])
def test_an_unknown_key_is_an_error_that_names_its_place(document, section):
    inner = document
    for key in section:
        inner = inner[key]
    inner['sevro'] = 1
    with pytest.raises(ConfigError, match='.'.join(('here', *section)) + ".*'sevro'"):
        parse_world(document, 'here')


def test_a_missing_key_is_an_error(document):
    del document['ball']['radius']
    with pytest.raises(ConfigError, match=r"here\.ball: key 'radius' is missing"):
        parse_world(document, 'here')


@pytest.mark.parametrize('value', ['fast', True, None, float('nan'), [1.0]])
def test_a_value_of_the_wrong_kind_is_an_error(document, value):
    document['physics']['timestep_s'] = value
    with pytest.raises(ConfigError, match=r'here\.physics\.timestep_s: must be a finite number'):
        parse_world(document, 'here')


def test_a_range_that_runs_backwards_is_an_error(document):
    document['servo']['lag_s'] = [0.06, 0.03]
    with pytest.raises(ConfigError, match=r'servo\.lag_s.*backwards'):
        parse_world(document, 'here')


def test_more_balls_than_colours_are_an_error(document):
    document['ball']['count'] = 9
    with pytest.raises(ConfigError, match='9 balls of 4 colours'):
        parse_world(document, 'here')


def test_a_document_is_left_as_it_was(document):
    before = copy.deepcopy(document)
    parse_world(document, 'here')
    assert document == before
