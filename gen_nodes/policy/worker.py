"""Runs a policy in a thread of its own: every observation is observed, in order; only the newest is
decided on.

While something that the policy needs is missing, nothing is decided and `status` says why, so that
the robot holds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gen_nodes.policy.protocol import Policy
from gen_nodes.threads import start_thread
from gen_nodes.types import NS, ActionChunk, Observation, StreamState

BACKLOG = 500  # observations: ten seconds at 50 Hz, then the past is forgotten
MEMORY = 1000  # decisions that the latency figures look back on
STUCK_S = 0.5

_AILING = {
    StreamState.WAITING: ('has not sent anything yet', 'start its driver'),
    StreamState.STALE: ('is silent', 'check its driver and the network'),
    StreamState.FAULTY: (
        'is unusable (black, frozen, not finite or wrong names)',
        'look at the sensor and its cable',
    ),
}


@dataclass(frozen=True)
class WorkerStatus:
    """How the policy is doing: `cause` is empty while it decides. Latencies in ms, NaN before the
    first decision.
    """

    cause: str
    next_step: str
    failed: bool
    decisions: int
    p50_ms: float
    p99_ms: float


def ailment(observation: Observation, required: Sequence[str]) -> tuple[str, str] | None:
    """Cause and next step where a required stream is not live, or None."""
    states = {health.stream: health.state for health in observation.health}
    for stream in required:
        state = states.get(stream, StreamState.WAITING)
        if state != StreamState.LIVE:
            what, next_step = _AILING[state]
            return f"stream '{stream}' {what}", next_step
    return None


def broken(chunk: ActionChunk) -> bool:
    """Whether a number of the chunk is not finite."""
    return not all(np.isfinite(x).all() for x in (chunk.times_s, chunk.values, chunk.rates))


@dataclass(frozen=True)
class _Forget:
    """In the queue: what came before is forgotten here. begins: which start or end of an episode,
    of all that were heard, this is; None where only too much has been waiting.
    """

    instruction: str = ''
    begins: int | None = None


class PolicyWorker:
    """One policy, one thread. `offer`, `reset` and `end_episode` may be called from any other
    thread.
    """

    def __init__(
        self,
        policy: Policy,
        required: Sequence[str],
        decide_hz: float,
        publish: Callable[[ActionChunk], None],
    ):
        self._policy, self._required, self._publish = policy, tuple(required), publish
        self._period_ns = round(NS / decide_hz)
        self._queue: deque[Callable[[], Observation] | _Forget] = deque()
        self._wake = threading.Condition()
        self._marks = 0  # starts and ends of episodes that were heard
        self._running = False
        self._forget()

    def _forget(self) -> None:
        self._say('waiting for observations', 'start the sensor aggregator', failed=False)
        self._busy_since: float | None = None
        self._decided_ns: int | None = None
        self._ended = False
        self._latencies_s: deque[float] = deque(maxlen=MEMORY)
        self._decisions = 0
        self._instruction: str | None = None  # of the episode that was begun, if one was heard

    def _say(self, cause: str, next_step: str, failed: bool) -> None:
        self._said = cause, next_step, failed

    def start(self) -> None:
        """Begin to take observations."""
        self._forget()
        self._queue.clear()
        self._running = True
        self._thread = start_thread(self._work, 'policy')

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Cease; False where the policy did not return within `timeout_s`."""
        with self._wake:
            self._running = False
            self._wake.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def offer(self, observation: Callable[[], Observation]) -> None:
        """Queue an observation, given as a function that decodes it (called in the worker's
        thread).
        """
        with self._wake:
            if len(self._queue) >= BACKLOG:
                starts = [x for x in self._queue if isinstance(x, _Forget) and x.begins]
                self._queue.clear()
                self._queue.append(starts[-1] if starts else _Forget())
            self._queue.append(observation)
            self._wake.notify()

    def reset(self, instruction: str) -> None:
        """A new episode begins: forget the past. What was observed before it is not decided on."""
        with self._wake:
            self._marks += 1
            self._ended = True  # until its turn in the queue has come
            self._queue.append(_Forget(instruction, self._marks))
            self._wake.notify()

    def end_episode(self) -> None:
        """Decide nothing more until the next `reset`."""
        with self._wake:
            self._marks += 1
            self._ended = True

    def status(self) -> WorkerStatus:
        """The present status, for the diagnostics."""
        cause, next_step, failed = self._said
        since = self._busy_since
        if since is not None and time.monotonic() - since > STUCK_S:
            cause = f'one step of the policy has been taking more than {STUCK_S:g} s'
            next_step, failed = 'free the processor, or restart the policy', True
        latencies = np.array(self._latencies_s) * 1e3
        p50, p99 = np.percentile(latencies, (50, 99)) if len(latencies) else (np.nan, np.nan)
        return WorkerStatus(cause, next_step, failed, self._decisions, float(p50), float(p99))

    # The worker's thread

    def _work(self) -> None:
        while True:
            with self._wake:
                while self._running and not self._queue:
                    self._wake.wait()
                if not self._running:
                    return
                items, newest = list(self._queue), None
                self._queue.clear()
            self._busy_since = time.monotonic()
            for item in items:
                newest = self._take(item)
            if newest is not None:
                self._decide(newest)
            self._busy_since = None

    def _take(self, item: Callable[[], Observation] | _Forget) -> Observation | None:
        """Reset or observe; the observation where it was taken."""
        try:
            if isinstance(item, _Forget):
                self._begin(item)
                return None
            observation = item()
            self._policy.observe(observation)
        except (
            Exception
        ) as error:  # whatever a model may raise must hold the robot, not end the node
            self._say(
                f'observing failed: {error!r}', 'see the log; the policy began anew', failed=True
            )
            self._policy.reset(self._instruction or '')
            return None
        return observation

    def _begin(self, item: _Forget) -> None:
        self._decided_ns = None
        if item.begins is not None:
            self._instruction = item.instruction
            with self._wake:
                if item.begins == self._marks:
                    self._ended = False
        self._policy.reset(item.instruction or self._instruction or '')

    def _decide(self, observation: Observation) -> None:
        """Decide on the newest observation where it is due and nothing is amiss."""
        reason = self._reason_to_wait(observation)
        if reason is not None:
            self._say(*reason, failed=False)
            return
        if (
            self._decided_ns is not None
            and 0 <= observation.stamp_ns - self._decided_ns < 0.75 * self._period_ns
        ):
            return
        self._decided_ns = observation.stamp_ns
        begun = self._busy_since
        try:
            chunk = self._policy.act(observation.stamp_ns)
        except Exception as error:
            self._say(f'deciding failed: {error}', 'check checkpoint and sensors', failed=True)
            return
        self._latencies_s.append(time.monotonic() - begun)
        if chunk is None:
            self._say(
                'the policy has nothing to decide from yet',
                'wait, or check its streams',
                failed=False,
            )
        elif broken(chunk):
            self._say(
                'the policy decided a number that is not finite',
                'check checkpoint and sensors',
                failed=True,
            )
        else:
            with self._wake:  # an episode that ends meanwhile ends before or after it
                if self._ended:
                    return
                self._publish(chunk)
            self._decisions += 1
            self._say('', '', failed=False)

    def _reason_to_wait(self, observation: Observation) -> tuple[str, str] | None:
        if self._ended:
            return 'the episode is over', 'start the next one'
        if not observation.instruction:
            return 'no instruction', 'start an episode with an instruction'
        if self._instruction not in (None, observation.instruction):
            return 'what is observed is of another episode', 'start the episode again'
        return ailment(observation, self._required)
