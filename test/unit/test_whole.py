"""Files that are there whole or not at all."""

import os
import threading

import pytest

from gen_nodes.whole import whole, write_whole


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
