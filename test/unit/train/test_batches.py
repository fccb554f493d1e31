"""What a learner is shown: nothing of the future, nothing but the demonstrator's will."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_episodes import CONFIG, MODEL, SPEC, N, episode, shorter

from gen_nodes.robot import load_robot
from gen_nodes.train.arrays import at
from gen_nodes.train.batches import (
    SETTLED_S,
    RobotEpisodes,
    Sampler,
    acting_tip,
    goal_of_frames,
    visibility,
)
from gen_nodes.train.bodies import Bodies
from gen_nodes.train.config import Displaced, Hindsight

BODIES = Bodies(SPEC)
HERE = np.zeros(N)


@pytest.fixture
def rows() -> dict:
    return Sampler([episode(0), episode(1)], BODIES, CONFIG).draw(np.random.default_rng(0), 16)


def arrivals(row: dict) -> torch.Tensor:
    """When every context token arrived (B,S): goals of frames, then joints."""
    frames = row['frame_arrival'].repeat_interleave(MODEL.readouts, 1)
    return torch.cat((frames, row['body_arrival'].repeat_interleave(N, 1)), 1)


def test_no_decision_sees_what_had_not_arrived(rows):
    row = {k: torch.as_tensor(v) for k, v in rows.items()}
    seen = visibility(row, MODEL, N).decision
    arrival = arrivals(row)
    later = arrival[:, None] > row['tick_arrival'][..., None] + 1e-6
    assert seen.any() and not (seen & later).any()


def test_context_tokens_never_see_later_arrivals(rows):
    row = {k: torch.as_tensor(v) for k, v in rows.items()}
    seen = visibility(row, MODEL, N).context
    arrival = arrivals(row)
    later = arrival[:, None] > arrival[..., None] + 1e-6
    itself = torch.eye(arrival.shape[1], dtype=torch.bool)
    assert not (seen & later & ~itself).any()


def test_frames_are_noticed_at_an_observation_and_never_before_they_arrive():
    sampler = Sampler([episode(0)], BODIES, CONFIG)
    rows = sampler.draw(np.random.default_rng(1), 8)
    delay = rows['frame_arrival'] - rows['frame_capture']
    assert (delay[rows['frame_valid']] >= 0.02 - 1e-6).all()


def test_marked_commands_are_no_targets():
    sampler = Sampler([episode(0)], BODIES, CONFIG)
    meta = sampler.meta[0]
    _, known = sampler._target(meta, np.array([0.1, 0.5, 1.02]), HERE)
    times = np.array([0.1, 0.5, 1.02])[:, None] + MODEL.knot_s * np.arange(MODEL.knots)
    touches = (times + MODEL.knot_s > 0.81) & (times < 0.99 + SETTLED_S)
    assert touches.any(1).all() and not known[:, 0][touches].any()
    assert known[0, 0][times[0] + MODEL.knot_s < 0.8].all()
    assert not known[0, 0][times[0] > 0.8].any(), 'nobody could foresee what followed the marks'
    assert not known[2].any(), 'the arm still brakes'


def test_a_displaced_arm_is_led_back_to_the_demonstration():
    config = shorter(displaced=Displaced(share=1.0, tip_m=0.03, return_s=0.2))
    sampler = Sampler([episode(0)], BODIES, config)
    meta = sampler.meta[0]
    aside = BODIES.displacement(np.random.default_rng(0), SPEC.ready, 0, config.displaced)
    commit = np.array([1.5])
    (shown, _), (asked, _) = (sampler._target(meta, commit, a) for a in (HERE, aside))
    times = MODEL.knot_s * np.arange(MODEL.knots + 1)
    came = aside + MODEL.knot_s * MODEL.rate_scale * np.cumsum((asked - shown)[0], axis=-1).T
    np.testing.assert_allclose(came, aside * np.exp(-times[1:, None] / 0.2), atol=1e-5)
    moved = BODIES.kinematics.tips(SPEC.ready + aside) - BODIES.kinematics.tips(SPEC.ready)
    assert 0.01 < np.linalg.norm(moved) < 0.15


def test_joints_are_shown_where_the_targets_lead_back_from():
    sampler = Sampler([episode(0)], BODIES, shorter(displaced=Displaced(share=1.0)))
    plain = Sampler([episode(0)], BODIES, shorter(displaced=Displaced(share=0.0)))
    a, b = (s.draw(np.random.default_rng(5), 64) for s in (sampler, plain))
    np.testing.assert_array_equal(a['commit_time'], b['commit_time'])
    gap = np.linalg.norm(a['decision_tip'] - b['decision_tip'], axis=-1)[..., 0]
    assert 0.03 < np.median(gap) < 0.08  # three axes of 0.03 m, and what the joints add
    known = (a['known'] * b['known'])[:, :, 0, 0] > 0
    rates = ((a['target'] - b['target'])[..., 0] * MODEL.rate_scale)[known]
    back = np.linalg.norm(rates, axis=-1)
    assert np.corrcoef(back, gap[known])[0, 1] > 0.5


def test_measured_joints_are_blurred_anew_in_every_drawing():
    still = np.tile(SPEC.ready, (300, 1))
    one, other = (BODIES.blurred(np.random.default_rng(seed), still) for seed in (1, 2))
    assert not np.allclose(one, other)
    assert one.std(0) == pytest.approx(np.full(N, 0.1), rel=0.2)


def test_another_arm_than_the_acting_one_stays_where_it_was():
    bodies = Bodies(load_robot('openarm_bimanual'))
    aside = bodies.displacement(
        np.random.default_rng(0), bodies.spec.ready, 1, Displaced(share=1.0)
    )
    assert (aside[bodies.chain == 0] == 0).all() and (aside[bodies.chain == 1] != 0).sum() == 7


def test_targets_are_the_mean_rates_of_the_commands():
    sampler = Sampler([episode(0)], BODIES, CONFIG)
    target, known = sampler._target(sampler.meta[0], np.array([1.5]), HERE)
    times = 1.5 + MODEL.knot_s * np.arange(MODEL.knots + 1)
    expected = np.diff(np.sin(2 * times)) / MODEL.knot_s / MODEL.rate_scale
    np.testing.assert_allclose(target[0, 0][known[0, 0] > 0], expected[known[0, 0] > 0], atol=2e-3)


def test_targets_beyond_the_end_are_unknown():
    sampler = Sampler([episode(0)], BODIES, CONFIG)
    _, known = sampler._target(sampler.meta[0], np.array([2.3]), HERE)
    assert known[0, 0][:3].all() and not known[0, 0][5:].any()


def test_commands_are_held_beyond_the_ends():
    meta = Sampler([episode(0)], BODIES, CONFIG).meta[0]
    np.testing.assert_array_equal(at(meta, np.array([-1.0]))[0], meta['command'][0])
    np.testing.assert_array_equal(at(meta, np.array([99.0]))[0], meta['command'][-1])


def test_the_goal_in_hindsight_is_where_the_tip_ended():
    e = episode(0)
    goal, known = goal_of_frames(e, Hindsight(at_end=True))
    np.testing.assert_array_equal(goal, np.repeat(e.arrays['tips'][-1, 0][None], len(goal), 0))
    assert known.all()


def test_the_goal_of_a_moving_target_is_unknown_before_it_was_met_and_after_a_push():
    e = episode(0, 'track')
    _, known = goal_of_frames(e, Hindsight(at_end=False, after_s=0.5, settle_s=0.4))
    capture = e.arrays['frame_capture']
    expected = (capture >= 0.5) & ~((capture > 0.81) & (capture < 0.99 + 0.4))
    assert (known == expected).mean() > 0.97


def test_drawing_is_repeatable_for_a_seed():
    sampler = Sampler([episode(0), episode(1)], BODIES, CONFIG)
    a, b = (sampler.draw(np.random.default_rng(3), 4) for _ in range(2))
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_first_frames_come_from_the_beginnings_of_episodes():
    episodes = RobotEpisodes([episode(0), episode(1)], SPEC, CONFIG, torch.device('cpu'))
    count = len(episode(0).arrays['rgb'])
    assert (episodes.first_known % count < 10).all()


def test_the_acting_tip_is_the_one_that_the_demonstrator_moved_not_the_one_that_was_pushed():
    arrays = dict(episode(0).arrays)
    ticks, still = arrays['body_capture'], np.zeros(3)
    pushed = np.where((ticks > 0.8) & (ticks < 1.0), 3 * (ticks - 0.8), 0.6 * (ticks >= 1.0))
    led = 0.1 * ticks
    arrays['tips'] = np.stack(
        (pushed[:, None] + still, led[:, None] + still), axis=1
    )  # the first goes further, but only under the marks
    assert np.ptp(arrays['tips'][:, 0]) > np.ptp(arrays['tips'][:, 1])
    assert acting_tip(arrays) == 1
    arrays['marked'] = np.zeros_like(arrays['marked'])
    assert acting_tip(arrays) == 0
