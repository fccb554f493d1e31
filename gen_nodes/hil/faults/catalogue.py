"""The faults that `gen hil faults` injects: what is done, who should notice, how it must end.

Pure data; the doing is in cli/faults/deeds*.py under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gen_nodes.robot import RobotSpec


class Ending(StrEnum):
    """How a fault must end the motion."""

    RUNNING = 'RUNNING'  # not at all: it does no harm, or the envelope takes the harm out of it
    WAITING = 'WAITING'  # it never begins before all is there
    HOLDING = 'HOLDING'  # braked; goes on by itself when the cause is gone
    STOPPED = 'STOPPED'  # braked; goes on after an explicit reset only
    SILENT = 'SILENT'  # the controller itself is gone: nothing commands any more


@dataclass(frozen=True)
class Fault:
    """One fault.

    words: all of them must stand in one WARN or ERROR on /diagnostics, in lower case; none: nothing
    is wrong enough to be named. lasts_s: at least so long until it is mended. refuses: while it
    lasts, a reset must be refused. needs: what the robot must have for it: 'policy' (the real one,
    where the one that ships can drive the robot), 'safety' or 'no safety' (a topic by which it
    forbids motion), or a stream of this type ('camera': a required one). foreign: somebody else
    commands the driver.
    """

    name: str
    what: str
    noticed_by: str
    ending: Ending
    words: tuple[str, ...] = ()
    lasts_s: float = 0.0
    refuses: bool = False
    needs: str = ''
    foreign: bool = False


CONTROLLER, AGGREGATOR, NOBODY = 'embodiment_controller', 'sensor_aggregator', 'nobody'
RUNNING, WAITING, HOLDING, STOPPED, SILENT = Ending


def hang(seconds: float) -> Fault:
    return Fault(
        f'policy_hang_{seconds:g}s',
        f'the policy is paused for {seconds:g} s',
        CONTROLLER,
        HOLDING,
        ('harmonic_policy', 'silent') if seconds > 0.8 else ('action chunks', 'stale'),
        seconds,
        needs='policy',
    )


def killed(node: str, ending: Ending, words: tuple[str, ...], short: str) -> list[Fault]:
    """SIGTERM and SIGKILL of one node."""
    watcher = CONTROLLER if ending != SILENT else 'data_recorder'
    need = 'policy' if short == 'policy' else ''
    return [
        Fault(f'{short}_{how}', f'{how.upper()} to {node}', watcher, ending, words, needs=need)
        for how in ('sigterm', 'sigkill')
    ]


def starts_last(short: str, word: str) -> Fault:
    return Fault(
        f'start_{short}_last',
        f'all nodes start again, the {short} long after all the others',
        CONTROLLER,
        WAITING,
        ('waiting', word),
        1.0,
    )


def refused(name: str, what: str, *words: str) -> Fault:
    """Chunks that are refused: the last good one is played until it is too old."""
    return Fault(
        f'chunk_{name}', f'chunks {what}', CONTROLLER, HOLDING, ('action chunk', 'refused', *words)
    )


def limited(name: str, what: str) -> Fault:
    """Chunks that ask for too much: the envelope keeps the motion inside the limits."""
    words = ('envelope', 'held back')
    return Fault(f'chunk_{name}', f'chunks {what}', 'envelope', RUNNING, words, 1.2)


POLICY = (
    *killed('harmonic_policy', HOLDING, ('harmonic_policy', 'silent'), 'policy'),
    Fault(
        'policy_hang_0.1s',
        'the policy is paused for 0.1 s',
        NOBODY,
        RUNNING,
        lasts_s=0.1,
        needs='policy',
    ),
    *(hang(seconds) for seconds in (0.5, 2.0, 10.0, 60.0)),
)

CHUNKS = (
    refused('nan', 'hold NaN', 'not finite'),
    refused('inf', 'hold infinity', 'not finite'),
    refused('wrong_length', 'hold one value too few', 'sizes disagree'),
    refused('unknown_joint', 'name a joint that the robot lacks', 'unknown joint'),
    refused('joint_twice', 'name a joint twice', 'named twice'),
    refused('other_robot', 'are meant for another robot', 'unknown joint'),
    refused('old_stamp', 'are stamped 1 s in the past', 'old'),
    refused('future_stamp', 'are stamped 1 s in the future', 'future'),
    refused('times_backwards', 'have knots whose times do not increase', 'not strictly increasing'),
    Fault('chunk_permuted', 'chunks list the joints in another order', NOBODY, RUNNING, (), 1.0),
    limited('jumps', 'jump to and fro by 0.2 rad from one to the next'),
    limited('far_target', 'lead one joint 10 rad away, far beyond its end'),
    limited('huge_rates', 'give one joint rates of 1000 rad/s'),
    Fault('chunk_flood', 'chunks come at 1 kHz', NOBODY, RUNNING, (), 2.0),
)


def camera(kind: str, what: str, *words: str) -> Fault:
    return Fault(
        f'camera_{kind}', f'a required camera {what}', AGGREGATOR, HOLDING, words, needs='camera'
    )


CAMERAS = (
    camera('silent', 'falls silent', 'silent'),
    camera('black', 'sends black pictures', 'black'),
    camera('frozen', 'sends the same picture again and again', 'frozen'),
    camera('late', 'sends pictures a second after they were taken', 'late'),
    Fault(
        'camera_out_of_order',
        'every second picture of a required camera comes after the one that follows it',
        AGGREGATOR,
        RUNNING,  # the other half is enough
        ('backwards',),
        1.2,
        needs='camera',
    ),
)


def states(kind: str, what: str, ending: Ending, *words: str, refuses: bool = False) -> Fault:
    return Fault(
        f'joint_states_{kind}', f'joint states {what}', CONTROLLER, ending, words, refuses=refuses
    )


JOINT_STATES = (
    states('stall', 'come no more for a while', HOLDING, 'joint states', 'stale'),
    states('old_stamp', 'are stamped in the past', HOLDING, 'joint states', 'before they came'),
    states('future_stamp', 'are stamped in the future', HOLDING, 'joint states', 'ahead'),
    states('missing_joint', 'lack a joint', STOPPED, 'lacks joint', refuses=True),
    states('wrong_names', 'have other names', STOPPED, 'lacks joint', refuses=True),
    states('nan', 'hold NaN', STOPPED, 'not finite', refuses=True),
    states('frozen', 'repeat the same values while the robot moves', STOPPED, 'does not follow'),
    states('jump', 'jump by 0.5 rad', STOPPED, 'jumped'),
    states('swapped', "give each joint's value under its neighbour's name", STOPPED, 'jumped'),
)

WRENCH = (
    Fault(
        'wrench_saturated',
        'the force-torque sensor reads its end of scale',
        CONTROLLER,
        STOPPED,
        ('wrench', 'beyond'),
        refuses=True,
        needs='wrench',
    ),
    Fault(
        'wrench_nan',
        'the force-torque sensor reads NaN',
        CONTROLLER,
        STOPPED,
        ('wrench', 'not finite'),
        refuses=True,
        needs='wrench',
    ),
)


def intruder(name: str, what: str, foreign: bool = False) -> Fault:
    words = ('is published by', 'second')
    return Fault(name, what, CONTROLLER, STOPPED, words, foreign=foreign)


GRAPH = (
    Fault(
        'qos_mismatch',
        'the policy publishes best effort where reliable is wanted',
        CONTROLLER,
        HOLDING,
        ('action_chunk', 'reliability'),
    ),
    intruder('duplicate_joint_states', 'a second node publishes joint states'),
    intruder('duplicate_chunks', 'a second node publishes chunks'),
    intruder('duplicate_commands', 'a second node publishes commands to the driver', foreign=True),
    intruder('second_controller', 'a second controller starts for the same robot', foreign=True),
    Fault(
        'peer_lost',
        'the computer of driver and sensors is gone: both are killed at once',
        CONTROLLER,
        HOLDING,
        ('joint states', 'stale'),
    ),
)

CLOCK = (
    Fault(
        'clock_forward',
        'the clock of all nodes steps by +10 s',
        CONTROLLER,
        STOPPED,
        ('clock jumped',),
    ),
    Fault(
        'clock_back',
        'the clock of all nodes steps by -10 s',
        CONTROLLER,
        STOPPED,
        ('clock jumped',),
    ),
)

NODES = (
    *killed(AGGREGATOR, HOLDING, ('sensor_aggregator', 'silent'), 'aggregator'),
    Fault(
        'aggregator_hang',
        'sensor_aggregator is paused',
        CONTROLLER,
        HOLDING,
        ('sensor_aggregator', 'silent'),
        1.0,
    ),
    *killed('data_recorder', HOLDING, ('data_recorder', 'silent'), 'recorder'),
    Fault(
        'recorder_hang',
        'data_recorder is paused',
        CONTROLLER,
        HOLDING,
        ('data_recorder', 'silent'),
        1.0,
    ),
    Fault(
        'disk_full',
        'the recorder cannot write any more',
        'data_recorder',
        HOLDING,
        ('recording', 'cannot be written'),
    ),
    *killed('robot_emulator', HOLDING, ('joint states', 'stale'), 'driver'),
    *killed(CONTROLLER, SILENT, (CONTROLLER, 'silent'), 'controller'),
    Fault(
        'controller_start_moving',
        'the controller starts while commands of an earlier one still move the robot',
        CONTROLLER,
        WAITING,
        ('waiting', 'moves'),
        1.0,
    ),
    Fault(
        'wrong_urdf_names',
        'the controller starts with a description of other joint names',
        CONTROLLER,
        STOPPED,
        ('lacks joint',),
        refuses=True,
    ),
    Fault(
        'wrong_urdf_limits',
        'the controller starts with limits that the robot stands outside of',
        CONTROLLER,
        STOPPED,
        ('outside',),
    ),
    starts_last('driver', 'joint state'),
    starts_last('aggregator', 'sensor_aggregator'),
    starts_last('recorder', 'data_recorder'),
)

ROBOT = (
    Fault(
        'protective_stop',
        'the robot enters its protective stop',
        CONTROLLER,
        STOPPED,
        ('takes no commands',),
        refuses=True,
        needs='safety',
    ),
    Fault(
        'protective_stop_unsaid',
        'the robot enters its protective stop, and no topic that is heard here says so',
        CONTROLLER,
        STOPPED,
        ('does not follow',),
        needs='no safety',
    ),
    Fault(
        'estop_pressed',
        'the e-stop is pressed',
        CONTROLLER,
        STOPPED,
        ('e-stop', 'pressed'),
        refuses=True,
    ),
    Fault(
        'estop_silent',
        'the e-stop falls silent',
        CONTROLLER,
        STOPPED,
        ('e-stop', 'silent'),
        refuses=True,
    ),
)

FAULTS = (*POLICY, *CHUNKS, *CAMERAS, *JOINT_STATES, *WRENCH, *GRAPH, *ROBOT, *NODES, *CLOCK)


def possible(fault: Fault, spec: RobotSpec, says: bool) -> bool:
    """Whether a robot has what the fault breaks. says: a topic by which it forbids motion is heard
    on this machine.
    """
    if fault.needs == 'camera':
        return any(s.type == 'camera' and s.required for s in spec.streams.values())
    if fault.needs == 'wrench':
        return any(s.type == 'wrench' for s in spec.streams.values())
    return says is (fault.needs == 'safety') if 'safety' in fault.needs else True
