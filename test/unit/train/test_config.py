"""Train configs are read strictly."""

from __future__ import annotations

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
    assert (config.displaced.tip_m, config.displaced.return_s) == (0.01, 0.2)


def test_a_missing_key_is_named(written):
    with pytest.raises(ConfigError, match="missing key 'robots'"):
        read_train_config(written('robots: [ur5e, franka_fr3, openarm_bimanual]\n', ''))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match='does not exist'):
        read_train_config(tmp_path / 'none.yaml')
