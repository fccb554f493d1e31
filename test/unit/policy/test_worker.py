"""The worker's promises: all is observed in order, the newest is decided on, trouble is named and
silences it.
"""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from gen_nodes.policy.worker import BACKLOG, PolicyWorker
from gen_nodes.types import NS, ActionChunk, Observation, StreamHealth, StreamState

TICK_NS = NS // 50


class Scripted:
    """A policy that notes what it is given and decides what it is told to."""

    def __init__(self) -> None:
        self.resets: list[str] = []
        self.observed: list[int] = []
        self.decide: Callable[[int], ActionChunk | None] = chunk
        self.gate = threading.Event()
        self.gate.set()

    def reset(self, instruction: str) -> None:
        self.resets.append(instruction)

    def observe(self, observation: Observation) -> None:
        self.gate.wait(5)
        self.observed.append(observation.sequence)

    def act(self, now_ns: int) -> ActionChunk | None:
        return self.decide(now_ns)


def chunk(now_ns: int, value: float = 0.0) -> ActionChunk:
    values = np.full((2, 1), value)
    return ActionChunk(now_ns, now_ns, 1, ('a',), 'position', np.array([0.0, 1.0]), values, values)


def observation(
    sequence: int, state: StreamState = StreamState.LIVE, instruction: str = 'go'
) -> Observation:
    health = (StreamHealth('front', state, 30.0, 0.0, 1, 1),)
    return Observation(sequence * TICK_NS, sequence, instruction, (), health)


class Bench:
    def __init__(self) -> None:
        self.policy, self.published = Scripted(), []
        self.worker = PolicyWorker(self.policy, ('front',), 25.0, self.published.append)
        self.worker.start()

    def offer(self, *observations: Observation) -> None:
        for one in observations:
            self.worker.offer(lambda one=one: one)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, self.worker.status()
            time.sleep(0.002)

    def one_by_one(self, *observations: Observation) -> None:
        """Offer each when the one before is done with."""
        for one in observations:
            before = len(self.policy.observed)
            self.offer(one)
            self.until(lambda before=before: len(self.policy.observed) > before and self.idle())

    def idle(self) -> bool:
        return self.worker._busy_since is None

    def says(self, words: str) -> None:
        self.until(lambda: words in self.worker.status().cause)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.policy.gate.set()
    assert bench.worker.stop()


def test_it_decides_at_every_second_observation(bench):
    bench.one_by_one(*(observation(i) for i in range(1, 11)))
    assert [one.stamp_ns // TICK_NS for one in bench.published] == [1, 3, 5, 7, 9]


def test_after_a_pause_all_is_observed_in_order_and_only_the_newest_decided_on(bench):
    bench.policy.gate.clear()
    bench.offer(observation(1))
    time.sleep(0.05)
    bench.offer(*(observation(i) for i in range(2, 30)))
    bench.policy.gate.set()
    bench.until(lambda: len(bench.policy.observed) == 29 and bench.idle())
    assert bench.policy.observed == list(range(1, 30))
    assert [one.stamp_ns // TICK_NS for one in bench.published] == [1, 29]


@pytest.mark.parametrize(
    ('state', 'words'),
    [
        (StreamState.WAITING, 'has not sent anything yet'),
        (StreamState.STALE, 'is silent'),
        (StreamState.FAULTY, 'is unusable (black, frozen'),
    ],
)
def test_a_required_stream_that_is_not_live_silences_it(bench, state, words):
    bench.one_by_one(observation(1, state))
    assert bench.published == []
    bench.says(f"stream 'front' {words}")
    bench.one_by_one(observation(2))
    assert len(bench.published) == 1
    assert bench.worker.status().cause == ''


def test_without_an_instruction_it_is_silent(bench):
    bench.one_by_one(observation(1, instruction=''))
    assert bench.published == []
    bench.says('no instruction')


def test_a_number_that_is_not_finite_is_not_published(bench):
    bench.policy.decide = lambda now: chunk(now, np.nan)
    bench.one_by_one(observation(1))
    assert bench.published == []
    bench.says('not finite')
    assert bench.worker.status().failed


def test_an_error_of_the_model_is_named_and_the_next_decision_may_succeed(bench):
    def fail(now: int) -> None:
        raise RuntimeError('shapes differ')

    bench.policy.decide = fail
    bench.one_by_one(observation(1))
    bench.says('deciding failed: shapes differ')
    bench.policy.decide = chunk
    bench.one_by_one(observation(3))
    assert len(bench.published) == 1


def test_an_observation_that_cannot_be_read_begins_the_policy_anew(bench):
    bench.worker.offer(lambda: (_ for _ in ()).throw(ValueError('bad image')))
    bench.says('observing failed')
    bench.until(lambda: bench.policy.resets == [''])


def test_a_policy_that_does_not_come_back_is_named_while_it_hangs(bench):
    bench.policy.gate.clear()
    bench.offer(observation(1))
    bench.says('has been taking more than 0.5 s')
    assert bench.worker.status().failed
    bench.policy.gate.set()
    bench.until(lambda: bench.worker.status().cause == '')


def test_after_a_very_long_hang_the_past_is_forgotten(bench):
    bench.policy.gate.clear()
    bench.offer(observation(1))
    time.sleep(0.05)
    bench.offer(*(observation(i) for i in range(2, BACKLOG + 12)))
    bench.policy.gate.set()
    bench.until(lambda: len(bench.policy.observed) > 5 and bench.idle())
    assert bench.policy.resets == ['']
    assert bench.policy.observed == [1, *range(BACKLOG + 2, BACKLOG + 12)]


def test_an_episodes_end_silences_it_until_the_next_begins(bench):
    bench.worker.end_episode()
    bench.one_by_one(observation(1))
    assert bench.published == []
    bench.worker.reset('go')
    bench.one_by_one(observation(2))
    assert bench.policy.resets == ['go']
    assert len(bench.published) == 1


def test_what_was_observed_before_a_start_is_not_decided_on(bench):
    bench.worker.end_episode()
    bench.policy.gate.clear()
    bench.offer(observation(1))
    bench.until(lambda: bench.worker._busy_since is not None)  # it is observing the first
    bench.offer(observation(3))
    bench.worker.reset('go')
    bench.policy.gate.set()
    bench.until(lambda: bench.policy.resets == ['go'])
    assert bench.published == []
    bench.one_by_one(observation(5))
    assert len(bench.published) == 1


def test_what_is_being_decided_when_an_episode_ends_is_not_published(bench):
    def decide(now_ns: int) -> ActionChunk:
        bench.worker.end_episode()
        return chunk(now_ns)

    bench.policy.decide = decide
    bench.one_by_one(observation(1), observation(2))
    assert bench.published == []


def test_an_end_that_follows_a_start_in_the_queue_holds(bench):
    bench.policy.gate.clear()
    bench.offer(observation(1))
    bench.until(lambda: bench.worker._busy_since is not None)
    bench.worker.reset('go')
    bench.worker.end_episode()
    bench.policy.gate.set()
    bench.one_by_one(observation(3), observation(5))
    assert bench.published == [] and bench.worker.status().cause == 'the episode is over'


def test_an_observation_of_another_episode_that_arrives_late_is_not_decided_on(bench):
    bench.worker.reset('go')
    bench.one_by_one(observation(1, instruction='go back'))
    assert bench.published == []
    bench.one_by_one(observation(3))
    assert len(bench.published) == 1


def test_an_episode_whose_reset_failed_is_decided_on_all_the_same(bench):
    def fail(instruction: str) -> None:
        bench.policy.reset = lambda instruction: None
        raise MemoryError

    bench.worker.end_episode()
    bench.policy.reset = fail
    bench.worker.reset('go')
    bench.one_by_one(observation(1), observation(3))
    assert len(bench.published) >= 1


def test_a_start_survives_a_backlog_that_is_forgotten(bench):
    bench.worker.end_episode()
    bench.policy.gate.clear()
    bench.offer(observation(1))
    bench.until(lambda: bench.worker._busy_since is not None)
    bench.worker.reset('go')
    bench.offer(*(observation(i) for i in range(2, 3 * BACKLOG)))
    bench.policy.gate.set()
    bench.until(lambda: bench.published != [])
    assert bench.policy.resets == ['go']


def test_latencies_are_reported(bench):
    bench.one_by_one(*(observation(i) for i in range(1, 20)))
    status = bench.worker.status()
    assert 0 < status.p50_ms <= status.p99_ms < 1000
    assert status.decisions == len(bench.published)
