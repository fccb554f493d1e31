"""What the controller watches: joint states, action chunks, the clock, the robot's own safety
signals.

Every check returns a Finding or None. Silence is measured on the steady clock, content by ROS
stamps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from gen_nodes.embodiment.curve import FUTURE_TOLERANCE_S
from gen_nodes.embodiment.limits import OUTSIDE_TOLERANCE, Limits
from gen_nodes.types import NS, JointSample

STANDS_S = 0.2
FOLLOW_EVERY_S = 0.02


@dataclass(frozen=True)
class WatchConfig:
    """Thresholds. Lengths of time in seconds on the steady clock."""

    state_timeout_s: float
    chunk_timeout_s: float
    state_lost_s: float = 2.0  # a driver silent for so long latches the stop
    clock_jump_s: float = 0.5
    divergence: float = (
        0.2  # rad (prismatic: a tenth, in m) between command and measurement at rest
    )
    divergence_lag_s: float = (
        0.25  # a servo may lag so far behind, times the fastest recent command
    )
    divergence_for_s: float = 0.2
    wrench: bool = True  # whether the limit of force and torque is watched, where the robot has one
    follow_window_s: float = 0.4  # within which a joint must have moved as it was commanded to,
    follow_lag_s: float = 0.25  # at any moment up to so long ago,
    follow_least: float = 0.05  # if that was at least so far [rad] (prismatic: a tenth),
    follow_share: float = 0.25  # by at least this share of it
    standing: float = 0.005  # rad (prismatic: a tenth) within 0.2 s: less is noise, not motion
    elsewhere: float = 0.02  # rad (prismatic: a tenth): clearly not where it was commanded to be
    jump: float = (
        0.15  # rad (prismatic: a tenth) beyond what the velocity limit allows between two states
    )


@dataclass(frozen=True)
class Finding:
    """Something wrong: what, what the operator can do, and whether it latches a stop or holds until
    it is over.
    """

    reason: str
    next_step: str
    latch: bool
    since_ns: int | None = None  # when it was noticed, where somebody else did [ROS time]


class StateWatch:
    """Watches the robot's joint states. `position` is the newest accepted one, (N,) in the robot's
    order, or None.

    prismatic, free: masks (N,); `free` joints need not follow their command: a gripper that holds
    something stays short of it.
    """

    def __init__(
        self, limits: Limits, prismatic: np.ndarray, free: np.ndarray, config: WatchConfig
    ):
        self._limits, self._config = limits, config
        scale = np.where(prismatic, 0.1, 1.0)
        self._jump, self._divergence = config.jump * scale, config.divergence * scale
        self._divergence[free] = np.inf
        self._standing, self._elsewhere = config.standing * scale, config.elsewhere * scale
        self._free = free
        self._stood: tuple[int, np.ndarray] | None = None  # since when, and where
        self._order: tuple[tuple[str, ...], list[int]] | None = None
        self.position: np.ndarray | None = None
        self.capture_ns: int | None = None
        self._arrival_ns: int | None = None
        self._diverging_since: int | None = None
        self._recent_speed = np.zeros(limits.n)
        self.content: Finding | None = None
        self._refused = ''  # why the newest state's stamp was not believed

    def offer(self, sample: JointSample, steady_ns: int) -> Finding | None:
        """Take one joint state. A finding latches; the state that caused it is not taken.

        A stamp far from ROS time at arrival is not believed: no news, so that it counts as silence
        and never makes later states look old.
        """
        self._refused = self._wrong_stamp(sample)
        if self._refused:
            return None
        if self.capture_ns is not None and sample.capture_ns <= self.capture_ns:
            return None  # repeated or out of order: no news, so that silence is still noticed
        self.content = self._wrong_content(sample)
        if self.content is None:
            position = sample.position[self._order[1]]
            self.content = self._jumped(position, sample.capture_ns, steady_ns)
            self.position, self.capture_ns, self._arrival_ns = (
                position,
                sample.capture_ns,
                steady_ns,
            )
            if self._stood is None or (np.abs(position - self._stood[1]) > self._standing).any():
                self._stood = steady_ns, position
        return self.content

    def _wrong_stamp(self, sample: JointSample) -> str:
        """In words, without figures that change: it becomes part of a reason."""
        ahead_s = (sample.capture_ns - sample.arrival_ns) / NS
        if ahead_s > FUTURE_TOLERANCE_S:
            return f'stamped more than {FUTURE_TOLERANCE_S:g} s ahead of ROS time'
        if ahead_s < -self._config.state_timeout_s:
            return f'stamped more than {self._config.state_timeout_s:g} s before they came'
        return ''

    def _wrong_content(self, sample: JointSample) -> Finding | None:
        wiring = 'check the driver and the joint names in the robot YAML, then call reset'
        if self._order is None or self._order[0] != sample.names:
            if len(set(sample.names)) != len(sample.names):
                return Finding('joint state names a joint twice', wiring, latch=True)
            missing = [name for name in self._limits.names if name not in sample.names]
            if missing:
                return Finding(f"joint state lacks joint '{missing[0]}'", wiring, latch=True)
            self._order = sample.names, [sample.names.index(name) for name in self._limits.names]
        if len(sample.position) != len(sample.names):
            return Finding(
                f'joint state has {len(sample.position)} positions for {len(sample.names)} names',
                wiring,
                latch=True,
            )
        position = sample.position[self._order[1]]
        if not np.isfinite(position).all():
            joint = self._limits.names[int(np.argmin(np.isfinite(position)))]
            return Finding(
                f"joint state of '{joint}' is not finite",
                'check the driver and its encoders, then call reset',
                latch=True,
            )
        return None

    def _jumped(self, position: np.ndarray, capture_ns: int, steady_ns: int) -> Finding | None:
        if self.position is None:
            return None
        elapsed = max(capture_ns - self.capture_ns, steady_ns - self._arrival_ns) / NS
        moved = np.abs(position - self.position)
        beyond = moved > self._limits.velocity * elapsed + self._jump
        if not beyond.any():
            return None
        joint = int(np.argmax(beyond))
        return Finding(
            f"measured position of '{self._limits.names[joint]}' jumped by {moved[joint]:.3f} "
            f'in {elapsed * 1e3:.0f} ms',
            'check encoder and driver, and that nobody else publishes its topic; then call reset',
            latch=True,
        )

    def silence(self, steady_ns: int) -> Finding | None:
        """Hold while the driver is silent beyond its timeout, latched stop when it stays so."""
        refused = f' ({self._refused})' if self._refused else ''
        clocks = 'synchronise the clocks of driver and controller (chrony, PTP)'
        if self._arrival_ns is None:
            next_step = clocks if refused else 'start the robot driver'
            return Finding(f'no joint state yet{refused}', next_step, latch=False)
        age_s = (steady_ns - self._arrival_ns) / NS
        if age_s <= self._config.state_timeout_s:
            return None
        if age_s <= self._config.state_lost_s:
            next_step = clocks if refused else 'check the robot driver and the network'
            return Finding(f'joint states are stale{refused}', next_step, latch=False)
        next_step = clocks if refused else 'restart the robot driver, check the network'
        return Finding(
            f'joint states silent for over {self._config.state_lost_s:g} s{refused}',
            f'{next_step}, then call reset',
            latch=True,
        )

    def elsewhere(self, place: np.ndarray) -> np.ndarray:
        """Mask (N,) of the joints that are measured clearly elsewhere than they were commanded to
        be.
        """
        return np.abs(self.position - place) > self._elsewhere

    def moved(self, place: np.ndarray) -> np.ndarray:
        """Mask (N,) of the joints that do not stand any more where they were measured."""
        return np.abs(self.position - place) > self._standing

    def beyond(self) -> Finding | None:
        """Latch where a joint is measured clearly outside its limits, whatever is commanded."""
        limits = self._limits
        out = np.maximum(limits.hard_lower - self.position, self.position - limits.hard_upper)
        if not (out > OUTSIDE_TOLERANCE).any():
            return None
        joint = int(np.argmax(out))
        return Finding(
            f"'{limits.names[joint]}' is measured {out[joint]:.3f} outside its limits",
            "move it inside by the robot's own means, then call reset",
            latch=True,
        )

    def motion(self, steady_ns: int) -> Finding | None:
        """Hold while a robot that is not commanded moves: whoever moves it comes first."""
        if self._stood is not None and steady_ns - self._stood[0] >= STANDS_S * NS:
            return None
        return Finding(
            'the robot moves though nothing is commanded, or has not stood still for long enough',
            'wait until it stands; see who else commands it',
            latch=False,
        )

    def divergence(
        self, command: np.ndarray, velocity: np.ndarray, steady_ns: int
    ) -> Finding | None:
        """Latch where the measured position stays far from the commanded one for longer than a
        servo's lag.
        """
        self._recent_speed = np.maximum(np.abs(velocity), 0.98 * self._recent_speed)
        if self.silence(steady_ns) is not None:
            return None  # an old measurement says nothing about a new command
        apart = np.abs(command - self.position)
        far = apart > self._divergence + self._config.divergence_lag_s * self._recent_speed
        if not far.any():
            self._diverging_since = None
            return None
        if self._diverging_since is None:
            self._diverging_since = steady_ns
        if steady_ns - self._diverging_since < self._config.divergence_for_s * NS:
            return None
        joint = int(np.argmax(far))
        return Finding(
            f"'{self._limits.names[joint]}' is {apart[joint]:.3f} away from its command",
            'see whether the arm is blocked, in a protective stop, or commanded by someone else; '
            'then call reset',
            latch=True,
        )

    def persisting(self, steady_ns: int) -> Finding | None:
        """What still forbids a reset: wrong content in the newest joint state, or silence."""
        return self.content or self.silence(steady_ns)

    def forget(self) -> None:
        """After a reset: judge divergence, and jumps of the clock or the encoders, from here on."""
        self._diverging_since = None
        self._recent_speed = np.zeros(self._limits.n)

    def restart(self) -> None:
        """After a clock jump: old stamps say nothing about new ones."""
        self.position = self.capture_ns = self._arrival_ns = self._stood = None
        self._refused = ''
        self.forget()


class FollowWatch:
    """Notices a robot that does not follow: it moved much less than it was commanded to a moment
    ago. A blocked arm, a protective stop, a driver that repeats old values.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        prismatic: np.ndarray,
        free: np.ndarray,
        config: WatchConfig,
    ):
        self._names, self._config = names, config
        self._least = config.follow_least * np.where(prismatic, 0.1, 1.0)
        self._least[free] = np.inf
        self._window = round(config.follow_window_s / FOLLOW_EVERY_S)
        self._lag = round(config.follow_lag_s / FOLLOW_EVERY_S)
        self._past: deque[np.ndarray] = deque(maxlen=self._window + self._lag + 1)  # (2, N)
        self._newest_ns = 0

    def forget(self) -> None:
        """The motion that was commanded so far says nothing about what comes."""
        self._past.clear()

    def check(self, command: np.ndarray, measured: np.ndarray, steady_ns: int) -> Finding | None:
        """Take the newest command and measurement, (N,) each; a finding latches.

        Stuck is a joint that was commanded far in every window up to the longest lag ago, and has
        hardly moved in the newest window.
        """
        if self._past and steady_ns - self._newest_ns < FOLLOW_EVERY_S * NS:
            return None
        self._newest_ns = steady_ns
        self._past.append(np.stack([command, measured]))
        if len(self._past) < self._past.maxlen:
            return None
        commands, states = np.stack(self._past, axis=1)
        window, lag = self._window, self._lag
        size = np.abs(commands[window:] - commands[: lag + 1]).min(axis=0)
        moved = np.ptp(states[lag:], axis=0)
        stuck = (size > self._least) & (moved < self._config.follow_share * size)
        if not stuck.any():
            return None
        joint = int(np.argmax(stuck * size))
        return Finding(
            f"'{self._names[joint]}' does not follow: commanded by {size[joint]:.3f} in "
            f'{self._config.follow_window_s:g} s, moved by {moved[joint]:.3f}',
            'see whether the arm is blocked, in a protective stop, commanded by someone else, or '
            'its driver repeats old values; then call reset',
            latch=True,
        )


class ClockWatch:
    """Notices when ROS time and the steady clock drift apart in one step."""

    def __init__(self, config: WatchConfig):
        self._config = config
        self._offset_ns: int | None = None

    def check(self, now_ns: int, steady_ns: int) -> Finding | None:
        offset, before = now_ns - steady_ns, self._offset_ns
        self._offset_ns = offset
        if before is None or abs(offset - before) <= self._config.clock_jump_s * NS:
            return None
        return Finding(
            f'ROS clock jumped by {(offset - before) / NS:+.3f} s',
            'check time synchronisation (chrony, PTP) or simulated time, then call reset',
            latch=True,
        )
