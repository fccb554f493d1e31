"""gen episode: begin or end an episode of a running stack, where there is no `ros2` command."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

from gen_nodes.errors import ConfigError, GenError
from gen_nodes.types import Episode, EpisodeEvent

HELP = """Tell the nodes of a running stack that an episode begins or ends. The policy acts from the
start to the stop, and the recorder writes a bag. Name the stack: --domain for one that 'gen up' has
started, it prints its domain; --real for the robot on the network."""
FOUND_S = 10.0  # until somebody listens
SETTLED_S = 1.0  # without a new listener: all have been found
HEARD_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen episode`."""
    parser.add_argument('event', choices=('start', 'stop', 'discard'), help='what happens')
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument('--domain', type=int, metavar='ID', help="domain that 'gen up' has printed")
    where.add_argument(
        '--real', action='store_true', help='the stack of the real robot, in this ROS environment'
    )
    parser.add_argument('--instruction', default='', help='start: what the robot is asked to do')
    parser.add_argument('--task', default='', help='start: name of the task, for the record')
    parser.add_argument('--id', default='', help='name of the bag (default: the time)')
    parser.add_argument(
        '--outcome', default='', choices=('', 'success', 'failure'), help='stop: how it went'
    )
    parser.add_argument('--namespace', default='', help='ROS namespace of the nodes')


def run(args: argparse.Namespace) -> int:
    """Returns 0 once every node that listens has heard it. Raises GenError where none does."""
    if args.event == 'start' and not args.instruction:
        raise ConfigError("start needs --instruction, e.g. 'touch the red ball'")
    if args.domain is not None:
        join(args.domain)
    episode = Episode(
        time.time_ns(),
        EpisodeEvent[args.event.upper()],
        args.id or (time.strftime('%Y%m%d_%H%M%S') if args.event == 'start' else ''),
        args.instruction,
        args.task,
        args.outcome,
    )
    listeners = publish(episode, args.namespace)
    print(f'{args.event} {episode.id or "of the running episode"}: {listeners} nodes heard it')
    return 0


def join(domain: int) -> None:
    """Make this process part of an isolated run on this machine. Raises ConfigError."""
    from gen_nodes.ros.isolation import DOMAINS, isolate_this_process

    if domain not in DOMAINS:
        raise ConfigError(f'--domain {domain} must lie in [{DOMAINS[0]}, {DOMAINS[-1]}]')
    isolate_this_process()
    os.environ['ROS_DOMAIN_ID'] = str(domain)


def publish(episode: Episode, namespace: str) -> int:
    """Publish to everyone who listens; returns how many. Raises GenError where nobody does."""
    import rclpy
    from rclpy.duration import Duration

    from gen_nodes.ros import convert
    from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
    from gen_nodes.ros.qos import latched

    rclpy.init(args=[])
    try:
        node = rclpy.create_node('gen_episode', namespace=namespace)
        publisher = node.create_publisher(
            message_class('gen_stack/msg/Episode'), 'episode', latched()
        )
        listeners = settled(publisher.get_subscription_count)
        if not listeners:
            raise GenError(
                f'nobody listens to {publisher.topic_name} in ROS domain '
                f"{os.environ.get('ROS_DOMAIN_ID', '0')}: does the stack run there ('gen up')?"
            )
        publisher.publish(convert.episode_message(RclpyMessages(), episode))
        if not publisher.wait_for_all_acked(Duration(seconds=HEARD_S)):
            raise GenError(f'not every node has heard it within {HEARD_S:g} s; say it again')
        return listeners
    finally:
        rclpy.try_shutdown()


def settled(count: Callable[[], int]) -> int:
    """What `count()` gives once it is not 0 and has not changed for a while; 0 if it stays 0."""
    began = changed = time.monotonic()
    before = 0
    while True:
        now, present = time.monotonic(), count()
        if present != before:
            before, changed = present, now
        if now - (changed if before else began) > (SETTLED_S if before else FOUND_S):
            return before
        time.sleep(0.02)
