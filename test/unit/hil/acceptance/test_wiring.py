"""Topics and standing still."""

import numpy as np
import pytest

from gen_nodes.hil.acceptance.track import Track
from gen_nodes.hil.acceptance.wiring import Heard, Path, judge_still, judge_topics
from gen_nodes.robot import load_robot
from gen_nodes.types import Mode

SPEC = load_robot('ur5e')
GOOD_PATH = Path('/cmd', True, ())


def heard(count, wanted_hz=100.0, required=True):
    return Heard('joint_states', '/joint_states', wanted_hz, count, 3.0, required)


def missed(findings):
    return [check.what for check in findings.checks if not check.met]


def test_a_robot_that_is_wired_as_described_passes():
    found = judge_topics([heard(300)], [], {'/safe': True}, [GOOD_PATH])
    assert missed(found) == [] and len(found.checks) == 5


@pytest.mark.parametrize('count', [0, 150, 400])
def test_a_rate_that_is_not_the_described_one_fails(count):
    assert missed(judge_topics([heard(count)], [], {}, [])) == ['rate of /joint_states']


def test_a_stream_that_is_not_required_may_be_silent_and_is_named():
    found = judge_topics([heard(0, required=False)], [], {}, [])
    assert missed(found) == [] and 'not required' in found.notes[0]
    assert missed(judge_topics([heard(90, required=False)], [], {}, [])) != [], 'but not odd'


def test_what_is_latched_need_be_heard_once_only():
    assert missed(judge_topics([heard(1, wanted_hz=0.0)], [], {}, [])) == []
    assert missed(judge_topics([heard(0, wanted_hz=0.0)], [], {}, [])) != []


def test_a_joint_that_nobody_reports_is_named():
    (check,) = [c for c in judge_topics([], ['elbow'], {}, []).checks if not c.met]
    assert 'elbow' in check.measured


@pytest.mark.parametrize(('said', 'word'), [(None, 'not heard'), (False, 'FORBIDS')])
def test_a_safety_topic_must_be_heard_and_must_permit(said, word):
    (check,) = [c for c in judge_topics([], [], {'/safe': said}, []).checks if not c.met]
    assert word in check.measured


@pytest.mark.parametrize(
    ('path', 'what'),
    [
        (Path('/cmd', False, ()), '/cmd is listened to'),
        (Path('/cmd', True, ('moveit_servo',)), 'nobody else commands on /cmd'),
    ],
)
def test_a_command_path_needs_a_listener_and_no_second_speaker(path, what):
    assert missed(judge_topics([], [], {}, [path])) == [what]


def test_a_path_that_this_machine_cannot_speak_is_said_to_be_left_out():
    found = judge_topics([], [], {}, [Path('/gripper', False, (), 'no control_msgs')])
    assert missed(found) == [] and found.notes == ('no control_msgs',)


def standing(drift=0.0):
    stamps = np.arange(0, 2 * 10**9, 8_000_000)
    ways = np.linspace(0, drift, len(stamps))[:, None] * np.eye(6)[2]
    return Track(stamps, SPEC.ready + ways)


def test_a_controller_without_chunks_sends_nothing_and_the_robot_stands():
    assert missed(judge_still(SPEC, 0, standing(), [Mode.WAITING], 2.0)) == []


@pytest.mark.parametrize(
    ('commands', 'drift', 'mode'),
    [(1, 0.0, Mode.WAITING), (0, 0.01, Mode.WAITING), (0, 0.0, Mode.RUNNING)],
)
def test_a_command_a_drift_or_a_running_controller_fails(commands, drift, mode):
    assert len(missed(judge_still(SPEC, commands, standing(drift), [mode], 2.0))) == 1


@pytest.mark.parametrize('modes', [[Mode.INACTIVE], []])
def test_a_controller_that_is_not_active_shows_nothing(modes):
    assert missed(judge_still(SPEC, 0, standing(), modes, 2.0)) == ['the controller waits']


def test_a_robot_of_which_nothing_is_heard_does_not_stand():
    silent = Track(np.zeros(0, np.int64), np.zeros((0, SPEC.n)))
    assert 'joint states heard' in missed(judge_still(SPEC, 0, silent, [Mode.WAITING], 2.0))
