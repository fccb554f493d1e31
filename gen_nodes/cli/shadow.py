"""gen shadow: a recorded bag through the real nodes, in real time, with no robot commanded."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen_nodes.checkpoint_files import find_checkpoint
from gen_nodes.cli.arguments import check_json, stop_in_order_when_ended
from gen_nodes.errors import CheckpointError, ConfigError, GenError
from gen_nodes.interrupts import interrupts_last
from gen_nodes.whole import write_whole

if TYPE_CHECKING:
    from gen_nodes.hil.shadow import Recording, Shift
    from gen_nodes.robot import RobotSpec
    from gen_nodes.ros.graph import Graph

HELP = (
    'play a recorded bag through the stack with no robot commanded, and account for every message'
)
SPIN_S = 0.02
READY_S = 60.0
SETTLE_S = 0.7
CATCH_UP_S = 10.0  # until what the nodes said by then has been heard, on a busy machine
LEAD_S = 1.0  # a node may know its publisher later than the publisher knows it
SLIP_S = 0.1  # the player moves the rest of the recording when it is behind by more


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `gen shadow`."""
    parser.add_argument('--bag', type=Path, required=True, help='bag folder or file (MCAP, sqlite)')
    parser.add_argument('--robot', required=True, help='robot whose stack listens (name or YAML)')
    parser.add_argument(
        '--rate', type=float, default=1.0, help='speed of the recording (default: 1, as it was)'
    )
    parser.add_argument('--json', type=Path, help='write the report here')
    parser.add_argument(
        '--remap',
        action='append',
        default=[],
        metavar='BAG_TOPIC:=ROBOT_TOPIC',
        help='play a topic of the bag under the name in the robot YAML; may be repeated',
    )
    parser.add_argument(
        '--instruction', help="what the policy is asked to do (default: the bag's own)"
    )
    parser.add_argument('--checkpoint', default='', help='checkpoint (default: the one that ships)')


def run(args: argparse.Namespace) -> int:
    """0. Raises GenError where not every message of the bag is accounted for: the report is written
    all the same.
    """
    from gen_nodes.data.bags import BagReader
    from gen_nodes.data.episodes import episode_info
    from gen_nodes.hil.shadow import open_recording
    from gen_nodes.robot import load_robot

    if not 0.1 <= args.rate <= 10:
        raise ConfigError(f'--rate {args.rate:g} must lie in [0.1, 10]')
    check_json(args.json)
    spec = load_robot(args.robot)
    checkpoint, why_not = checkpoint_or_none(args.checkpoint)
    bag = BagReader(args.bag)
    recording = open_recording(bag, spec, remaps(args.remap))
    instruction = episode_info(bag).instruction if args.instruction is None else args.instruction
    for warning in bag.warnings:
        print(f'note: {warning}')
    print(
        f'{bag.path.name}: {bag.count} messages, {(bag.end_ns - bag.start_ns) / 1e9:.1f} s, '
        f"instruction '{instruction}'. The controller runs in shadow: it sends nothing to a robot."
    )
    stop_in_order_when_ended()
    report = play(args, spec, recording, instruction, checkpoint)
    report['next_action_reason'] = why_not or report['next_action_reason']
    show(report)
    if args.json:
        write_whole(args.json, json.dumps(report, indent=1) + '\n')
    if missing := unaccounted(report['streams']):
        raise GenError(
            f'not every message is accounted for: {", ".join(missing)}; try a lower --rate'
        )
    return 0


def unaccounted(streams: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Streams of a report of which messages got lost on the way, or came from nowhere, in words."""
    from gen_nodes.hil.shadow import LEFT, LOST

    return [
        f'{name} {stream["dropped"][reason]} {reason}'
        for name, stream in streams.items()
        for reason in (LOST, LEFT)
        if stream['dropped'].get(reason, 0) and (reason == LOST or stream['dropped'][reason] < 0)
    ]


def checkpoint_or_none(given: str) -> tuple[Path | None, str]:
    """The checkpoint to run; None and the reason where none was given and none ships."""
    try:
        return find_checkpoint(given), ''
    except CheckpointError as error:
        if given:
            raise
        return None, str(error)


def remaps(given: list[str]) -> dict[str, str]:
    """Bag topic -> robot topic."""
    pairs = [text.split(':=') for text in given]
    for text, pair in zip(given, pairs, strict=True):
        if len(pair) != 2 or not all(pair):
            raise ConfigError(f"--remap '{text}' must look like /bag/topic:=/robot/topic")
    return dict(pairs)


def play(
    args: argparse.Namespace,
    spec: RobotSpec,
    recording: Recording,
    instruction: str,
    checkpoint: Path | None,
) -> dict[str, Any]:
    """Start the graph, play the bag, gather the report. Raises GenError where a node dies."""
    import rclpy

    from gen_nodes.ros.graph import Graph, stack_processes
    from gen_nodes.ros.isolation import isolate_this_process

    environment = isolate_this_process()
    parameters = {'embodiment_controller': {'shadow': True}}
    if checkpoint:
        parameters['harmonic_policy'] = {'checkpoint': str(checkpoint)}
    processes = stack_processes(
        args.robot, emulator=False, recorder=False, policy=bool(checkpoint), parameters=parameters
    )
    rclpy.init()
    try:
        with (
            tempfile.TemporaryDirectory(prefix='gen_shadow_') as logs,
            Graph(processes, environment=environment, log_dir=Path(logs)) as graph,
        ):
            stage = Stage(spec, recording)
            try:
                stage.wait(graph, policy=bool(checkpoint))
                stage.play(graph, instruction, args.rate)
                return stage.report(args, instruction)
            finally:
                stage.close()
    finally:
        rclpy.try_shutdown()


class Stage:
    """The robot's place in the graph: publishes the recording, hears what the nodes make of it."""

    def __init__(self, spec: RobotSpec, recording: Recording) -> None:
        import rclpy

        from gen_nodes.hil.measures import EpisodeStamps, Measures
        from gen_nodes.ros.executor import make_executor, with_info
        from gen_nodes.ros.messages_rclpy import RclpyMessages, message_class
        from gen_nodes.ros.qos import MANY, latched, reliable

        self.spec, self.recording, self.m = spec, recording, RclpyMessages()
        self.measures, self.stamps = Measures(), EpisodeStamps()
        self.chunks: list[Any] = []
        self.observation: Any = None
        self.ready: set[str] = set()
        self.causes: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.lags_ms: list[float] = []
        self.shifts: list[tuple[int, Shift]] = []
        self.node = rclpy.create_node('gen_shadow')
        self.publishers = {
            name: self.node.create_publisher(
                message_class(route.type),
                route.topic,
                latched() if route.latched else reliable(1000),
            )
            for name, route in recording.routes.items()
        }
        self.console = self.node.create_publisher(
            message_class('gen_stack/msg/Episode'), 'episode', latched()
        )
        listen = self.node.create_subscription
        listen(
            message_class('gen_stack/msg/Observation'),
            'observation',
            with_info(self.on_observation),
            reliable(50),
        )
        listen(
            message_class('gen_stack/msg/ActionChunk'),
            'action_chunk',
            with_info(self.on_chunk),
            reliable(50),
        )
        listen(
            message_class('gen_stack/msg/JointCommand'),
            'executed',
            with_info(self.on_command),
            reliable(500),
        )
        listen(
            message_class('gen_stack/msg/ControllerState'),
            'controller_state',
            self.on_state,
            latched(MANY),
        )
        listen(
            message_class('diagnostic_msgs/msg/DiagnosticArray'),
            '/diagnostics',
            self.on_diagnostics,
            reliable(50),
        )
        self.executor = make_executor()
        self.executor.add_node(self.node)

    def hear(self, seconds: float) -> None:
        """Run callbacks for so long; whatever waits is heard even with 0."""
        end = time.monotonic() + seconds
        with interrupts_last():
            self.executor.spin_once(timeout_sec=0.0)
        while (left_s := end - time.monotonic()) > 0:
            with interrupts_last():
                self.executor.spin_once(timeout_sec=min(left_s, SPIN_S))

    # What is heard

    def on_observation(self, message: Any, info: dict[str, Any]) -> None:
        from gen_nodes.ros import convert

        observation = convert.observation_of(message)
        self.observation = observation
        published = info['source_timestamp']
        self.stamps.published[observation.stamp_ns] = published
        self.measures.add_observation(
            observation, published, [n for n, s in self.spec.streams.items() if s.type == 'camera']
        )

    def on_chunk(self, message: Any, info: dict[str, Any]) -> None:
        from gen_nodes.hil.measures import Decision
        from gen_nodes.ros import convert

        chunk = convert.action_chunk_of(message)
        self.chunks.append(chunk)
        self.stamps.decisions[chunk.sequence] = Decision(
            chunk.stamp_ns, chunk.newest_capture_ns, info['source_timestamp']
        )

    def on_command(self, message: Any, info: dict[str, Any]) -> None:
        sent_ns = info['source_timestamp']  # its header says when it is for
        self.stamps.commands.append((sent_ns, message.sequence))

    def on_state(self, message: Any) -> None:
        from gen_nodes.types import Mode

        self.ready.add('embodiment_controller')
        self.modes[f'{Mode(message.mode).name.lower()}: {message.reason}'.rstrip(': ')] += 1

    def on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == 'harmonic_policy: policy':
                self.ready.add('harmonic_policy')
                self.causes[status.message] += 1

    # What is done

    def wait(self, graph: Graph, policy: bool) -> None:
        """Until every node runs and hears. Raises GenError where one dies or does not come."""
        end = time.monotonic() + READY_S
        wanted = {'embodiment_controller', *(['harmonic_policy'] if policy else [])}
        while not (
            wanted <= self.ready
            and self.observation is not None
            and all(p.get_subscription_count() for p in self.publishers.values())
        ):
            self.check(graph)
            if time.monotonic() > end:
                raise GenError(
                    f'the nodes are not ready after {READY_S:g} s: '
                    + '; '.join(f'{n}: {" ".join(graph.log_tail(n, 2))}' for n in graph.pids())
                )
            self.hear(0.05)

    def play(self, graph: Graph, instruction: str, rate: float) -> None:
        """Publish the recording as it was recorded."""
        from gen_nodes.hil.shadow import Shift

        self.causes.clear()
        self.modes.clear()
        shift = Shift(
            self.recording.bag.start_ns,
            time.time_ns() + round(LEAD_S * 1e9),
            rate,
            self.recording.clock_ns,
        )
        self.say(instruction)
        self.shifts = [(self.recording.bag.start_ns, shift)]
        checked = time.monotonic()
        for message in self.recording.messages():
            due = shift.publish_ns(message.log_ns)
            self.hear((due - time.time_ns()) / 1e9)
            behind = time.time_ns() - due
            self.lags_ms.append(behind / 1e6)
            if behind > SLIP_S * 1e9:
                shift = shift.slipped(behind)
                self.shifts.append((message.log_ns, shift))
            self.publishers[message.topic].publish(shift.restamp(message.raw))
            if time.monotonic() > checked + 0.5:
                self.check(graph)
                checked = time.monotonic()
        ended_ns = time.time_ns()
        self.hear(SETTLE_S)
        latest = time.monotonic() + CATCH_UP_S
        while self.observation.stamp_ns < ended_ns + SETTLE_S / 2 * 1e9:
            self.check(graph)
            if time.monotonic() > latest:
                raise GenError('the sensor_aggregator says nothing any more; see its log')
            self.hear(0.1)

    def check(self, graph: Graph) -> None:
        """Raise GenError where a node died."""
        from gen_nodes.ros.graph import describe_exit

        for name, code in graph.poll():
            said = ' '.join(graph.log_tail(name, 3))
            raise GenError(f'{name} died ({describe_exit(code)}): {said}')

    def say(self, instruction: str) -> None:
        """The episode begins."""
        from gen_nodes.ros import convert
        from gen_nodes.types import Episode, EpisodeEvent

        episode = Episode(time.time_ns(), EpisodeEvent.START, 'shadow', instruction)
        self.console.publish(convert.episode_message(self.m, episode))

    def report(self, args: argparse.Namespace, instruction: str) -> dict[str, Any]:
        """Everything that was found out."""
        from gen_nodes.hil.measures import summarise
        from gen_nodes.hil.shadow import Account, moved_stamps, next_action_errors
        from gen_nodes.version import code_version

        account = Account(
            self.recording.counts,
            self.recording.silent,
            {h.stream: h for h in self.observation.health},
        )
        stamps, positions = self.recording.reference
        first, last = self.shifts[0][1], self.shifts[-1][1]
        moved = moved_stamps(self.shifts, stamps)
        policy, hold = next_action_errors(self.chunks, (moved, positions), self.spec.joint_names)
        self.measures.add(self.stamps)
        refusal = self.causes.most_common(1)[0][0] if self.causes else 'the policy said nothing'
        return {
            'robot': self.spec.name,
            'bag': str(args.bag),
            'rate': args.rate,
            'instruction': instruction,
            'shadow': 'no robot was commanded: isolated domain, controller without driver topics',
            'stamps_moved_by_s': (first.start_ns - first.first_ns) / 1e9,
            'streams': account.streams(),
            'latency_ms': self.measures.summary(),
            'next_action_mse': policy,
            'next_action_mse_hold': hold,
            'next_action_reason': '' if policy is not None else refusal,
            'decisions': len(self.chunks),
            'controller': dict(self.modes),
            'policy': dict(self.causes),
            'player': {
                'lag_ms': summarise(self.lags_ms),
                'slips': len(self.shifts) - 1,
                'slipped_s': (last.start_ns - first.start_ns) / 1e9,
            },
            'notes': list(self.recording.bag.warnings),
            'versions': {'gen_stack': code_version()},
        }

    def close(self) -> None:
        """Leave the graph."""
        self.executor.remove_node(self.node)
        self.executor.shutdown()
        self.node.destroy_node()


def show(report: dict[str, Any]) -> None:
    """The report for a person."""
    rows = [
        (
            name,
            s['recorded'],
            s['received'],
            s['used'],
            ', '.join(f'{reason} {count}' for reason, count in s['dropped'].items()),
        )
        for name, s in report['streams'].items()
    ]
    print(f'{"stream":<28}{"recorded":>9}{"received":>9}{"used":>9}  dropped')
    for name, recorded, received, used, dropped in rows:
        print(f'{name:<28}{recorded:>9}{received:>9}{used:>9}  {dropped}')
    latency = report['latency_ms']['aggregator']
    print(
        f'aggregator: p50 {latency["p50"]} ms, p99 {latency["p99"]} ms (capture to observation); '
        f'{report["decisions"]} decisions'
    )
    if report['player']['slips']:
        print(
            f'note: this machine was too slow for the recording; it was held up '
            f'{report["player"]["slips"]} times, {report["player"]["slipped_s"]:.1f} s in all'
        )
    if report['next_action_mse'] is None:
        print(f'next action: not judged, {report["next_action_reason"]}')
    else:
        print(
            f'next action: mean squared error {report["next_action_mse"]:.3g}, '
            f'holding still {report["next_action_mse_hold"]:.3g}'
        )
