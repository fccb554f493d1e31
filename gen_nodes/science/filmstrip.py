"""What the robot's camera saw, read back out of a bag."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

from gen_nodes.data.bags import BagReader
from gen_nodes.errors import BagError
from gen_nodes.ros.convert import colour_array, stamp_ns
from gen_nodes.types import NS

IMAGES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')


@dataclass(frozen=True)
class Frame:
    """One picture: capture time since the first one of the film [s], PNG as a data URL."""

    time_s: float
    data_url: str


@dataclass(frozen=True)
class Film:
    """A few frames of one bag; `id` and `instruction` as the bag tells them."""

    id: str
    instruction: str
    topic: str
    frames: tuple[Frame, ...]


def read_film(path: Path, count: int = 6) -> Film:
    """Frames evenly spread over a bag, first and last included. Raises BagError without any."""
    bag = BagReader(path)
    topic = colour_topic(bag)
    known = {**bag.notes.get('gen_stack', {}), **bag.custom}
    frames = tuple(spread(bag, topic, count))
    return Film(known.get('id', path.name), known.get('instruction', ''), topic, frames)


def colour_topic(bag: BagReader) -> str:
    """Colour topic of the robot's first camera, else any colour image. Raises BagError."""
    robot = yaml.safe_load(bag.robot_files().get('robot.yaml', '')) or {}
    wanted = [
        stream['topics']['rgb']
        for stream in robot.get('streams', {}).values()
        if stream.get('type') == 'camera'
    ]
    images = [topic.name for topic in bag.topics.values() if topic.type in IMAGES and topic.count]
    colour = [name for name in images if 'depth' not in name]
    for name in (*wanted, *colour):
        if name in images:
            return name
    raise BagError(f"bag '{bag.path}' holds no colour image")


def spread(bag: BagReader, topic: str, count: int) -> Iterator[Frame]:
    """`count` frames of a topic at equal distances."""
    first_ns: int | None = None
    picked = set(np.linspace(0, bag.topics[topic].count - 1, count).round().astype(int).tolist())
    for number, message in enumerate(bag.messages([topic])):
        if number in picked:
            decoded = bag.decode(message)
            pixels = colour_array(decoded)
            first_ns = stamp_ns(decoded) if first_ns is None else first_ns
            time_s = (stamp_ns(decoded) - first_ns) / NS
            yield Frame(time_s, data_url(pixels))


def data_url(rgb_HxWx3: np.ndarray) -> str:
    """PNG of an image for an <img> that needs no other file."""
    _, png = cv2.imencode('.png', cv2.cvtColor(rgb_HxWx3, cv2.COLOR_RGB2BGR))
    return 'data:image/png;base64,' + base64.b64encode(png.tobytes()).decode()
