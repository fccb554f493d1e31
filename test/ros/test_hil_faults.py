"""Faults in the running stack, end to end: met, written, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

FAULTS = ('chunk_nan', 'chunk_permuted', 'joint_states_nan', 'estop_pressed')
KEYS = {
    'fault',
    'detected_s',
    'stopped_s',
    'periods_to_stop',
    'commands_after_stop',
    'diagnosed_s',
    'resume_jump_rad',
    'ok',
}


def begin(folder: Path, *faults: str) -> subprocess.Popen:
    only = [word for fault in faults for word in ('--only', fault)]
    call = ['hil', 'faults', '--robot', 'ur5e', '--json', str(folder / 'f.json')]
    return subprocess.Popen(
        [sys.executable, '-m', 'gen_nodes.cli.main', *call, '--out', str(folder), *only],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_behind(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in word for word in process.cmdline()):
                found.append(' '.join(process.cmdline()))
        except psutil.Error:
            pass  # it ended meanwhile
    return found


def test_faults_are_met_as_they_must_be_and_their_figures_are_written(tmp_path):
    process = begin(tmp_path, *FAULTS)
    said, _ = process.communicate(timeout=240)
    rows = json.loads((tmp_path / 'f.json').read_text())
    assert [row['fault'] for row in rows] == list(FAULTS), said
    assert all(row['ok'] for row in rows), [row for row in rows if not row['ok']]
    assert process.returncode == 0
    assert all(row.keys() >= KEYS for row in rows)
    nan = next(row for row in rows if row['fault'] == 'joint_states_nan')
    assert nan['mode'] == 'STOPPED' and nan['periods_to_stop'] <= 2
    assert nan['commands_after_stop'] == 0 and nan['resume_jump_rad'] <= 1e-3
    assert not left_behind(tmp_path)


def test_ctrl_c_writes_what_was_done_so_far_and_leaves_no_process(tmp_path):
    process = begin(tmp_path, *(f'chunk_{name}' for name in ('nan', 'inf', 'old_stamp', 'flood')))
    for text in process.stdout:
        if text.startswith(('PASS', 'FAIL')):
            break
    else:
        pytest.fail(f'it ended by itself, with exit status {process.wait()}')
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.stdout.close()
    assert len(json.loads((tmp_path / 'f.json').read_text())) == 1
    end = time.monotonic() + 10
    while left_behind(tmp_path) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left_behind(tmp_path)
    assert not [name for name in os.listdir(tmp_path) if name.endswith('.part')]
