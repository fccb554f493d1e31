"""What surrounds a controller, gone wrong: clocks, stalls, safety signals, e-stop, operator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.hil.hostile.robot import HostileRobot
from gen_nodes.robot import RobotSpec
from gen_nodes.types import NS, Heartbeat, Mode, seconds_to_ns

EPOCH_NS = 1_700_000_000 * NS
POLICY = 'harmonic_policy'
NUISANCE_S, CALAMITY_S = 1.5, 8.0  # mean time between troubles that pass, and that latch a stop
WORD_S = 0.05  # between words of the e-stop, the wrench and the policy's heartbeat


class HostileWorld:
    """Time, and troubles that come and go in it.

    steady_ns, ros_ns: the two clocks now. mute: no chunk is sent now. winding: the operator is
    deactivating the controller, which still brakes.
    """

    def __init__(
        self,
        spec: RobotSpec,
        core: ControllerCore,
        robot: HostileRobot,
        random: np.random.Generator,
        begun_ns: int,
    ) -> None:
        self._spec, self._core, self._robot, self._random = spec, core, robot, random
        self._period_s = 1.0 / spec.control.rate_hz
        self._begun_ns, self._offset_ns = begun_ns, EPOCH_NS  # ROS time less steady time
        self._late_ns = 0  # what missed ticks have added
        self._tick = 0
        self._ends: list[tuple[int, Callable[[], None]]] = []
        self._nuisance, self._calamity = self._in(NUISANCE_S), self._in(CALAMITY_S)
        self._words = max(1, round(WORD_S / self._period_s))
        self.mute = self.winding = False
        self._pressed, self._fit, self._silent = False, True, ''
        self.advance(0)

    def _in(self, mean_s: float) -> int:
        return self._tick + 1 + int(self._random.exponential(mean_s) / self._period_s)

    def advance(self, tick: int) -> None:
        """Time goes on to a tick, and troubles begin and end."""
        self._tick = tick
        if tick % self._words == 0:
            self._speak()
        for end in [end for end in self._ends if end[0] <= tick]:
            self._ends.remove(end)
            end[1]()
        if tick >= self._nuisance:
            self._nuisance = self._in(NUISANCE_S)
            self._befall(NUISANCES)
        if tick >= self._calamity:
            self._calamity = self._in(CALAMITY_S)
            if self._core.mode not in (Mode.STOPPED, Mode.INACTIVE):
                self._befall(CALAMITIES)

    @property
    def steady_ns(self) -> int:
        return self._begun_ns + self._late_ns + round(self._tick * self._period_s * NS)

    @property
    def ros_ns(self) -> int:
        return self.steady_ns + self._offset_ns

    def _befall(self, troubles: dict[str, Callable]) -> None:
        troubles[self._random.choice(list(troubles))](self)

    def _for(self, shortest_s: float, longest_s: float, end: Callable[[], None]) -> None:
        seconds = self._random.uniform(shortest_s, longest_s)
        self._ends.append((self._tick + 1 + int(seconds / self._period_s), end))

    def calm(self) -> None:
        """The operator puts everything right."""
        for _, end in self._ends:
            end()
        self._ends.clear()
        self._pressed, self._fit, self._silent = False, True, ''
        self._speak()

    def _speak(self) -> None:
        core, steady_ns = self._core, self.steady_ns
        if self._silent != 'estop':
            core.on_estop(self._pressed, steady_ns)
        if self._silent != 'policy':
            cause, next_step = ('', '') if self._fit else ('ill', 'wait')
            core.on_heartbeat(
                Heartbeat(self.ros_ns, POLICY, self._fit, self.ros_ns, cause, next_step), steady_ns
            )
        if self._spec.wrench_limit is not None and self._silent != 'wrench':
            core.on_wrench(np.zeros(3), np.zeros(3), steady_ns)
        if self._silent != 'robot':
            for topic in self._spec.safety_topics:
                core.on_robot_safety(topic.topic, True, '')

    # Troubles that pass

    def _break(self, what: str, shortest_s: float, longest_s: float) -> None:
        self._robot.broken = what

        def mend() -> None:
            self._robot.broken = ''

        self._for(shortest_s, longest_s, mend)

    def _stall(self, shortest_s: float = 0.05, longest_s: float = 0.5) -> None:
        self._robot.stalled = True

        def end() -> None:
            self._robot.stalled = False

        self._for(shortest_s, longest_s, end)

    def _block(self, shortest_s: float = 0.02, longest_s: float = 0.2) -> None:
        self._robot.blocked = True

        def end() -> None:
            self._robot.blocked = False

        self._for(shortest_s, longest_s, end)

    def _hush(self) -> None:
        self.mute = True

        def end() -> None:
            self.mute = False

        self._for(0.02, 0.6, end)

    def _fall_silent(self, who: str, longest_s: float) -> None:
        self._silent = who

        def end() -> None:
            self._silent = ''

        self._for(0.05, longest_s, end)

    def _fall_ill(self) -> None:
        self._fit = False

        def end() -> None:
            self._fit = True

        self._for(0.05, 0.5, end)
        self._speak()

    def _scale(self) -> None:
        self._core.set_speed_scale(float(self._random.choice([0.01, 0.1, 0.5, 0.9])))
        self._for(0.05, 1.0, lambda: self._core.set_speed_scale(1.0))

    def _creep(self) -> None:
        """The ROS clock steps by less than is noticed."""
        self._offset_ns += seconds_to_ns(self._random.uniform(-0.45, 0.45))

    def _late(self) -> None:
        """Ticks are missed."""
        self._late_ns += seconds_to_ns(self._random.integers(1, 100) * self._period_s)

    # Troubles that latch a stop

    def _step_clock(self) -> None:
        size = self._random.uniform(0.6, 10.0) * self._random.choice([-1, 1])
        self._offset_ns += seconds_to_ns(size)
        self._robot.forget_stamps()

    def _press(self) -> None:
        self._pressed = True
        self._speak()

    def _forbid(self) -> None:
        topics = [topic.topic for topic in self._spec.safety_topics] or ['protective stop']
        self._core.on_robot_safety(str(self._random.choice(topics)), False, 'is not allowed')
        self._silent = 'robot'
        if not self._spec.safety_topics:
            self._ends.append(
                (2**62, lambda: self._core.on_robot_safety('protective stop', True, ''))
            )

    def _push(self) -> None:
        self._core.on_wrench(np.full(3, 1e4), np.full(3, np.nan), self.steady_ns)

    def _wind(self) -> None:
        self._core.wind_down()
        self.winding = True


NUISANCES: dict[str, Callable[[HostileWorld], None]] = {
    'joint states stall': HostileWorld._stall,
    'joint states old': lambda world: world._break('old', 0.02, 0.4),
    'joint states future': lambda world: world._break('future', 0.02, 0.4),
    'joint states frozen': lambda world: world._break('frozen', 0.02, 0.4),
    'joint states permuted': lambda world: world._break('permuted', 0.02, 0.5),
    'robot blocked for a moment': HostileWorld._block,
    'policy silent': HostileWorld._hush,
    'policy unfit': HostileWorld._fall_ill,
    'heartbeat silent': lambda world: world._fall_silent('policy', 0.8),
    'wrench silent': lambda world: world._fall_silent('wrench', 0.5),
    'speed scale': HostileWorld._scale,
    'clock creeps': HostileWorld._creep,
    'ticks missed': HostileWorld._late,
}
CALAMITIES: dict[str, Callable[[HostileWorld], None]] = {
    'joint state not finite': lambda world: world._break('nan', 0.001, 0.05),
    'joint state jumps': lambda world: world._break('jump', 0.001, 0.1),
    'joint missing': lambda world: world._break('joint missing', 0.001, 0.1),
    'joint state too short': lambda world: world._break('too short', 0.001, 0.05),
    'joint states lost': lambda world: world._stall(2.1, 2.5),
    'robot blocked': lambda world: world._block(0.8, 1.2),
    'clock steps': HostileWorld._step_clock,
    'stop is asked for': lambda world: world._core.stop('asked for', 'reset', world.steady_ns),
    'e-stop pressed': HostileWorld._press,
    'e-stop silent': lambda world: world._fall_silent('estop', 1.0),
    'robot forbids': HostileWorld._forbid,
    'something pushes': HostileWorld._push,
    'deactivated': HostileWorld._wind,
}
