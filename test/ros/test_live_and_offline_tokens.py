"""Tokens of one recorded bag: through the live aggregator node, and through data/episodes.replay.

Which message falls before which tick is a race between processes when a graph runs freely (the
test of recorded samples in test_sensor_aggregator.py therefore leaves thinning aside). Here the
node's clock is the bag's: every message arrives at its log time and every tick comes when it
should, so what is left to differ is what the node does, and nothing of it may.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy')

from gen_nodes.data.bags import BagMessage, BagReader
from gen_nodes.data.episode_bags import EpisodeWriter
from gen_nodes.data.episodes import grid, replay
from gen_nodes.hil.collect import Detours, ExpertActor
from gen_nodes.hil.lockstep import Lockstep
from gen_nodes.hil.world import load_world
from gen_nodes.nodes.sensor_aggregator import SensorAggregator
from gen_nodes.robot import load_robot
from gen_nodes.ros import convert
from gen_nodes.ros.routes import Route, bag_routes
from gen_nodes.streams.tokens import Tokeniser
from gen_nodes.types import NS, Episode, EpisodeEvent, Observation

SPEC = load_robot('ur5e')
START = 1_700_000_000 * NS
SECONDS = 2.0
CAMERAS = ('front', 'wrist')
TICK_HZ = 50.0


class ScriptedAggregator(SensorAggregator):
    """The live node with the bag's clock: nobody spins it, messages and ticks are handed to it."""

    clock_ns = START

    def now_ns(self) -> int:
        return self.clock_ns

    def arrive(self, route: Route, message: BagMessage) -> None:
        """What a subscription does, and for pictures what their thread then does."""
        self.clock_ns = message.log_ns
        lane = self._core.lane_of(route.stream)
        before, end = lane.received, time.monotonic() + 20
        (self._on_image if route.is_image else self._on_message)(route, message.raw, {})
        while lane.received == before:
            assert time.monotonic() < end, f'{route.topic} never arrived'
            time.sleep(0.0002)

    def tick(self, now_ns: int) -> None:
        """What its timer does."""
        self.clock_ns = now_ns
        self._tick()


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> BagReader:
    """A demonstration: a moving arm, pictures, executed commands."""
    path: Path = tmp_path_factory.mktemp('bags') / 'one'
    loop = Lockstep(SPEC, load_world('tabletop'), 0)
    scene = loop.emulator.reset(1, 'track', START)
    episode = Episode(START, EpisodeEvent.START, 'one', scene.instruction, 'track')
    writer = EpisodeWriter(path, SPEC, episode)
    actor = ExpertActor(SPEC, 0, Detours(1.0))
    loop.run(actor, 'track', 1, START, writer, SECONDS, actor.marks)
    writer.close(START + round(SECONDS * NS), 'success')
    return BagReader(path)


def live(rig, bag: BagReader, ticks_ns: list[int]) -> Iterator[Observation]:
    """Observations as the node publishes them, over DDS."""
    node = rig.start(ScriptedAggregator, robot='ur5e', tick_hz=TICK_HZ)
    rig.executor.remove_node(node)
    heard = rig.listen('gen_stack/msg/Observation', 'observation')
    rig.until(lambda: node._publisher.get_subscription_count() == 1)
    routes = bag_routes(SPEC, {t.name: t.type for t in bag.topics.values()}, {})
    messages = list(bag.messages(routes))
    for count, tick_ns in enumerate(ticks_ns, start=1):
        while messages and messages[0].log_ns <= tick_ns:
            message = messages.pop(0)
            node.arrive(routes[message.topic], message)
        node.tick(tick_ns)
        rig.until(lambda count=count: len(heard) == count)
        yield convert.observation_of(heard[-1])


def bits(value: object) -> object:
    """A value in a form that is equal only to the very same bits."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_dataclass(value):
        return type(value), *(bits(getattr(value, field.name)) for field in fields(value))
    return tuple(map(bits, value)) if isinstance(value, tuple) else value


def test_live_and_offline_tokens_of_one_bag_are_bit_equal_at_every_tick(rig, bag) -> None:
    ticks_ns = list(grid(bag.start_ns, bag.end_ns, TICK_HZ))
    one, other = Tokeniser(SPEC, CAMERAS, 0.08), Tokeniser(SPEC, CAMERAS, 0.08)
    offline = list(replay(bag, SPEC, ticks_ns=ticks_ns))
    frames = entered = 0
    for seen, replayed in zip(live(rig, bag, ticks_ns), offline, strict=True):
        tokens = one.push(seen)
        assert bits(tokens) == bits(other.push(replayed)), f'at {seen.stamp_ns - START} ns'
        assert bits(seen.samples) == bits(replayed.samples)
        frames, entered = frames + len(tokens.frames), entered + tokens.body_enters
    thinned = {health.stream: health.dropped.get('decimated', 0) for health in offline[-1].health}
    assert frames > 2 * 20 * SECONDS and entered > 10 * SECONDS and thinned['joint_states'] > 0
