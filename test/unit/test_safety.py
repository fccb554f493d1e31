"""The safety section of a robot YAML: read as written, refused where it cannot be meant."""

from pathlib import Path

import numpy as np
import pytest

from gen_nodes.errors import ConfigError
from gen_nodes.robot import (
    CollisionSpec,
    EstopSpec,
    RobotSpec,
    WrenchLimit,
    load_robot,
    resource_root,
)

BOX = '{min: [-1, -1, 0], max: [1, 1, 2]}'
MODE = 'topics: [{topic: /mode, type: ur_dashboard_msgs/msg/SafetyMode, field: mode, '


def robot(tmp_path: Path, *lines: str) -> RobotSpec:
    """The UR5e with these lines in its safety section, in place of its topics."""
    text = (resource_root() / 'config' / 'robots' / 'ur5e.yaml').read_text()
    head, tail = text.split('safety:\n')
    safety, streams = tail.split('\nstreams:\n')
    safety = safety.split('  topics:')[0]
    added = ''.join(f'  {line}\n' for line in lines)
    file = tmp_path / 'ur5e.yaml'
    file.write_text(f'{head}safety:\n{safety}{added}\nstreams:\n{streams}')
    return load_robot(str(file))


def test_what_is_not_written_has_its_default(tmp_path):
    spec = robot(tmp_path)
    assert spec.safety_topics == () and spec.fences == () and spec.wrench_limit is None
    assert spec.estop == EstopSpec('estop', 0.5, False)
    assert spec.self_collision == CollisionSpec(0.01, 0.06, ())


def test_self_collision_can_be_switched_off_and_set(tmp_path):
    assert robot(tmp_path, 'self_collision: false').self_collision is None
    given = 'self_collision: {margin: 0.02, slow: 0.1, ignore: [[upper_arm_link, wrist_1_link]]}'
    assert robot(tmp_path, given).self_collision == CollisionSpec(
        0.02, 0.1, (('upper_arm_link', 'wrist_1_link'),)
    )


def test_estop_and_wrench_are_read(tmp_path):
    spec = robot(
        tmp_path,
        'estop: {topic: /cell/estop, required: true}',
        'wrench: {stream: wrench, force: 60, torque: 6}',
    )
    assert spec.estop == EstopSpec('/cell/estop', 0.5, True)
    assert spec.wrench_limit == WrenchLimit('wrench', 60.0, 6.0)


def test_fences_are_read_only_boxes(tmp_path):
    cell, post = robot(
        tmp_path, f'fences: [{{name: cell, keep_in: {BOX}}}, {{name: post, keep_out: {BOX}}}]'
    ).fences
    assert (cell.name, cell.keep_in, post.name, post.keep_in) == ('cell', True, 'post', False)
    assert np.array_equal(cell.lower, [-1, -1, 0]) and np.array_equal(cell.upper, [1, 1, 2])
    assert not cell.lower.flags.writeable


def test_allow_permits_its_values_only(tmp_path):
    (topic,) = robot(tmp_path, MODE + 'allow: [1, 2]}]').safety_topics
    assert (topic.field, topic.name) == ('mode', '/mode mode')
    assert [value for value in range(10) if topic.allowed(value)] == [1, 2]
    assert topic.allowed(b'\x02')  # a field of type byte


def test_stop_when_forbids_its_values_only(tmp_path):
    (topic,) = robot(tmp_path, MODE + 'stop_when: 3}]').safety_topics
    assert [value for value in range(10) if not topic.allowed(value)] == [3]


@pytest.mark.parametrize('rule', ['allow: 1', 'stop_when: 3', 'allow: one', 'stop_when: one'])
def test_a_value_of_another_type_never_permits_motion(tmp_path, rule):
    (topic,) = robot(tmp_path, MODE + f'{rule}}}]').safety_topics
    assert not topic.allowed(True) and not topic.allowed(None) and not topic.allowed(1.0)


def test_one_topic_may_be_asked_for_two_fields(tmp_path):
    entry = '{topic: /state, type: rby1_msgs/msg/RobotState, field: %s, allow: 1}'
    names = [
        t.name for t in robot(tmp_path, f'topics: [{entry % "a"}, {entry % "b"}]').safety_topics
    ]
    assert names == ['/state a', '/state b']


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        (MODE + 'allow: 1, stop_when: 3}]', 'exactly one of stop_when .* and allow'),
        (MODE.rstrip(', ') + '}]', 'none given'),
        (MODE + 'allow: []}]', 'a list of one'),
        (MODE + 'allow: [1, true]}]', 'values of one type'),
        (MODE + 'allow: [1, 1]}]', 'a value twice'),
        (MODE + 'allow: 1.5}]', 'a whole number'),
        (MODE.replace('field: mode', "field: 'mode[0]'") + 'allow: 1}]', 'field must be a field'),
        (MODE.replace('/msg/', '/') + 'allow: 1}]', 'std_msgs/msg/Bool'),
        (f'fences: [{{name: a, keep_in: {BOX}, keep_out: {BOX}}}]', 'exactly one of keep_in'),
        ('fences: [{name: a}]', 'none given'),
        (f'fences: [{{keep_in: {BOX}}}]', "key 'name' is missing"),
        (f'fences: [{{name: a, keep_in: {BOX}}}, {{name: a, keep_in: {BOX}}}]', "'a' stands twice"),
        (
            'fences: [{name: a, keep_in: {min: [0, 0, 2], max: [1, 1, 2]}}]',
            "'a': min z 2 must be below 2",
        ),
        ('fences: [{name: a, keep_in: {min: [0, 0], max: [1, 1, 1]}}]', 'a list of 3 numbers'),
        ('wrench: {stream: wrist, force: 1, torque: 1}', "stream of type wrench 'wrist'"),
        ('wrench: {stream: wrench, force: -1, torque: 1}', 'force must be within'),
        ('wrench: {stream: wrench, force: 1}', "'torque' is missing"),
        ('estop: {timeout: 1}', "unknown key 'timeout'"),
        ('estop: {timeout_s: 0}', 'timeout_s must be within'),
        ('estop: {required: 1}', 'true or false'),
        ('self_collision: {margin: 0.1}', 'slow 0.06 must be above margin 0.1'),
        ('self_collision: {ignore: [[tool0, tol0]]}', "Did you mean 'tool0'"),
        ('self_collision: {ignore: [[tool0, tool0]]}', 'different links'),
        ('self_collision: {ignore: [[tool0]]}', 'pairs such as'),
        ('self_collision: {ignore: tool0}', 'a list of pairs'),
        ('self_collision: 3', 'must be a mapping'),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_fix(tmp_path, line, reason):
    with pytest.raises(ConfigError, match=reason):
        robot(tmp_path, line)
