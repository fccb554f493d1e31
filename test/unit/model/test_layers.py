"""What attention reads out of points over time."""

from __future__ import annotations

import pytest
import torch

from gen_nodes.model.layers import line


def read(points: torch.Tensor, times_s: torch.Tensor, seen: torch.Tensor, at_s: float):
    """The line through S points that get equal attention: place and velocity at `at_s`."""
    return line((seen / len(seen))[None], times_s[None] - at_s, points)


def test_what_moves_steadily_is_read_where_it_will_be():
    times_s = torch.linspace(-0.5, -0.05, 12)
    velocity = torch.tensor([0.1, -0.15, 0.02])
    points = torch.tensor([0.4, 0.1, 0.3]) + times_s[:, None] * velocity
    place, speed = read(points, times_s, torch.ones(12), 0.3)
    assert place.flatten() == pytest.approx([0.43, 0.055, 0.306], abs=3e-3)
    assert speed.flatten() == pytest.approx(velocity, rel=0.05)


def test_what_was_seen_once_is_taken_to_stand():
    points, times_s = torch.tensor([[0.4, 0.1, 0.3]]), torch.tensor([-0.05])
    place, speed = read(points, times_s, torch.ones(1), 0.5)
    assert place.flatten() == pytest.approx(points[0], abs=1e-3) and speed.abs().max() < 1e-2


def test_points_of_the_robot_do_not_bend_the_line():
    times_s = torch.tensor([-0.3, -0.2, -0.1, 0.0])
    points = torch.tensor([[0.4, 0.1, 0.3], [0.4, 0.1, 0.3], [0.9, 0.9, 0.9], [0.1, 0.2, 0.8]])
    place, _ = read(points, times_s, torch.tensor([1.0, 1.0, 0.0, 0.0]), 0.0)
    assert place.flatten() == pytest.approx([0.4, 0.1, 0.3], abs=1e-3)
