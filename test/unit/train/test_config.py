"""Train configs are read strictly."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.train.config import read_train_config

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def written(tmp_path):
    """Writes an edited copy of the demo's config where its model config is found."""

    def write(old: str, new: str) -> Path:
        (tmp_path / 'train').mkdir()
        (tmp_path / 'model').mkdir()
        (tmp_path / 'model/nano.yaml').write_text((ROOT / 'config/model/nano.yaml').read_text())
        path = tmp_path / 'train/demo.yaml'
        path.write_text((ROOT / 'config/train/demo.yaml').read_text().replace(old, new))
        return path

    return write


def test_the_shipped_config_reads():
    config = read_train_config(ROOT / 'config/train/demo.yaml')
    assert config.robots == ('ur5e', 'franka_fr3', 'openarm_bimanual')


def test_an_unknown_key_is_refused_with_the_nearest(written):
    with pytest.raises(ConfigError, match=r"unknown key 'sed'\. Did you mean 'seed'"):
        read_train_config(written('seed:', 'sed:'))


def test_an_unknown_hindsight_key_is_refused(written):
    with pytest.raises(ConfigError, match='hindsight'):
        read_train_config(written('at_end: true', 'at_the_end: true'))


def test_an_unknown_displaced_key_is_refused(written):
    with pytest.raises(ConfigError, match=r"unknown key 'tip'\. Did you mean 'tip_m'"):
        read_train_config(written('seed: 0', 'displaced: {tip: 0.03}\nseed: 0'))


def test_displaced_is_read(written):
    config = read_train_config(written('seed: 0', 'displaced: {tip_m: 0.01}\nseed: 0'))
    assert (config.displaced.tip_m, config.displaced.return_s) == (0.01, 0.12)


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('goal_batch: 32', 'goal_batch: many', "goal_batch: must be a whole number, not 'many'"),
        ('goal_batch: 32', 'goal_batch: 1', 'demo.yaml: goal_batch must be at least 2, is 1'),
        ('seed: 0', 'frames_kept: 1.2', r'frames_kept must be within \[0, 1\], is 1.2'),
        ('2.0e-3', '0.0', 'learning_rate must be positive, is 0.0'),
        ('seed: 0', 'displaced: {return_s: 0.0}', 'displaced: share must be within'),
        ('seed: 0', 'delay_s: 0.1', 'delay_s: must be a list of 2, not 0.1'),
        ('seed: 0', 'delay_s: [0.2, 0.1]', r'the range \[0.2, 0.1\] runs backwards'),
        ('seed: 0', 'seed: 0\nseed: 1', "key 'seed' is given twice"),
        ('2.0e-3', '2e-3', r'must be a finite number \(YAML needs 1.0e'),
        ('model: nano', 'model: nani', "unknown model 'nani'. Did you mean 'nano'"),
        ('at_end: true', 'at_end: maybe', "reach.at_end: must be true or false, not 'maybe'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_valid(written, old, new, said):
    with pytest.raises(ConfigError, match=said):
        read_train_config(written(old, new))


def test_a_config_goes_to_other_processes_and_into_json(written):
    config = read_train_config(written('seed: 0', 'seed: 5'))
    assert pickle.loads(pickle.dumps(config)) == config
    assert json.loads(json.dumps(config.to_dict()))['hindsight']['reach']['at_end'] is True


def test_without_a_folder_of_models_it_is_said_where_they_were_looked_for(tmp_path):
    path = tmp_path / 'demo.yaml'
    path.write_text((ROOT / 'config/train/demo.yaml').read_text())
    with pytest.raises(ConfigError, match='its model is looked for in'):
        read_train_config(path)


def test_a_missing_key_is_named(written):
    with pytest.raises(ConfigError, match="key 'robots' is missing"):
        read_train_config(written('robots: [ur5e, franka_fr3, openarm_bimanual]\n', ''))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match='does not exist'):
        read_train_config(tmp_path / 'none.yaml')
