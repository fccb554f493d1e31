"""Reads a run's bags: what is in them against what was published, when commands were sent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gen_nodes.data.bags import BagReader
from gen_nodes.errors import BagError
from gen_nodes.hil.measures import Decision, EpisodeStamps
from gen_nodes.ros import convert

ACCOUNT = ('published', 'recorded', 'lost', 'unaccounted')


def complete(heard: EpisodeStamps, bag: str | None) -> EpisodeStamps:
    """Commands and decisions from the bag, which misses none; without one, what we heard."""
    commands, decisions = [], {}
    try:
        for recorded, message in (
            BagReader(bag).decoded(('/executed', '/action_chunk')) if bag else ()
        ):
            if recorded.topic == '/executed':
                commands.append((recorded.publish_ns, message.sequence))
            else:
                stamps = convert.stamp_ns(message), convert.time_ns(message.newest_capture)
                decisions[message.sequence] = Decision(*stamps, recorded.publish_ns)
    except BagError:
        commands = []
    if not commands:
        return heard
    return EpisodeStamps(decisions, commands, heard.published)


def in_bag(path: Path, start_ns: int, stop_ns: int) -> dict[str, int]:
    """Messages per topic in a bag that were published between the two instants."""
    try:
        messages = BagReader(path).messages()
        return dict(Counter(m.topic for m in messages if start_ns <= m.publish_ns <= stop_ns))
    except BagError:
        return {}


def account(
    published: dict[str, dict], in_bags: dict[str, dict[str, int]], verdicts: dict[str, dict]
) -> dict:
    """What the emulator published within episodes against what is in the bags or known lost:
    published = recorded + lost + unaccounted, per topic and in all.

    Whether a message that was being published at the very instant of an episode's start or stop
    belongs to it, nobody can tell: it counts here if it is in the bag. stack_lost: losses that the
    recorder knows of in topics that the emulator does not count, those of the stack itself.
    """
    topics: dict[str, dict[str, int]] = {}
    stack_lost: Counter[str] = Counter()
    for id, said in published.items():
        recorded_here, lost_here = in_bags.get(id, {}), verdicts.get(id, {}).get('lost', {})
        for topic, bounds in said['topics'].items():
            here = balance(*bounds, recorded_here.get(topic, 0), lost_here.get(topic, 0))
            sums = topics.setdefault(topic, dict.fromkeys(ACCOUNT, 0))
            for key, value in here.items():
                sums[key] += value
        stack_lost.update({t: n for t, n in lost_here.items() if t not in said['topics']})
    bad = {v['id']: v['reasons'] for v in verdicts.values() if v['verdict'] != 'good'}
    totals = {key: sum(sums[key] for sums in topics.values()) for key in ACCOUNT}
    return {
        **totals,
        'topics': topics,
        'stack_lost': dict(stack_lost),
        'bags': len(verdicts),
        'not_good': bad,
    }


def balance(certain: int, possible: int, recorded: int, known_lost: int) -> dict[str, int]:
    """The account of one topic in one episode. certain, possible: published for sure and at most,
    as the publisher knows. What is in the bag was published, whatever the publisher says: it may
    not have noted yet what it was publishing when the episode ended.
    """
    published = max(recorded, certain, min(recorded + known_lost, possible))
    lost = min(known_lost, published - recorded)
    return {
        'published': published,
        'recorded': recorded,
        'lost': lost,
        'unaccounted': published - recorded - lost,
    }
