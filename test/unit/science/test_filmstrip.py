import base64

import cv2
import numpy as np
import pytest

from gen_nodes.data.bags import BagWriter
from gen_nodes.data.episode_bags import EpisodeWriter
from gen_nodes.errors import BagError
from gen_nodes.robot import load_robot
from gen_nodes.science.filmstrip import read_film
from gen_nodes.types import NS, CameraSample, Episode, EpisodeEvent

START_NS = 1_700_000_000 * NS


def write_bag(path, count):
    """A bag whose n-th front picture is of brightness 2 n."""
    episode = Episode(START_NS, EpisodeEvent.START, 'reach_7', 'touch the red ball', 'reach')
    writer = EpisodeWriter(path, load_robot('ur5e'), episode)
    for n in range(count):
        stamp = START_NS + n * NS // 30
        rgb = np.full((96, 96, 3), (2 * n, 0, 0), np.uint8)
        depth = np.ones((96, 96), np.uint16)
        sample = CameraSample('front', stamp, stamp, 'eye', rgb, depth, np.eye(3), np.eye(4))
        writer.sample(sample, stamp)
    writer.close(START_NS + count * NS // 30, 'success')
    return path


def pixels(frame):
    png = base64.b64decode(frame.data_url.removeprefix('data:image/png;base64,'))
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_frames_are_the_recorded_pixels_evenly_spread_with_their_times(tmp_path):
    film = read_film(write_bag(tmp_path / 'bag', 61), 5)
    assert film.topic == '/front/color/image_raw'
    assert [frame.time_s for frame in film.frames] == pytest.approx([0, 0.5, 1, 1.5, 2], abs=1e-6)
    for n, frame in zip((0, 15, 30, 45, 60), film.frames, strict=True):
        np.testing.assert_array_equal(pixels(frame), np.full((96, 96, 3), (2 * n, 0, 0)))


def test_a_film_carries_the_episode_it_shows(tmp_path):
    film = read_film(write_bag(tmp_path / 'bag', 3))
    assert (film.id, film.instruction) == ('reach_7', 'touch the red ball')
    assert len(film.frames) == 3


def test_a_bag_without_pictures_is_an_error_that_names_it(tmp_path):
    BagWriter(tmp_path / 'bare').close({})
    with pytest.raises(BagError, match='bare'):
        read_film(tmp_path / 'bare')
