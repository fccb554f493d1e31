"""What cameras show is where it is."""

import dataclasses

import numpy as np
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.hil.camera import RayCaster, intrinsics, look_at
from gen_nodes.hil.emulator import Emulator
from gen_nodes.robot import load_robot
from gen_nodes.types import CameraSample, seconds_to_ns


def first_image(emulator, stream):
    samples = emulator.step(emulator.now_ns + seconds_to_ns(0.1))
    return next(s for s in samples if isinstance(s, CameraSample) and s.stream == stream)


def pixels_of(image, colour):
    """Pixels (v, u) whose colour is nearest to a saturated one and far from grey."""
    rgb = image.rgb_HxWx3.astype(float)
    channel = {'red': 0, 'green': 1, 'blue': 2}[colour]
    others = np.delete(rgb, channel, axis=-1).max(-1)
    return np.argwhere((rgb[..., channel] > 1.8 * others + 15) & (image.depth_mm_HxW > 0))


def back_project(image, pixels):
    """Points (K, 3) in the base frame."""
    v, u = pixels.T
    z = image.depth_mm_HxW[v, u] / 1000
    local = np.stack([u, v, np.ones(len(u))], -1) @ np.linalg.inv(image.k_3x3).T * z[:, None]
    return local @ image.base_from_camera_4x4[:3, :3].T + image.base_from_camera_4x4[:3, 3]


def primary_target_episodes(emulator, count):
    """Seeds of reach episodes whose target is red, green or blue (yellow is two channels)."""
    seeds = (
        seed
        for seed in range(100)
        if not emulator.reset(seed, 'reach', 0).target.startswith('yellow')
    )
    return [next(seeds) for _ in range(count)]


@pytest.mark.parametrize('shift_m', [0.0, 0.2])
def test_back_projected_ball_pixels_lie_on_the_ball_wherever_the_camera_stands(
    emulator, world, shift_m
):
    emulator.shift_cameras(shift_m)
    for seed in primary_target_episodes(emulator, 5):
        scene = emulator.reset(seed, 'reach', 0)
        image = first_image(emulator, 'front')
        points = back_project(image, pixels_of(image, scene.balls[0].colour))
        assert len(points) >= 4
        to_centre = np.linalg.norm(points - scene.balls[0].position, axis=1)
        # the median pixel sits on the sphere; an edge pixel may mix in a depth from behind
        assert abs(np.median(to_centre) - world.ball.radius) < 0.01
    emulator.shift_cameras(0.0)


def test_a_shifted_camera_stands_just_that_far_beside(emulator):
    before = emulator.draw(3, 'reach').views['front']
    emulator.shift_cameras(0.2)
    after = emulator.draw(3, 'reach').views['front']
    emulator.shift_cameras(0.0)
    assert np.linalg.norm(after[:3, 3] - before[:3, 3]) == pytest.approx(0.2)


def test_camera_poses_and_light_differ_between_episodes(ur5e):
    first, second = ur5e.draw(1, 'reach'), ur5e.draw(2, 'reach')
    assert np.linalg.norm(first.views['front'] - second.views['front']) > 0.01
    assert np.abs(first.look.to_light - second.look.to_light).max() > 0.01


def test_the_wrist_camera_sees_beyond_its_own_link(emulator):
    if 'wrist' not in emulator._spec.streams:
        pytest.skip('no camera on its hand')
    emulator.reset(0, 'reach', 0)
    depth = first_image(emulator, 'wrist').depth_mm_HxW
    assert np.mean(depth > 200) > 0.5


def test_an_image_is_the_same_for_the_same_seed_and_noisy_otherwise(ur5e):
    images = []
    for _ in range(2):
        ur5e.reset(4, 'reach', 0)
        images.append(first_image(ur5e, 'front'))
    assert np.array_equal(images[0].rgb_HxWx3, images[1].rgb_HxWx3)
    assert np.array_equal(images[0].depth_mm_HxW, images[1].depth_mm_HxW)
    later = first_image(ur5e, 'front')
    assert not np.array_equal(images[0].rgb_HxWx3, later.rgb_HxWx3)


def test_another_darkroom_develops_the_same_image(ur5e):
    ur5e.reset(5, 'track', 0)
    exposures = [item for item in ur5e.advance(seconds_to_ns(0.2)) if hasattr(item, 'noise_seed')]
    here = [ur5e.new_darkroom().develop(item) for item in exposures]
    ur5e.reset(5, 'track', 0)
    there = [item for item in ur5e.step(seconds_to_ns(0.2)) if isinstance(item, CameraSample)]
    assert len(here) > 4
    assert all(np.array_equal(a.rgb_HxWx3, b.rgb_HxWx3) for a, b in zip(here, there, strict=True))


def test_tracing_only_tiles_that_shapes_reach_changes_no_pixel(emulator):
    class EveryTile(RayCaster):
        def _occupied(self, data, pose_4x4, exclude_body):
            return np.ones(len(self._middles_Tx3), bool)

    quick, full = emulator.new_darkroom(), emulator.new_darkroom()
    full._caster = EveryTile(full._model, emulator._plant.floor_geom, emulator._world.camera)
    emulator.reset(6, 'reach', 0)
    exposures = [item for item in emulator.advance(0) if hasattr(item, 'noise_seed')]
    assert len(exposures) == 2
    for exposure in exposures:
        assert np.array_equal(quick.geoms(exposure), full.geoms(exposure))


def test_what_look_at_looks_at_is_in_the_middle_of_the_image():
    k = intrinsics(96, 96, 60.0)
    pose = look_at(np.array([1.0, 0.5, 0.8]), np.array([0.1, 0.2, 0.3]), roll_rad=0.3)
    local = np.linalg.inv(pose) @ [0.1, 0.2, 0.3, 1.0]
    pixel = k @ local[:3]
    assert np.allclose(pixel[:2] / pixel[2], [47.5, 47.5])
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)


def test_a_resolution_that_is_no_multiple_of_the_tile_is_refused(ur5e, world):
    with pytest.raises(ConfigError, match='multiples of 8'):
        RayCaster(ur5e.new_darkroom()._model, 0, dataclasses.replace(world.camera, width=97))


def test_the_native_resolution_is_the_worlds(world):
    camera = dataclasses.replace(world.camera, width=160, height=120)
    emulator = Emulator(load_robot('ur5e'), dataclasses.replace(world, camera=camera), seed=0)
    image = first_image(emulator, 'front')
    assert image.rgb_HxWx3.shape == (120, 160, 3)
    assert image.depth_mm_HxW.shape == (120, 160)
    assert image.k_3x3[0, 2] == 79.5
