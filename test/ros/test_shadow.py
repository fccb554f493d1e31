"""gen shadow as a person calls it: recordings through the real nodes over isolated DDS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

from gen_nodes.data.bags import BagReader
from gen_nodes.data.episode_bags import EpisodeWriter
from gen_nodes.hil.lockstep import HoldActor, Lockstep
from gen_nodes.hil.world import load_world
from gen_nodes.robot import load_robot
from gen_nodes.types import NS, Episode, EpisodeEvent

REAL = Path(__file__).parents[2] / '../shared/data/real'
START = 1_700_000_000 * NS


def shadow(*arguments: object, tmp_path: Path) -> tuple[dict, subprocess.CompletedProcess]:
    path = tmp_path / 'report.json'
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'gen_nodes.cli.main',
            'shadow',
            '--json',
            str(path),
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )
    return json.loads(path.read_text()) if path.exists() else {}, done


def accounted(report: dict, bag: BagReader) -> None:
    streams = report['streams'].values()
    assert sum(s['recorded'] for s in streams) == bag.count
    for stream in streams:
        assert stream['recorded'] == stream['used'] + sum(stream['dropped'].values())
        assert all(count > 0 for count in stream['dropped'].values())


@pytest.fixture(scope='module')
def emulated(tmp_path_factory) -> Path:
    """Four seconds of an arm that stands still, as a bag."""
    spec, path = load_robot('ur5e'), tmp_path_factory.mktemp('bags') / 'still'
    loop = Lockstep(spec, load_world('tabletop'), 0)
    scene = loop.emulator.reset(1, 'reach', START)
    writer = EpisodeWriter(
        path, spec, Episode(START, EpisodeEvent.START, 'still', scene.instruction, 'reach')
    )
    loop.run(HoldActor(), 'reach', 1, START, writer, seconds=4.0)
    writer.close(START + 4 * NS, 'failure')
    return path


@pytest.fixture(scope='module')
def checkpoint(untrained) -> Path:
    return untrained('front', 'wrist')


def test_an_emulated_episode_is_judged_through_the_whole_stack(
    emulated, checkpoint, tmp_path
) -> None:
    report, done = shadow(
        '--bag', emulated, '--robot', 'ur5e', '--checkpoint', checkpoint, tmp_path=tmp_path
    )
    assert done.returncode == 0, done.stderr
    bag = BagReader(emulated)
    accounted(report, bag)
    assert report['decisions'] > 0 and report['next_action_mse'] > 0
    assert report['next_action_mse_hold'] < 1e-3
    assert report['latency_ms']['aggregator']['p50'] > 0
    assert 'no robot was commanded' in report['shadow']


@pytest.mark.parametrize(
    ('name', 'robot'), [('fr3_teleop_162853', 'franka_fr3'), ('ur10_raw_db3', 'ur5e')]
)
def test_a_real_recording_without_a_camera_is_accounted_for_and_the_policy_says_what_it_lacks(
    name, robot, checkpoint, tmp_path
) -> None:
    if not (REAL / name).exists():
        pytest.skip(f'{name} is not on this machine')
    report, done = shadow(
        '--bag',
        REAL / name,
        '--robot',
        robot,
        '--checkpoint',
        checkpoint,
        '--instruction',
        'touch the red ball',
        tmp_path=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    accounted(report, BagReader(REAL / name))
    assert report['streams']['joint_states']['used'] > 0
    assert report['decisions'] == 0 and report['next_action_mse'] is None
    assert "'front'" in report['next_action_reason']
    assert report['next_action_mse_hold'] > 0
    if name.startswith('fr3'):
        assert report['streams']['joint_states']['dropped']['repeated'] > 0


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('--robot', 'ur5f'), "Did you mean 'ur5e'?"),
        (('--robot', 'ur5e', '--rate', '0'), 'must lie in'),
        (('--robot', 'franka_fr3'), 'is not of franka_fr3'),
        (('--robot', 'ur5e', '--remap', 'x'), 'must look like'),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments, words, emulated, tmp_path) -> None:
    report, done = shadow('--bag', emulated, *arguments, tmp_path=tmp_path)
    assert done.returncode == 1 and not report
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1
