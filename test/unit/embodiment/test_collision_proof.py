"""What a proof of a stop looks at and when it gives up, for balls whose distances are known."""

import numpy as np
import pytest
from rails import SHAPES, WATCHED, Path, place
from solids import Braking

from gen_nodes.embodiment.collision_proof import INSTANTS, LAST, MOST_LOOKS, StopProof

NONE, LEFT, RIGHT, UP = np.zeros(3), *np.eye(3)
END, FLOOR = 0.0102, 0.01


def proof(stop, rows=(0,), here: float = 0.05, end: float = END, floor: float = FLOOR) -> StopProof:
    SHAPES.watch(WATCHED.pairs)
    rows = np.array(rows)
    n = np.ones(len(rows))
    return StopProof(SHAPES, rows, WATCHED.motion[rows], here * n, end * n, floor * n, stop)


def test_between_two_instants_of_an_even_stop_lie_equal_ways():
    assert (INSTANTS[0], INSTANTS[LAST]) == (0.0, 1.0)
    assert np.diff(INSTANTS * (2 - INSTANTS)) == pytest.approx(np.full(LAST, 1 / LAST))


@pytest.mark.parametrize(
    ('end', 'clear'), [(END + 1e-4, True), (END - 1e-4, False), (FLOOR - 1e-4, False)]
)
def test_a_stop_straight_at_the_other_must_end_beyond_its_end_clearance(end, clear):
    tried = proof(Braking(place(0.05), (0.05 - end) * LEFT))
    assert tried.holds() == clear
    assert tried.failed == 0


def there_and_back(nearest: float) -> Path:
    """Left goes towards right and back, from and to a distance of 0.05."""
    begin, way = place(0.05), 0.05 - nearest
    return Path(lambda f: begin + way * np.sin(np.pi * f) ** 2 * LEFT, np.pi * way * LEFT)


@pytest.mark.parametrize(('nearest', 'clear'), [(0.02, True), (0.009, False), (-0.1, False)])
def test_a_stop_that_comes_near_in_between_is_found_out(nearest, clear):
    assert proof(there_and_back(nearest)).holds() == clear


def test_on_the_way_the_floor_counts_and_at_the_end_the_end():
    """In a stop that ends at 0.03 less may be asked of the way than of the end."""
    stop = there_and_back(0.025)
    assert proof(stop, end=0.04, floor=0.01).holds()
    assert not proof(stop, end=0.06, floor=0.01).holds()
    assert not proof(stop, end=0.04, floor=0.03).holds()


def together(distance: float, by: float = 0.1) -> Braking:
    """Left and right move alike: they stay as far apart, but a bound of motion does not know."""
    return Braking(place(distance), by * (LEFT + RIGHT))


@pytest.mark.parametrize(('spare', 'clear'), [(0.0064, True), (0.0060, False)])
def test_the_finest_steps_settle_what_their_way_leaves_open(spare, clear):
    """A sixteenth of 0.2 m lies between two instants; twice the spare distance must cover it."""
    tried = proof(together(FLOOR + spare), here=FLOOR + spare - 2e-6)
    assert tried.holds() == clear


@pytest.mark.parametrize('here', [0.05, -np.inf])
def test_the_distance_at_the_beginning_is_what_it_was_told(here):
    assert proof(Braking(place(0.05), -0.01 * LEFT), here=here).holds() == np.isfinite(here)


def test_the_row_that_fails_is_named():
    clear_of_right = place(0.5, 0.05)
    tried = proof(Braking(clear_of_right, 0.05 * LEFT - 0.05 * UP), rows=(0, 1))
    assert not tried.holds()
    assert tried.failed == 1
    for rows in ((1, 0), (0, 1)):
        both = proof(Braking(place(0.05, 0.05), 0.1 * LEFT - 0.1 * UP), rows=rows)
        assert not both.holds()
        assert both.failed == rows[0]


def test_pairs_that_the_whole_way_settles_are_not_looked_at_again():
    stop = together(FLOOR + 0.0064)
    tried = proof(stop, rows=(0,), here=0.0164)
    assert tried.holds()
    far = proof(together(0.5), rows=(0,), here=0.5)
    assert far.holds()
    assert far._looks == MOST_LOOKS - 1
    assert tried._looks == MOST_LOOKS - LAST


@pytest.mark.parametrize(('pairs', 'clear'), [(9, True), (10, False)])
def test_a_proof_gives_up_when_too_much_would_have_to_be_measured(pairs, clear):
    """Sixteen looks at every pair: the end and all instants between."""
    tried = proof(together(FLOOR + 0.0064), rows=(0,) * pairs, here=0.0164)
    assert tried.holds() == clear


def test_many_pairs_are_measured_only_where_balls_around_them_do_not_settle_it():
    far = proof(together(0.5), rows=(0,) * 13, here=0.5)
    assert far.holds()
    assert far._looks == MOST_LOOKS
    near = proof(together(FLOOR + 0.0064), rows=(0,) * 13, here=0.0164)
    assert not near.holds()
    assert -13 <= near._looks < 0


def test_a_proof_that_gave_up_names_the_nearest_pair():
    q = place(FLOOR + 0.0064, 0.013)
    stop = Path(lambda f: q + 0.1 * f * (LEFT + RIGHT), 0.2 * np.ones(3))
    tried = proof(stop, rows=(0,) * 200 + (1,), here=0.02)
    assert not tried.holds()
    assert tried.failed in (0, 1)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_stop_that_is_not_finite_proves_nothing(bad):
    q = place(0.05)
    off = np.where(LEFT, bad, q)
    assert not proof(Path(lambda f: off if f > 0.5 else q, NONE)).holds()
