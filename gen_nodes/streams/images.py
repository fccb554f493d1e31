"""Camera pieces as drivers publish them, decoding and resizing to policy resolution. No ROS, no
torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from gen_nodes.types import Sample

MILLIMETRES = 1000.0


@dataclass(frozen=True)
class ColourSample(Sample):
    """A colour image alone, uint8."""

    frame: str
    rgb_HxWx3: np.ndarray


@dataclass(frozen=True)
class DepthSample(Sample):
    """A depth image alone, uint16 [mm], 0 = no return, registered to the colour image."""

    depth_mm_HxW: np.ndarray


@dataclass(frozen=True)
class IntrinsicsSample(Sample):
    """Pinhole intrinsics for an image of width x height [pixel]."""

    width: int
    height: int
    k_3x3: np.ndarray


@dataclass(frozen=True)
class PoseSample(Sample):
    """Pose of a camera's optical frame in the robot's base frame."""

    base_from_camera_4x4: np.ndarray


class EncodingError(ValueError):
    """An image whose encoding or size cannot be honoured."""


COLOUR = {
    'rgb8': (3, None),
    'bgr8': (3, cv2.COLOR_BGR2RGB),
    'mono8': (1, cv2.COLOR_GRAY2RGB),
    '8UC3': (3, cv2.COLOR_BGR2RGB),
    '8UC1': (1, cv2.COLOR_GRAY2RGB),
    'rgba8': (4, cv2.COLOR_RGBA2RGB),
    'bgra8': (4, cv2.COLOR_BGRA2RGB),
}
DEPTH = {'16UC1': np.uint16, 'mono16': np.uint16, '32FC1': np.float32}


def pixels(
    data: np.ndarray, height: int, width: int, step: int, dtype: np.dtype, channels: int
) -> np.ndarray:
    """(H, W, channels) view of a row-padded byte buffer. Raises EncodingError where the sizes
    disagree.
    """
    row = width * channels * dtype.itemsize
    if height <= 0 or width <= 0 or step < row or data.nbytes < height * step:
        raise EncodingError(
            f'{width}x{height} with step {step} does not fit into {data.nbytes} bytes'
        )
    rows = np.frombuffer(data, dtype=np.uint8, count=height * step).reshape(height, step)[:, :row]
    return np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels)


def decode_colour(
    encoding: str, data: np.ndarray, height: int, width: int, step: int
) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a raw image. Raises EncodingError."""
    if encoding not in COLOUR:
        raise EncodingError(f"colour encoding '{encoding}' is not one of {', '.join(COLOUR)}")
    channels, code = COLOUR[encoding]
    image = pixels(data, height, width, step, np.dtype(np.uint8), channels)
    return image if code is None else cv2.cvtColor(image, code)


def decode_depth(
    encoding: str, data: np.ndarray, height: int, width: int, step: int, bigendian: bool = False
) -> np.ndarray:
    """(H, W) uint16 [mm] of a raw depth image: 16UC1 [mm] or 32FC1 [m] (REP-118). Raises
    EncodingError.
    """
    if encoding not in DEPTH:
        raise EncodingError(f"depth encoding '{encoding}' is not one of {', '.join(DEPTH)}")
    dtype = np.dtype(DEPTH[encoding]).newbyteorder('>' if bigendian else '<')
    image = pixels(data, height, width, step, dtype, 1)[..., 0]
    return millimetres(image) if encoding == '32FC1' else image.astype(np.uint16, copy=False)


def millimetres(metres_HxW: np.ndarray) -> np.ndarray:
    """uint16 [mm] of float [m]; not finite, negative or beyond 65.5 m = 0 (no return)."""
    scaled = np.nan_to_num(
        metres_HxW.astype(np.float64) * MILLIMETRES, nan=0.0, posinf=0.0, neginf=0.0
    )
    return np.where((scaled > 0) & (scaled < 65535.5), np.rint(scaled), 0).astype(np.uint16)


def decode_compressed_colour(data: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a JPEG or PNG. Raises EncodingError."""
    image = imdecode(data, cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def decode_compressed_depth(data: np.ndarray, form: str) -> np.ndarray:
    """(H, W) uint16 [mm] of a 16-bit PNG; the 12-byte header of compressed_depth_image_transport
    is skipped.
    """
    image = imdecode(data[12:] if 'compressedDepth' in form else data, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise EncodingError(f"compressed depth '{form}' is not a 16-bit grey image")
    return image


def imdecode(data: np.ndarray, flags: int) -> np.ndarray:
    """cv2.imdecode that raises EncodingError instead of returning None."""
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags) if data.size else None
    if image is None:
        raise EncodingError(f'compressed image of {data.size} bytes cannot be decoded')
    return image


def resize_colour(rgb_HxWx3: np.ndarray, width: int, height: int) -> np.ndarray:
    """Colour at policy resolution, by area."""
    if rgb_HxWx3.shape[:2] == (height, width):
        return rgb_HxWx3
    return cv2.resize(rgb_HxWx3, (width, height), interpolation=cv2.INTER_AREA)


def resize_depth(depth_mm_HxW: np.ndarray, width: int, height: int) -> np.ndarray:
    """Depth at policy resolution, by nearest neighbour: depths are never mixed over an edge."""
    if depth_mm_HxW.shape == (height, width):
        return depth_mm_HxW
    return cv2.resize(depth_mm_HxW, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def scale_intrinsics(
    k_3x3: np.ndarray, from_size: tuple[int, int], to_size: tuple[int, int]
) -> np.ndarray:
    """Intrinsics after a resize (width, height) -> (width, height); pixel centres at whole
    numbers.
    """
    if from_size == to_size:
        return k_3x3
    sx, sy = to_size[0] / from_size[0], to_size[1] / from_size[1]
    k = np.array(k_3x3, dtype=np.float64)
    k[0, :2] *= sx
    k[1, 1] *= sy
    k[0, 2] = (k[0, 2] + 0.5) * sx - 0.5
    k[1, 2] = (k[1, 2] + 0.5) * sy - 0.5
    return k
