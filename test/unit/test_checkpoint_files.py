"""Which file is run, and which is refused before anything starts."""

import pytest
from safetensors.numpy import save_file

from gen_nodes.checkpoint_files import find_checkpoint, sha256, shipped_checkpoint
from gen_nodes.errors import CheckpointError


@pytest.fixture
def whole(tmp_path):
    import numpy as np

    save_file({'weights': np.zeros(1000)}, tmp_path / 'whole.safetensors')
    return tmp_path / 'whole.safetensors'


@pytest.mark.parametrize('given', [None, ''])
def test_without_a_name_it_is_the_one_that_ships(given):
    assert find_checkpoint(given) == shipped_checkpoint()


def test_a_whole_file_is_taken_as_it_is(whole):
    assert find_checkpoint(str(whole)) == whole.resolve()


def test_a_file_that_is_missing_or_truncated_is_refused(whole, tmp_path):
    with pytest.raises(CheckpointError, match='does not exist'):
        find_checkpoint(tmp_path / 'nowhere')
    whole.write_bytes(whole.read_bytes()[:500])
    with pytest.raises(CheckpointError, match='damaged or truncated'):
        find_checkpoint(whole)


def test_the_checksum_is_that_of_the_content(tmp_path):
    (tmp_path / 'a').write_bytes(b'')
    assert sha256(tmp_path / 'a').startswith('e3b0c44298fc1c14')
