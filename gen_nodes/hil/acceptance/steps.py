"""The steps of the acceptance suite, in their order; docs/acceptance.md explains them to the person
who runs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gen_nodes.errors import ConfigError, unknown_name

SLOWEST, SLOW = 0.1, 0.3  # shares of the velocity limits that come before the one asked for


@dataclass(frozen=True)
class Step:
    """One step of the suite.

    does: what will happen, said before it happens. advice: what to do where it fails. moves: the
    robot moves. safety: where it fails, nothing that comes later may be trusted on a robot.
    """

    name: str
    title: str
    does: str
    advice: str
    moves: bool = True
    safety: bool = True


STEPS = (
    Step(
        'description',
        'The description holds together',
        'Nothing moves. URDF and robot YAML are read and checked.',
        "correct the file that is named; 'gen robot check NAME' shows the whole description",
        moves=False,
    ),
    Step(
        'topics',
        'Every topic is there',
        'Nothing moves. For a few seconds the streams, the safety topics and the command paths are '
        'listened to.',
        'start the driver, compare topic names and rates with the robot YAML, end whoever else '
        'commands the robot',
        moves=False,
    ),
    Step(
        'still',
        'Nothing is sent without a policy',
        'Nothing must move. The controller is active for 2 s and nobody tells it what to do.',
        'end whoever else publishes on the command topics; do not go on before the robot stands',
        moves=False,
    ),
    Step(
        'limits',
        'Limits are kept, joints follow',
        'Each joint moves alone by a small amount around where it stands, then all move together; '
        'slowly first.',
        'see which joint and which figure; wrong gain or a wrong joint: order and units of the '
        'command path; lag: the rate and the gains of the driver',
    ),
    Step(
        'stopping',
        'It stops when told to',
        'All joints move together; the stop service is called while they move.',
        'measure again; a robot that needs longer than its limits say cannot do the acceleration '
        'that the robot YAML states: lower it',
    ),
    Step(
        'watchdogs',
        'It holds when the policy is silent',
        'All joints move; the chunks cease for a second; a malformed chunk is sent.',
        'see controller_state and /diagnostics of embodiment_controller; check chunk_timeout_s',
    ),
    Step(
        'estop',
        'The e-stop topic stops it, and only a reset lets it go on',
        'All joints move; the e-stop topic says stop, later falls silent; the robot resumes after '
        'a reset.',
        'check the e-stop topic, its publisher and its timeout in the robot YAML; keep the '
        "robot's own emergency stop at hand, this one does not replace it",
    ),
    Step(
        'safety_topics',
        "The robot's own safety signals stop it",
        'All joints move; then the robot enters a protective stop by its own means (on a real '
        'robot you press its enabling device or user stop).',
        "compare safety.topics in the robot YAML with the driver's documentation",
    ),
    Step(
        'sensors',
        'It notices what it can no longer see',
        'All joints move; the joint states fall silent, then a camera freezes.',
        'check timeout_s of the stream; on a network, check which cable you pulled',
    ),
    Step(
        'latency',
        'It reacts in time',
        'All joints move for a few seconds and every message is timed.',
        'give the controller a core or SCHED_FIFO (docs/safety.md), take load off the machine',
        safety=False,
    ),
    Step(
        'recorder',
        'What happens is recorded',
        'All joints move for a few seconds while a bag is recorded, which is then read back.',
        'see the verdict; free disk space, a faster disk, fewer topics',
        safety=False,
    ),
)
NAMES = tuple(step.name for step in STEPS)


def chosen(only: Sequence[str]) -> tuple[Step, ...]:
    """Steps by name in the suite's order; all where none is named. Raises ConfigError."""
    for name in only:
        if name not in NAMES:
            raise unknown_name('step', name, NAMES)
    return tuple(step for step in STEPS if not only or step.name in only)


def speeds(greatest: float) -> tuple[float, ...]:
    """Shares of the velocity limits to go through, slowly first. Raises ConfigError."""
    if not 0.01 <= greatest <= 1.0:
        raise ConfigError(f'--speed {greatest:g} must lie in [0.01, 1]')
    return (*(speed for speed in (SLOWEST, SLOW) if speed < greatest), greatest)
