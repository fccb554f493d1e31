"""Messages without ROS: what is written is what ROS would write, and every conversion comes back
unchanged.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest

from gen_nodes.data.messages import RosbagsMessages, message_folder
from gen_nodes.errors import BagError
from gen_nodes.ros import convert
from gen_nodes.streams.pose import canonical, from_xyz_rpy
from gen_nodes.types import (
    ActionChunk,
    AudioSample,
    CameraSample,
    CommandSample,
    ControllerState,
    Episode,
    EpisodeEvent,
    Heartbeat,
    JointSample,
    Mode,
    Observation,
    StreamHealth,
    StreamState,
    TactileSample,
    WrenchSample,
)

T = 1_700_000_000_123_456_789
RNG = np.random.default_rng(0)
NAN = np.full(2, np.nan)
CAMERA = CameraSample(
    'front',
    T,
    T,
    'optical',
    RNG.integers(0, 255, (4, 5, 3), dtype=np.uint8),
    RNG.integers(0, 65535, (4, 5), dtype=np.uint16),
    RNG.normal(size=(3, 3)),
    canonical(from_xyz_rpy((0.1, -0.2, 0.3), (1, 2, 3))),
)
SAMPLES = (
    JointSample(
        'joint_states', T - 5, T, ('a', 'b'), RNG.normal(size=2), NAN, np.array([1.0, np.nan])
    ),
    WrenchSample('wrench', T, T, 'tool0', RNG.normal(size=3), RNG.normal(size=3)),
    CAMERA,
    CameraSample('wrist', T, T, '', CAMERA.rgb_HxWx3, None, CAMERA.k_3x3, np.eye(4)),
    TactileSample('skin', T, T, 'tip', RNG.random((2, 3)).astype(np.float32)),
    AudioSample('mic', T, T, 16000, RNG.integers(-9, 9, (7, 2), dtype=np.int16)),
    CommandSample(
        'executed',
        T,
        T,
        9,
        'position',
        ('a', 'b'),
        RNG.normal(size=2),
        RNG.normal(size=2),
        ('a:velocity',),
        ('disturbance',),
    ),
)
HEALTH = (
    StreamHealth('front', StreamState.FAULTY, 30.0, 0.5, 7, 3, {'black': 4}),
    StreamHealth('wrist', StreamState.WAITING, 0.0, -1.0, 0, 0),
)
OBSERVATION = Observation(T, 3, 'touch the red ball', SAMPLES, HEALTH)
CHUNK = ActionChunk(
    T,
    T - 7,
    5,
    ('a', 'b'),
    'position',
    np.array([0.0, 0.1, 0.2]),
    RNG.normal(size=(3, 2)),
    RNG.normal(size=(3, 2)),
    RNG.random((3, 2)),
)
STATE = ControllerState(T, Mode.HOLDING, 'why', 'what next', 0.5, -1.0, 5, 6, 7, 0.25, T - 3)
HEARTBEAT = Heartbeat(T, 'data_recorder', False, T - 9, 'disk full', 'free it', 4_000_000_001)
EPISODE = Episode(T, EpisodeEvent.STOP, 'e1', 'touch', 'reach', 'success', 'note')
ROUND_TRIPS = [
    (
        'gen_stack/msg/Observation',
        OBSERVATION,
        lambda m, v: convert.observation_message(m, v, 'base'),
        convert.observation_of,
    ),
    (
        'gen_stack/msg/ActionChunk',
        CHUNK,
        lambda m, v: convert.action_chunk_message(m, v, 'base'),
        convert.action_chunk_of,
    ),
    (
        'gen_stack/msg/ControllerState',
        STATE,
        convert.controller_state_message,
        convert.controller_state_of,
    ),
    (
        'gen_stack/msg/Heartbeat',
        HEARTBEAT,
        convert.heartbeat_message,
        convert.heartbeat_of,
    ),
    ('gen_stack/msg/Episode', EPISODE, convert.episode_message, convert.episode_of),
]


def same(a, b) -> bool:
    """Equality to the bit of nested frozen values."""
    if is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)
        )
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def factories() -> list:
    """The offline factory, and ROS's own where it is there."""
    try:
        import gen_stack.msg  # noqa: F401

        from gen_nodes.ros.messages_rclpy import RclpyMessages
    except ImportError:
        return [RosbagsMessages()]
    return [RosbagsMessages(), RclpyMessages()]


@pytest.mark.parametrize('m', factories(), ids=lambda m: type(m).__name__)
@pytest.mark.parametrize(
    ('type_name', 'value', 'to', 'back'), ROUND_TRIPS, ids=lambda x: str(x)[:30]
)
def test_every_value_survives_its_message_and_the_wire(m, type_name, value, to, back) -> None:
    wire = m.serialize(type_name, to(m, value))
    assert same(back(m.deserialize(type_name, wire)), value)


@pytest.mark.parametrize(
    ('type_name', 'value', 'to', 'back'), ROUND_TRIPS, ids=lambda x: str(x)[:30]
)
def test_offline_and_ros_read_each_others_bytes(type_name, value, to, back) -> None:
    every = factories()
    if len(every) < 2:
        pytest.skip('ROS messages are not here')
    offline, ros = every
    assert same(
        back(ros.deserialize(type_name, offline.serialize(type_name, to(offline, value)))), value
    )
    assert same(
        back(offline.deserialize(type_name, ros.serialize(type_name, to(ros, value)))), value
    )


def test_type_hashes_are_those_that_ros_built() -> None:
    built = sorted(
        Path(message_folder().parent, 'install/gen_stack/share/gen_stack/msg').glob('*.json')
    )
    if not built:
        pytest.skip('messages were not built with colcon here')
    for path in built:
        hashes = {
            h['type_name']: h['hash_string'] for h in json.loads(path.read_text())['type_hashes']
        }
        name = f'gen_stack/msg/{path.stem}'
        assert RosbagsMessages().type_hash(name) == hashes[name]


def test_definitions_name_everything_they_need() -> None:
    text = RosbagsMessages().definition('gen_stack/msg/Observation')
    for part in (
        'gen_stack/CameraFrame',
        'sensor_msgs/Image',
        'std_msgs/Header',
        'gen_stack/StreamHealth',
    ):
        assert f'MSG: {part}' in text


def test_an_unknown_field_or_type_is_refused() -> None:
    m = RosbagsMessages()
    with pytest.raises(TypeError, match='no field'):
        m.make('std_msgs/msg/String', text='x')
    with pytest.raises(BagError, match='unknown'):
        m.make('other_msgs/msg/Thing')
    with pytest.raises(BagError, match='cannot be decoded'):
        m.deserialize('sensor_msgs/msg/JointState', b'\x00\x01\x00\x00abc')


def test_names_and_values_that_disagree_are_an_error() -> None:
    m = RosbagsMessages()
    message = m.make('sensor_msgs/msg/JointState', name=['a', 'b'], position=np.zeros(3))
    with pytest.raises(ValueError, match='3 values for 2 names'):
        convert.joint_sample(message, 'joint_states', T)
