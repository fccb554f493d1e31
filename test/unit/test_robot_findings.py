"""Every warning, note and error that `gen robot check` can find, each by one change of a robot."""

from __future__ import annotations

from pathlib import Path

import pytest
from invented_robots import arm_urdf

from gen_nodes.robot import load_robot
from gen_nodes.robot_findings import ERROR, NOTE, WARNING, Case, Finding, judge
from gen_nodes.robot_sheet import sheet_of
from gen_nodes.urdf_tree import read_tree

YAML = """\
display_name: Twig
urdf: twig.urdf
base_frame: pedestal
joints: [yaw_joint, shoulder_joint, elbow_joint, wrist_joint, roll_joint]
tips: [tool_tip]
ready: {yaw_joint: 0.0, shoulder_joint: 0.3, elbow_joint: 1.5, wrist_joint: 1.2, roll_joint: 0.0}
control:
  rate_hz: 100
  chunk_timeout_s: 0.3
  paths:
    - kind: forward_position
      topic: /commands
      joints: [yaw_joint, shoulder_joint, elbow_joint, wrist_joint, roll_joint]
safety:
  velocity: 1.0
  acceleration: 4.0
  jerk: 80.0
  topics: [{topic: /may_move, type: std_msgs/msg/Bool, stop_when: false}]
  estop: {topic: /estop, required: true}
  wrench: {stream: wrist_ft, force: 50.0, torque: 5.0}
streams:
  joint_states: {type: joint_states, topic: /joint_states, rate_hz: 100, policy_rate_hz: 50,
                 timeout_s: 0.2, required: true}
  wrist_ft: {type: wrench, topic: /ft, frame: roll_link, mount: {parent: roll_link}, rate_hz: 100,
             policy_rate_hz: 50, timeout_s: 0.2, required: false}
"""


def found(tmp_path: Path, *edits: tuple[str, str], xml: str = '') -> dict[str, Finding]:
    """Findings by code for the twig with each `old` of its YAML replaced by `new`."""
    text = YAML
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / 'twig.urdf').write_text(xml or arm_urdf())
    (tmp_path / 'twig.yaml').write_text(text)
    spec = load_robot(str(tmp_path / 'twig.yaml'))
    case = Case(spec, sheet_of(spec), read_tree(spec.urdf_xml, 'twig'))
    return {finding.code: finding for finding in judge(case)}


def test_a_robot_with_nothing_odd_has_no_finding(tmp_path):
    assert found(tmp_path) == {}


FAST = arm_urdf(limit='velocity="20" effort="60"')
ENDLESS = arm_urdf().replace(
    'name="roll_joint" type="revolute"', 'name="roll_joint" type="continuous"'
)
MESH = arm_urdf(solid='<mesh filename="package://a/b.stl"/>')
BARE = MESH.replace('<collision>', '<nothing>').replace('</collision>', '</nothing>')
TWO_TIPS = ('tips: [tool_tip]', 'tips: [tool_tip, pedestal]')
WRENCH = (
    '  wrench: {stream: wrist_ft, force: 50.0, torque: 5.0}\n',
    '  wrist_ft: {type: wrench, topic: /ft, frame: roll_link, mount: {parent: roll_link}, '
    'rate_hz: 100,\n             policy_rate_hz: 50, timeout_s: 0.2, required: false}\n',
)


@pytest.mark.parametrize(
    ('level', 'code', 'edits', 'xml', 'says'),
    [
        (WARNING, 'fast', [('  velocity: 1.0\n', '')], '', 'with no cap of yours: yaw_joint, sh'),
        (WARNING, 'placeholder', [('  velocity: 1.0\n', '')], FAST, '10 rad/s or more for yaw_'),
        (NOTE, 'placeholder', [], FAST, 'capped by safety.velocity'),
        (WARNING, 'continuous', [], ENDLESS, 'no position limit stops them: roll_joint'),
        (
            WARNING,
            'ready_near_limit',
            [('elbow_joint: 1.5', 'elbow_joint: 2.55')],
            '',
            'within 3 % of its range from a limit: elbow_joint',
        ),
        (
            WARNING,
            'singular',
            [
                ('shoulder_joint: 0.3', 'shoulder_joint: 0.0'),
                ('elbow_joint: 1.5', 'elbow_joint: 0.0'),
                ('t: 1.2', 't: 0.0'),
            ],
            '',
            "singular for 'tool_tip': in one direction it moves 0.0 mm per rad",
        ),
        (ERROR, 'tip_outside', [TWO_TIPS], '', "tip 'pedestal' is moved by no commanded joint"),
        (
            WARNING,
            'idle_joint',
            [('tips: [tool_tip]', 'tips: [elbow_link]')],
            '',
            'moves no tip: wrist_joint, roll_joint',
        ),
        (WARNING, 'no_wrench', [(text, '') for text in WRENCH], '', 'contact is felt by nobody'),
        (NOTE, 'no_wrench_limit', [(WRENCH[0], '')], '', "'wrist_ft' stops nothing"),
        (
            WARNING,
            'no_safety_topic',
            [('[{topic: /may_move, type: std_msgs/msg/Bool, stop_when: false}]', '[]')],
            '',
            "a protective stop of the robot's own is not heard",
        ),
        (NOTE, 'estop_optional', [('/estop, required: true', '/estop')], '', "'/estop' need not"),
        (
            WARNING,
            'rate',
            [('rate_hz: 100\n  chunk', 'rate_hz: 200\n  chunk')],
            '',
            'commands at 200 Hz, joint states at 100 Hz',
        ),
        (
            WARNING,
            'long_timeout',
            [('chunk_timeout_s: 0.3', 'chunk_timeout_s: 0.6')],
            '',
            'control.chunk_timeout_s is 0.6 s',
        ),
        (
            WARNING,
            'long_timeout',
            [('timeout_s: 0.2, required: true', 'timeout_s: 0.9, required: true')],
            '',
            'streams.joint_states.timeout_s is 0.9 s',
        ),
        (
            WARNING,
            'slow_stop',
            [('acceleration: 4.0', 'acceleration: 0.8')],
            '',
            "'roll_joint' needs 1.3 s and 0.63 rad",
        ),
        (NOTE, 'jerk', [('jerk: 80.0', 'jerk: 5000.0')], '', 'limits nothing at 100 Hz'),
        (WARNING, 'mesh', [], MESH, 'collision meshes are not read: pedestal'),
        (WARNING, 'no_collision_shapes', [], BARE, 'no collision primitive'),
        (
            WARNING,
            'self_collision_off',
            [('  estop', '  self_collision: false\n  estop')],
            '',
            'switched off',
        ),
        (
            ERROR,
            'ready_in_fence',
            [
                (
                    '  estop',
                    '  fences: [{name: cage, keep_in: {min: [-1, -1, 0], max: [0, 1, 1]}}]\n'
                    '  estop',
                )
            ],
            '',
            "tip 'tool_tip' is outside fence 'cage'",
        ),
        (
            NOTE,
            'velocity_interface',
            [('forward_position', 'forward_velocity')],
            '',
            'velocities go to /commands',
        ),
    ],
)
def test_one_change_is_found_and_said_with_a_fix(tmp_path, level, code, edits, xml, says):
    findings = found(tmp_path, *edits, xml=xml)
    assert findings[code].level == level and says in findings[code].text
    assert len(findings[code].fix) > 10 and '\n' not in findings[code].text


def test_errors_come_first_and_notes_last(tmp_path):
    levels = [f.level for f in found(tmp_path, TWO_TIPS, ('  velocity: 1.0\n', '')).values()]
    assert levels == sorted(levels, key=(ERROR, WARNING, NOTE).index) and levels[0] == ERROR


def test_names_that_two_arms_share_are_refused():
    with pytest.raises(Exception, match="joint 'yaw_joint' is defined 2 times"):
        read_tree(arm_urdf().replace('"roll_joint"', '"yaw_joint"'), 'twig')
