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
ATTEMPTS = 3
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
    """On a machine that stalls a trial may be disturbed: what was not met is tried again."""
    met, left = {}, list(FAULTS)
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = begin(folder, *left)
        said, _ = process.communicate(timeout=240)
        rows = json.loads((folder / 'f.json').read_text())
        assert [row['fault'] for row in rows] == left, said
        assert all(row.keys() >= KEYS for row in rows)
        met |= {row['fault']: row for row in rows if row['ok']}
        assert process.returncode == (0 if all(row['ok'] for row in rows) else 1)
        assert not left_behind(folder)
        left = [name for name in left if name not in met]
        if not left:
            break
    assert not left, rows
    nan = met['joint_states_nan']
    assert nan['mode'] == 'STOPPED' and nan['periods_to_stop'] <= 2
    assert nan['commands_after_stop'] == 0 and nan['resume_jump_rad'] <= 1e-3


def test_ctrl_c_writes_what_was_done_so_far_and_leaves_no_process(tmp_path):
    process = begin(tmp_path, *(f'chunk_{name}' for name in ('nan', 'inf', 'old_stamp', 'flood')))
    for text in process.stdout:
        if text.startswith(('PASS', 'FAIL')):
            break
    else:
        pytest.fail(f'it ended by itself, with exit status {process.wait()}')
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert len(json.loads((tmp_path / 'f.json').read_text())) == 1
    end = time.monotonic() + 10
    while left_behind(tmp_path) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left_behind(tmp_path)
    assert not [name for name in os.listdir(tmp_path) if name.endswith('.part')]
