"""The frame of the command line: late imports, errors in one line, honest statuses."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gen_nodes.cli import hil
from gen_nodes.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[3]
FOREIGN = ROOT / 'test'  # any other directory


def gen(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-m', 'gen_nodes.cli.main', *words],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def test_help_lists_every_command_and_imports_neither_torch_nor_ros():
    code = (
        'import sys; from gen_nodes.cli.main import main; main(["--help"]); '
        'sys.exit(bool({"torch", "rclpy", "mujoco"} & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, help_line in COMMANDS.items():
        assert f'{name} ' in done.stdout and help_line in done.stdout


@pytest.mark.parametrize('command', COMMANDS)
def test_every_listed_command_exists_and_explains_itself(command, capsys):
    module = importlib.import_module(f'gen_nodes.cli.{command}')
    assert module.HELP and (hasattr(module, 'COMMANDS') or callable(module.run))
    with pytest.raises(SystemExit) as end:
        main([command, '--help'])
    assert end.value.code == 0 and f'usage: gen {command}' in capsys.readouterr().out


def test_an_unknown_command_names_the_nearest():
    done = gen('evla')
    assert done.returncode == 2 and done.stdout == ''
    assert done.stderr.startswith("gen: unknown command 'evla'. Did you mean 'eval'?")
    assert done.stderr.count('\n') == 1


def test_a_group_lists_its_commands_and_a_wrong_one_names_the_nearest():
    listed = gen('hil', '--help')
    assert listed.returncode == 0 and 'usage: gen hil COMMAND' in listed.stdout
    for name, help_line in hil.COMMANDS.items():
        assert f'{name} ' in listed.stdout and help_line in listed.stdout
    done = gen('hil', 'hostil')
    assert done.returncode == 2 and done.stdout == '' and done.stderr.count('\n') == 1
    assert done.stderr.startswith("gen: unknown hil command 'hostil'. Did you mean 'hostile'?")


def test_an_unknown_robot_is_one_line_with_the_nearest_name():
    done = gen('up', 'ur5')
    assert done.returncode == 1 and done.stderr.count('\n') == 1
    assert "Did you mean 'ur5e'?" in done.stderr


def test_debug_shows_where_an_error_came_from():
    assert 'Traceback' in gen('up', 'ur5', '--debug').stderr
    assert 'Traceback' not in gen('up', 'ur5').stderr


@pytest.mark.parametrize(
    'words',
    [('up',), ('up', 'ur5e', '--sekonds', '3'), ('up', 'ur5e', '--seconds', 'x'), ('--what',)],
)
def test_a_command_line_that_cannot_be_read_is_one_line_and_status_two(words):
    done = gen(*words)
    assert done.returncode == 2 and done.stderr.count('\n') == 1 and '--help' in done.stderr


def test_gen_works_from_anywhere_and_through_a_symlink(tmp_path):
    link = tmp_path / 'gen'
    link.symlink_to(ROOT / 'gen')
    done = subprocess.run([link, '--help'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and 'usage: gen COMMAND' in done.stdout


def test_a_shell_that_inherited_half_of_the_environment_still_gets_a_working_rclpy():
    broken = {k: v for k, v in os.environ.items() if k not in ('LD_LIBRARY_PATH', 'PYTHONPATH')}
    broken['_ROS_WHEELS_BOOTSTRAP_COMPLETE'] = '1'
    code = 'import rclpy; from gen_stack.msg import Observation; rclpy.init(); print("works")'
    done = subprocess.run(
        [ROOT / 'gen', 'python', '-c', code],
        env=broken,
        cwd=FOREIGN,
        capture_output=True,
        text=True,
    )
    assert done.stdout == 'works\n', done.stderr


def test_a_reader_that_stops_reading_causes_no_traceback():
    code = f'{sys.executable} -m gen_nodes.cli.main --help | head -c 1'
    done = subprocess.run(['bash', '-c', code], capture_output=True, text=True)
    assert done.stderr == ''


def test_ctrl_c_ends_with_130_and_one_line():
    running = subprocess.Popen(
        [sys.executable, '-m', 'gen_nodes.cli.main', 'up', 'ur5e', '--real'],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # else a background job's
    )
    while 'not safety-rated' not in running.stderr.readline():  # now it asks for confirmation
        assert running.poll() is None
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=10)
    assert running.returncode == 130 and said.splitlines()[-1] == 'gen: interrupted'
