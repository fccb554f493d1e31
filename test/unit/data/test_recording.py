"""The recorder's core: hand-made messages in, bags and verdicts out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gen_nodes.data.bags import BagReader
from gen_nodes.data.messages import RosbagsMessages
from gen_nodes.data.recording import GRACE_NS, Heard, RecordedTopic, Recording, Verdict
from gen_nodes.robot import load_robot
from gen_nodes.types import NS, Episode, EpisodeEvent

SPEC = load_robot('ur5e')
STRING = 'std_msgs/msg/String'
MESSAGES = RosbagsMessages()
RAW = MESSAGES.serialize(STRING, MESSAGES.make(STRING, data='x' * 100))
BEGIN = 1_700_000_000 * NS
MS = NS // 1000


class Bench:
    """A recording with one topic, and two clocks that only it moves."""

    def __init__(self, folder: Path, **changes) -> None:
        self.core = Recording(replace(SPEC, **changes), folder)
        self.core.add_topic(RecordedTopic('/a', STRING))
        self.core.add_topic(RecordedTopic('/pose', STRING, latched=True))
        self.ros_ns, self.steady_ns = BEGIN, 5 * NS
        self.core.listen(self.ros_ns)

    def say(self, event: EpisodeEvent, id: str = 'one') -> None:
        self.core.tell(Episode(self.ros_ns, event, id, 'touch the red ball', 'reach'))

    def hear(self, topic: str = '/a') -> None:
        self.core.hear(Heard(topic, RAW, self.ros_ns, self.ros_ns))

    def pass_ms(self, milliseconds: int) -> None:
        self.ros_ns += milliseconds * MS
        self.steady_ns += milliseconds * MS
        self.core.work(self.steady_ns)

    def play(self, count: int) -> None:
        """One message every 10 ms."""
        for _ in range(count):
            self.hear()
            self.pass_ms(10)

    def episode(self, id: str = 'one') -> Verdict:
        """A short one from start to verdict."""
        self.say(EpisodeEvent.START, id)
        self.play(5)
        return self.end(id)

    def end(self, id: str = 'one') -> Verdict:
        """Stop, and wait for the verdict."""
        self.say(EpisodeEvent.STOP, id)
        self.pass_ms(0)
        self.pass_ms(GRACE_NS // MS)
        return self.core.verdicts[-1]


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def test_what_was_published_from_start_to_stop_is_in_the_bag(bench, tmp_path) -> None:
    bench.play(3)
    verdict = bench.episode()
    assert verdict.good and verdict.recorded['/a'] == 5
    assert BagReader(tmp_path / 'one').topics['/a'].count == 5


def test_messages_that_a_clock_set_back_stamps_before_the_start_are_lost_with_that_reason(
    bench,
) -> None:
    bench.say(EpisodeEvent.START)
    bench.play(5)
    bench.ros_ns -= 10 * NS
    bench.core.clock_stepped(-10.0)
    bench.play(7)
    verdict = bench.end()
    assert (verdict.recorded['/a'], verdict.lost) == (5, {'/a': 7})
    assert any('clock that was set back: 7 messages' in reason for reason in verdict.reasons)
    assert any('stepped by -10.000 s' in reason for reason in verdict.reasons)


def test_a_clock_step_holds_up_neither_flush_nor_close(bench, tmp_path) -> None:
    bench.say(EpisodeEvent.START)
    bench.play(5)
    bench.ros_ns -= 10 * NS
    size = (tmp_path / 'one' / 'one_0.mcap').stat().st_size
    bench.pass_ms(150)
    assert (tmp_path / 'one' / 'one_0.mcap').stat().st_size > size
    assert bench.end() and not bench.core.bags()


def test_what_was_heard_before_the_clock_was_set_back_does_not_enter_the_next_episode(
    bench,
) -> None:
    bench.play(50)
    bench.ros_ns -= 10 * NS
    bench.play(1)
    assert bench.episode().recorded['/a'] == 5


def test_an_episode_that_begins_right_after_another_leaves_that_one_good(bench) -> None:
    bench.say(EpisodeEvent.START)
    bench.play(5)
    last_ns = bench.ros_ns
    bench.say(EpisodeEvent.STOP)
    bench.pass_ms(20)
    bench.say(EpisodeEvent.START, 'two')
    bench.core.hear(Heard('/a', RAW, bench.ros_ns, last_ns))  # overtaken by both events
    bench.play(4)
    bench.end('two')
    one, two = bench.core.verdicts
    assert one.good and one.recorded['/a'] == 6
    assert two.good and two.recorded['/a'] == 4


def test_an_episode_that_is_not_stopped_before_the_next_is_not_good(bench) -> None:
    bench.say(EpisodeEvent.START)
    bench.play(5)
    bench.say(EpisodeEvent.START, 'two')
    bench.pass_ms(10)
    assert 'the next episode began' in bench.core.verdicts[0].reasons[0]


@pytest.mark.parametrize('id', ['x' * 101, '', '.', '..', '../up', 'a b', 'a\n', '-rf'])
def test_an_id_that_cannot_be_a_folder_is_refused_with_a_verdict_until_the_next_works(
    bench, tmp_path, id
) -> None:
    bench.say(EpisodeEvent.START, id)
    bench.play(3)
    verdict = bench.core.verdicts[-1]
    assert not verdict.good and 'is no file name' in bench.core.problem
    assert not list(tmp_path.iterdir())
    assert bench.episode('two').good and not bench.core.problem


def test_an_episode_without_a_bag_has_a_bad_verdict_and_stays_a_problem(bench, tmp_path) -> None:
    bench.core.folder = tmp_path / 'file'
    bench.core.folder.write_text('not a folder')
    bench.say(EpisodeEvent.START)
    bench.play(100)
    verdict = bench.core.verdicts[-1]
    assert not verdict.good and verdict.reasons == (bench.core.problem,)
    assert 'cannot create bag' in bench.core.problem


def test_a_robot_yaml_that_was_moved_is_a_bad_verdict_and_leaves_no_open_file(tmp_path) -> None:
    bench = Bench(tmp_path, source=tmp_path / 'moved.yaml')
    before = len(os.listdir('/proc/self/fd'))
    bench.say(EpisodeEvent.START)
    bench.play(3)
    assert 'moved.yaml' in bench.core.verdicts[-1].reasons[0]
    assert len(os.listdir('/proc/self/fd')) == before
    assert BagReader(tmp_path / 'one').custom['verdict'] == 'bad'


def test_a_running_bag_holds_nothing_but_its_data(bench, tmp_path) -> None:
    bench.say(EpisodeEvent.START)
    bench.play(5)
    assert [path.name for path in (tmp_path / 'one').iterdir()] == ['one_0.mcap']


def test_a_recorder_at_rest_queues_nothing_and_keeps_latched_messages(bench) -> None:
    bench.core.rest()
    for _ in range(1000):
        bench.hear()
    bench.hear('/pose')
    assert not bench.core.queue and bench.core.queued == 0
    bench.ros_ns += NS
    bench.core.listen(bench.ros_ns)
    assert bench.episode().recorded == {'/robot_description': 1, '/pose': 1, '/a': 5}


def test_a_message_that_finds_the_queue_full_is_counted(bench) -> None:
    bench.say(EpisodeEvent.START)
    bench.pass_ms(10)
    bench.core.queue_bytes = 3 * len(RAW)
    for _ in range(5):
        bench.hear()
    bench.pass_ms(10)
    bench.play(1)
    assert bench.end().lost == {'/a': 2}


def test_an_end_of_the_recorder_closes_a_stopped_bag_as_good_and_a_running_one_as_not(
    bench,
) -> None:
    bench.say(EpisodeEvent.START)
    bench.play(5)
    bench.say(EpisodeEvent.STOP)
    bench.say(EpisodeEvent.START, 'two')
    bench.play(5)
    bench.core.finish('the recorder was ended')
    assert {v.id: v.reasons for v in bench.core.verdicts} == {
        'one': (),
        'two': ('the recorder was ended',),
    }
