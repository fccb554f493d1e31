"""Trajectories as a driver's controller takes them from messages. Duck-typed; imports no ROS."""

from __future__ import annotations

from typing import Any

import numpy as np

from gen_nodes.hil.driver import Point
from gen_nodes.types import NS


def points_of(message: Any, received_ns: int) -> list[Point] | str:
    """Points of a trajectory_msgs/JointTrajectory, timed from its reception, or why it is refused.

    A stamp of zero means: now. Else the trajectory begins at its stamp, and points of the past are
    passed over.
    """
    begin_ns = _nanoseconds(message.header.stamp)
    ahead_ns = begin_ns - received_ns if begin_ns else 0
    points = [_point(point, ahead_ns) for point in message.points]
    left = [point for point in points if point.after_ns > 0 or not begin_ns]
    return 'it ends in the past' if points and not left else left


def _point(point: Any, ahead_ns: int) -> Point:
    return Point(
        ahead_ns + _nanoseconds(point.time_from_start),
        np.array(point.positions, float),
        np.array(point.velocities, float) if len(point.velocities) else None,
        np.array(point.accelerations, float) if len(point.accelerations) else None,
    )


def _nanoseconds(time: Any) -> int:
    return time.sec * NS + time.nanosec
