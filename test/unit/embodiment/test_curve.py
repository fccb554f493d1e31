"""Chunks become curves over absolute time."""

from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.embodiment.curve import Player, make_curve, refusal
from gen_nodes.types import NS, ActionChunk

NAMES = ('a', 'b', 'c')
T0 = 1_700_000_000 * NS


def chunk(stamp_ns=T0, names=('a', 'b'), interface='position', sequence=1) -> ActionChunk:
    times = np.array([0.0, 0.1, 0.3])
    values = np.stack([times**2, 1 - times], axis=1)[:, : len(names)]
    rates = np.stack([2 * times, -np.ones(3)], axis=1)[:, : len(names)]
    return ActionChunk(stamp_ns, stamp_ns, sequence, names, interface, times, values, rates)


def curve(**given):
    return make_curve(chunk(**given), NAMES, np.zeros(3))


def test_a_curve_passes_through_its_knots_and_between_them_as_the_polynomial_does():
    for t in (0.0, 0.05, 0.1, 0.22, 0.3):
        position, velocity = curve().at(T0 + round(t * NS))
        assert position == pytest.approx([t**2, 1 - t], abs=1e-12)
        assert velocity == pytest.approx([2 * t, -1], abs=1e-12)


def test_outside_its_knots_a_curve_is_at_rest():
    for t, expected in ((-0.2, [0, 1]), (0.5, [0.09, 0.7])):
        position, velocity = curve().at(T0 + round(t * NS))
        assert position == pytest.approx(expected)
        assert (velocity == 0).all()


def test_a_velocity_curve_is_integrated_from_where_the_robot_is():
    made = make_curve(chunk(interface='velocity'), NAMES, np.array([1.0, 2.0, 3.0]))
    position, velocity = made.at(T0 + round(0.2 * NS))
    assert position == pytest.approx([1 + 0.2**3 / 3, 2 + 0.2 - 0.02], abs=1e-9)
    assert velocity == pytest.approx([0.04, 0.8], abs=1e-9)


def test_a_single_knot_is_a_position_to_rest_at():
    one = replace(
        chunk(), times_s=np.array([0.1]), values=np.array([[1.0, 2.0]]), rates=np.zeros((1, 2))
    )
    assert make_curve(one, NAMES, np.zeros(3)).at(T0)[0] == pytest.approx([1, 2])


def test_a_good_chunk_is_taken_whether_it_names_all_joints_or_some():
    assert refusal(chunk(), NAMES, T0 + NS // 10, 0.5) is None
    assert refusal(chunk(names=('c',)), NAMES, T0, 0.5) is None


@pytest.mark.parametrize('field', ['times_s', 'values', 'rates'])
@pytest.mark.parametrize('number', [np.nan, np.inf])
def test_one_number_that_is_not_finite_drops_the_whole_chunk(field, number):
    array = np.array(getattr(chunk(), field))
    array.flat[-1] = number
    assert refusal(replace(chunk(), **{field: array}), NAMES, T0, 0.5) == f'{field} is not finite'


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'joint_names': ('a', 'z')}, "unknown joint 'z'; valid: a, b, c"),
        ({'joint_names': ('a', 'a')}, 'a joint is named twice'),
        ({'joint_names': ()}, 'the chunk names no joint'),
        ({'joint_names': ('a',)}, 'values has shape (3, 2), expected (3, 1) (knots x joints)'),
        ({'interface': 'effort'}, "interface 'effort' cannot be played; valid: position, velocity"),
        ({'times_s': np.array([0.0, 0.1, 0.1])}, 'times are not strictly increasing'),
        ({'times_s': np.zeros(0)}, '0 knots; valid: 1 to 1024'),
        ({'rates': np.zeros((2, 2))}, 'rates has shape (2, 2), expected (3, 2) (knots x joints)'),
        ({'stamp_ns': T0 - NS}, 'stamp is 1.000 s old (at most 0.5 s)'),
        ({'stamp_ns': T0 - int(0.4 * NS)}, 'all of its knots lie in the past (0.100 s ago)'),
    ],
)
def test_a_bad_chunk_is_refused_with_the_reason(changes, reason):
    assert refusal(replace(chunk(), **changes), NAMES, T0, 0.5) == reason


def test_a_stamp_may_lie_50_ms_ahead_and_no_more():
    assert refusal(chunk(stamp_ns=T0 + 50_000_000), NAMES, T0, 0.5) is None
    assert 'future' in refusal(chunk(stamp_ns=T0 + 51_000_000), NAMES, T0, 0.5)


def test_a_newer_curve_takes_over_at_its_own_first_knot():
    player = Player()
    player.splice(curve(sequence=1), T0)
    player.splice(curve(stamp_ns=T0 + NS // 10, sequence=2), T0)
    assert player.playing(T0 + NS // 20).sequence == 1
    assert player.playing(T0 + NS // 10).sequence == 2


def test_chunks_that_come_faster_than_they_begin_are_all_played():
    player, played = Player(), []
    for tick in range(40):
        now = T0 + tick * NS // 100
        if tick % 4 == 0:
            late = replace(
                chunk(stamp_ns=now, sequence=tick // 4 + 1), times_s=np.array([0.1, 0.3, 0.5])
            )
            player.splice(make_curve(late, NAMES, np.zeros(3)), now)
        playing = player.playing(now)
        played.append(playing.sequence if playing else 0)
    assert played[:10] == [0] * 10
    assert played[10:] == [1 + i // 4 for i in range(30)]


def test_after_the_last_knot_nothing_is_played():
    player = Player()
    assert player.playing(T0) is None
    player.splice(curve(), T0)
    assert player.playing(T0 + int(0.3 * NS)) is not None
    assert player.playing(T0 + int(0.31 * NS)) is None
    assert player.playing(T0 - 1) is None
