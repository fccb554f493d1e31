"""Judges the way to rest that a driver of trajectories gets behind each command (a tail)."""

from __future__ import annotations

import numpy as np

from gen_nodes.hil.checker.published import EPS, Segment, rounding_of
from gen_nodes.hil.checker.stated_limits import StatedLimits
from gen_nodes.hil.checker.verdict import Findings, share_of


def judge_tails(segment: Segment, limits: StatedLimits, findings: Findings) -> None:
    """The tails of a segment, those with equally many points (K) at once: the first point must be
    the command, the last at rest, all inside the position and velocity limits, and so the mean
    velocities between them.
    """
    points = np.array([len(tail.times_s) for tail in segment.tails])
    for count in np.unique(points):
        rows = np.flatnonzero(points == count)
        tails = [segment.tails[row] for row in rows]
        times = np.stack([tail.times_s for tail in tails])[..., None]
        p, v, a = (
            np.stack([getattr(tail, key) for tail in tails])
            for key in ('positions', 'velocities', 'accelerations')
        )
        from_command = (p[:, 0] == segment.values[rows]) & (times[:, 0] == 0)
        at_rest = (v[:, -1] == 0) & (a[:, -1] == 0)
        shares = {
            'tail position': np.where(from_command, _positions(p, limits), np.inf),
            'tail velocity': _velocities(p, v, times, limits),
            'tail rest': np.where(at_rest, 0.0, np.inf),
        }
        for kind, share in shares.items():
            share = np.where(segment.tailed, share, 0.0)
            numbers = np.full(len(rows), segment.number)
            findings.note(kind, share, ~(share <= 1 + 4 * EPS), segment.stamps_ns[rows], numbers)


def _positions(p_MxKxN: np.ndarray, limits: StatedLimits) -> np.ndarray:
    """Greatest share (M, N) of the position limits; from outside it may go no further out."""
    size = np.abs(p_MxKxN - limits.middle)
    half = np.maximum(limits.half, size[:, :1])
    return share_of(size, half + rounding_of(p_MxKxN, 0)).max(axis=1)


def _velocities(
    p_MxKxN: np.ndarray, v_MxKxN: np.ndarray, times_MxKx1: np.ndarray, limits: StatedLimits
) -> np.ndarray:
    """Greatest share (M, N) of the velocity limits: of the points, and of the mean velocities
    between them by the greater bound of the two. Time must go on from point to point.
    """
    down, up = limits.speeds(p_MxKxN)
    at_points = share_of(np.abs(v_MxKxN), np.where(v_MxKxN < 0, down, up) + EPS)
    size = np.abs(p_MxKxN)
    rounding = rounding_of(np.maximum(size[:, 1:], size[:, :-1]), 1)
    seconds = np.diff(times_MxKx1, axis=1)
    with np.errstate(divide='ignore', invalid='ignore'):
        mean, mean_rounding = np.diff(p_MxKxN, axis=1) / seconds, rounding / seconds
    down, up = (np.maximum(x[:, 1:], x[:, :-1]) for x in (down, up))
    between = share_of(np.abs(mean), np.where(mean < 0, down, up) + mean_rounding)
    between = np.where(seconds > 0, between, np.inf)
    return np.maximum(at_points.max(axis=1), between.max(axis=1))
