"""The robot on the acceptance bench: small motions around where it stands, and what is heard of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gen_nodes.cli.acceptance.person import Person
from gen_nodes.cli.acceptance.signals import Signals
from gen_nodes.cli.estop import Estop, publishers_of
from gen_nodes.cli.puppet import Puppet
from gen_nodes.cli.rig import Rig
from gen_nodes.cli.stage_config import RELAY
from gen_nodes.embodiment.controller import RAMP_S, SLOWEST_SHARE
from gen_nodes.errors import ConfigError, GenError
from gen_nodes.hil.acceptance.following import Take, lags_of
from gen_nodes.hil.acceptance.limits import segments_of, unexplained_gaps, unheard
from gen_nodes.hil.acceptance.motion import Motion, amounts, motion
from gen_nodes.hil.acceptance.plan import Plan, Rest, walk
from gen_nodes.hil.acceptance.stops import first_in
from gen_nodes.hil.acceptance.track import LONGEST_LAG_S, STILL, Track, track_of
from gen_nodes.hil.checker.limit_checker import Segment
from gen_nodes.hil.record import Record
from gen_nodes.robot import RobotSpec
from gen_nodes.ros.messages_rclpy import wired_class
from gen_nodes.types import NS, ControllerState, Mode
from gen_nodes.wiring import GRIPPER_ACTION

CONTROLLER = 'embodiment_controller'
RUNS_S = 3.0  # from the first chunk to RUNNING
NOTICED_S = 4.0  # from a cause to the controller's word
STANDS_S = 4.0  # from there to a standstill
LOOK_S = 0.3  # stretch of joint states that is looked at
ASTRAY = 2.5  # times the greatest amount: the robot is stopped
TURNS = 40  # of a motion that something, maybe a person, is to interrupt
LAGS_S = 6.0  # before that, which the joints' lags are taken from
BEFORE_NS = NS // 5
EVER_NS = 2**62


class Halted(GenError):
    """The controller stopped while a motion was to go on."""


class Astray(GenError):
    """The robot left the small space that the suite moves in."""


@dataclass(frozen=True)
class Interruption:
    """A motion that something ended: what was heard, when it was caused, the controller's word, the
    joints' lags (N,) [s], all that was published, and how much of that was not heard.
    """

    take: Take
    cause_ns: int
    state: ControllerState
    lag: np.ndarray
    segments: list[Segment]
    unheard: int


class Bench:
    """A rig with a puppet that moves around `home`, where the robot stood at first.

    speeds: shares of the velocity limits, slowly first; no step goes beyond the last.
    """

    def __init__(self, rig: Rig, person: Person, speeds: Sequence[float], real: bool) -> None:
        self.rig, self.spec, self.person, self.real = rig, rig.spec, person, real
        self.speeds, self.speed = tuple(speeds), speeds[-1]
        self.left_out = left_out(rig.spec)  # on a real graph the controller does not even start
        self.signals = Signals(rig.operator, rig.spec, self.left_out)
        self.moving, self.tracks = movable(rig.spec, self.left_out)
        self.puppet = Puppet(rig.operator, rig.spec)
        self.puppet.falsify = self._log
        self.falsify: Callable[[Any], Iterable[Any]] = honest
        self.chunks: dict[int, int] = {}  # sequence -> published [ns]
        self.estop: Estop | None = None  # ours, where nobody else has one
        if rig.spec.estop.required and not publishers_of(rig.operator, rig.spec.estop.topic, None):
            self.estop = Estop(rig.operator, rig.spec.estop.topic)
        self.home = self.here()
        self._most = ASTRAY * amounts(self.spec, 1.0) + STILL * self.spec.units
        self._fresh = True  # its next motion begins after a stop, so slowly
        self._start_ns = 0
        rig.pulse = self._guard

    def _log(self, message: Any) -> Iterable[Any]:
        self.chunks[message.sequence] = self.now_ns()
        return self.falsify(message)

    def _guard(self) -> None:
        """A robot that goes where nobody sent it is stopped at once; a dead node ends the step."""
        died = [name for name, _ in self.rig.deaths if name != RELAY]
        if died:
            name = died[0]
            self._halt()
            raise Halted(f'{name} has died: {self.rig.last_words(name)}')
        position = self.rig.ear.position
        if position is None or not (np.abs(position - self.home) > self._most).any():
            return
        self._halt()
        joint = int((np.abs(position - self.home) / self._most).argmax())
        raise Astray(
            f"'{self.spec.joint_names[joint]}' is at {position[joint]:.4f}, "
            f'{abs(position[joint] - self.home[joint]):.4f} from where it stood: stopped'
        )

    def _halt(self) -> None:
        self.rig.pulse = lambda: None
        self.puppet.stop()
        self.rig.operator.request_soon(f'{CONTROLLER}/stop')

    def close(self) -> None:
        """Say nothing any more."""
        self.puppet.close()
        if self.estop is not None:
            self.estop.close()

    # What is heard

    def now_ns(self) -> int:
        """ROS time [ns]."""
        return self.rig.operator.now_ns()

    def record(self, since_ns: int) -> Record:
        """Everything heard since then."""
        return self.rig.record(since_ns)

    def measured(self, record: Record) -> Track:
        """Joint states as a track."""
        return track_of((m.sample for m in record.measured), self.spec.joint_names)

    def measured_before(self, since_ns: int) -> Track:
        """Joint states from a little before an instant: what the controller may have begun from."""
        return self.measured(self.record(since_ns - BEFORE_NS))

    def commanded(self, record: Record) -> Track:
        """Executed commands as a track."""
        return track_of((c.sample for c in record.commands), self.spec.joint_names)

    def states(self, record: Record) -> list[ControllerState]:
        """The controller's words."""
        return [word.state for word in record.words]

    def here(self) -> np.ndarray:
        """(N,) where the robot stands: the mean of a short while. Raises GenError."""
        measured = self._look()
        if not len(measured):
            raise GenError('no joint states come: start the robot driver')
        return measured.mean(axis=0)

    def _look(self) -> np.ndarray:
        since_ns = self.now_ns()
        self.rig.wait(LOOK_S)
        return self.measured(self.record(since_ns)).position

    def stands(self) -> bool:
        """Whether no joint moves any more; hears for a short while."""
        measured = self._look()
        before, after = np.array_split(measured, 2)
        if not len(before) or not len(after):
            return False
        drift = np.abs(after.mean(axis=0) - before.mean(axis=0))
        return bool((drift < STILL * self.spec.units).all())

    # What is done

    def prepare(self) -> None:
        """Before a step: no chunks, not stopped, standing. Raises GenError where that cannot be."""
        self.puppet.stop()
        self.falsify = honest
        if self.rig.in_mode(Mode.STOPPED):
            self.leave_stop()
        self.rig.pulse = self._guard
        self.settle()

    def settle(self) -> None:
        """Wait until the robot stands. Raises GenError."""
        if not any(self.stands() for _ in range(round(STANDS_S / LOOK_S))):
            raise GenError(f'the robot does not come to rest within {STANDS_S:g} s')

    def leave_stop(self) -> None:
        """Reset. Raises GenError where it is refused."""
        refusal = self.rig.reset()
        if refusal:
            raise GenError(f'cannot go on: {refusal}')
        self.rig.until(lambda: not self.rig.in_mode(Mode.STOPPED), RUNS_S)
        self._fresh = True

    def may_go(self, speed: float) -> None:
        """Set the controller's greatest share of the velocity limits."""
        self.rig.operator.set_parameters(CONTROLLER, {'speed_scale': speed})

    def motion(self, speed: float, *joints: int) -> Motion:
        """Around home, within a share of the velocity limits; of all joints or of some."""
        chosen = np.isin(np.arange(self.spec.n), joints) if joints else self.moving
        return motion(self.spec, self.home, speed, chosen & self.moving)

    def plan(self, *motions: Motion, speed: float) -> Plan:
        """Home, then the motions, a rest before and after each. Where the controller has just left
        a stop, it rests until the controller's speed has risen.
        """
        here = np.where(self.moving, self.here(), self.home)
        home = Rest(self.home, max(LONGEST_LAG_S, _ramp_s(speed) if self._fresh else 0.0))
        gaps = [Rest(self.home, LONGEST_LAG_S) for _ in motions]
        between = [piece for pair in zip(motions, gaps, strict=True) for piece in pair]
        return Plan([walk(self.spec, here, self.home, min(speed, self.speeds[0])), home, *between])

    def start(self, plan: Plan) -> int:
        """Let the puppet play it; when it began [ns]. Raises Halted where it does not run."""
        self.puppet.curve = plan
        self._start_ns = self.now_ns()
        self.puppet.start()
        if not self.rig.until(lambda: self.rig.in_mode(Mode.RUNNING, Mode.STOPPED), RUNS_S):
            raise Halted(f'the controller does not run: {self._word()}')
        self._check()
        self._fresh = False
        return self._start_ns

    def until(self, since_start_s: float) -> None:
        """Hear until so long after the start. Raises Halted where the controller stops."""
        end_ns = self._start_ns + round(since_start_s * NS)
        self.rig.until(
            lambda: self.now_ns() >= end_ns or self.rig.in_mode(Mode.STOPPED), since_start_s + 1.0
        )
        self._check()

    def play(self, plan: Plan) -> int:
        """Start it and wait for its end; when it began [ns]. Raises Halted."""
        start_ns = self.start(plan)
        self.until(plan.seconds)
        return start_ns

    def _check(self) -> None:
        if self.rig.in_mode(Mode.STOPPED):
            raise Halted(f'the controller stopped: {self._word()}')

    def _word(self) -> str:
        state = self.rig.state
        return f'{state.reason} -> {state.next_step}' if state else 'it said nothing'

    def take(self, record: Record, motion: Motion, start_ns: int, after_s: float) -> Take:
        """What was heard of one motion, from a lag before its start to `after_s` past its end."""
        first = start_ns - round(LONGEST_LAG_S * NS)
        last = start_ns + round((motion.seconds + after_s) * NS)
        return Take(
            motion,
            start_ns,
            self.commanded(record).between(first, last),
            self.measured(record).between(first, last),
        )

    # Interrupting

    def interrupt(
        self, cause: Callable[[], int], *modes: Mode, within_s: float = NOTICED_S
    ) -> Interruption:
        """Move at the greatest speed allowed, and when all joints are fast let `cause` happen; it
        gives its instant [ns]. Waits until the controller is in one of `modes` and the robot
        stands. Raises GenError.
        """
        return self.interrupt_at(self.speed, cause, *modes, within_s=within_s)

    def interrupt_at(
        self, speed: float, cause: Callable[[], int], *modes: Mode, within_s: float = NOTICED_S
    ) -> Interruption:
        """The same at another speed."""
        turn = self.motion(speed)
        moving = turn.repeated(TURNS)
        plan = self.plan(moving, speed=speed)
        since_ns = self.now_ns()
        begun_ns = self.start(plan) + round(plan.begin(moving) * NS)
        self.until(plan.begin(moving) + turn.fastest_s(self.spec.velocity))
        cause_ns = cause()
        state = self.wait_for(cause_ns, *modes, within_s=within_s)
        self.puppet.stop()
        self.settle()
        return self._interruption(moving, begun_ns, cause_ns, state, since_ns)

    def _interruption(
        self, moving: Motion, begun_ns: int, cause_ns: int, state: ControllerState, since_ns: int
    ) -> Interruption:
        record = self.record(since_ns)
        first = begun_ns - round(LONGEST_LAG_S * NS)
        commanded, measured = self.commanded(record), self.measured_before(since_ns)

        def part(first_ns: int, last_ns: int) -> Take:
            tracks = (track.between(first_ns, last_ns) for track in (commanded, measured))
            return Take(moving, begun_ns, *tracks)

        commands = [c.sample for c in record.commands]
        states = self.states(record)
        segments = segments_of(self.spec, commands, states, measured)
        return Interruption(
            part(first, EVER_NS),
            cause_ns,
            state,
            lags_of(part(max(first, cause_ns - round(LAGS_S * NS)), cause_ns)),
            segments,
            unheard(commands, states) + unexplained_gaps(self.spec, segments, states),
        )

    def wait_for(self, after_ns: int, *modes: Mode, within_s: float = NOTICED_S) -> ControllerState:
        """The controller's first word in one of the modes. Raises GenError where none comes."""
        found: list[ControllerState] = []

        def heard() -> bool:
            words = self.states(self.record(after_ns)) if self.rig.in_mode(*modes) else []
            state = first_in(words, after_ns, *modes)
            found.extend([state] if state else [])
            return bool(found)

        if not self.rig.until(heard, within_s):
            names = ' or '.join(mode.name for mode in modes)
            mode = self.rig.state.mode.name if self.rig.state else 'silent'
            raise GenError(f'not {names} within {within_s:g} s: the controller is {mode}')
        return found[0]


def _ramp_s(speed: float) -> float:
    """How long after a stop the controller needs until it may go at this share of the limits."""
    return RAMP_S * max(speed - SLOWEST_SHARE, 0.0) / (1.0 - SLOWEST_SHARE)


def honest(message: Any) -> Iterable[Any]:
    """What is published of a chunk: itself."""
    return (message,)


def left_out(spec: RobotSpec) -> dict[str, str]:
    """Command paths and safety topics whose message package this machine lacks, with the reason: an
    isolated graph does without them.
    """
    wanted = [(path.topic, path.type or path.message) for path in spec.control.paths]
    wanted += [(topic.topic, topic.type) for topic in spec.safety_topics]
    lacking = {}
    for topic, kind in wanted:
        try:
            wired_class(kind, topic, spec.source)
        except ConfigError as error:
            lacking[topic] = str(error)
    return lacking


def movable(spec: RobotSpec, left_out: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Masks (N,): joints that can be commanded here, and those of them that follow a command
    continuously, which one that is sent goals now and then does not.
    """
    absent = {n for p in spec.control.paths if p.topic in left_out for n in p.joints}
    goals = {n for p in spec.control.paths if p.kind == GRIPPER_ACTION for n in p.joints}
    moving = np.array([name not in absent for name in spec.joint_names])
    return moving, moving & np.array([name not in goals for name in spec.joint_names])
