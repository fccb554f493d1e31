import json

import pytest

from gen_nodes.cli.collect import note_run, runs_of
from gen_nodes.cli.main import main
from gen_nodes.errors import ConfigError


def test_every_run_into_a_folder_stays_in_its_account(tmp_path):
    path = tmp_path / 'collect.json'
    path.write_text(json.dumps({'command': 'gen collect of an older version'}))
    for command in ('gen collect --seed 0', 'gen collect --seed 1'):
        note_run(path, {'command': command})
    assert [run['command'][-8:] for run in runs_of(path)] == [' version', '--seed 0', '--seed 1']


def test_an_account_that_cannot_be_read_is_refused_before_the_run(tmp_path):
    (tmp_path / 'collect.json').write_text('[]')
    with pytest.raises(ConfigError, match='move it away'):
        runs_of(tmp_path / 'collect.json')


def test_a_learner_that_is_no_checkpoint_is_refused_before_any_worker_starts(tmp_path, capsys):
    learner = tmp_path / 'learner.safetensors'
    learner.write_bytes(b'nothing of use')
    assert main(['collect', '--out', str(tmp_path / 'out'), '--learner', str(learner)]) == 1
    said = capsys.readouterr().err
    assert 'damaged or truncated' in said and said.count('\n') == 1
    assert not (tmp_path / 'out').exists()
