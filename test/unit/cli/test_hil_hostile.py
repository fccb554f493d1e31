"""gen hil hostile: its report, its file, its errors, its status."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from gen_nodes.cli import hil_hostile
from gen_nodes.cli.main import INTERRUPTED, main
from gen_nodes.errors import GenError
from gen_nodes.hil.hostile.report import Tally
from gen_nodes.hil.hostile.run import Plan

GEN = [sys.executable, '-m', 'gen_nodes.cli.main']


def test_the_report_and_the_file_tell_the_same(tmp_path, capsys):
    report_path, dump = tmp_path / 'report.json', tmp_path / 'commands.parquet'
    words = ('--robot', 'ur5e', '--chunks', '1000', '--seed', '7')
    assert main(['hil', 'hostile', *words, '--json', str(report_path), '--dump', str(dump)]) == 0
    report = json.loads(report_path.read_text())
    assert (report['robot'], report['chunks'], report['violations']) == ('ur5e', 1000, 0)
    assert set(report['worst']) == {'position', 'velocity', 'acceleration', 'jerk'}
    assert report['checker']['moved'] is True and report['interrupted'] is False
    assert report['seed'] == 7 and report['version'] and report['robot_sha256']
    assert sum(report['refused'].values()) > 20 and report['machine']['cores'] > 0
    table = pq.read_table(dump)
    assert sum(table['commanded'].to_pylist()) == report['commands'] * 6
    assert len(np.unique(table['segment'])) == report['checker']['segments']
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith('.')] == []
    said = capsys.readouterr().out
    assert 'ur5e: 1,000 hostile chunks' in said and ' 0 violations' in said


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (('--robot', 'ur5'), "Did you mean 'ur5e'?"),
        (('--robot', 'ur5e', '--chunks', '0'), '--chunks 0 must lie in [1, 1000000000]'),
        (('--robot', 'ur5e', '--jobs', '0'), '--jobs 0 must lie in'),
        (('--robot', 'ur5e', '--seed', '-1'), '--seed -1 must lie in'),
        (('--robot', 'ur5e', '--json', '/no/where/a.json'), "--json '/no/where/a.json': there is"),
        (('--robot', 'ur5e', '--dump', '/no/where/a.pq'), "--dump '/no/where/a.pq': there is"),
        (('--robot', 'ur5e', '--json', 'a.pq', '--dump', './a.pq'), "name the same file 'a.pq'"),
        (('--robot', 'ur5e', '--dump', '/'), "--dump '/' cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, said, capsys):
    assert main(['hil', 'hostile', *words]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count('\n') == 1


def test_ctrl_c_writes_what_had_ended_and_leaves_no_part_of_a_file(tmp_path):
    report_path, dump = tmp_path / 'report.json', tmp_path / 'commands.parquet'
    words = ('--robot', 'ur5e', '--chunks', '50000', '--jobs', '2', '--dump', str(dump))
    process = subprocess.Popen(
        [*GEN, 'hil', 'hostile', *words, '--json', str(report_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(tmp_path.glob('.*.part')) and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, error = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED and error.endswith('gen: interrupted\n')
    assert list(tmp_path.iterdir()) == [report_path]
    report = json.loads(report_path.read_text())
    assert report['interrupted'] is True and report['chunks'] < 50_000


class Impatient(Tally):
    """Somebody presses Ctrl-C as the second trial ends."""

    def add(self, part):
        if self.chunks:
            raise KeyboardInterrupt
        super().add(part)


@pytest.mark.parametrize('jobs', [1, 2])
def test_the_report_of_an_interrupted_run_is_on_the_trials_that_had_ended(jobs, tmp_path):
    args = argparse.Namespace(robot='ur5e', seed=1, jobs=jobs, dump=tmp_path / 'a.parquet')
    tally = Impatient(Plan('ur5e', 300, seed=1, trial_chunks=100))
    with pytest.raises(KeyboardInterrupt):
        hil_hostile.provoke(args, tally)
    report = tally.report()
    assert (report['interrupted'], report['chunks'], report['trials']) == (True, 100, 3)
    assert report['commands'] > 100 and not list(tmp_path.iterdir())


def report(**changes) -> dict:
    return {
        'violations': 0,
        'first_violations': {},
        'checker': {'moved': True, 'pressed': True},
    } | changes


def test_a_violation_or_a_robot_that_did_not_move_ends_with_status_one():
    hil_hostile.judge(report())
    at = {'joint': 'elbow', 'fraction': 1.5, 'stamp_ns': 3, 'segment': 9}
    with pytest.raises(GenError, match=r'4 violations; the first of jerk: elbow at 1.5 of its li'):
        hil_hostile.judge(report(violations=4, first_violations={'jerk': at}))
    with pytest.raises(GenError, match='hardly moved'):
        hil_hostile.judge(report(checker={'moved': False, 'pressed': True}))
    with pytest.raises(GenError, match='no command came near the limits'):
        hil_hostile.judge(report(checker={'moved': True, 'pressed': False}))
