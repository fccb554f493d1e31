"""A skin on the fingertip: contact forces spread over an array of taxels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gen_nodes.hil.plant import Touch
from gen_nodes.hil.world import TactileConfig


def press_map(
    base_from_skin_4x4: np.ndarray, touches: Iterable[Touch], config: TactileConfig
) -> np.ndarray:
    """Normal force per taxel (rows, columns) [N].

    Taxels lie on a grid in the x-y plane of the skin's frame, rows along x, columns along y. A
    contact's force goes to
    the taxels by their distance from it (Gaussian), so that their sum is the force.
    """
    rows = config.pitch * (np.arange(config.rows) - (config.rows - 1) / 2)
    columns = config.pitch * (np.arange(config.columns) - (config.columns - 1) / 2)
    total = np.zeros((config.rows, config.columns))
    for touch in touches:
        x, y, _ = (touch.point - base_from_skin_4x4[:3, 3]) @ base_from_skin_4x4[:3, :3]
        weight = np.exp(-((rows[:, None] - x) ** 2 + (columns - y) ** 2) / (2 * config.spread**2))
        total += np.linalg.norm(touch.force) * weight / weight.sum()
    return total
