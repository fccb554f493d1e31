"""What the embodiment_controller says on /diagnostics."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from gen_nodes.embodiment.controller import Gap
from gen_nodes.ros.diagnostics import Diagnostics, Level, Status
from gen_nodes.types import NS, ControllerState, Mode

GAP_MEMORY_S = 5.0
CLAMP_WINDOW_S, CLAMPED_SHARE = 0.5, 0.3  # held back for more of the ticks than this: a warning

LEVELS = {
    Mode.INACTIVE: Level.STALE,
    Mode.WAITING: Level.WARN,
    Mode.RUNNING: Level.OK,
    Mode.HOLDING: Level.WARN,
    Mode.STOPPED: Level.ERROR,
}


class ControlReports:
    """Turns what a controller's core counts into components with cause and next step."""

    def __init__(self, diagnostics: Diagnostics, period_s: float) -> None:
        self._diagnostics, self._period_s = diagnostics, period_s
        self._gap_seen = self._overflow_seen = self._clamped_seen = float('-inf')
        self._unchecked_told = 0
        self._window_s, self._window_ticks = 0.0, 0
        self._window: dict[str, int] = {}

    def chunk(self, reason: str | None) -> None:
        """A chunk was taken, or refused."""
        if reason is None:
            self._diagnostics.ok('action chunk', 'taken')
        else:
            status = Status(Level.ERROR, f'refused: {reason}', 'check the policy')
            self._diagnostics.report('action chunk', status)

    def mode(self, state: ControllerState, refused: int) -> None:
        """Mode with its reason."""
        name = state.mode.name.lower()
        values = {
            'ticks': str(state.ticks),
            'missed': str(state.missed),
            'worst_gap_ms': f'{state.worst_gap_s * 1e3:.1f}',
            'chunks_refused': str(refused),
        }
        cause = f'{name}: {state.reason}' if state.reason else name
        self._diagnostics.report('mode', Status(LEVELS[state.mode], cause, state.next_step, values))

    def driver(self, problem: str, left_out: Sequence[str]) -> None:
        """Who else commands the robot, what cannot be heard or sent."""
        values = {f'left out {i}': text for i, text in enumerate(left_out)}
        if problem:
            next_step = 'end whoever should not speak there, or mend its QoS'
            self._diagnostics.report('driver', Status(Level.ERROR, problem, next_step, values))
        else:
            said = 'connected' if not left_out else 'connected; some of its wiring is left out here'
            self._diagnostics.ok('driver', said, values)

    def clamps(
        self, active: Mapping[str, int], ticks: int, nearest: tuple[str, float] | None
    ) -> None:
        """Limits that held commands back. active: ticks since activation by 'joint:limit'."""
        now = time.monotonic()
        if now - self._window_s < CLAMP_WINDOW_S:
            return
        since = {limit: count - self._window.get(limit, 0) for limit, count in active.items()}
        passed = max(ticks - self._window_ticks, 1)
        often = [limit for limit, count in since.items() if count > CLAMPED_SHARE * passed]
        self._window, self._window_ticks, self._window_s = dict(active), ticks, now
        values = {
            limit: f'{count} of {passed} ticks' for limit, count in since.items() if count > 0
        }
        if nearest is not None:
            values['nearest'] = f'{nearest[0]}: {nearest[1] * 1e3:.0f} mm'
        if often:
            self._clamped_seen = now
            kinds = sorted({limit.rsplit(':', 1)[1] for limit in often})
            cause = f'commands are held back by the limits of {", ".join(kinds)}'
            next_step = 'none where the policy asks for too much; else see the limits in the values'
            self._diagnostics.report('envelope', Status(Level.WARN, cause, next_step, values))
        elif now - self._clamped_seen > GAP_MEMORY_S:
            self._diagnostics.ok('envelope', 'commands are inside the limits', values)

    def unchecked(self, count: int, most: int) -> None:
        """Joint states that came faster than they can be looked into."""
        if count > self._unchecked_told:
            self._unchecked_told, self._overflow_seen = count, time.monotonic()
            status = Status(
                Level.WARN,
                f'more than {most} within a tick: the oldest were not checked',
                "give the controller a core, or lower the driver's rate",
                {'unchecked': str(count)},
            )
            self._diagnostics.report('joint states', status)
        elif time.monotonic() - self._overflow_seen > GAP_MEMORY_S:
            self._diagnostics.ok('joint states', 'every one is checked')

    def gaps(self, gaps: Sequence[Gap]) -> None:
        """Name every gap between control ticks once; the component recovers when none came for a
        while.
        """
        named = [
            f'{gap.seconds * 1e3:.1f} ms ({gap.seconds / self._period_s:.1f} periods), '
            f'due {gap.stamp_ns / NS:.3f}'
            for gap in gaps
        ]
        if named:
            self._gap_seen = time.monotonic()
            status = Status(
                Level.WARN,
                'gaps of more than two periods',
                'give the controller a core or SCHED_FIFO',
                {'gaps': '; '.join(named)},
            )
            self._diagnostics.report('control period', status)
            self._diagnostics.publish()
        elif time.monotonic() - self._gap_seen > GAP_MEMORY_S:
            self._diagnostics.ok('control period')
