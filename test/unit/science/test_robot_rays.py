"""Orthographic ray casting of primitives."""

import numpy as np
import pytest

from gen_nodes.science.robot_rays import Placed, View, picture
from gen_nodes.urdf_tree import Shape

X, Y, Z = np.eye(3)
FRONT = View('front', Y, Z, X)
LOWER, UPPER, SCALE = np.array([-0.5, -0.5]), np.array([0.5, 0.5]), 200.0


def placed(kind: str, *size: float, at=(0.0, 0.0, 0.0), turned=None, rgb=(1.0, 0.0, 0.0)) -> Placed:
    pose = np.eye(4)
    pose[:3, 3] = at
    if turned is not None:
        pose[:3, :3] = turned
    return Placed(Shape(kind, size, np.eye(4), rgb), pose)


def cover(*shapes: Placed) -> float:
    """Area covered [m^2]."""
    return picture(shapes, FRONT, LOWER, UPPER, SCALE)[..., 3].sum() / SCALE**2


@pytest.mark.parametrize(
    ('shape', 'area'),
    [
        (placed('sphere', 0.2), np.pi * 0.04),
        (placed('box', 0.1, 0.2, 0.3), 4 * 0.2 * 0.3),
        (placed('cylinder', 0.1, 0.3), 4 * 0.1 * 0.3),
        (placed('cylinder', 0.1, 0.3, turned=np.stack([Y, Z, X], 1)), np.pi * 0.01),
        (placed('box', 0.1, 0.2, 0.2, turned=np.stack([Y, Z, X], 1)), 4 * 0.1 * 0.2),
    ],
)
def test_a_shape_covers_the_area_of_its_outline(shape, area):
    assert cover(shape) == pytest.approx(area, rel=0.01)


def test_a_tilted_cylinder_shows_its_wall_and_its_cap():
    c, s = np.cos(0.6), np.sin(0.6)
    tilted = placed('cylinder', 0.1, 0.3, turned=np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]))
    assert cover(tilted) == pytest.approx(4 * 0.1 * 0.3 * c + np.pi * 0.01 * s, rel=0.01)


def test_what_is_nearer_hides_what_is_behind():
    near = placed('box', 0.1, 0.2, 0.2, at=(0.3, 0, 0))
    far = placed('sphere', 0.15, rgb=(0.0, 1.0, 0.0))
    for order in ((near, far), (far, near)):
        middle = picture(order, FRONT, LOWER, UPPER, SCALE)[100, 100]
        assert middle[0] > 0.3 and middle[1] < 0.2 and middle[3] == 1.0


def test_up_is_up_and_right_is_right():
    image = picture([placed('sphere', 0.1, at=(0, 0.3, 0.2))], FRONT, LOWER, UPPER, SCALE)
    rows, columns = np.nonzero(image[..., 3] > 0.5)
    assert columns.mean() == pytest.approx(160, abs=1) and rows.mean() == pytest.approx(59, abs=1.5)


def test_nothing_to_see_is_transparent():
    assert cover() == 0.0 and cover(placed('sphere', 0.1, at=(0, 5, 0))) == 0.0
