"""Shards: what they were made from, and what is in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_episodes import episode

from gen_nodes.robot import load_robot
from gen_nodes.streams.tokens import Body, TokenBlock
from gen_nodes.train.arrays import _body_arrays, fingerprint, load_arrays, made_from

SPEC = load_robot('ur5e')


@pytest.fixture
def bag(tmp_path):
    folder = tmp_path / 'bag'
    folder.mkdir()
    (folder / 'bag_0.mcap').write_bytes(b'abc')
    return folder


def test_a_shard_says_what_it_was_made_from(tmp_path):
    path = tmp_path / 'shard.safetensors'
    replace(episode(0), made_from='these bags').save(path)
    assert made_from(path) == 'these bags' and load_arrays(path).made_from == 'these bags'
    assert made_from(tmp_path / 'none') == ''
    path.write_bytes(path.read_bytes()[:20])
    assert made_from(path) == ''


def test_another_bag_camera_or_robot_is_another_shard(bag):
    first = fingerprint(bag, SPEC, ('front',), 0.08)
    assert first == fingerprint(bag, SPEC, ('front',), 0.08)
    others = {
        fingerprint(bag, SPEC, ('wrist',), 0.08),
        fingerprint(bag, SPEC, ('front',), 0.04),
        fingerprint(bag, load_robot('franka_fr3'), ('front',), 0.08),
    }
    (bag / 'bag_0.mcap').write_bytes(b'abcd')
    others.add(fingerprint(bag, SPEC, ('front',), 0.08))
    assert len(others | {first}) == 5


def test_joints_are_kept_as_measured():
    still = np.zeros(SPEC.n)
    blocks = [TokenBlock(i, (), Body(i, i, SPEC.ready, still, still), True) for i in range(3)]
    arrays = _body_arrays(blocks, SPEC, 0)
    np.testing.assert_allclose(arrays['position'], np.tile(SPEC.ready, (3, 1)), atol=1e-6)
    np.testing.assert_allclose(arrays['tips'][0], SPEC.kinematics().tips(SPEC.ready), atol=1e-6)
