"""The trainer learns, stops, resumes, and comes to the same weights."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_episodes import CONFIG, SPEC, episode

from gen_nodes.errors import ConfigError
from gen_nodes.train.batches import RobotEpisodes
from gen_nodes.train.config import TrainConfig
from gen_nodes.train.loop import Trainer

CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def trainer(out, config: TrainConfig = CONFIG, workers: int = 0) -> Trainer:
    out.mkdir(exist_ok=True)

    def made(seed: int) -> dict[str, RobotEpisodes]:
        return {
            'made_up': RobotEpisodes([episode(seed), episode(seed + 1, 'track')], SPEC, config, CPU)
        }

    return Trainer(config, made(0), made(5), CPU, out, workers)


def test_a_resumed_run_comes_to_the_same_weights_as_an_uninterrupted_one(tmp_path):
    whole = trainer(tmp_path / 'whole')
    list(whole.run())
    broken = trainer(tmp_path / 'broken')
    for row in broken.run():
        if row['step'] == 6:  # the state on disk is that of step 6, in the middle of the act stage
            break
    resumed = trainer(tmp_path / 'broken')
    assert resumed.resume() and resumed.step == 6
    list(resumed.run())
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], tensor, atol=1e-6, rtol=0)


def test_sequences_drawn_by_a_worker_are_the_same(tmp_path):
    one, other = (trainer(tmp_path / str(workers), workers=workers) for workers in (0, 1))
    for run in (one, other):
        list(run.run())
    for name, tensor in one.model.state_dict().items():
        torch.testing.assert_close(other.model.state_dict()[name], tensor, atol=1e-6, rtol=0)


def test_the_reading_stays_fixed_in_the_act_stage(tmp_path):
    run = trainer(tmp_path / 'run')
    fixed = None
    for row in run.run():
        if row['step'] == CONFIG.goal_steps + 1:
            fixed = {k: v.clone() for k, v in run.model.vision.state_dict().items()}
    assert all(torch.equal(v, fixed[k]) for k, v in run.model.vision.state_dict().items())


def test_the_curve_has_a_row_for_the_end_of_each_stage(tmp_path):
    list(trainer(tmp_path / 'run').run())
    with (tmp_path / 'run/curve.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [int(r['step']) for r in rows] == [CONFIG.goal_steps, CONFIG.all_steps]
    assert float(rows[-1]['made_up/held_out_flow']) > 0


def test_training_lowers_the_flow_loss(tmp_path):
    run = trainer(
        tmp_path / 'run',
        replace(CONFIG, steps=150, checkpoint_every=1000, batch=4, learning_rate=3e-3),
    )
    flow = [float(row['made_up/flow']) for row in run.run() if 'made_up/flow' in row]
    assert np.mean(flow[-10:]) < 0.8 * np.mean(flow[:10])


def test_a_state_of_another_config_is_refused_by_the_key_that_differs(tmp_path):
    list(trainer(tmp_path / 'run').run())
    with pytest.raises(ConfigError, match=r"'steps' was 4, is 9.*--fresh"):
        trainer(tmp_path / 'run', replace(CONFIG, steps=9)).resume()
