"""Curves that policies decide, and where they will have led by a given time."""

from __future__ import annotations

import numpy as np

from gen_nodes.types import NS, ActionChunk


def curve(
    rates: np.ndarray,
    anchor: np.ndarray,
    anchor_rate: np.ndarray,
    delay_s: float,
    knot_s: float,
    now_ns: int,
    newest_capture_ns: int,
    sequence: int,
    names: tuple[str, ...],
) -> ActionChunk:
    """Action chunk that leaves `anchor` at now + delay and moves with mean `rates` (knots, N)
    between its knots.
    """
    values = anchor + np.concatenate(
        (np.zeros((1, len(anchor))), np.cumsum(rates, axis=0) * knot_s)
    )
    at_knots = np.concatenate((anchor_rate[None], (rates[:-1] + rates[1:]) / 2, rates[-1:]))
    times = delay_s + knot_s * np.arange(len(values))
    return ActionChunk(
        now_ns, newest_capture_ns, sequence, names, 'position', times, values, at_knots
    )


def curve_position(chunk: ActionChunk, stamp_ns: int) -> np.ndarray:
    """Planned position (N,) at an absolute time, held beyond the ends."""
    t = (stamp_ns - chunk.stamp_ns) / NS
    return np.array([np.interp(t, chunk.times_s, column) for column in chunk.values.T])


def curve_rate(chunk: ActionChunk, stamp_ns: int) -> np.ndarray:
    """Planned rate (N,) at an absolute time, zero beyond the end."""
    t = (stamp_ns - chunk.stamp_ns) / NS
    return np.array([np.interp(t, chunk.times_s, column, right=0.0) for column in chunk.rates.T])
