"""gen eval and gen demo as a person calls them, on a tiny run."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from gen_nodes.data.bags import BagReader

GEN = [sys.executable, '-m', 'gen_nodes.cli.main']
CONTRACT = {
    'robot',
    'task',
    'episodes',
    'seed',
    'checkpoint_sha256',
    'success',
    'track_error_m',
    'latency_ms',
    'control',
    'recorder',
    'versions',
}
ACTORS = {'policy', 'expert', 'hold', 'blind'}


def gen(*words: object, timeout: float = 150) -> subprocess.CompletedProcess:
    return subprocess.run([*GEN, *map(str, words)], capture_output=True, text=True, timeout=timeout)


def test_eval_measures_live_and_reports_what_the_contract_names(tmp_path):
    path = tmp_path / 'eval.json'
    done = gen(
        'eval',
        '--actor',
        'expert',
        '--episodes',
        4,
        '--references',
        'hold',
        '--json',
        path,
        '--out',
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    assert report.keys() >= CONTRACT
    assert set(report['success']) == set(report['track_error_m']) == ACTORS
    assert report['success']['hold'] == 0.0
    for name in ('aggregator', 'capture_to_command', 'relay_floor'):
        latency = report['latency_ms'][name]
        assert 0 < latency['p50'] <= latency['p99'], name
    assert report['control']['period_ms']['p50'] == pytest.approx(8.0, rel=0.1)
    recorder = report['recorder']
    assert recorder['published'] > 500 and recorder['unaccounted'] == 0
    assert report['deaths'] == [] and not any(report['left_behind'].values())
    assert report['memory_mb']['total'] < 1500
    bag = BagReader(Path(report['bags'][0]))
    assert bag.finished and bag.topics['/joint_states'].count > 100


def test_lockstep_evaluates_the_same_scenes_without_ros(checkpoint, tmp_path):
    path = tmp_path / 'eval.json'
    words = (
        'eval',
        '--lockstep',
        '--episodes',
        1,
        '--references',
        'blind',
        '--task',
        'reach',
        '--seed',
        5,
        '--checkpoint',
        checkpoint,
        '--camera-shift',
        0.1,
        '--json',
        path,
    )
    done = gen(*words)
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    assert report.keys() >= CONTRACT and report['mode'] == 'lockstep'
    assert report['success']['policy'] is not None and report['success']['expert'] is None
    rows = report['episodes_detail'] + report['references_detail']['blind']
    assert len({row['instruction'] for row in rows}) == 1


def test_demo_leaves_report_and_bags_and_nothing_else(tmp_path):
    done = gen(
        'demo', '--actor', 'expert', '--seconds', 3, '--no-references', '--out', tmp_path / 'demo'
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (tmp_path / 'demo').iterdir()} == {
        '.gen_demo',
        'report.json',
        'report.html',
        'bags',
        'log',
    }
    report = json.loads((tmp_path / 'demo/report.json').read_text())
    row = report['episodes_detail'][0]
    assert row['success'] and len(row['tip_m']) == len(row['target_m']) > 5
    assert report['figures']['control_period']


def test_ctrl_c_in_the_middle_closes_the_bag_and_ends_everything_within_seconds(tmp_path):
    words = [
        'eval',
        '--actor',
        'expert',
        '--task',
        'track',
        '--episodes',
        '3',
        '--references',
        '--out',
        str(tmp_path),
    ]
    process = subprocess.Popen(
        [*GEN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob('bags/*/*.mcap')) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1.0)
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors.splitlines()[-1] == 'gen: interrupted'
    assert time.monotonic() - began < 20
    assert len(children) >= 5 and not [child for child in children if child.is_running()]
    bag = BagReader(next(tmp_path.glob('bags/*')))
    assert bag.finished and bag.custom['note'] == 'interrupted'


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        (('--robot', 'ur5'), "unknown robot 'ur5'. Did you mean 'ur5e'?"),
        (('--task', 'track_'), "unknown task 'track_'. Did you mean 'track'?"),
        (('--episodes', 0), '--episodes 0 must be at least 1'),
        (('--camera-shift', 7), '--camera-shift 7.0 must lie in [0, 1] m'),
        (('--references', 'exprt'), "unknown reference 'exprt'. Did you mean 'expert'?"),
        (
            ('--checkpoint', 'nowhere.safetensors'),
            "checkpoint 'nowhere.safetensors' does not exist",
        ),
        (('--json', 'nowhere/eval.json'), 'there is no folder'),
    ],
)
def test_what_cannot_be_evaluated_is_one_clear_line(words, line):
    done = gen('eval', *words)
    assert done.returncode == 1 and done.stdout == ''
    assert len(done.stderr.splitlines()) == 1 and line in done.stderr


def test_a_truncated_checkpoint_stops_the_demo_before_anything_moves(checkpoint, tmp_path):
    broken = tmp_path / 'broken.safetensors'
    broken.write_bytes(checkpoint.read_bytes()[:50_000])
    done = gen('demo', '--checkpoint', broken, '--out', tmp_path / 'demo')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'is damaged or truncated' in done.stderr.splitlines()[-1]
    assert not list((tmp_path / 'demo').glob('bags/*'))


def test_an_unknown_robot_or_task_stops_the_demo_with_the_nearest_name():
    for words, line in (
        (('--robot', 'franka'), "Did you mean 'franka_fr3'?"),
        (('--task', 'rech'), "Did you mean 'reach'?"),
    ):
        done = gen('demo', *words)
        assert done.returncode == 1 and line in done.stderr and 'Traceback' not in done.stderr
