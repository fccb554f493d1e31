"""Judges how the joints of a robot follow what they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gen_nodes.hil.acceptance.motion import Motion
from gen_nodes.hil.acceptance.results import Check, Findings, at_most, between
from gen_nodes.hil.acceptance.track import Following, Track, excursion, following
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS

GAIN_LEAST, GAIN_MOST = 0.8, 1.2  # ours: a wrong unit, sign or joint is far outside
LEAST_LAG_S = -0.05  # a clock may be off by so much (curve.FUTURE_TOLERANCE_S)
LONGEST_LAG_S = 0.25  # as far as the controller lets a servo lag (WatchConfig.divergence_lag_s)
FOLLOWING_ERROR = 0.02  # rad; a tenth of what the controller stops at (WatchConfig.divergence)
TRACE_POINTS = 240  # of a curve in the report


@dataclass(frozen=True)
class Take:
    """One motion as it was heard: when it began, what was commanded and measured."""

    motion: Motion
    start_ns: int
    commanded: Track
    measured: Track


def judge_alone(spec: RobotSpec, joint: int, take: Take) -> tuple[Findings, Following]:
    """One joint moved: it follows, and the others stand."""
    name, unit = spec.joint_names[joint], spec.units[joint]
    found = following(take.commanded, take.measured, joint)
    others = np.delete(excursion(take.measured) / spec.units, joint)
    stray = float(others.max(initial=0.0))
    return Findings(
        (
            *_follow_checks(name, found, unit),
            at_most(f'other joints while {name} moves', stray, FOLLOWING_ERROR, 'rad'),
        ),
        {**vars(found), 'others': stray},
    ), found


def _follow_checks(name: str, found: Following, unit: float) -> tuple[Check, ...]:
    most = FOLLOWING_ERROR * unit
    return (
        between(f'gain of {name}', found.gain, GAIN_LEAST, GAIN_MOST),
        between(f'lag of {name}', found.lag_s, LEAST_LAG_S, LONGEST_LAG_S, 's'),
        at_most(f'error of {name} beyond its lag', found.error, most, 'm' if unit < 1 else 'rad'),
    )


def judge_together(
    spec: RobotSpec, take: Take, judged_N: np.ndarray
) -> tuple[Findings, np.ndarray]:
    """All joints moved; also the lag of each, (N,) [s]. judged_N: mask of those that must
    follow.
    """
    units = spec.units
    found = [following(take.commanded, take.measured, joint) for joint in range(spec.n)]
    names = spec.joint_names
    lags = np.array([one.lag_s for one in found])
    error = np.array([one.error for one in found]) / units
    gains = np.array([one.gain for one in found])
    slow, off = int((np.abs(lags) * judged_N).argmax()), int((error * judged_N).argmax())
    odd = int((np.abs(gains - 1) * judged_N).argmax())
    checks = (
        between(f'gain, farthest from 1 ({names[odd]})', gains[odd], GAIN_LEAST, GAIN_MOST),
        between(f'greatest lag ({names[slow]})', lags[slow], LEAST_LAG_S, LONGEST_LAG_S, 's'),
        at_most(f'greatest error beyond lag ({names[off]})', error[off], FOLLOWING_ERROR, 'rad'),
    )
    wanted = take.motion.at((take.commanded.stamp_ns - take.start_ns) / NS)
    figures = {
        'lag_s': dict(zip(names, lags, strict=True)),
        'gain': dict(zip(names, gains, strict=True)),
        'error': dict(zip(names, error * units, strict=True)),
        'off_reference': float(np.abs(take.commanded.position - wanted).max()),
    }
    return Findings(checks, figures, traces=trace(spec, take)), lags


def trace(spec: RobotSpec, take: Take, marks: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Curves of a motion, thinned, in seconds since its start. marks: instants with a name [s]."""
    return {
        'joints': list(spec.joint_names),
        'units': ['m' if joint.type == 'prismatic' else 'rad' for joint in spec.joints],
        'commanded': _curve(take.commanded, take.start_ns),
        'measured': _curve(take.measured, take.start_ns),
        'marks': dict(marks or {}),
    }


def _curve(track: Track, zero_ns: int) -> dict[str, Any]:
    step = max(1, -(-len(track.stamp_ns) // TRACE_POINTS))
    return {
        's': ((track.stamp_ns[::step] - zero_ns) / NS).tolist(),
        'q': track.position[::step].tolist(),
    }


def lags_of(take: Take) -> np.ndarray:
    """(N,) how far each joint lags behind its command [s]."""
    joints = range(take.commanded.position.shape[1])
    return np.array([following(take.commanded, take.measured, joint).lag_s for joint in joints])
