"""`gen up`: the stack's processes for one robot, where `ros2 launch` is not there or not wanted."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from gen_nodes.checkpoint_files import find_checkpoint
from gen_nodes.cli.arguments import stop_in_order_when_ended
from gen_nodes.errors import ConfigError, GenError
from gen_nodes.robot import load_robot
from gen_nodes.ros.graph import (
    CONSEQUENCES,
    Graph,
    ParameterValue,
    describe_exit,
    stack_processes,
)
from gen_nodes.ros.isolation import isolated_environment

HELP = """Start the stack for a robot and keep it running until Ctrl-C. Without --real an emulator
plays the robot and nothing leaves this machine. With --real the commands go to the robot: no
emulator, no isolation."""
POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'robot', help='name of a robot in config/robots, or the path of a robot YAML'
    )
    parser.add_argument('--real', action='store_true', help='command the real robot on the network')
    parser.add_argument(
        '--yes', action='store_true', help='with --real: do not ask for confirmation'
    )
    parser.add_argument(
        '--policy', metavar='CHECKPOINT', help='checkpoint to run (default: the one that ships)'
    )
    parser.add_argument('--no-policy', action='store_true', help='start everything but the policy')
    parser.add_argument('--no-recorder', action='store_true', help='record nothing')
    parser.add_argument('--namespace', default='', help='ROS namespace of all nodes')
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NODE.PARAMETER=VALUE',
        help='set a parameter of a node; may be repeated',
    )
    parser.add_argument(
        '--seconds', type=float, metavar='S', help='stop after this time instead of on Ctrl-C'
    )
    parser.add_argument('--out', type=Path, default=Path('out/up'), help='folder of logs and bags')


def run(args: argparse.Namespace) -> int:
    """Returns 0 when everything ran until it was asked to stop, 1 when a node died before."""
    robot = load_robot(args.robot)
    processes = stack_processes(
        args.robot,
        emulator=not args.real,
        recorder=not args.no_recorder,
        policy=not args.no_policy,
        namespace=args.namespace,
        parameters=parameters(args),
    )
    environment = (
        real_environment(robot.display_name, args, say) if args.real else isolated_environment()
    )
    stop_in_order_when_ended()
    log_dir = (args.out / robot.name / time.strftime('%Y%m%d-%H%M%S')).resolve()
    died = False
    try:
        with Graph(processes, environment=environment, log_dir=log_dir, announce=say) as graph:
            greet(graph, environment, real=args.real)
            died = watch(graph, args.seconds)
    except KeyboardInterrupt:
        say('stopped')
    return 1 if died else 0


def watch(graph: Graph, seconds: float | None) -> bool:
    """Report every death until Ctrl-C, or `seconds`. Returns whether any node died; raises when all
    have.
    """
    end = time.monotonic() + (seconds or float('inf'))
    died = False
    try:
        while time.monotonic() < end:
            for name, code in graph.poll():
                died = True
                say(
                    f'{name} has died ({describe_exit(code)}). {CONSEQUENCES[name]} Its last words:'
                )
                for line in graph.log_tail(name):
                    say(f'    {line}')
                say(f"all of them: {graph.log_dir / name}.log. Next: Ctrl-C, then 'gen up' again.")
            if not graph.pids():
                raise GenError(f'no node runs any more. Logs: {graph.log_dir}')
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        say('stopping ...')
    return died


def parameters(args: argparse.Namespace) -> dict[str, dict[str, ParameterValue]]:
    """Node parameters that the arguments ask for. Raises ConfigError at an unreadable --set,
    CheckpointError where there is nothing to run.
    """
    chosen: dict[str, dict[str, ParameterValue]] = {}
    if not args.no_policy:
        chosen['harmonic_policy'] = {'checkpoint': str(find_checkpoint(args.policy))}
    if not args.no_recorder:
        chosen['data_recorder'] = {'output_dir': str((args.out / 'bags').resolve())}
    for setting in args.set:
        name, equals, value = setting.partition('=')
        node, dot, parameter = name.partition('.')
        if not (equals and dot and node and parameter):
            raise ConfigError(
                f"--set '{setting}': expected NODE.PARAMETER=VALUE, e.g. robot_emulator.task=reach"
            )
        try:
            chosen.setdefault(node, {})[parameter] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set '{setting}': '{value}' is no YAML value") from error
    return chosen


def real_environment(
    display_name: str, args: argparse.Namespace, say: Callable[[str], None]
) -> Mapping[str, str]:
    """This process's environment, once a person has confirmed that the real robot may move."""
    say(
        f'REAL ROBOT: {display_name} will be commanded over '
        f'ROS domain {os.environ.get("ROS_DOMAIN_ID", "0")}, '
        f'discovery range {os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")}.'
    )
    say('This software is not safety-rated: clear the workspace, keep the stop in your hand.')
    if not args.yes and ask(f"Type '{args.robot}' to go on: ") != args.robot:
        raise ConfigError('not confirmed; nothing was started.')
    return dict(os.environ)


def ask(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ''


def greet(graph: Graph, environment: Mapping[str, str], *, real: bool) -> None:
    for name, pid in graph.pids().items():
        say(f'{name:22} pid {pid}')
    say(f'logs in {graph.log_dir}')
    domain = environment.get('ROS_DOMAIN_ID', '0')
    if not real:
        say(
            'isolated; to listen from another terminal: export '
            f'ROS_DOMAIN_ID={domain} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST'
        )
    where = '--real' if real else f'--domain {domain}'
    say(f"from another terminal: gen episode start {where} --instruction 'touch the red ball'")
    say('Ctrl-C stops everything in order.')


def say(text: str) -> None:
    print(f'gen up: {text}', file=sys.stderr, flush=True)
