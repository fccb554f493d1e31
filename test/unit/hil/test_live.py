import numpy as np
import pytest

from gen_nodes.hil.live import EpisodeWatch, Scene
from gen_nodes.hil.tasks import Truth
from gen_nodes.hil.world import load_world
from gen_nodes.types import NS

WORLD = load_world('tabletop')
START_NS = 100 * NS


def truth(seconds: float, gap_m: float) -> Truth:
    objects = {'red ball': np.array([0.5, 0.0, 0.2]), 'blue ball': np.array([0.5, 0.3, 0.2])}
    tips = np.stack([objects['red ball'] + (gap_m, 0, 0), np.zeros(3)])
    still = {name: np.zeros(3) for name in objects}
    return Truth(
        START_NS + round(seconds * NS), tips, objects, still, 'red ball', np.zeros(0), np.zeros(0)
    )


def watch(task: str = 'reach') -> EpisodeWatch:
    return EpisodeWatch(
        'e1', Scene('touch the red ball', task, 'red ball', 3, 8.0), WORLD, START_NS
    )


def run(watch: EpisodeWatch, gap_m: float, start_s: float, end_s: float) -> None:
    for seconds in np.arange(start_s, end_s, 0.02):
        watch.update(truth(float(seconds), gap_m))


def test_a_ball_touched_long_enough_is_a_success_with_its_trajectory():
    w = watch()
    run(w, 0.2, 0.0, 1.0)
    run(w, 0.01, 1.0, 1.5)
    row = w.row()
    assert w.done and row.success and row.error_m == pytest.approx(0.01)
    assert 20 <= len(row.tip_m) == len(row.target_m) <= row.seconds * 26 + 1
    assert row.others_m == {'blue ball': (0.5, 0.3, 0.2)}


def test_what_was_seen_before_the_start_does_not_count():
    w = watch()
    run(w, 0.01, -1.0, 0.0)
    assert not w.done and w.truth is None


def test_an_unfinished_or_excused_episode_is_a_failure():
    w = watch()
    run(w, 0.01, 0.0, 0.2)
    assert not w.row().success
    run(w, 0.01, 0.2, 1.0)
    assert w.row().success and not w.row('a node died').success


def test_tracking_before_it_has_settled_has_no_error_and_no_success():
    w = watch('track')
    run(w, 0.01, 0.0, 2.0)
    assert w.row().error_m is None and not w.row().success
