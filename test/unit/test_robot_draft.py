"""What is guessed from a URDF, and what is left to a person."""

import pytest
import yaml
from invented_robots import arm_urdf

from gen_nodes.errors import ConfigError
from gen_nodes.robot import known_robots, load_robot
from gen_nodes.robot_blanks import FILL_IN, checklist, find_blanks
from gen_nodes.robot_draft import draft_robot, guess_role, legal_pose
from gen_nodes.robot_draft_text import draft_yaml
from gen_nodes.urdf import UrdfJoint

BOTH = 'velocity="2.5" effort="60" acceleration="4" jerk="80"'


def joint(lower: float, upper: float, kind: str = 'revolute') -> UrdfJoint:
    return UrdfJoint('j', kind, lower, upper, 1.0, 1.0, None, None, None, None)


def text_of(xml: str) -> str:
    return draft_yaml(draft_robot(xml, 'x'), 'twig', 'twig.urdf', 'twig.yaml')


@pytest.mark.parametrize(
    ('name', 'role'),
    [
        ('shoulder_lift_joint', 'arm'),  # a UR's: no torso
        ('joint_3', 'arm'),
        ('right_arm_0', 'arm'),
        ('openarm_left_finger_joint1', 'gripper'),
        ('robotiq_85_left_knuckle_joint', 'gripper'),
        ('leftGripperJoint', 'gripper'),
        ('l_hand_finger', 'gripper'),
        ('right_hand_joint', 'gripper'),
        ('torso_2', 'torso'),
        ('waist_yaw_joint', 'torso'),
        ('lift_joint', 'torso'),
        ('head_1', 'head'),
        ('neck_pitch', 'head'),
        ('l_wrist_roll', 'arm'),
    ],
)
def test_a_joints_name_tells_its_role(name, role):
    assert guess_role(name) == role


def test_a_joint_that_others_follow_is_a_gripper_unless_its_name_says_more():
    assert guess_role('drive_joint', is_followed=True) == 'gripper'
    assert guess_role('torso_lift', is_followed=True) == 'torso'


@pytest.mark.parametrize(
    ('lower', 'upper', 'pose'),
    [
        (-1.0, 1.0, 0.0),
        (0.0, 0.04, 0.02),  # zero is the very end of a gripper's travel
        (-3.04, -0.15, -1.57),
        (0.54, 4.5, 1.57),
        (2.0, 4.0, 2.1),  # near zero, but off the limit
    ],
)
def test_the_pose_is_zero_where_that_is_legal_else_the_middle_but_sane(lower, upper, pose):
    assert legal_pose(joint(lower, upper)) == pytest.approx(pose)
    assert legal_pose(joint(float('-inf'), float('inf'), 'continuous')) == 0.0


@pytest.mark.parametrize('robot', known_robots())
def test_what_is_guessed_for_a_robot_that_ships_is_what_a_person_chose(robot):
    spec = load_robot(robot)
    draft = draft_robot(spec.urdf_xml, robot)
    assert draft.base == spec.base_frame
    assert set(spec.joint_names) <= {joint.name for joint in draft.joints}
    assert {joint.name: joint.role for joint in spec.joints}.items() <= draft.roles.items()
    for tip in spec.tips:
        assert any(tip in (found, *draft.candidates[found]) for found in draft.tips)
    for published in draft.joints:
        assert published.lower <= draft.ready[published.name] <= published.upper


def test_every_joint_is_there_but_those_that_follow_and_wheels():
    wheel = (
        '<link name="wheel"/><joint name="left_wheel_joint" type="continuous"><parent '
        'link="pedestal"/><child link="wheel"/><limit velocity="9" effort="9"/></joint>'
    )
    draft = draft_robot(arm_urdf(gripper=True, inside=wheel), 'x')
    assert [j.name for j in draft.joints][-1] == 'left_finger_joint' and len(draft.joints) == 6
    assert draft.left_out['right_finger_joint'] == 'follows left_finger_joint (mimic)'
    assert 'a wheel by its name' in draft.left_out['left_wheel_joint']
    assert draft.tips == ('tool_tip',) and draft.of_role('gripper') == ('left_finger_joint',)
    assert draft.groups()[1] == ('gripper', ('left_finger_joint',))


def test_a_root_that_only_stands_for_the_room_is_not_the_base():
    world = (
        '<link name="world"/><joint name="stand" type="fixed"><parent link="world"/>'
        '<child link="pedestal"/></joint>'
    )
    assert draft_robot(arm_urdf(inside=world), 'x').base == 'pedestal'


def test_a_person_may_say_base_and_tips():
    draft = draft_robot(arm_urdf(), 'x', base='pedestal', tips=('roll_link',))
    assert draft.tips == ('roll_link',) and 'tool_tip' in draft.candidates['roll_link']
    with pytest.raises(ConfigError, match="Did you mean 'tool_tip'"):
        draft_robot(arm_urdf(), 'x', tips=('tool_tap',))


@pytest.mark.parametrize(
    ('xml', 'says'),
    [
        (arm_urdf(limit='effort="1"'), '<limit velocity> must be a number'),
        (arm_urdf().replace('<limit lower="-2.9"', '<nolimit lower="-2.9"'), 'has no <limit>'),
        ('<robot name="x"><link name="a"/></robot>', 'no joint can be commanded'),
        (
            arm_urdf(gripper=True).replace('mimic joint="left', 'mimic joint="last'),
            "mimics unknown joint 'last_finger_joint'. Did you mean 'left_finger_joint'?",
        ),
    ],
)
def test_a_urdf_that_cannot_be_commanded_is_refused(xml, says):
    with pytest.raises(ConfigError) as error:
        draft_robot(xml, 'x')
    assert says in str(error.value)


def test_no_limit_and_no_topic_is_invented():
    blanks = {blank.key: blank for blank in find_blanks(text_of(arm_urdf()))}
    assert set(blanks) == {
        'control.paths[0].topic',
        'safety.acceleration',
        'safety.jerk',
        'streams.joint_states.rate_hz',
    }
    assert 'data sheet' in blanks['safety.acceleration'].why
    assert 'acceleration / 0.05 s' in blanks['safety.jerk'].why


def test_a_limit_that_the_urdf_states_is_not_asked_for():
    blanks = [blank.key for blank in find_blanks(text_of(arm_urdf(limit=BOTH)))]
    assert blanks == ['control.paths[0].topic', 'streams.joint_states.rate_hz']


def test_a_limit_that_only_some_joints_lack_is_asked_for_those():
    xml = arm_urdf(limit=BOTH).replace(BOTH, 'velocity="2.5" effort="60" jerk="80"', 1)
    blanks = [blank.key for blank in find_blanks(text_of(xml)) if blank.key.startswith('safety')]
    assert blanks == ['safety.acceleration.yaw_joint']


def test_metres_and_radians_are_never_asked_for_by_one_number():
    blanks = [blank.key for blank in find_blanks(text_of(arm_urdf(gripper=True)))]
    assert {'safety.acceleration.arm', 'safety.acceleration.gripper'} < set(blanks)
    velocity = yaml.safe_load(text_of(arm_urdf(gripper=True)))['safety']['velocity']
    assert velocity == {'arm': 0.5, 'gripper': 0.05}


def test_the_first_speeds_are_never_above_the_urdfs():
    assert yaml.safe_load(text_of(arm_urdf(limit='velocity="0.3" effort="1"')))['safety'][
        'velocity'
    ] == pytest.approx(0.3)


@pytest.mark.parametrize('gripper', [False, True])
def test_every_blank_keeps_the_robot_from_loading_until_it_is_filled(tmp_path, gripper):
    (tmp_path / 'twig.urdf').write_text(arm_urdf(gripper=gripper))
    path, text = tmp_path / 'twig.yaml', text_of(arm_urdf(gripper=gripper))
    values = {
        'topic': '/commands',
        'type': 'control_msgs/action/GripperCommand',
        'rate_hz': '100',
    }
    for blank in find_blanks(text):
        path.write_text(text)
        with pytest.raises(ConfigError):
            load_robot(str(path))
        key = blank.key.split('.')[-1]
        value = '/gripper' if 'action' in blank.text and key == 'topic' else values.get(key, '2.0')
        text = text.replace(f"'{blank.text}'", value, 1)
    path.write_text(text)
    assert load_robot(str(path)).n == 5 + gripper


def test_the_error_of_an_unfilled_limit_says_where_the_number_comes_from(tmp_path):
    (tmp_path / 'twig.urdf').write_text(arm_urdf())
    (tmp_path / 'twig.yaml').write_text(text_of(arm_urdf()))
    with pytest.raises(ConfigError) as error:
        load_robot(str(tmp_path / 'twig.yaml'))
    assert 'safety: acceleration must be a number' in str(error.value)
    assert 'data sheet, or joint_limits.yaml of MoveIt' in str(error.value)


def test_the_checklist_names_all_that_is_to_fill_in_and_to_confirm():
    xml = arm_urdf(gripper=True, limit='velocity="20" effort="60"')
    to_fill, to_confirm = checklist(draft_robot(xml, 'x'), text_of(xml))
    assert any(
        line.startswith('safety.acceleration.arm, safety.acceleration.gr') for line in to_fill
    )
    told = '\n'.join(to_confirm)
    assert 'base_frame pedestal' in told and 'tip tool_tip; others at this end: roll_link' in told
    assert 'role gripper: left_finger_joint, guessed' in told
    assert 'looks like a placeholder: yaw_joint' in told and 'mesh' not in told


def test_the_checklist_tells_what_the_emulator_will_miss():
    xml = arm_urdf(solid='<mesh filename="package://a/b.stl"/>').replace('<mass value="1.0"/>', '')
    xml = xml.replace('<collision><geometry><sphere radius="0.01"/></geometry></collision>', '')
    told = '\n'.join(checklist(draft_robot(xml, 'x'), text_of(xml))[1])
    assert 'collision shapes that are meshes are not read (pedestal, ' in told
    assert 'no mass behind these links' in told and 'elbow_link' in told
    assert 'no collision shape at or behind these tips' in told


def test_names_that_yaml_would_take_for_something_else_are_quoted():
    xml = arm_urdf().replace('yaw_joint', 'on').replace('roll_joint', '7')
    assert yaml.safe_load(text_of(xml))['joints'][0::4] == ['on', '7']


def test_a_text_that_is_no_yaml_has_no_blanks():
    assert find_blanks('{') == () and FILL_IN in text_of(arm_urdf())
