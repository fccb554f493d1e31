"""What others tell the controller, and what their silence means: the nodes of the stack, an e-stop,
a wrench, the robot's own safety signals.

Every check returns a Finding or None. Silence is measured on the steady clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gen_nodes.embodiment.watchdog import Finding
from gen_nodes.types import NS, Heartbeat

if TYPE_CHECKING:
    from gen_nodes.robot import EstopSpec, WrenchLimit

SILENT_S = 0.5  # five heartbeats


@dataclass
class _Node:
    """What was heard of one node: newest heartbeat, its arrival [steady ns], instances before."""

    heartbeat: Heartbeat | None = None
    arrival_ns: int = 0
    former: set[int] = field(default_factory=set)


class StackWatch:
    """Watches nodes that the robot must not move without."""

    def __init__(self, names: Sequence[str], own: str = '', own_instance: int = 0):
        self._nodes = {name: _Node() for name in names}
        self._own, self._own_instance = own, own_instance
        self._twin: tuple[Finding, int] | None = None  # heard last at [steady ns]

    def offer(self, heartbeat: Heartbeat, steady_ns: int) -> Finding | None:
        """Take a heartbeat. A finding latches: two processes call themselves the same."""
        if heartbeat.node == self._own and heartbeat.instance != self._own_instance:
            return self._found(heartbeat, steady_ns)
        node = self._nodes.get(heartbeat.node)
        if node is None:
            return None
        before = node.heartbeat
        if before is not None and before.instance != heartbeat.instance:
            if heartbeat.instance in node.former:
                return self._found(heartbeat, steady_ns)
            node.former.add(before.instance)
        node.heartbeat, node.arrival_ns = heartbeat, steady_ns
        return None

    def finding(self, steady_ns: int) -> Finding | None:
        """The first node that is missing, silent or not fit."""
        for name, node in self._nodes.items():
            if node.heartbeat is None:
                return Finding(f'{name} has not been heard', f'start {name}', latch=False)
        return self.silent(steady_ns) or self._unfit()

    def silent(self, steady_ns: int) -> Finding | None:
        """The first node that was heard and has fallen silent."""
        for name, node in self._nodes.items():
            if node.heartbeat is not None and steady_ns - node.arrival_ns > SILENT_S * NS:
                return Finding(
                    f'{name} is silent: it hangs, has died, or is cut off',
                    f'look at the log of {name}; restart it',
                    latch=False,
                )
        return None

    def _unfit(self) -> Finding | None:
        for name, node in self._nodes.items():
            said = node.heartbeat
            if said is not None and not said.fit:
                return Finding(f'{name}: {said.cause}', said.next_step, False, said.since_ns)
        return None

    def twin(self, steady_ns: int) -> Finding | None:
        """Two nodes of one name, both heard lately."""
        if self._twin is None or steady_ns - self._twin[1] > SILENT_S * NS:
            return None
        return self._twin[0]

    def _found(self, heartbeat: Heartbeat, steady_ns: int) -> Finding:
        finding = Finding(
            f'two nodes are called {heartbeat.node}',
            'end one of them, then call reset',
            latch=True,
        )
        self._twin = finding, steady_ns
        return finding

    def restart(self) -> None:
        """Forget what was heard."""
        self._nodes = {name: _Node() for name in self._nodes}


class EstopWatch:
    """An e-stop that speaks all the time: true stops, and so does silence once it was heard."""

    def __init__(self, spec: EstopSpec):
        self._spec = spec
        self.restart()

    def restart(self) -> None:
        """Forget it: one that was taken away in between is not missed."""
        self._pressed: bool | None = None
        self._arrival_ns = 0

    def offer(self, pressed: bool, steady_ns: int) -> Finding | None:
        """Take one word of it."""
        self._pressed, self._arrival_ns = pressed, steady_ns
        return self.stands(steady_ns)

    def stands(self, steady_ns: int) -> Finding | None:
        """The stop that it demands now."""
        if self._pressed is None:
            return None
        if self._pressed:
            return Finding('the e-stop is pressed', 'release it, then call reset', latch=True)
        if steady_ns - self._arrival_ns > self._spec.timeout_s * NS:
            return Finding(
                f"the e-stop on '{self._spec.topic}' has fallen silent",
                'bring its publisher back, or activate the controller anew without it; '
                'then call reset',
                latch=True,
            )
        return None

    def awaited(self) -> Finding | None:
        """Where it is required: nothing moves before its first word."""
        if self._pressed is not None or not self._spec.required:
            return None
        return Finding(
            f"no word yet from the e-stop on '{self._spec.topic}'", 'start its publisher', False
        )


class WrenchWatch:
    """Stops beyond a force or torque; holds while the sensor that must tell is silent: from the
    start where it is required, else once it was heard.
    """

    def __init__(self, limit: WrenchLimit, timeout_s: float):
        self._limit, self._timeout_s = limit, timeout_s
        self.restart()

    def restart(self) -> None:
        """Forget what was heard."""
        self._arrival_ns: int | None = None
        self._beyond: Finding | None = None

    def offer(self, force: np.ndarray, torque: np.ndarray, steady_ns: int) -> Finding | None:
        """Take a wrench, (3,) each [N, N m]. A finding latches."""
        self._arrival_ns = steady_ns
        self._beyond = self._judge(
            (
                ('force', np.asarray(force), self._limit.force, 'N'),
                ('torque', np.asarray(torque), self._limit.torque, 'N m'),
            )
        )
        return self._beyond

    def _judge(self, parts: tuple) -> Finding | None:
        for name, value, most, unit in parts:
            if not np.isfinite(value).all():
                return Finding(
                    f"the {name} of '{self._limit.stream}' is not finite",
                    'check the sensor and its driver, then call reset',
                    latch=True,
                )
            if float(np.linalg.norm(value)) > most:
                return Finding(
                    f"the {name} of '{self._limit.stream}' is beyond {most:g} {unit}",
                    'see what the robot touches, zero the sensor if it drifted; then call reset',
                    latch=True,
                )
        return None

    def stands(self) -> Finding | None:
        """What still forbids a reset."""
        return self._beyond

    def silence(self, steady_ns: int) -> Finding | None:
        """Hold while it does not tell."""
        if self._arrival_ns is None:
            if not self._limit.required:
                return None
            text = f"no word yet from '{self._limit.stream}', which limits the force"
        elif steady_ns - self._arrival_ns > self._timeout_s * NS:
            text = f"'{self._limit.stream}', which limits the force, is silent"
        else:
            return None
        return Finding(text, 'check the sensor and its driver', latch=False)
