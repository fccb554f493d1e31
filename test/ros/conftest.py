"""A small graph in one process: the node under test and a probe beside it, on one executor."""

import gc
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import rclpy
import torch
from interfaces import Interfaces, build_interfaces
from rclpy.executors import Executor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from gen_nodes.model.config import read_model_config
from gen_nodes.model.harmonic import HarmonicModel
from gen_nodes.policy.checkpoint import CheckpointHeader, save_checkpoint
from gen_nodes.robot import resource_root
from gen_nodes.ros.executor import make_executor
from gen_nodes.ros.lifecycle import GenNode
from gen_nodes.ros.messages_rclpy import message_class

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)


class Rig:
    """Runs a node beside a probe that publishes to it and hears what it says."""

    def __init__(self) -> None:
        self.executor: Executor | None = None
        self.heard: dict[str, list] = {}
        self._tickers: list[tuple[float, Callable[[], None]]] = []

    def start(self, node_class: Callable[[], GenNode], **parameters: object) -> GenNode:
        """Make the node with these parameters, start it and a probe."""
        given = [word for key, value in parameters.items() for word in ('-p', f'{key}:={value}')]
        self.start_probe(given)
        self.node = node_class()
        self.executor.add_node(self.node)
        assert self.node.start(), self.node.failure
        return self.node

    def start_probe(self, given: list[str] | None = None) -> None:
        """Start the probe alone, beside a node in a process of its own."""
        rclpy.init(args=['--ros-args', *(given or [])])
        self.executor = make_executor()
        self.probe = rclpy.create_node('probe')
        self.executor.add_node(self.probe)

    def listen(self, type_name: str, topic: str, qos: QoSProfile | int = 50) -> list:
        """Every message on a topic from here on."""
        heard = self.heard.setdefault(topic, [])
        self.probe.create_subscription(message_class(type_name), topic, heard.append, qos)
        return heard

    def publisher(self, type_name: str, topic: str, qos: QoSProfile | int = 10):
        return self.probe.create_publisher(message_class(type_name), topic, qos)

    def call(self, type_class: type, service: str):
        """Call a service and wait for its answer."""
        client = self.probe.create_client(type_class, service)
        assert client.wait_for_service(5.0)
        future = client.call_async(type_class.Request())
        self.until(future.done)
        return future.result()

    def every(self, period_s: float, action: Callable[[], None]) -> None:
        """Do something periodically while the rig spins."""
        self.probe.create_timer(period_s, action)

    def until(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Spin until the condition holds."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f'not within {timeout_s} s; heard {self.last_words()}'
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def last_words(self) -> dict[str, object]:
        return {topic: heard[-1] if heard else None for topic, heard in self.heard.items()}

    def close(self) -> None:
        if self.executor is None:
            return
        if hasattr(self, 'node'):
            self.node.end()
            self.node.destroy_node()
        self.executor.shutdown()
        self.probe.destroy_node()
        rclpy.try_shutdown()
        self.__dict__.clear()
        gc.unfreeze()  # the controller freezes what is there
        gc.collect()  # a DDS participant lives as long as its node, and nodes refer to themselves


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


@pytest.fixture
def latched() -> QoSProfile:
    return LATCHED


def statuses(heard: list, component: str) -> list[tuple[int, str, str]]:
    """Level, cause and next step of a component in the diagnostics heard."""
    return [
        (
            status.level[0],
            status.message,
            {pair.key: pair.value for pair in status.values}['next_step'],
        )
        for message in heard
        for status in message.status
        if status.name.endswith(f': {component}')
    ]


@pytest.fixture(name='statuses')
def statuses_fixture() -> Callable[[list, str], list[tuple[int, str, str]]]:
    return statuses


@pytest.fixture(scope='session')
def untrained(tmp_path_factory) -> Callable[..., Path]:
    """Checkpoints of an untrained policy that sees with the given cameras."""

    @cache
    def save(*cameras: str) -> Path:
        torch.manual_seed(0)
        config = read_model_config(resource_root() / 'config' / 'model' / 'nano.yaml')
        path = tmp_path_factory.mktemp('checkpoint') / 'untrained.safetensors'
        save_checkpoint(path, HarmonicModel(config), CheckpointHeader(config, cameras, {}))
        return path

    return save


@pytest.fixture(scope='session')
def checkpoint(untrained) -> Path:
    """One that sees with the free-standing camera."""
    return untrained('front')


@pytest.fixture(scope='session')
def interfaces(tmp_path_factory) -> Interfaces:
    """Interface packages of robots that this machine lacks; importable here from now on."""
    built = build_interfaces(tmp_path_factory.mktemp('interfaces'))
    built.use_here()
    return built
