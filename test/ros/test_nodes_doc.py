"""docs/nodes.md against the nodes themselves: every parameter, topic and service that a node has is
in its table, and nothing else.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy

from gen_nodes.robot import load_robot
from gen_nodes.ros.graph import START_ORDER
from gen_nodes.ros.lifecycle import AUTOSTART, GenNode
from gen_nodes.ros.parameters import Parameter

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / 'docs' / 'nodes.md').read_text()
ROBOT = 'ur5e'


def section(name: str) -> str:
    """The part of the page under a node's heading."""
    return DOC.split(f'\n## {name}\n')[1].split('\n## ')[0]


def row(p: Parameter) -> str:
    """A parameter's line in the page."""
    if p.choices:
        valid = ', '.join(p.choices)
    else:
        valid = '' if p.low is None else f'{p.low:.10g} to {p.high:.10g}'
    default = f"'{p.default}'" if isinstance(p.default, str) else str(p.default).lower()
    return f'| `{p.name}` | {default} | {valid} | {p.description}{"; live" if p.live else ""} |'


@pytest.mark.parametrize('name', START_ORDER)
def test_the_page_lists_the_parameters_that_a_node_declares(name):
    declared = [row(p) for p in importlib.import_module(f'gen_nodes.nodes.{name}').PARAMETERS]
    lines = re.findall(r'^\| `\w+` \|.*\|$', section(name), flags=re.M)
    assert lines == declared


def test_the_page_says_what_every_node_declares():
    assert row(AUTOSTART) in section('Every node')


def entities(node: GenNode) -> Iterator[tuple[str, str, str]]:
    """(what, name as the node sees it, type) of everything that a node says, hears and serves."""
    for what, those, name, kind in (
        ('publishes', node.publishers, 'topic_name', 'msg_type'),
        ('hears', node.subscriptions, 'topic_name', 'msg_type'),
        ('serves', node.services, 'service_name', 'srv_type'),
    ):
        for one in those:
            of = getattr(one, kind)
            own = getattr(one, name).replace(f'/{node.get_name()}/', '~/')
            yield what, own, f'{of.__module__.split(".")[0]}/{of.__name__}'


def wired() -> dict[str, str]:
    """Topic of the robot YAML -> its key there."""
    spec = load_robot(ROBOT)
    return {
        **{t: 'streams' for stream in spec.streams.values() for t in stream.topics.values()},
        **{path.topic: 'control.paths' for path in spec.control.paths},
        **{topic.topic: 'safety.topics' for topic in spec.safety_topics},
    }


@pytest.fixture
def configured(checkpoint, tmp_path):
    """Makes a node of a module and configures it."""
    made: list[GenNode] = []

    def configure(name: str) -> GenNode:
        module = importlib.import_module(f'gen_nodes.nodes.{name}')
        given = {'autostart': 'false', 'robot': ROBOT}
        given |= {'checkpoint': checkpoint} if name == 'harmonic_policy' else {}
        given |= {'output_dir': tmp_path} if name == 'data_recorder' else {}
        rclpy.init(args=['--ros-args', *(w for k, v in given.items() for w in ('-p', f'{k}:={v}'))])
        (kind,) = [
            one
            for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, GenNode) and one is not GenNode
        ]
        made.append(kind())
        made[-1].configure()
        return made[-1]

    yield configure
    for node in made:
        node.end()
        node.destroy_node()
    rclpy.try_shutdown()


@pytest.mark.parametrize('name', START_ORDER)
def test_the_page_lists_the_topics_and_services_that_a_node_has(name, configured):
    node, topics = configured(name), wired()
    bare = GenNode('bare', [])
    common = {entity[:2] for entity in entities(bare)}
    bare.destroy_node()
    expected = set()
    for what, own, kind in entities(node):
        if (what, own) in common:
            continue
        if own in topics:
            expected.add((what, topics[own], ''))
        else:
            expected.add((what, own.removeprefix('/'), kind))
    found = set()
    for what, own, kind in re.findall(
        r'^\| (publishes|hears|serves) \| `([^`]+)` \| ([^|]*) \|', section(name), flags=re.M
    ):
        found.add((what, own, '' if own in topics.values() else kind.strip()))
    assert found == expected
