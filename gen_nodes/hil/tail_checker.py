"""Judges the way to rest that a driver of trajectories gets behind each command (a tail)."""

from __future__ import annotations

import numpy as np

from gen_nodes.hil.published import EPS, Segment, rounding_of
from gen_nodes.hil.stated_limits import StatedLimits
from gen_nodes.hil.verdict import Findings, share_of


def judge_tails(segment: Segment, limits: StatedLimits, findings: Findings) -> None:
    """The tails of a segment, those with equally many points (K) at once: its last point must be at
    rest, its points inside the position and velocity limits, and so the mean velocities between
    them.
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
        path = np.concatenate([segment.values[rows][:, None], p], axis=1)
        at_rest = (v[:, -1] == 0) & (a[:, -1] == 0)
        shares = {
            'tail position': _positions(path, limits),
            'tail velocity': _velocities(path, v, times, limits),
            'tail rest': np.where(at_rest, 0.0, 2.0),
        }
        for kind, share in shares.items():
            share = np.where(segment.tailed, share, 0.0)
            numbers = np.full(len(rows), segment.number)
            findings.note(kind, share, ~(share <= 1 + 4 * EPS), segment.stamps_ns[rows], numbers)


def _positions(path_MxLxN: np.ndarray, limits: StatedLimits) -> np.ndarray:
    """Greatest share (M, N) of the position limits; from outside it may go no further out."""
    middle = limits.middle
    size = np.abs(path_MxLxN - middle)
    half = np.maximum(limits.half, size[:, :1])
    return share_of(size, half + rounding_of(path_MxLxN, 0)).max(axis=1)


def _velocities(
    path_MxLxN: np.ndarray, v_MxKxN: np.ndarray, times_MxKx1: np.ndarray, limits: StatedLimits
) -> np.ndarray:
    """Greatest share (M, N) of the velocity limits, of velocities and of the mean ones between
    points, each by the greater bound of two points.
    """
    seconds = np.diff(times_MxKx1, axis=1, prepend=0.0)
    down, up = (np.maximum(x[:, 1:], x[:, :-1]) for x in limits.speeds(path_MxLxN))
    size = np.abs(path_MxLxN)
    rounding = rounding_of(np.maximum(size[:, 1:], size[:, :-1]), 1)
    with np.errstate(divide='ignore', invalid='ignore'):  # of points at one time
        mean, mean_rounding = np.diff(path_MxLxN, axis=1) / seconds, rounding / seconds
    share = [
        share_of(np.abs(x), np.where(x < 0, down, up) + wrong)
        for x, wrong in ((v_MxKxN, EPS), (mean, mean_rounding))
    ]
    return np.where(seconds > 0, np.maximum(*share), np.inf).max(axis=1)  # time must go on
