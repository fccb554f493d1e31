"""A first robot YAML as text, with a FILL IN wherever only a person can know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from gen_nodes.joints import ROLES
from gen_nodes.robot_blanks import SLOW, SLOW_PRISMATIC, turns
from gen_nodes.robot_draft import Draft
from gen_nodes.urdf import UrdfJoint
from gen_nodes.wiring import ACTION_TYPES

WIDTH = 100
ACCELERATION = 'FILL IN: data sheet, or joint_limits.yaml of MoveIt'
JERK = 'FILL IN: manual; else acceleration / 0.05 s'
COMMANDS = 'FILL IN: ros2 topic list'
ACTION = 'FILL IN: ros2 action list'
RATE = 'FILL IN: ros2 topic hz /joint_states'
HEAD = """\
# {name}: first wiring, guessed from its URDF by `gen robot new`. Replace every FILL IN, confirm
# what is marked guessed, then look at it: gen robot check {path}
display_name: {display_name}
urdf: {urdf}
base_frame: {base}   # guessed; must be fixed to the root of the URDF
{joints}{left_out}{roles}tips: {tips}   # guessed: frames that touch things
{candidates}
# Guessed: zero where the limits allow it, else the middle of the range. Zero is often stretched out
# and singular: choose a pose with elbows bent, clear of itself and of every limit.
ready:
{ready}

control:
  rate_hz: 100            # commands per second; not above the update rate of the driver
  chunk_timeout_s: 0.3    # the robot holds when the policy is silent for longer
  # kind is one of: forward_position, forward_velocity (std_msgs/Float64MultiArray of a forward
  # controller), joint_trajectory (trajectory_msgs/JointTrajectory), gripper_action (control_msgs)
  paths:
{paths}

# Yours to choose; may tighten the limits of the URDF, never loosen them.
safety:
{velocity}{acceleration}{jerk}\
  # topics:                # latched topics of the driver that permit or forbid motion
  #   - {{topic: /some/state, type: std_msgs/msg/Bool, stop_when: false}}
  # estop: {{topic: /estop, required: true}}   # std_msgs/Bool, true: stop; heard before any command
  # wrench: {{stream: wrench, force: 60.0, torque: 8.0}}   # [N], [N m]: beyond it, stop
  # fences:                # boxes in base_frame [m]
  #   - {{name: table, keep_out: {{min: [-1.0, -1.0, -0.5], max: [1.0, 1.0, -0.02]}}}}

streams:
  joint_states:
    type: joint_states
    topic: /joint_states
    rate_hz: '{rate}'
    policy_rate_hz: 50     # what the policy takes; not above rate_hz
    timeout_s: 0.2         # silence of the driver that stops the robot
    required: true
  # front:                 # RGB-D, depth registered to colour: a policy that looks needs one
  #   type: camera
  #   topics:
  #     rgb: /front/color/image_raw
  #     depth: /front/aligned_depth_to_color/image_raw
  #     info: /front/color/camera_info
  #     pose: /front/camera_pose   # from your hand-eye calibration; or `mount` for one on a link
  #   rate_hz: 30
  #   policy_rate_hz: 30
  #   width: 96
  #   height: 96
  #   timeout_s: 0.5
  #   required: true
  # wrench:                # a force-torque sensor
  #   type: wrench
  #   topic: /ft_sensor/wrench
  #   frame: {tip}
  #   mount: {{parent: {tip}}}
  #   rate_hz: 100
  #   policy_rate_hz: 50
  #   timeout_s: 0.2
  #   required: false
"""


def draft_yaml(draft: Draft, display_name: str, urdf: str, path: str) -> str:
    """The YAML of a draft. `urdf`: as the YAML names it; `path`: where the YAML will stand."""
    return HEAD.format(
        name=display_name,
        display_name=_scalar(display_name),
        path=path,
        urdf=_scalar(urdf),
        base=_scalar(draft.base),
        joints=_listed('joints', [joint.name for joint in draft.joints]),
        left_out=_left_out(draft),
        roles=_roles(draft),
        tips=_flow(draft.tips),
        candidates=_candidates(draft),
        ready='\n'.join(
            f'  {_scalar(name)}: {_number(value)}' for name, value in draft.ready.items()
        ),
        paths='\n'.join(_path(role, names) for role, names in draft.groups()),
        velocity=_velocity(draft),
        acceleration=_lacking(draft, 'acceleration', ACCELERATION),
        jerk=_lacking(draft, 'jerk', JERK),
        rate=RATE,
        tip=_scalar(draft.tips[0]),
    )


def _left_out(draft: Draft) -> str:
    return ''.join(f'# not commanded: {name} {why}\n' for name, why in draft.left_out.items())


def _roles(draft: Draft) -> str:
    told = {role: draft.of_role(role) for role in ROLES if role != 'arm' and draft.of_role(role)}
    if not told:
        return ''
    lines = ''.join(f'  {role}: {_flow(names)}\n' for role, names in told.items())
    return f'roles:   # guessed; the others are of the arm\n{lines}'


def _candidates(draft: Draft) -> str:
    return ''.join(
        f'# other frames at the end of {tip}: {", ".join(others)}\n'
        for tip, others in draft.candidates.items()
        if others
    )


def _path(role: str, names: Sequence[str]) -> str:
    if role == 'gripper':
        return '\n'.join(_gripper(name) for name in names)
    lines = [
        '    - kind: forward_position',
        f"      topic: '{COMMANDS}'",
        '      # often: /forward_position_controller/commands, '
        '/joint_trajectory_controller/joint_trajectory',
        _listed('      joints', names).rstrip('\n'),
    ]
    return '\n'.join(lines)


def _gripper(name: str) -> str:
    return (
        '    - kind: gripper_action\n'
        f"      topic: '{ACTION}'   # often: /gripper_controller/gripper_cmd\n"
        f"      type: '{ACTION}'\n"
        f'      # one of: {", ".join(ACTION_TYPES)}\n'
        f'      joints: [{_scalar(name)}]'
    )


def _velocity(draft: Draft) -> str:
    caps = {joint.name: _number(_first_speed(joint)) for joint in draft.joints}
    stated = [joint.velocity for joint in draft.joints]
    comment = f'to begin with; the URDF states {min(stated):.4g} to {max(stated):.4g}'
    return _caps(draft, 'velocity', caps, comment)


def _lacking(draft: Draft, key: str, blank: str) -> str:
    missing = {joint.name: f"'{blank}'" for joint in draft.joints if getattr(joint, key) is None}
    if not missing:
        return f'  # {key}: the URDF states it for every joint; a lower one may stand here\n'
    unit = '^2' if key == 'acceleration' else '^3'
    return _caps(draft, key, missing, f'[rad/s{unit}], [m/s{unit}]')


def _caps(draft: Draft, key: str, values: Mapping[str, str], comment: str) -> str:
    """`key` with one value for all, or by role, or by joint: whatever says it shortest."""
    one_unit = len({turns(joint) for joint in draft.joints}) == 1
    if one_unit and len(values) == len(draft.joints) and len(set(values.values())) == 1:
        return f'  {key}: {next(iter(values.values()))}   # {comment}\n'
    by_key: dict[str, str] = {}
    for role in ROLES:
        names = draft.of_role(role)
        told = {values.get(name) for name in names}
        if len(told) == 1 and None not in told:
            by_key[role] = told.pop()
        else:
            by_key |= {name: values[name] for name in names if name in values}
    lines = ''.join(f'    {_scalar(name)}: {value}\n' for name, value in by_key.items())
    return f'  {key}:   # {comment}\n{lines}'


def _first_speed(joint: UrdfJoint) -> float:
    return min(SLOW if turns(joint) else SLOW_PRISMATIC, joint.velocity)


def _listed(key: str, names: Sequence[str]) -> str:
    flow = f'{key}: {_flow(names)}\n'
    if len(flow) <= WIDTH:
        return flow
    indent = ' ' * (len(key) - len(key.lstrip()) + 2)
    return f'{key}:\n' + ''.join(f'{indent}- {_scalar(name)}\n' for name in names)


def _flow(names: Sequence[str]) -> str:
    return f'[{", ".join(_scalar(name) for name in names)}]'


def _number(value: float) -> str:
    """As YAML reads it back as a number: 1.0e-07, not 1e-07."""
    text = repr(float(value))
    return text.replace('e', '.0e') if 'e' in text and '.' not in text else text


def _scalar(text: str) -> str:
    """A text as YAML, quoted where it must be."""
    return yaml.safe_dump(text, width=10_000).removesuffix('\n').removesuffix('\n...')
