"""What can be asked of gen hil faults, and how its result is written."""

import json

import pytest

from gen_nodes.cli.hil_faults import chosen, line, stop_is_said, write
from gen_nodes.cli.main import main
from gen_nodes.errors import ConfigError
from gen_nodes.hil.faults.catalogue import FAULTS
from gen_nodes.hil.faults.trial import Row
from gen_nodes.robot import load_robot

ROW = Row('f', 0.1, 0.2, 1.0, 0, 0.3, 1e-4, True, 'STOPPED', 'STOPPED', 'r', 'c', '')


def test_an_unknown_fault_is_refused_with_the_names_there_are(capsys):
    assert main(['hil', 'faults', '--robot', 'ur5e', '--only', 'chunk_nam']) == 1
    said = capsys.readouterr().err
    assert "Did you mean 'chunk_nan'?" in said and 'estop_pressed' in said


def test_faults_come_in_the_order_of_the_list():
    names = [fault.name for fault in chosen(['estop_pressed', 'chunk_nan'], load_robot('ur5e'))]
    assert names == ['chunk_nan', 'estop_pressed']


def test_the_list_names_every_fault_that_the_robot_can_have(capsys):
    assert main(['hil', 'faults', '--robot', 'ur5e', '--list']) == 0
    listed = {text.split()[0] for text in capsys.readouterr().out.splitlines()}
    assert {fault.name for fault in FAULTS if not fault.needs} <= listed


def test_a_result_is_written_whole_and_read_back_as_a_page(tmp_path, capsys):
    path = tmp_path / 'ur5e.json'
    write(path, [ROW])
    assert [entry['fault'] for entry in json.loads(path.read_text())] == ['f']
    assert list(tmp_path.iterdir()) == [path]
    assert main(['hil', 'faults', '--table', str(path)]) == 0
    assert '| ur5e, 6 joints | 1 | 1 | 0.1 s |' in capsys.readouterr().out


def test_what_is_no_result_is_refused(tmp_path, capsys):
    path = tmp_path / 'ur5e.json'
    path.write_text('{}')
    assert main(['hil', 'faults', '--table', str(path)]) == 1
    assert 'is not a result of gen hil faults' in capsys.readouterr().err


def test_a_fault_that_the_robot_cannot_have_is_refused_by_name():
    spec = load_robot('ur5e')
    other = 'protective_stop_unsaid' if stop_is_said(spec) else 'protective_stop'
    with pytest.raises(ConfigError, match=f"fault '{other}' is not for ur5e"):
        chosen([other], spec)


def test_a_line_says_verdict_and_figures():
    assert line(ROW).split()[:3] == ['PASS', 'f', 'STOPPED']
    assert 'named 0.3 s' in line(ROW)
