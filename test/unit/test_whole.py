"""Files that are there whole or not at all."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gen_nodes.whole import is_device, whole, write_whole


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    with whole(path) as partial:
        partial.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['a.json']


def test_what_was_begun_and_not_ended_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), whole(path) as partial:
        partial.write_text('ne')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['a.json']


def test_a_pipe_is_written_directly(tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, 'grüezi')
    reader.join(5)
    assert heard == ['grüezi'] and pipe.is_fifo()


def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    real, link = tmp_path / 'a' / 'real.json', tmp_path / 'link.json'
    real.parent.mkdir()
    real.write_text('old')
    real.chmod(0o600)
    link.symlink_to(real)
    write_whole(link, 'new')
    assert link.is_symlink() and real.read_text() == 'new'
    assert real.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ['a', 'link.json'] and os.listdir(real.parent) == [
        'real.json'
    ]


def test_standard_output_that_is_a_file_is_written_and_not_replaced(tmp_path):
    code = "from gen_nodes.whole import *; write_whole(Path('/dev/stdout'), 'said')"
    with open(tmp_path / 'out', 'w') as out:
        subprocess.run([sys.executable, '-c', code], stdout=out, check=True)
    assert (tmp_path / 'out').read_text() == 'said'
    assert is_device(Path('/dev/stdout')) and Path('/dev/stdout').is_symlink()
