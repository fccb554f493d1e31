"""A checkpoint loads whole and honest, or says what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gen_nodes.errors import CheckpointError
from gen_nodes.model.config import ModelConfig
from gen_nodes.model.harmonic import HarmonicModel
from gen_nodes.policy.checkpoint import (
    CheckpointHeader,
    check_streams,
    load_checkpoint,
    save_checkpoint,
)
from gen_nodes.robot import load_robot
from gen_nodes.streams.tokens import TOKENISER_VERSION

CONFIG = ModelConfig(width=32, layers=1, heads=2, pixel_features=8, words=64)


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / 'small.safetensors'
    save_checkpoint(
        path, HarmonicModel(CONFIG), CheckpointHeader(CONFIG, ('front',), {'version': 'x'})
    )
    return path


def rewritten(path, edit):
    """The same file with another header."""
    with safe_open(path, framework='pt') as file:
        about = json.loads(file.metadata()['gen_stack'])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    edit(about, weights)
    save_file(weights, path, metadata={'gen_stack': json.dumps(about)})
    return path


def test_what_was_saved_comes_back(checkpoint):
    model, header = load_checkpoint(checkpoint)
    torch.manual_seed(0)
    for name, tensor in HarmonicModel(CONFIG).state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    assert header.cameras == ('front',) and header.provenance == {'version': 'x'}


def test_saving_leaves_no_partial_file(checkpoint):
    assert [p.name for p in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_a_truncated_file_is_refused_as_damaged(checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match='damaged or truncated'):
        load_checkpoint(checkpoint)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r'none\.safetensors.*does not exist'):
        load_checkpoint(tmp_path / 'none.safetensors')


def test_foreign_safetensors_are_refused(tmp_path):
    save_file({'x': torch.zeros(1)}, tmp_path / 'foreign.safetensors')
    with pytest.raises(CheckpointError, match='not a gen_stack checkpoint'):
        load_checkpoint(tmp_path / 'foreign.safetensors')


def test_another_tokeniser_version_is_refused_with_both_numbers(checkpoint):
    path = rewritten(checkpoint, lambda about, _: about.update(tokeniser_version=99))
    said = f'tokeniser_version 99, this code has {TOKENISER_VERSION}'
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda about: about.pop('provenance'), "header lacks 'provenance'"),
        (lambda about: about['model'].pop('knot_s'), "header lacks 'model.knot_s'"),
        (lambda about: about['model'].update(width='big'), 'model.width: must be a whole number'),
        (lambda about: about.update(cameras='front'), 'cameras: must be a list'),
    ],
)
def test_a_header_that_cannot_be_honoured_is_refused(checkpoint, change, said):
    rewritten(checkpoint, lambda about, _: change(about))
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(checkpoint)


def test_non_finite_weights_are_refused(checkpoint):
    path = rewritten(checkpoint, lambda _, weights: weights['relation'].fill_(torch.nan))
    with pytest.raises(CheckpointError, match="non-finite weights in 'relation'"):
        load_checkpoint(path)


def test_a_stream_that_the_robot_requires_must_be_known(checkpoint):
    _, header = load_checkpoint(checkpoint)
    with pytest.raises(CheckpointError, match="does not know stream 'front'"):
        check_streams(checkpoint, replace(header, cameras=()), load_robot('ur5e'))


def test_a_camera_that_the_robot_lacks_is_named(checkpoint):
    _, header = load_checkpoint(checkpoint)
    with pytest.raises(CheckpointError, match="no camera stream 'ceiling'"):
        check_streams(checkpoint, replace(header, cameras=('front', 'ceiling')), load_robot('ur5e'))
