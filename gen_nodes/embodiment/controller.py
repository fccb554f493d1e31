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

from gen_nodes.embodiment.curve import Curve, Player, make_curve, refusal
from gen_nodes.embodiment.envelope import Envelope, EnvelopeError, Step
from gen_nodes.embodiment.limits import limits_of
from gen_nodes.embodiment.watchdog import ClockWatch, Finding, StateWatch, WatchConfig
from gen_nodes.errors import GenError
from gen_nodes.types import NS, ActionChunk, CommandSample, ControllerState, JointSample, Mode

if TYPE_CHECKING:
    from gen_nodes.robot import RobotSpec

GAP_PERIODS = 2


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
        self, spec: RobotSpec, watch: WatchConfig | None = None, awaited: Sequence[str] = ()
    ):
        self.names = tuple(spec.joint_names)
        self.period_s = 1.0 / spec.control.rate_hz
        self.watch = watch or WatchConfig(spec.state.timeout_s, spec.control.chunk_timeout_s)
        limits = limits_of(spec)
        prismatic = np.array([joint.type == 'prismatic' for joint in spec.joints])
        self._envelope = Envelope(limits, self.period_s)
        self._states = StateWatch(limits, prismatic, self.watch)
        self._clock = ClockWatch(self.watch)
        self._player = Player()
        self._forbidden: dict[str, Finding] = {}
        self._unheard = list(awaited)
        self._latched: Finding | None = None  # the stop that only a reset clears
        self.gaps: deque[Gap] = deque(maxlen=64)
        self.refused: dict[str, int] = {}
        self._enter_inactive()

    # Lifecycle

    def _enter_inactive(self) -> None:
        self._set(Mode.INACTIVE, 'not active', 'activate the controller')
        self._commanding = False
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
        self._states.restart()
        self._clock = ClockWatch(self.watch)
        self._clock.check(now_ns, steady_ns)
        self._wait()
        standing = self._latched or self._robot_forbids()
        if standing is not None:
            self._stop(standing)
        if sample is not None:
            self.on_joint_state(sample, steady_ns)

    def wind_down(self) -> None:
        """Brake inside the envelope before `deactivate`. Unlike after a stop, the next activation
        needs no reset.
        """
        if self._mode not in (Mode.INACTIVE, Mode.STOPPED):
            self._rest('the controller is being deactivated', 'activate it again')

    def deactivate(self) -> None:
        """Give no more commands. Where the robot moves, wind down and tick until `at_rest`."""
        self._enter_inactive()

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def at_rest(self) -> bool:
        """No motion is being commanded."""
        return not self._commanding or self._envelope.at_rest

    # Inputs

    def on_joint_state(self, sample: JointSample, steady_ns: int) -> None:
        """Take a measured state. NaN, a missing joint or a jump latches the stop."""
        if self._mode == Mode.INACTIVE:
            return
        finding = self._states.offer(sample, steady_ns)
        if finding is not None:
            self._stop_unless_latched(finding)

    def on_chunk(self, chunk: ActionChunk, now_ns: int, steady_ns: int) -> str | None:
        """Take a chunk to play from its own time on. Returns the reason where it is refused, None
        where taken.
        """
        reason = self._reason_against(chunk, now_ns)
        if reason is not None:
            self._refusal = reason
            self.refused[reason.split(';')[0]] = self.refused.get(reason.split(';')[0], 0) + 1
            return reason
        self._refusal = ''
        self._player.splice(self._curve(chunk, now_ns), now_ns)
        self._chunk_arrival = max((now_ns - chunk.stamp_ns) / NS, 0.0), steady_ns
        return None

    def _reason_against(self, chunk: ActionChunk, now_ns: int) -> str | None:
        if self._mode in (Mode.INACTIVE, Mode.STOPPED):
            return f'the controller is {self._mode.name.lower()}'
        newest = self._player.newest
        if newest is not None and chunk.stamp_ns <= newest.stamp_ns:
            return 'the chunk is not newer than the one in play'
        return refusal(chunk, self.names, now_ns, self.watch.chunk_timeout_s)

    def _curve(self, chunk: ActionChunk, now_ns: int) -> Curve:
        """The chunk's curve; one of velocities continues from the present command, or the
        measurement before any.
        """
        curve = make_curve(chunk, self.names, np.zeros(len(self.names)))
        if chunk.interface == 'position':
            return curve
        here = self._envelope.position if self._commanding else self._states.position
        if here is None:
            here = np.zeros(len(self.names))
        anchor = np.array(here, dtype=float)
        anchor[curve.columns] -= curve.at(now_ns)[0]
        return make_curve(chunk, self.names, anchor)

    def on_robot_safety(self, source: str, allowed: bool, meaning: str) -> None:
        """Take the robot's own safety signal `source`. Not allowed latches the stop; allowed lets a
        reset pass.
        """
        if source in self._unheard:
            self._unheard.remove(source)
        if allowed:
            self._forbidden.pop(source, None)
            return
        finding = Finding(
            f'{source}: {meaning}', "clear it by the robot's own means, then call reset", latch=True
        )
        self._forbidden[source] = finding
        self._stop_unless_latched(finding)

    def _robot_forbids(self) -> Finding | None:
        return next(iter(self._forbidden.values()), None)

    # Stop and reset

    def stop(self, reason: str, next_step: str) -> None:
        """Brake inside the envelope and stay stopped until `reset`."""
        self._stop_unless_latched(Finding(reason, next_step, latch=True))

    def _stop_unless_latched(self, finding: Finding) -> None:
        """The first cause of a stop is the one that is told."""
        if self._mode != Mode.INACTIVE and self._latched is None:
            self._stop(finding)

    def _stop(self, finding: Finding) -> None:
        self._latched = finding
        self._rest(finding.reason, finding.next_step)

    def _rest(self, reason: str, next_step: str) -> None:
        self._player.clear()
        self._chunk_arrival = None
        self._set(Mode.STOPPED, reason, next_step)

    def reset(self, now_ns: int, steady_ns: int) -> None:
        """Leave STOPPED for WAITING; the next motion starts from what is measured then. Raises
        ResetRefused.
        """
        if self._mode == Mode.INACTIVE:
            raise ResetRefused('the controller is not active: activate it')
        if self._mode != Mode.STOPPED:
            return
        self._clock.check(now_ns, steady_ns)
        persisting = self._robot_forbids() or self._states.persisting(steady_ns)
        if persisting is not None:
            raise ResetRefused(f'{persisting.reason}: {persisting.next_step}')
        if not self.at_rest:
            raise ResetRefused('still braking: call reset again when the robot stands')
        self._states.forget()
        self._commanding = False
        self._latched = None
        self._wait()

    def _wait(self) -> None:
        self._set(Mode.WAITING, 'no action chunk yet', 'start the policy and an episode')

    # The tick

    def tick(self, now_ns: int, steady_ns: int) -> CommandSample | None:
        """The command for this instant, or None where none is to be sent."""
        if self._mode == Mode.INACTIVE:
            return None
        self._measure(now_ns, steady_ns)
        jump = self._clock.check(now_ns, steady_ns)
        if jump is not None:
            self._states.restart()
            self._stop(jump)
        try:
            return self._command(now_ns, steady_ns)
        except EnvelopeError as error:
            self._commanding = False
            self._stop(
                Finding(str(error), 'move the robot by its own means, then call reset', latch=True)
            )
            return None

    def _command(self, now_ns: int, steady_ns: int) -> CommandSample | None:
        finding = None if self._mode == Mode.STOPPED else self._finding(now_ns, steady_ns)
        if finding is not None and finding.latch:
            self._stop(finding)
        elif finding is not None:
            self._hold(finding)
        elif self._mode != Mode.STOPPED:
            return self._run(now_ns)
        if not self._commanding or (self._mode == Mode.STOPPED and self._envelope.at_rest):
            return None
        return self._sample(self._envelope.brake(), 0, now_ns)

    def _finding(self, now_ns: int, steady_ns: int) -> Finding | None:
        """What keeps the controller from playing now, the gravest first."""
        diverged = None
        if self._commanding:
            diverged = self._states.divergence(
                self._envelope.position, self._envelope.velocity, steady_ns
            )
        silent = self._states.silence(steady_ns)
        if silent is not None and silent.latch and not self._commanding:
            silent = Finding(
                silent.reason, 'restart the robot driver, check the network', latch=False
            )
        return diverged or silent or self._no_word() or self._no_chunk(now_ns, steady_ns)

    def _no_word(self) -> Finding | None:
        """Silence of the robot's safety signals is no permission."""
        if not self._unheard:
            return None
        return Finding(
            f"no word yet from safety topic '{self._unheard[0]}'",
            'start the robot driver; see that it publishes this topic, reliably',
            latch=False,
        )

    def _no_chunk(self, now_ns: int, steady_ns: int) -> Finding | None:
        last = f' (last refused: {self._refusal})' if self._refusal else ''
        if self._chunk_arrival is None:
            return Finding(
                f'no action chunk yet{last}', 'start the policy and an episode', latch=False
            )
        if self._chunk_age_s(steady_ns) > self.watch.chunk_timeout_s:
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

    def _hold(self, finding: Finding) -> None:
        mode = Mode.HOLDING if self._commanding else Mode.WAITING
        self._set(mode, finding.reason, finding.next_step)

    def _run(self, now_ns: int) -> CommandSample:
        """Follow the curve; joints that it does not name stay where they were last wanted."""
        if not self._commanding:
            self._envelope.start(self._states.position)
            self._commanding = True
        if self._mode != Mode.RUNNING:
            self._wanted = self._envelope.position.copy()
            self._set(Mode.RUNNING, '', '')
        curve = self._player.playing(now_ns)
        rate = np.zeros(len(self.names))
        self._wanted[curve.columns], rate[curve.columns] = curve.at(now_ns)
        return self._sample(self._envelope.follow(self._wanted, rate), curve.sequence, now_ns)

    def _sample(self, step: Step, sequence: int, now_ns: int) -> CommandSample:
        return CommandSample(
            'executed',
            now_ns,
            now_ns,
            sequence,
            'position',
            self.names,
            step.position,
            step.velocity,
            step.active,
        )

    def _measure(self, now_ns: int, steady_ns: int) -> None:
        self._ticks += 1
        if self._last_tick is not None:
            gap_s = (steady_ns - self._last_tick) / NS
            self._worst_gap_s = max(self._worst_gap_s, gap_s)
            if gap_s > GAP_PERIODS * self.period_s:
                self._missed += 1
                self.gaps.append(Gap(now_ns, gap_s))
        self._last_tick = steady_ns

    # State

    def _set(self, mode: Mode, reason: str, next_step: str) -> None:
        self._mode, self._reason, self._next_step = mode, reason, next_step

    def _chunk_age_s(self, steady_ns: int) -> float:
        age_s, arrived = self._chunk_arrival
        return age_s + (steady_ns - arrived) / NS

    def state(self, now_ns: int) -> ControllerState:
        """What the controller does and why."""
        newest, capture_ns = self._player.newest, self._states.capture_ns
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
        )
