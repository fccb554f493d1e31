"""From nothing to a measured checkpoint by the command line alone, as small as it gets."""

import json
import subprocess
import sys
from pathlib import Path

CONFIG = """
name: tiny
model: tiny
robots: [ur5e]
bags: bags
cameras: [front]
hindsight:
  reach: {at_end: true}
  track: {at_end: false, after_s: 2.0, settle_s: 1.2}
goal_steps: 3
goal_batch: 4
steps: 4
batch: 2
decisions: 2
warmup: 2
validate_every: 100
checkpoint_every: 100
"""
MODEL = 'name: tiny\nwidth: 32\nlayers: 1\nheads: 2\nmlp_ratio: 2\n'


def gen(folder: Path, *words: object) -> str:
    """Run a command in the folder; what it said."""
    done = subprocess.run(
        [sys.executable, '-m', 'gen_nodes.cli.main', *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_collect_train_and_eval_lead_from_nothing_to_a_measured_checkpoint(tmp_path) -> None:
    for path, text in (('train/tiny.yaml', CONFIG), ('model/tiny.yaml', MODEL)):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(text)
    gen(tmp_path, 'collect', '--robot', 'ur5e', '--episodes', 2, '--out', 'bags')
    gen(tmp_path, 'train', 'train/tiny.yaml', '--out', 'trained', '--device', 'cpu')
    said = gen(
        tmp_path,
        *('eval', '--robot', 'ur5e', '--task', 'reach', '--lockstep', '--episodes', 1),
        *('--references', '--checkpoint', 'trained/tiny.safetensors', '--json', 'eval.json'),
    )
    assert 'eval.json' in said
    report = json.loads((tmp_path / 'eval.json').read_text())
    assert report['episodes'] == 1 and report['success']['policy'] in (0.0, 1.0)
    (run,) = json.loads((tmp_path / 'bags' / 'collect.json').read_text())['runs']
    assert run['episodes'] == 4 and run['command'].startswith('gen collect --robot ur5e')
    assert len(list((tmp_path / 'bags' / 'ur5e').iterdir())) == 4
