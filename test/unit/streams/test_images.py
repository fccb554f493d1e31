"""Decoding, resizing and poses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_nodes.streams import images
from gen_nodes.streams.pose import canonical, matrix_from_quaternion, quaternion_from_matrix

RGB = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ('encoding', 'raw'),
    [
        ('rgb8', RGB),
        ('bgr8', RGB[..., ::-1]),
        ('rgba8', np.dstack((RGB, np.full((6, 8), 7, np.uint8)))),
        ('bgra8', np.dstack((RGB[..., ::-1], np.full((6, 8), 7, np.uint8)))),
    ],
)
def test_colour_encodings_give_the_same_picture(encoding, raw) -> None:
    data = np.ascontiguousarray(raw).reshape(-1)
    assert np.array_equal(images.decode_colour(encoding, data, 6, 8, raw.shape[2] * 8), RGB)


def test_padded_rows_and_grey_are_understood() -> None:
    grey = np.zeros((6, 12), np.uint8)
    grey[:, :8] = RGB[..., 0]
    assert np.array_equal(
        images.decode_colour('mono8', grey.reshape(-1), 6, 8, 12), RGB[..., [0, 0, 0]]
    )


def test_depth_in_metres_becomes_millimetres_and_no_return_is_zero() -> None:
    metres = np.array([[1.2345, np.nan, np.inf], [-1.0, 0.0, 70.0]], np.float32)
    depth = images.decode_depth('32FC1', metres.reshape(-1).view(np.uint8), 2, 3, 12)
    assert depth.tolist() == [[1234, 0, 0], [0, 0, 0]] or depth.tolist() == [
        [1235, 0, 0],
        [0, 0, 0],
    ]


def test_big_endian_depth_is_swapped() -> None:
    depth = np.array([[1, 500], [65535, 0]], '>u2')
    assert (
        images.decode_depth('16UC1', depth.reshape(-1).view(np.uint8), 2, 2, 4, True).tolist()
        == depth.tolist()
    )


@pytest.mark.parametrize(
    ('encoding', 'height', 'step'), [('rgb8', 7, 24), ('rgb8', 6, 23), ('yuv422', 6, 24)]
)
def test_a_picture_whose_size_or_encoding_is_wrong_is_refused(encoding, height, step) -> None:
    with pytest.raises(images.EncodingError):
        images.decode_colour(encoding, RGB.reshape(-1), height, 8, step)


def test_compressed_pictures_are_decoded_and_rubbish_is_refused() -> None:
    png = cv2.imencode('.png', RGB[..., ::-1])[1]
    assert np.array_equal(images.decode_compressed_colour(png.reshape(-1)), RGB)
    depth = np.arange(48, dtype=np.uint16).reshape(6, 8) * 100
    packed = cv2.imencode('.png', depth)[1].reshape(-1)
    assert np.array_equal(images.decode_compressed_depth(packed, '16UC1; png'), depth)
    assert np.array_equal(
        images.decode_compressed_depth(
            np.r_[np.zeros(12, np.uint8), packed], '16UC1; compressedDepth png'
        ),
        depth,
    )
    for data in (np.zeros(0, np.uint8), np.arange(50, dtype=np.uint8)):
        with pytest.raises(images.EncodingError):
            images.decode_compressed_colour(data)


def test_a_point_keeps_its_direction_when_the_picture_is_resized() -> None:
    k = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])
    small = images.scale_intrinsics(k, (640, 480), (96, 96))
    for u, v in ((0, 0), (639, 479), (100, 300)):
        big = np.linalg.inv(k) @ (u, v, 1)
        us, vs = (u + 0.5) * 96 / 640 - 0.5, (v + 0.5) * 96 / 480 - 0.5
        assert np.allclose(np.linalg.inv(small) @ (us, vs, 1), big)


def test_depth_is_never_mixed_over_an_edge() -> None:
    depth = np.zeros((64, 64), np.uint16)
    depth[:, 33:] = 1000
    assert set(np.unique(images.resize_depth(depth, 24, 24))) == {0, 1000}


finite = st.floats(-1, 1)


@given(
    st.tuples(finite, finite, finite, finite).filter(lambda q: np.linalg.norm(q) > 0.6),
    st.tuples(finite, finite, finite),
)
def test_a_pose_passes_through_a_message_bit_by_bit(q, xyz) -> None:
    matrix = matrix_from_quaternion(np.array(xyz), np.array(q))
    assert np.array_equal(matrix_from_quaternion(*quaternion_from_matrix(matrix)), matrix)
    assert np.array_equal(canonical(matrix), matrix)
    assert np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize('q', [(0, 0, 0, 0), (np.nan, 0, 0, 1)])
def test_a_quaternion_that_is_no_rotation_is_refused(q) -> None:
    with pytest.raises(ValueError, match='not a pose'):
        matrix_from_quaternion(np.zeros(3), np.array(q, float))
