"""The controller's core: plays action chunks inside the envelope, holds or stops when an input is
missing or wrong.

Modes: INACTIVE -> WAITING -> RUNNING <-> HOLDING, and STOPPED from all but INACTIVE (latched:
leaves by reset only, to WAITING; deactivation does not clear it). HOLDING ends by itself when the
missing input is back. After a stop has come to rest no command is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.embodiment.collision import collision_of
from gen_nodes.embodiment.curve import Curve, Player, make_curve, refusal
from gen_nodes.embodiment.envelope import Envelope, Step
from gen_nodes.embodiment.limits import limits_of
from gen_nodes.embodiment.stop import EnvelopeError, StopPath
from gen_nodes.embodiment.watchdog import Finding, WatchConfig
from gen_nodes.embodiment.watches import Watches
from gen_nodes.errors import GenError
from gen_nodes.types import (
    NS,
    ActionChunk,
    CommandSample,
    ControllerState,
    Heartbeat,
    JointSample,
    Mode,
)

if TYPE_CHECKING:
    from gen_nodes.robot import RobotSpec

GAP_PERIODS = 2
SLOWEST_SHARE, RAMP_S = 0.1, 2.0  # after a stop: share of the velocity limits, rising to all
MOST_MISSED = 1000  # periods of a brake that are caught up: longer than any
# How fast the place of a robot that is commanded by velocity follows measurement, and below which
# share of its velocity limit.
PULL_1_S, PULL_BELOW = 1.0, 0.1


class ResetRefused(GenError):
    """The cause of the stop persists."""


@dataclass(frozen=True)
class Gap:
    """A stretch without a control tick, longer than two periods. stamp_ns: when the tick that ended
    it was due.
    """

    stamp_ns: int
    seconds: float


class ControllerCore:
    """One robot's controller. Call `tick` once per control period; every other method reports what
    happened.

    awaited: names of the robot's safety signals without whose first word nothing is commanded.
    """

    def __init__(
        self,
        spec: RobotSpec,
        watch: WatchConfig | None = None,
        awaited: Sequence[str] = (),
        stack: Sequence[str] = (),
        own: str = '',
        own_instance: int = 0,
    ):
        self.names = tuple(spec.joint_names)
        self.period_s = 1.0 / spec.control.rate_hz
        config = watch or WatchConfig(spec.state.timeout_s, spec.control.chunk_timeout_s)
        self.chunk_timeout_s = config.chunk_timeout_s
        limits = limits_of(spec)
        self._envelope = Envelope(limits, self.period_s, collision_of(spec))
        self._watches = Watches(spec, limits, config, awaited, stack, own, own_instance)
        by_velocity = {
            name
            for path in spec.control.paths
            if path.kind == 'forward_velocity'
            for name in path.joints
        }
        self._by_velocity = np.array([name in by_velocity for name in self.names])
        self._grippers = np.array([joint.role == 'gripper' for joint in spec.joints])
        self._left: tuple[np.ndarray, np.ndarray] | None = (
            None  # commanded and measured when a hold had come to rest; inf: not known
        )
        self._by_trajectory = any(path.kind == 'joint_trajectory' for path in spec.control.paths)
        self._player = Player()
        self._latched: Finding | None = None  # the stop that only a reset clears
        self._speed_scale = 1.0
        self._ramp_s = RAMP_S  # commanded since a stop, up to where all of the speed is allowed
        self._travelled = np.zeros(len(self.names))  # sum of all steps that were commanded
        self._offset_ns = 0  # ROS time less steady time, as of the last tick
        self.gaps: deque[Gap] = deque(maxlen=64)
        self.unsent: list[np.ndarray] = []  # where a driver went by itself before the last tick
        self.refused: dict[str, int] = {}
        self.active: dict[str, int] = {}  # ticks on which a limit was active, by 'joint:limit'
        self._enter_inactive()

    # Lifecycle

    def _enter_inactive(self) -> None:
        self._mode, self._reason, self._since_ns = Mode.INACTIVE, '', 0
        self._set(Mode.INACTIVE, 'not active', 'activate the controller', 0)
        self._commanding = False
        self._left = None
        self._player.clear()
        self._chunk_arrival: tuple[float, int] | None = None
        self._last_tick: int | None = None
        self._ticks = self._missed = 0
        self._worst_gap_s = 0.0
        self._refusal = ''

    def activate(self, sample: JointSample | None, now_ns: int, steady_ns: int) -> None:
        """Begin to watch and, once a chunk comes, to command from the measured position. What
        stopped the controller before, or what the robot forbids now, keeps it STOPPED.
        """
        self._enter_inactive()
        self.gaps.clear()
        self.refused.clear()
        self.active.clear()
        self._offset_ns = now_ns - steady_ns
        self._watches.restart(now_ns, steady_ns)
        self._wait(now_ns)
        standing = self._latched or self._watches.forbidden(steady_ns)
        if standing is not None:
            self._stop(standing, now_ns)
        if sample is not None:
            self.on_joint_state(sample, steady_ns)

    def wind_down(self) -> None:
        """Brake inside the envelope before `deactivate`. Unlike after a stop, the next activation
        needs no reset.
        """
        if self._mode not in (Mode.INACTIVE, Mode.STOPPED):
            self._rest('the controller is being deactivated', 'activate it again', self._since_ns)

    def deactivate(self) -> None:
        """Give no more commands. Where the robot moves, wind down and tick until `at_rest`."""
        self._enter_inactive()

    def set_speed_scale(self, scale: float) -> None:
        """Greatest share, in (0, 1], of the velocity limits that is used from now on."""
        if not 0.0 < scale <= 1.0:
            raise ValueError(f'speed scale {scale} must lie in (0, 1]')
        self._speed_scale = scale

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def at_rest(self) -> bool:
        """No motion is being commanded: the last command repeated the one before."""
        envelope = self._envelope
        return not self._commanding or (envelope.at_rest and not envelope.step.any())

    @property
    def nearest(self) -> tuple[str, float] | None:
        """Name and clearance [m] of the nearest pair of links or fences; None: none is watched, or
        nothing is commanded.
        """
        return self._envelope.nearest if self._commanding else None

    # Inputs

    def on_joint_state(self, sample: JointSample, steady_ns: int) -> None:
        """Take a measured state. NaN, a missing joint or a jump latches the stop."""
        if self._mode != Mode.INACTIVE:
            self._take(self._watches.joint_state(sample, steady_ns), steady_ns)

    def on_heartbeat(self, heartbeat: Heartbeat, steady_ns: int) -> None:
        """Take a node's heartbeat. Two nodes of one name latch the stop."""
        if self._mode != Mode.INACTIVE:
            self._take(self._watches.heartbeat(heartbeat, steady_ns), steady_ns)

    def on_estop(self, pressed: bool, steady_ns: int) -> None:
        """Take one word of the e-stop. Pressed latches the stop, and so does its later silence."""
        if self._mode != Mode.INACTIVE:
            self._take(self._watches.estop.offer(pressed, steady_ns), steady_ns)

    def on_wrench(self, force: np.ndarray, torque: np.ndarray, steady_ns: int) -> None:
        """Take force [N] and torque [N m], (3,) each. Beyond the robot's limit latches the stop."""
        if self._mode != Mode.INACTIVE and self._watches.wrench is not None:
            self._take(self._watches.wrench.offer(force, torque, steady_ns), steady_ns)

    def on_robot_safety(
        self, source: str, allowed: bool, meaning: str, steady_ns: int | None = None
    ) -> None:
        """Take the robot's own safety signal `source`. Not allowed latches the stop; allowed lets a
        reset pass.
        """
        self._take(self._watches.safety(source, allowed, meaning), steady_ns)

    def on_intruder(self, problem: str, next_step: str, steady_ns: int) -> None:
        """Somebody else commands the robot: latches the stop, and no reset passes while it lasts.
        '': nobody does.
        """
        finding = Finding(problem, next_step, latch=True) if problem else None
        self._take(self._watches.forbid('intruder', finding), steady_ns)

    def _take(self, finding: Finding | None, steady_ns: int | None) -> None:
        if finding is not None:
            self._stop_unless_latched(finding, self._ros_ns(steady_ns))

    def _ros_ns(self, steady_ns: int | None) -> int:
        """ROS time at a steady time; of the last tick, where none is given."""
        given = steady_ns if steady_ns is not None else self._last_tick
        return self._since_ns if given is None else given + self._offset_ns

    def on_chunk(self, chunk: ActionChunk, now_ns: int, steady_ns: int) -> str | None:
        """Take a chunk to play from its own time on. Returns the reason where it is refused, None
        where taken.
        """
        reason, curve = self._reason_against(chunk, now_ns), None
        if reason is None:
            curve = self._curve(chunk, now_ns)
            reason = None if curve.is_finite else 'the curve between its knots is not finite'
        if reason is not None:
            self._refusal = reason
            self.refused[reason.split(';')[0]] = self.refused.get(reason.split(';')[0], 0) + 1
            return reason
        self._refusal = ''
        self._player.splice(curve, now_ns)
        self._chunk_arrival = max((now_ns - chunk.stamp_ns) / NS, 0.0), steady_ns
        return None

    def _reason_against(self, chunk: ActionChunk, now_ns: int) -> str | None:
        if self._mode in (Mode.INACTIVE, Mode.STOPPED):
            return f'the controller is {self._mode.name.lower()}'
        newest = self._player.newest
        if newest is not None and chunk.stamp_ns <= newest.stamp_ns:
            return 'the chunk is not newer than the one in play'
        return refusal(chunk, self.names, now_ns, self.chunk_timeout_s)

    def _curve(self, chunk: ActionChunk, now_ns: int) -> Curve:
        """The chunk's curve; one of velocities continues from the present command, or the
        measurement before any.
        """
        curve = make_curve(chunk, self.names, np.zeros(len(self.names)))
        if chunk.interface == 'position':
            return curve
        here = self._envelope.position if self._commanding else self._watches.states.position
        if here is None:
            here = np.zeros(len(self.names))
        anchor = np.array(here, dtype=float)
        anchor[curve.columns] -= curve.at(now_ns)[0]
        return make_curve(chunk, self.names, anchor)

    # Stop and reset

    def stop(self, reason: str, next_step: str, steady_ns: int | None = None) -> None:
        """Brake inside the envelope and stay stopped until `reset`."""
        self._take(Finding(reason, next_step, latch=True), steady_ns)

    def _stop_unless_latched(self, finding: Finding, now_ns: int) -> None:
        """The first cause of a stop is the one that is told."""
        if self._mode != Mode.INACTIVE and self._latched is None:
            self._stop(finding, now_ns)

    def _stop(self, finding: Finding, now_ns: int) -> None:
        self._latched = finding
        self._rest(finding.reason, finding.next_step, now_ns)

    def _rest(self, reason: str, next_step: str, since_ns: int) -> None:
        self._player.clear()
        self._chunk_arrival = None
        self._set(Mode.STOPPED, reason, next_step, since_ns)

    def reset(self, now_ns: int, steady_ns: int) -> None:
        """Leave STOPPED for WAITING; the next motion starts from what is measured then, slowly at
        first. Raises ResetRefused.
        """
        if self._mode == Mode.INACTIVE:
            raise ResetRefused('the controller is not active: activate it')
        if self._mode != Mode.STOPPED:
            return
        self._watches.clock(now_ns, steady_ns)
        persisting = self._watches.persisting(steady_ns)
        if persisting is not None:
            raise ResetRefused(f'{persisting.reason}: {persisting.next_step}')
        if not self.at_rest:
            raise ResetRefused('still braking: call reset again when the robot stands')
        self._watches.forget()
        self._commanding, self._ramp_s = False, 0.0
        self._latched = None
        self._wait(now_ns)

    def _wait(self, now_ns: int) -> None:
        self._set(Mode.WAITING, 'no action chunk yet', 'start the policy and an episode', now_ns)

    # The tick

    def tick(self, now_ns: int, steady_ns: int) -> CommandSample | None:
        """The command for this instant, or None where none is to be sent."""
        if self._mode == Mode.INACTIVE:
            return None
        gap_s = self._measure(now_ns, steady_ns)
        self._catch_up(gap_s)
        jump = self._watches.clock(now_ns, steady_ns)
        self._offset_ns = now_ns - steady_ns
        if jump is not None:
            self._stop_unless_latched(jump, now_ns)
        try:
            return self._command(now_ns, steady_ns)
        except EnvelopeError as error:
            next_step = 'move the robot by its own means, then call reset'
            self._stop_unless_latched(Finding(str(error), next_step, latch=True), now_ns)
            return self._last_brake(now_ns)

    def _last_brake(self, now_ns: int) -> CommandSample | None:
        """Where no next command was found: one of the brake that was proven before, if it moves."""
        if self._commanding:
            try:
                return self._sample(self._envelope.brake(), 0, now_ns)
            except EnvelopeError:
                self._commanding = False
        return None

    def stop_path(self) -> StopPath:
        """The way to rest from the last command on, for a driver that takes trajectories."""
        return self._envelope.stop_path()

    def _command(self, now_ns: int, steady_ns: int) -> CommandSample | None:
        finding = None if self._mode == Mode.STOPPED else self._finding(now_ns, steady_ns)
        if finding is not None and finding.latch:
            self._stop(finding, now_ns)
        elif finding is not None:
            self._hold(finding, now_ns)
        elif self._mode != Mode.STOPPED:
            return self._run(now_ns)
        if self.at_rest:
            self._cease(steady_ns)
            return None
        return self._sample(self._envelope.brake(), 0, now_ns)

    def _cease(self, steady_ns: int) -> None:
        """Command nothing more: what comes next starts from what is measured then."""
        if self._commanding and self._mode == Mode.HOLDING:
            states = self._watches.states
            known = states.silence(steady_ns) is None
            left = states.position if known else np.full(len(self.names), np.inf)
            self._left = self._envelope.position, left
        self._commanding = False

    def _finding(self, now_ns: int, steady_ns: int) -> Finding | None:
        """What keeps the controller from playing now, the gravest first."""
        envelope = self._envelope
        command = None
        if self._commanding:
            command = envelope.position, envelope.velocity, self._travelled
        finding = self._watches.finding(command, steady_ns, self._engaged)
        finding = finding or self._no_chunk(now_ns, steady_ns)
        if finding is None and command is None:
            finding = self._watches.states.motion(steady_ns)
        return finding

    def _no_chunk(self, now_ns: int, steady_ns: int) -> Finding | None:
        last = f' (last refused: {self._refusal})' if self._refusal else ''
        if self._chunk_arrival is None:
            return Finding(
                f'no action chunk yet{last}', 'start the policy and an episode', latch=False
            )
        if self._chunk_age_s(steady_ns) > self.chunk_timeout_s:
            return Finding(
                f'action chunks are stale{last}', 'see the diagnostics of the policy', latch=False
            )
        if self._player.playing(now_ns) is None:
            return Finding(
                f'the action chunk covers another time{last}',
                'see the diagnostics of the policy',
                latch=False,
            )
        return None

    def _hold(self, finding: Finding, now_ns: int) -> None:
        mode = Mode.HOLDING if self._engaged else Mode.WAITING
        self._set(mode, finding.reason, finding.next_step, finding.since_ns or now_ns)

    def _run(self, now_ns: int) -> CommandSample:
        """Follow the curve; joints that it does not name stay where they were last wanted."""
        measured = self._watches.states.position
        if not self._commanding:
            self._begin(measured)
        if self._mode != Mode.RUNNING:
            self._wanted = self._envelope.position.copy()
            self._set(Mode.RUNNING, '', '', now_ns)
        if self._by_velocity.any():
            # not in fast motion: there a driver's lag would be taken for drift
            slow = np.abs(self._envelope.velocity) < PULL_BELOW * self._envelope.limits.velocity
            pulled = self._by_velocity & slow
            apart = np.where(pulled, measured - self._envelope.position, 0.0)
            self._envelope.shift(PULL_1_S * self.period_s * apart)
        curve = self._player.playing(now_ns)
        rate = np.zeros(len(self.names))
        self._wanted[curve.columns], rate[curve.columns] = curve.at(now_ns)
        step = self._envelope.follow(self._wanted, rate, self._share())
        return self._sample(step, curve.sequence, now_ns)

    def _begin(self, measured: np.ndarray) -> None:
        """Command from the measured position on; slowly at first after a stop, and where the robot
        does not stand any more where a hold had left it.
        """
        start, states = measured.copy(), self._watches.states
        if self._mode == Mode.HOLDING and self._left is not None:
            commanded, left = self._left
            if (states.elsewhere(commanded) & ~self._grippers).any():
                self._ramp_s = 0.0
            # a gripper that holds something stays short of its command, and must not let go
            limits = self._envelope.limits
            inside = (limits.hard_lower <= commanded) & (commanded <= limits.hard_upper)
            gripping = self._grippers & inside & ~states.moved(left)
            start[gripping] = commanded[gripping]
        self._left = None
        self._envelope.start(start)
        self._commanding = True

    @property
    def _engaged(self) -> bool:
        """It has commanded since it last waited: the robot is in the middle of something."""
        return self._mode in (Mode.RUNNING, Mode.HOLDING)

    def _share(self) -> float:
        """Share of the velocity limits: the operator's choice, and after a stop a ramp up to it."""
        self._ramp_s = min(self._ramp_s + self.period_s, RAMP_S)
        ramp = SLOWEST_SHARE + (1.0 - SLOWEST_SHARE) * self._ramp_s / RAMP_S
        return min(self._speed_scale, ramp)

    def _sample(self, step: Step, sequence: int, now_ns: int) -> CommandSample:
        for limit in step.active:
            self.active[limit] = self.active.get(limit, 0) + 1
        self._travelled = self._travelled + self._envelope.step
        rates = step.velocity
        if self._by_velocity.any():  # what a driver integrates to the positions
            rates = np.where(self._by_velocity, self._envelope.step / self.period_s, rates)
        return CommandSample(
            'executed',
            now_ns,
            now_ns,
            sequence,
            'position',
            self.names,
            step.position,
            rates,
            step.active,
        )

    def _catch_up(self, gap_s: float) -> None:
        """A driver of trajectories has gone on along the brake while no command came: so has the
        envelope.
        """
        missed = min(round(gap_s / self.period_s) - 1, MOST_MISSED)
        moving = self._by_trajectory and self._commanding
        self.unsent = [self._envelope.brake().position for _ in range(missed if moving else 0)]

    def _measure(self, now_ns: int, steady_ns: int) -> float:
        """Count the tick; seconds since the last one."""
        self._ticks += 1
        gap_s = 0.0
        if self._last_tick is not None:
            gap_s = (steady_ns - self._last_tick) / NS
            self._worst_gap_s = max(self._worst_gap_s, gap_s)
            if gap_s > GAP_PERIODS * self.period_s:
                self._missed += 1
                self.gaps.append(Gap(now_ns, gap_s))
        self._last_tick = steady_ns
        return gap_s

    # State

    def _set(self, mode: Mode, reason: str, next_step: str, since_ns: int) -> None:
        if (mode, reason) != (self._mode, self._reason):
            self._since_ns = since_ns
        self._mode, self._reason, self._next_step = mode, reason, next_step

    def _chunk_age_s(self, steady_ns: int) -> float:
        age_s, arrived = self._chunk_arrival
        return age_s + (steady_ns - arrived) / NS

    def state(self, now_ns: int) -> ControllerState:
        """What the controller does and why."""
        newest, capture_ns = self._player.newest, self._watches.states.capture_ns
        return ControllerState(
            stamp_ns=now_ns,
            mode=self._mode,
            reason=self._reason,
            next_step=self._next_step,
            chunk_age_s=(now_ns - newest.stamp_ns) / NS if newest else -1.0,
            state_age_s=(now_ns - capture_ns) / NS if capture_ns is not None else -1.0,
            chunk_sequence=newest.sequence if newest else 0,
            ticks=self._ticks,
            missed=self._missed,
            worst_gap_s=self._worst_gap_s,
            since_ns=self._since_ns,
        )
