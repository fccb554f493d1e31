"""The emulator's truth and scene as messages, for judges and viewers. Duck-typed as convert.py;
imports no ROS.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from gen_nodes.hil.tasks import TaskScene, Truth
from gen_nodes.ros.convert import Messages, header, time_ns, xyz
from gen_nodes.types import NS

ARROW, SPHERE = 0, 2  # visualization_msgs/Marker types
TIP_RADIUS_M = 0.01
LIFETIME_NS = NS


def truth_message(
    m: Messages,
    truth: Truth,
    base_frame: str,
    ball_radius: float,
    colours: dict[str, tuple[float, float, float]],
) -> Any:
    """visualization_msgs/MarkerArray: namespaces 'tip', 'object' (text: name) and 'velocity' of
    what moves [m per s].

    colours: by object name.
    """
    markers = [
        _sphere(m, truth, base_frame, 'tip', i, '', place, TIP_RADIUS_M, (1.0, 1.0, 1.0))
        for i, place in enumerate(truth.tips_Tx3)
    ]
    for i, (name, place) in enumerate(truth.objects.items()):
        markers.append(
            _sphere(m, truth, base_frame, 'object', i, name, place, ball_radius, colours[name])
        )
        if truth.velocities[name].any():
            markers.append(_arrow(m, truth, base_frame, i, name, colours[name]))
    return m.make('visualization_msgs/msg/MarkerArray', markers=markers)


def truth_of(message: Any, target: str) -> Truth:
    """Truth of its message; joint positions are not in it (empty)."""
    tips, objects, velocities, stamp_ns = [], {}, {}, 0
    for marker in message.markers:
        stamp_ns = time_ns(marker.header.stamp)
        place = xyz(marker.pose.position)
        if marker.ns == 'tip':
            tips.append(place)
        elif marker.ns == 'object':
            objects[marker.text] = place
        elif marker.ns == 'velocity':
            velocities[marker.text] = xyz(marker.points[1]) - xyz(marker.points[0])
    velocities = {name: velocities.get(name, np.zeros(3)) for name in objects}
    return Truth(stamp_ns, np.stack(tips), objects, velocities, target, np.zeros(0), np.zeros(0))


def scene_text(scene: TaskScene, start_ns: int) -> str:
    """A scene as JSON: instruction, task, target, objects, seed, start_ns, time_limit_s."""
    return json.dumps(
        {
            'instruction': scene.instruction,
            'task': scene.task,
            'target': scene.target,
            'objects': {
                ball.name: [round(float(x), 6) for x in ball.position] for ball in scene.balls
            },
            'seed': scene.episode_seed,
            'start_ns': start_ns,
            'time_limit_s': scene.time_limit_s,
        }
    )


def _marker(
    m: Messages,
    truth: Truth,
    base_frame: str,
    namespace: str,
    index: int,
    name: str,
    colour: tuple[float, float, float],
    **fields: Any,
) -> Any:
    red, green, blue = colour
    return m.make(
        'visualization_msgs/msg/Marker',
        header=header(m, truth.stamp_ns, base_frame),
        ns=namespace,
        id=index,
        text=name,
        action=0,
        color=m.make('std_msgs/msg/ColorRGBA', r=red, g=green, b=blue, a=1.0),
        lifetime=m.make('builtin_interfaces/msg/Duration', sec=LIFETIME_NS // NS, nanosec=0),
        **fields,
    )


def _sphere(
    m: Messages,
    truth: Truth,
    base_frame: str,
    namespace: str,
    index: int,
    name: str,
    place: np.ndarray,
    radius: float,
    colour: tuple[float, float, float],
) -> Any:
    pose = m.make(
        'geometry_msgs/msg/Pose',
        position=_point(m, place),
        orientation=m.make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0),
    )
    size = m.make('geometry_msgs/msg/Vector3', x=2 * radius, y=2 * radius, z=2 * radius)
    return _marker(
        m, truth, base_frame, namespace, index, name, colour, type=SPHERE, pose=pose, scale=size
    )


def _arrow(
    m: Messages,
    truth: Truth,
    base_frame: str,
    index: int,
    name: str,
    colour: tuple[float, float, float],
) -> Any:
    ends = [_point(m, truth.objects[name]), _point(m, truth.objects[name] + truth.velocities[name])]
    size = m.make('geometry_msgs/msg/Vector3', x=0.005, y=0.01, z=0.0)
    return _marker(
        m, truth, base_frame, 'velocity', index, name, colour, type=ARROW, points=ends, scale=size
    )


def _point(m: Messages, values: np.ndarray) -> Any:
    return m.make(
        'geometry_msgs/msg/Point', x=float(values[0]), y=float(values[1]), z=float(values[2])
    )
