"""Truth survives its message."""

import json

import numpy as np

from gen_nodes.data.messages import RosbagsMessages
from gen_nodes.hil.truth_messages import scene_text, truth_message, truth_of
from gen_nodes.types import NS


def test_truth_comes_back_from_its_message(emulator, world):
    scene = emulator.reset(1, 'track', 0)
    emulator.advance(2 * NS)
    truth = emulator.truth()
    colours = {ball.name: world.ball.colours[ball.colour] for ball in scene.balls}
    message = truth_message(
        RosbagsMessages(), truth, emulator._spec.base_frame, world.ball.radius, colours
    )
    back = truth_of(message, scene.target)
    assert back.stamp_ns == truth.stamp_ns
    assert np.allclose(back.tips_Tx3, truth.tips_Tx3)
    for name, place in truth.objects.items():
        assert np.allclose(back.objects[name], place)
        assert np.allclose(back.velocities[name], truth.velocities[name])
    assert np.isclose(back.error_m, truth.error_m)


def test_a_scene_says_what_a_judge_needs(ur5e):
    scene = ur5e.draw(3, 'reach').scene
    said = json.loads(scene_text(scene, 5))
    assert said['instruction'] == scene.instruction and said['target'] in said['objects']
    assert (said['task'], said['seed'], said['start_ns'], said['time_limit_s']) == (
        'reach',
        3,
        5,
        8.0,
    )
