"""One stream on its way into observations: checks of stamps, thinning to the policy's rate,
counting, health.

Every message that is offered is counted once: received = used + dropped by reason + still pending.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace

import numpy as np

from gen_nodes.types import NS, CommandSample, Sample, StreamHealth, StreamState, seconds_to_ns

LATE_NS = NS // 2  # older than this at arrival is of no use to a policy that looks a second back
FUTURE_NS = NS // 20  # further ahead than this is a wrong clock, not jitter
# samples of fast streams younger than this wait for the next observation, so that which
SETTLE_NS = 2_000_000
#                              of them enter depends on capture stamps and not on a race between
# process and timer
CLOCK_STEP_NS = (
    NS  # arrival going back by more than this: the clock was set back, order starts anew
)
FAULTS_IN_A_ROW = 3

FAULTS = frozenset(
    {
        'black',
        'frozen',
        'future',
        'malformed',
        'missing joint',
        'no depth',
        'no intrinsics',
        'no joint state',
        'no pose',
        'not finite',
        'unknown joint',
    }
)


class Lane:
    """Pending samples of one stream. `rate_hz`: the driver's; `policy_rate_hz`: what the policy
    wants.
    """

    def __init__(
        self, stream: str, rate_hz: float, policy_rate_hz: float, timeout_s: float
    ) -> None:
        self.stream = stream
        self.timeout_ns = seconds_to_ns(timeout_s)
        self.thins = rate_hz > 1.25 * policy_rate_hz
        self.gap_ns = round((0.75 if self.thins else 0.25) * NS / policy_rate_hz)
        self.received = self.used = 0
        self.dropped: Counter[str] = Counter()
        self.pending: list[Sample] = []
        self.newest_ns: int | None = None  # newest capture stamp offered in order
        self.last_used_ns: int | None = None  # capture stamp of the newest sample of an observation
        self.good_ns: int | None = None  # newest capture stamp accepted
        self.arrived_ns = 0
        self.recent: deque[int] = deque()  # arrival stamps of accepted samples, last second
        self.faults = 0  # dropped for a fault since the last accepted sample
        self.last_fault = ''

    def drop(self, reason: str, count: int = 1) -> str:
        """Count messages as dropped; returns the reason."""
        self.dropped[reason] += count
        if reason in FAULTS:
            self.faults += 1
            self.last_fault = reason
        return reason

    def stamp_fault(self, capture_ns: int, arrival_ns: int) -> str | None:
        """Why the stamps forbid a sample, or None. Remembers the stamps."""
        if arrival_ns < self.arrived_ns - CLOCK_STEP_NS:
            self.forget_order()
        self.arrived_ns = arrival_ns
        if capture_ns > arrival_ns + FUTURE_NS:
            return 'future'
        if self.newest_ns is not None and capture_ns <= self.newest_ns:
            return 'repeated' if capture_ns == self.newest_ns else 'backwards'
        if capture_ns < arrival_ns - LATE_NS:
            return 'late'
        self.newest_ns = capture_ns
        return None

    def forget_order(self) -> None:
        """The clock was set back: stamps are compared anew."""
        self.newest_ns = self.last_used_ns = self.good_ns = None
        self.recent.clear()
        if self.pending:
            self.drop('clock set back', sum(map(self.messages, self.pending)))
        self.pending.clear()

    def accept(self, sample: Sample) -> None:
        """Queue a checked sample."""
        self.pending.append(sample)
        self.good_ns, self.faults = sample.capture_ns, 0
        self.recent.append(sample.arrival_ns)

    def take(self, now_ns: int) -> list[Sample]:
        """Samples for an observation that closes now, oldest first, thinned to the policy's rate,
        newest wins.
        """
        settled = sum(not self.thins or s.capture_ns <= now_ns - SETTLE_NS for s in self.pending)
        ready, rest = self.pending[: settled or None], self.pending[settled or len(self.pending) :]
        chosen: list[Sample] = []
        for sample in reversed(ready):
            behind = (
                self.last_used_ns is None or sample.capture_ns - self.last_used_ns >= self.gap_ns
            )
            if behind and (not chosen or chosen[-1].capture_ns - sample.capture_ns >= self.gap_ns):
                chosen.append(sample)
        if not chosen:
            return []
        chosen.reverse()
        self.leave_out(ready, chosen)
        self.pending = rest
        self.last_used_ns = chosen[-1].capture_ns
        self.used += sum(self.messages(s) for s in chosen)
        return [replace(s, arrival_ns=now_ns) for s in chosen]

    def leave_out(self, ready: list[Sample], chosen: list[Sample]) -> None:
        """Count what thinning drops."""
        count = sum(map(self.messages, ready)) - sum(map(self.messages, chosen))
        if count:
            self.drop('decimated', count)

    def messages(self, sample: Sample) -> int:
        """Number of messages that the sample was made of."""
        return 1

    def health(self, now_ns: int) -> StreamHealth:
        """State at `now_ns`; floats are float32 values, as the message carries them."""
        while self.recent and self.recent[0] <= now_ns - NS:
            self.recent.popleft()
        age_s = -1.0 if self.good_ns is None else float(np.float32((now_ns - self.good_ns) / NS))
        return StreamHealth(
            self.stream,
            self.state(now_ns),
            float(len(self.recent)),
            age_s,
            self.received,
            self.used,
            dict(sorted(self.dropped.items())),
        )

    def state(self, now_ns: int) -> StreamState:
        """WAITING, LIVE, STALE or FAULTY at `now_ns`."""
        if self.faults >= FAULTS_IN_A_ROW and self.arrived_ns >= now_ns - self.timeout_ns:
            return StreamState.FAULTY
        if self.good_ns is None:
            return StreamState.WAITING
        return StreamState.LIVE if now_ns - self.good_ns <= self.timeout_ns else StreamState.STALE


class CommandLane(Lane):
    """Executed commands: a mark on a command that thinning drops passes on to the one that
    stays.
    """

    def leave_out(self, ready: list[Sample], chosen: list[Sample]) -> None:
        super().leave_out(ready, chosen)
        marks: set[str] = set()
        slot = 0
        for sample in ready:
            assert isinstance(sample, CommandSample)
            marks.update(sample.marks)
            if slot < len(chosen) and sample is chosen[slot]:
                chosen[slot] = replace(sample, marks=tuple(sorted(marks)))
                marks.clear()
                slot += 1
