"""What gen hil run refuses, before anything starts."""

import argparse
import json
import subprocess
import sys

import pytest

from gen_nodes.cli import hil_run
from gen_nodes.errors import ConfigError
from gen_nodes.hil.acceptance.steps import NAMES


def arguments(*words):
    parser = argparse.ArgumentParser()
    hil_run.add_arguments(parser)
    return parser.parse_args(['--robot', 'ur5e', *words])


def test_a_wrong_step_lists_the_valid_ones():
    with pytest.raises(ConfigError) as error:
        hil_run.run(arguments('--only', 'stoping'))
    assert "Did you mean 'stopping'?" in str(error.value)
    assert all(name in str(error.value) for name in NAMES)


def test_nobody_may_agree_in_advance_to_what_a_real_robot_does():
    with pytest.raises(ConfigError, match='--yes is refused with --target real'):
        hil_run.run(arguments('--target', 'real', '--yes'))


def test_a_real_robot_needs_a_person_at_a_terminal():
    command = [sys.executable, '-m', 'gen_nodes.cli.main', 'hil', 'run', '--robot', 'ur5e']
    done = subprocess.run(
        [*command, '--target', 'real'], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 1 and 'run it in a terminal' in done.stderr


@pytest.mark.parametrize('option', ['--json', '--html'])
def test_a_path_that_cannot_be_written_is_named_before_anything_moves(option, tmp_path):
    with pytest.raises(ConfigError, match=option):
        hil_run.run(arguments(option, str(tmp_path / 'gone' / 'x')))


def test_a_wrong_robot_or_folder_is_named_before_anything_starts(tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"unknown robot 'ur5'. Did you mean 'ur5e'\?"):
        hil_run.run(arguments('--robot', 'ur5'))
    (tmp_path / 'file').touch()
    with pytest.raises(ConfigError, match=r'--out .* cannot be made'):
        hil_run.run(arguments('--out', str(tmp_path / 'file')))
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('words', [('--speed', '0'), ('--speed', '2'), ('--seed', '-1')])
def test_figures_out_of_range_are_refused(words):
    with pytest.raises(ConfigError, match=words[0]):
        hil_run.run(arguments(*words))


def test_the_description_alone_is_checked_without_starting_anything(tmp_path, capsys):
    json_path, html_path = tmp_path / 'a.json', tmp_path / 'a.html'
    words = ('--only', 'description', '--json', str(json_path), '--html', str(html_path))
    assert hil_run.run(arguments(*words)) == 0
    report = json.loads(json_path.read_text())
    assert report['passed'] and [step['name'] for step in report['steps']] == ['description']
    assert report['robot'] == 'ur5e' and report['target'] == 'emulator' and report['seed'] == 0
    assert len(report['config_sha256']) == 64 and report['machine'] and report['started']
    assert '1 of 1 steps' in html_path.read_text()
    assert '1 of 1 steps passed' in capsys.readouterr().out
    assert not [path for path in tmp_path.iterdir() if path.name.endswith('partial')]
