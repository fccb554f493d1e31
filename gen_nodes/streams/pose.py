"""Rigid transforms as 4x4 matrices, and their exact passage through position and quaternion.

A pose crosses topics as quaternion and the network as matrix. Quaternions are kept on a grid of
2^-40 and turned into a matrix without normalising, so that matrix -> quaternion -> matrix gives
the same bits: live and offline then see the same pose. The scale error of that is below 1e-11.
"""

from __future__ import annotations

import numpy as np
from transforms3d.euler import euler2mat

GRID = float(2**40)


def matrix_from_quaternion(xyz: np.ndarray, wxyz: np.ndarray) -> np.ndarray:
    """4x4 of a position (3,) [m] and a quaternion (4,) w first. Raises ValueError where it is no
    rotation.
    """
    q = np.asarray(wxyz, dtype=np.float64)
    square = float(q @ q)
    if not (np.isfinite(square) and np.all(np.isfinite(xyz)) and square > 0.25):
        raise ValueError(f'not a pose: position {list(xyz)}, quaternion {list(q)} (w, x, y, z)')
    if abs(square - 1) > 1e-9:
        q = q / np.sqrt(square)
    w, x, y, z = np.round(q * GRID) / GRID
    matrix = np.eye(4)
    matrix[:3, :3] = (
        (w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z),
    )
    matrix[:3, 3] = xyz
    return matrix


def quaternion_from_matrix(matrix_4x4: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position (3,) and quaternion (4,) w first, w >= 0 where possible (Shepperd 1978, scale
    kept).
    """
    r = matrix_4x4[:3, :3]
    scale = float(np.linalg.norm(r[:, 0]))
    diagonal = np.diag(r)
    fourfold = (
        np.array([r.trace(), *(2 * diagonal - r.trace())]) + scale
    )  # 4 w^2, 4 x^2, 4 y^2, 4 z^2
    largest = int(np.argmax(fourfold))
    products = np.array(
        (  # 4 q_i q_j
            (fourfold[0], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]),
            (r[2, 1] - r[1, 2], fourfold[1], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]),
            (r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], fourfold[2], r[1, 2] + r[2, 1]),
            (r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], fourfold[3]),
        )
    )[largest]
    q = products / (2 * np.sqrt(fourfold[largest]))
    q = np.round((q if q[0] >= 0 else -q) * GRID) / GRID
    return np.array(matrix_4x4[:3, 3]), q


def canonical(matrix_4x4: np.ndarray) -> np.ndarray:
    """The same pose, such that its passage through a message gives the same bits."""
    return matrix_from_quaternion(*quaternion_from_matrix(matrix_4x4))


def from_xyz_rpy(xyz: tuple[float, float, float], rpy: tuple[float, float, float]) -> np.ndarray:
    """4x4 of a URDF origin: fixed-axis roll, pitch, yaw [rad] and position [m]."""
    matrix = np.eye(4)
    matrix[:3, :3] = euler2mat(*rpy, axes='sxyz')
    matrix[:3, 3] = xyz
    return matrix
