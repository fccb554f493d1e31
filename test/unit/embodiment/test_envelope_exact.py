"""The envelope period by period, for two joints of round figures: what passes, what is held back
and by which limit, and what it asks of whatever knows about obstacles.
"""

from dataclasses import replace

import numpy as np
import pytest

from gen_nodes.embodiment.envelope import STOP_ROWS, Envelope, EnvelopeError
from gen_nodes.embodiment.limits import GRID, Limits, VelocityTable

H = 0.01
ONE, NONE = np.ones(2), np.zeros(2)
VELOCITY, ACCELERATION, JERK = (np.array(x) for x in ([2.0, 1.0], [4.0, 2.0], [40.0, 20.0]))
LIMITS = Limits(
    ('a', 'b'), -9 * ONE, 9 * ONE, -8 * ONE, 8 * ONE, VELOCITY, ACCELERATION, JERK, None
)
FIRST, SECOND = np.eye(2)


def at(place: np.ndarray = NONE, limits: Limits = LIMITS, clearance=None) -> Envelope:
    envelope = Envelope(limits, H, clearance)
    envelope.start(place)
    return envelope


def sizes(places: np.ndarray) -> np.ndarray:
    """Greatest velocity, acceleration and jerk (3, 2) as shares of the limits; `places` (T, 2)
    begin at rest.
    """
    p = np.concatenate([[places[0]] * 3, places])
    limits = (VELOCITY, ACCELERATION, JERK)
    return np.array(
        [np.abs(np.diff(p, k + 1, axis=0)).max(axis=0) / H ** (k + 1) / limits[k] for k in range(3)]
    )


def go(
    envelope: Envelope, wanted: np.ndarray, periods: int, share: float = 1.0
) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Hurry to a place: positions (periods + 1, 2) from the present one on, and what held back."""
    places, active = [envelope.position], []
    for _ in range(periods):
        step = envelope.follow(np.array(wanted, float), NONE, share)
        places.append(step.position)
        active.append(step.active)
    return np.array(places), active


def braked(envelope: Envelope) -> list[np.ndarray]:
    """Positions of the stop from here on until it stands."""
    places = []
    while not envelope.at_rest:
        places.append(envelope.brake().position)
        assert len(places) < 300
    return places


def kinds(active: list[tuple[str, ...]], joint: str) -> list[str]:
    """Limits that were active for a joint, in order, without repetitions."""
    told = [name.split(':')[1] for names in active for name in names if name.startswith(joint)]
    return [kind for i, kind in enumerate(told) if i == 0 or told[i - 1] != kind]


# Start


def test_it_starts_at_rest_where_the_robot_is_and_keeps_its_own_copy():
    place = np.array([1.0, -2.0])
    envelope = at(place)
    place[:] = 5.0
    assert envelope.position.tolist() == [1.0, -2.0]
    assert envelope.velocity.tolist() == [0.0, 0.0]
    assert envelope.step.tolist() == [0.0, 0.0]
    assert envelope.at_rest
    assert envelope.nearest is None


@pytest.mark.parametrize('place', [(9.0499, 0.0), (0.0, -9.0499)])
def test_it_starts_a_little_outside_the_limits(place):
    assert at(np.array(place)).position.tolist() == list(place)


@pytest.mark.parametrize(
    ('place', 'words'),
    [
        ((9.0501, 0.0), 'a is at 9.0501'),
        ((0.0, -9.0501), 'b is at -9.0501'),
        ((9.1, -9.2), 'b is at -9.2000'),
        ((9.3, np.nan), 'b is at nan'),
    ],
)
def test_far_outside_it_does_not_start_and_names_the_worst_joint(place, words):
    with pytest.raises(EnvelopeError) as error:
        at(np.array(place))
    assert str(error.value) == (
        f"{words}, outside its limits -9.0000 to 9.0000: move it inside by the robot's own means"
    )


def test_a_second_start_forgets_the_first_motion():
    envelope = at()
    go(envelope, 5 * ONE, 30)
    envelope.start(NONE)
    fresh, again = at(), envelope
    for _ in range(20):
        one, two = fresh.follow(ONE, ONE), again.follow(ONE, ONE)
        assert one.position.tolist() == two.position.tolist()
        assert one.active == two.active


# The direct way


def pulses(share: np.ndarray) -> np.ndarray:
    """References (T, 2) whose third, second and first differences reach these shares (3,) of the
    limits of jerk, acceleration and velocity one after the other; back to rest at the end.
    """
    jerk, acceleration, velocity = (
        s * x for s, x in zip(share, (JERK, ACCELERATION, VELOCITY), strict=True)
    )
    rise, flat = 10, 40  # periods: 40 rad/s^3 for 0.1 s is 4 rad/s^2, that for 0.5 s is 2 rad/s
    shape = np.concatenate([np.ones(rise), np.zeros(flat), -np.ones(rise), np.zeros(30)])
    shape = np.concatenate([shape, -shape, np.zeros(60)])[:, None] * np.minimum(
        jerk, np.minimum(acceleration / (rise * H), velocity / (rise * (rise + flat) * H**2))
    )
    return np.cumsum(np.cumsum(np.cumsum(shape * H**3, axis=0), axis=0), axis=0)


def rates_of(references: np.ndarray) -> np.ndarray:
    """Of a curve (T, 2) that begins at rest one period before, at 0."""
    return np.gradient(np.concatenate([[NONE], references]), H, axis=0)[1:]


def play(envelope: Envelope, references: np.ndarray, share: float = 1.0) -> tuple[np.ndarray, list]:
    """Follow a curve from rest at 0: positions (T + 1, 2), and what held back."""
    rates, begin = rates_of(references), envelope.position
    steps = [envelope.follow(q, r, share) for q, r in zip(references, rates, strict=True)]
    return np.array([begin, *(s.position for s in steps)]), [s.active for s in steps]


@pytest.mark.parametrize('share', [0.5, 0.9, 0.95])
def test_a_curve_inside_all_limits_passes_unchanged_with_its_velocity_and_acceleration(share):
    references, envelope = pulses(np.full(3, share)), at()
    places, active = play(envelope, references)
    assert (places[1:] == references).all()
    assert set(active) == {()}
    assert sizes(places).max() == pytest.approx(share, rel=0.02)
    assert envelope.at_rest


@pytest.mark.parametrize('joint', [0, 1])
def test_a_curve_outside_a_limit_is_held_back_and_caught_again(joint):
    references = pulses(np.full(3, 0.9))
    references[:, joint] *= 1.15
    envelope = at()
    places, active = play(envelope, references)
    names = {name.split(':')[0] for told in active for name in told}
    assert names == {'ab'[joint]}
    assert sizes(places).max() <= 1 + 1e-9
    assert (places[1:, 1 - joint] == references[:, 1 - joint]).all()
    assert places[-1] == pytest.approx(references[-1], abs=1e-4)


def risen(jerk: float, acceleration: float, velocity: float) -> np.ndarray:
    """References (T, 2) that gain speed at these shares of the limits and then go on at it."""
    bend, peak = acceleration * ACCELERATION, velocity * VELOCITY
    rise = np.ceil(bend / (jerk * JERK) / H).astype(int)[0]
    flat = max(int(np.ceil((peak / bend / H)[0])) - rise, 0)
    shape = np.concatenate([np.ones(rise), np.zeros(flat), -np.ones(rise), np.zeros(40)])
    return np.cumsum(np.cumsum(np.cumsum(shape[:, None] * bend / rise * H**2, 0), 0), 0)


CURVES = {
    'too fast': risen(0.9, 0.9, 1.2),
    'hardly too fast': risen(0.9, 0.9, 1.01),
    'less hard and too fast': risen(0.9, 0.8, 1.2),
    'gently and too fast': risen(0.5, 0.7, 1.2),
    'too hard': risen(0.9, 1.2, 0.9),
    'too sudden': risen(1.2, 0.9, 0.9),
    'gently into the end': 7.6 + risen(0.5, 0.3, 0.4),
    'fast into the end': 7.0 + risen(0.9, 0.9, 0.9),
}


@pytest.mark.parametrize('sign', [1.0, -1.0])
@pytest.mark.parametrize('kind', CURVES)
def test_wherever_a_curve_leads_a_brake_from_there_keeps_every_limit(kind, sign):
    references, begin = sign * CURVES[kind], sign * np.round(CURVES[kind][0], 1)
    rates = np.gradient(np.concatenate([[begin], references]), H, axis=0)[1:]
    fast = np.flatnonzero(np.abs(rates[:, 0]) > 0.88 * VELOCITY[0])[:10]
    for end in [*range(len(references), 10, -15), *fast]:
        envelope = at(begin)
        places = [
            begin,
            *(
                envelope.follow(q, r).position
                for q, r in zip(references[:end], rates, strict=False)
            ),
        ]
        places += braked(envelope)
        assert sizes(np.array(places)).max() <= 1 + 1e-9
        assert np.abs(places).max() <= 8.0


@pytest.mark.parametrize('step', [3e-5, 1e-4, 1e-3, 0.1])
@pytest.mark.parametrize('joint', [0, 1])
def test_a_curve_that_steps_is_left_and_caught_again(joint, step):
    references = risen(0.5, 0.5, 0.5)
    references[60:, joint] += step
    places, active = play(at(), references)
    assert sizes(places).max() <= 1 + 1e-9
    assert any(active) == (step * JERK[0] / JERK[joint] > 2.2e-5)
    assert places[-1] == pytest.approx(references[-1], abs=2e-2)


@pytest.mark.parametrize('braked_before', [True, False])
def test_after_a_start_or_a_brake_what_only_crosses_the_place_is_not_taken(braked_before):
    envelope = at()
    if braked_before:
        envelope.follow(NONE, NONE)
        envelope.brake()
    assert envelope.follow(1e-5 * ONE, ONE).active == ('a:jerk', 'b:jerk')


def test_the_state_on_a_curve_has_its_velocity_and_acceleration():
    envelope, t = at(), np.arange(1, 150)[:, None] * H
    references = 0.4 * (1 - np.cos(t)) ** 2 * np.array([1.0, 0.5])
    rates = 0.8 * (1 - np.cos(t)) * np.sin(t) * np.array([1.0, 0.5])
    for q, rate in zip(references, rates, strict=True):
        step = envelope.follow(q, rate)
        assert (step.position == q).all()
    assert step.velocity == pytest.approx(rate, abs=2e-2 * VELOCITY[0])
    bend = np.diff(references, 2, axis=0)[-1]
    assert step.acceleration == pytest.approx(bend / H**2)
    assert step.velocity == pytest.approx(np.diff(references, axis=0)[-1] / H + bend / H / 2)
    assert envelope.velocity.tolist() == step.velocity.tolist()
    assert envelope.step == pytest.approx(np.diff(references, axis=0)[-1])


def test_it_does_not_keep_the_callers_arrays():
    envelope, wanted, rate = at(), NONE.copy(), NONE.copy()
    for _ in range(3):
        envelope.follow(wanted, rate)
    wanted[:] = 0.5
    rate[:] = 0.5
    assert envelope.position.tolist() == [0.0, 0.0]
    assert envelope.follow(NONE, NONE).position.tolist() == [0.0, 0.0]


def test_a_reference_that_is_only_crossed_is_not_taken():
    envelope, crossing = at(), 0.3
    for tick in range(1, 60):
        q = (crossing - tick * H) * FIRST  # comes towards the joint at 1 rad/s
        step = envelope.follow(q, -FIRST)
        if not step.active:
            break
    assert step.position[0] == q[0]
    assert step.velocity[0] == pytest.approx(-1.0, abs=0.1)


# The planned way


def test_the_way_to_a_far_place_is_as_quick_as_the_limits_allow():
    places, active = go(at(), 4 * FIRST, 400)
    shares = sizes(places)[:, 0]
    assert shares[0] == pytest.approx(1.0, abs=2e-3)
    assert shares[1] == pytest.approx(1.0, abs=2e-3)
    assert 0.9 < shares[2] <= 1.0
    arrived = int(np.flatnonzero(np.abs(places[:, 0] - 4) > 1e-6).max()) * H
    quickest = 4 / 2.0 + 2.0 / 4.0 + 4.0 / 40.0
    assert quickest - 0.03 < arrived < quickest + 0.05
    assert kinds(active, 'a')[:2] == ['jerk', 'acceleration']
    assert 'velocity' in kinds(active, 'a')
    assert kinds(active, 'b') == []
    assert active[-1] == ()
    assert places[-1].tolist() == [4.0, 0.0]


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_both_ways_are_alike(sign):
    one, told = go(at(), sign * np.array([3.0, -1.0]), 300)
    assert one[-1] == pytest.approx(sign * np.array([3.0, -1.0]))
    other, told_too = go(at(), np.array([3.0, -1.0]), 300)
    assert sign * one == pytest.approx(other, abs=1e-9)
    assert told == told_too


@pytest.mark.parametrize('share', [0.25, 0.5])
def test_a_share_of_the_velocity_limits_holds_for_every_joint_either_way(share):
    places, active = go(at(), np.array([2.0, -1.0]), 350, share)
    shares = sizes(places)
    assert shares[0] == pytest.approx(np.full(2, share), rel=0.02)
    assert (shares[0] <= share).all()
    assert kinds(active, 'a')[:2] == ['jerk', 'acceleration']
    assert 'slowed' in kinds(active, 'a')
    assert 'slowed' in kinds(active, 'b')
    assert 'velocity' not in kinds(active, 'a')


@pytest.mark.parametrize('sign', [1.0, -1.0])
@pytest.mark.parametrize('share', [0.5, 0.37])
def test_a_share_also_holds_for_a_curve_that_would_pass_but_for_its_acceleration(sign, share):
    places, active = play(at(), sign * pulses(np.full(3, 0.9)), share)
    speeds = np.abs(np.diff(places, axis=0)) / H / VELOCITY
    assert (speeds <= share + 0.06).all()
    assert np.median(speeds[40:60], axis=0) == pytest.approx(np.full(2, share), rel=0.1)
    assert 'slowed' in kinds(active, 'a')
    assert sizes(places)[1:].max() <= 1 + 1e-9


def test_an_accelerating_reference_is_caught_and_then_followed_exactly():
    envelope, bend, off = at(), np.array([2.0, -1.0]), []
    for tick in range(1, 90):
        t = tick * H
        q = 0.02 * np.sign(bend) + 0.5 * bend * t**2
        off.append(np.abs(envelope.follow(q, bend * t).position - q).max())
    assert int(np.flatnonzero(np.array(off) > 1e-9).max()) * H < 0.5


def test_a_share_that_falls_slows_a_running_motion_down():
    envelope = at()
    go(envelope, 8 * FIRST, 100)
    assert envelope.velocity[0] > 0.99 * 2.0
    places, _ = go(envelope, 8 * FIRST, 100, 0.2)
    assert np.diff(places[-20:, 0]).max() / H == pytest.approx(0.4, rel=0.02)


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_a_moving_reference_is_caught_and_then_followed_exactly(sign):
    envelope, speed = at(), sign * np.array([0.8, -0.4])
    off = []
    for tick in range(1, 200):
        q = 0.2 * sign * np.array([1, -1]) + speed * tick * H
        off.append(np.abs(envelope.follow(q, speed).position - q).max())
    late = int(np.flatnonzero(np.array(off) > 1e-9).max()) * H
    assert late < 1.2
    assert envelope.velocity == pytest.approx(speed)


@pytest.mark.parametrize('sign', [1.0, -1.0])
@pytest.mark.parametrize('speed', [2.0, 3.0])
def test_a_reference_as_fast_as_the_limit_is_chased_at_the_limit(sign, speed):
    envelope, places = at(), [NONE]
    for tick in range(1, 200):
        step = envelope.follow(sign * speed * tick * H * FIRST, sign * speed * FIRST)
        places.append(step.position)
    last = sign * np.diff(np.array(places)[-50:, 0]) / H
    assert last == pytest.approx(np.full(49, 2.0), rel=2e-3)
    assert sizes(np.array(places)).max() <= 1 + 1e-9
    assert 'a:velocity' in step.active


# Position limits


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_beyond_its_soft_limit_a_joint_rests_on_it(sign):
    envelope = at(sign * 7.0 * ONE)
    places, active = go(envelope, sign * 20 * ONE, 300)
    assert np.abs(places).max() <= 8.0
    assert places[-1] == pytest.approx(sign * 8 * ONE, abs=1e-4)
    assert active[-1] == ('a:position', 'b:position')
    assert sizes(places).max() <= 1 + 1e-9


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_soft_limits_reach_out_to_a_robot_beyond_them_and_follow_it_back_in(sign):
    envelope = at(sign * 8.5 * ONE)
    out, _ = go(envelope, sign * 9 * ONE, 20)
    assert np.abs(out - sign * 8.5).max() == 0.0
    go(envelope, sign * 8.3 * FIRST, 100)
    assert envelope.position[0] == pytest.approx(sign * 8.3)
    back, _ = go(envelope, sign * 8.5 * ONE, 100)
    assert np.abs(back[:, 0]).max() <= 8.3 + 1e-9
    go(envelope, NONE, 700)
    out, _ = go(envelope, sign * 9 * ONE, 700)
    assert np.abs(out).max() <= 8.0


def test_a_shifted_robot_goes_on_from_its_new_place_with_its_motion():
    envelope = at()
    go(envelope, 5 * ONE, 50)
    place, speed, step = envelope.position, envelope.velocity, envelope.step
    envelope.shift(np.array([0.01, -0.01]))
    assert envelope.position == pytest.approx(place + 0.01 * (FIRST - SECOND))
    assert (envelope.velocity == speed).all()
    assert (envelope.step == step).all()
    places, _ = go(envelope, 2 * ONE, 400)
    assert places[1] - places[0] == pytest.approx(step, abs=H * H * ACCELERATION.max())
    assert places[-1] == pytest.approx(2 * ONE)


def test_a_robot_shifted_beyond_its_soft_limit_may_stay_there_but_not_go_on():
    envelope = at(7.9 * ONE)
    envelope.shift(0.3 * ONE)
    places, _ = go(envelope, 9 * ONE, 50)
    assert places.max() <= 8.2 + 1e-9


# Stops


def test_a_brake_is_the_quickest_stop_and_then_stands():
    envelope = at()
    places, _ = go(envelope, 8 * ONE, 150)
    speed, stop = envelope.velocity, braked(envelope)
    taken = len(stop) * H
    assert taken == pytest.approx(speed[0] / 4.0 + 4.0 / 40.0, abs=2 * H)
    assert sizes(np.array([*places, *stop])).max() <= 1 + 1e-9
    standing = envelope.brake()
    assert (standing.position == stop[-1]).all()
    assert standing.active == ()
    assert not envelope.step.any()


def test_after_a_brake_a_curve_is_followed_again_only_where_it_can_be():
    envelope, references = at(), pulses(np.full(3, 0.9))
    places = [NONE]
    for tick, (q, r) in enumerate(zip(references, rates_of(references), strict=True)):
        step = envelope.brake() if 40 < tick < 60 else envelope.follow(q, r)
        places.append(step.position)
    assert sizes(np.array(places)).max() <= 1 + 1e-9
    assert places[-1] == pytest.approx(references[-1], abs=1e-3)


def test_the_way_to_rest_begins_here_and_has_its_rows():
    envelope = at()
    go(envelope, 8 * ONE, 100)
    path = envelope.stop_path()
    assert path.times_s.shape == (STOP_ROWS,)
    assert path.positions[0] == pytest.approx(envelope.position)
    assert path.velocities[0] == pytest.approx(envelope.velocity)
    assert path.positions[-1] == pytest.approx(braked(envelope)[-1], abs=1e-6)
    standing = envelope.stop_path()
    assert standing.times_s[-1] == H


# Velocity bounds that fall towards the ends of travel


def walled() -> Limits:
    """Speed outwards may be 1.5 sqrt(1 - |q|) and 2 at most; inwards 2, of both joints."""
    q = np.linspace(-1.0, 1.0, GRID)[:, None] * ONE
    up, down = (np.minimum(2.0, 1.5 * np.sqrt(np.maximum(1 - s * q, 0.0))) for s in (1, -1))
    table = VelocityTable(-ONE, 2 * ONE / (GRID - 1), up, down, up, down)
    wide = np.array([2.0, 2.0])
    return replace(
        LIMITS,
        hard_lower=-ONE,
        hard_upper=ONE,
        lower=-0.99 * ONE,
        upper=0.99 * ONE,
        velocity=wide,
        bounds=table,
    )


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_towards_the_end_of_travel_speed_stays_below_the_bounds(sign):
    envelope = at(-sign * 0.9 * ONE, walled())
    places, _ = go(envelope, sign * 5 * ONE, 500)
    out = sign * places
    speed = np.diff(out, axis=0) / H
    bound = np.minimum(2.0, 1.5 * np.sqrt(1 - np.minimum(out[:-1], out[1:])))
    assert (speed <= bound * (1 + 1e-6)).all()
    assert (speed[:, 0] / bound[:, 0]).max() > 0.9
    assert out[-1] == pytest.approx(0.99 * ONE, abs=2e-3)


@pytest.mark.parametrize(('part', 'passes'), [(0.6, True), (1.1, False)])
def test_a_curve_below_the_bounds_passes_and_one_above_does_not(part, passes):
    envelope, active = at(-0.5 * FIRST, walled()), []
    for tick in range(round((np.sqrt(1.5) - 0.2) / (0.75 * part * H))):  # until it is at 0.96
        root = np.sqrt(1.5) - 0.75 * part * tick * H
        step = envelope.follow((1 - root**2) * FIRST, 1.5 * part * root * FIRST)
        active.append(step.active)
    assert step.position[0] <= 0.96 + 1e-9
    assert (set(active[-10:]) == {()}) == passes


def test_a_joint_at_its_bound_does_not_hold_back_the_other():
    envelope, t = at(-0.9 * FIRST, walled()), np.arange(1, 200) * H
    steps = []
    for wave, rate in zip(
        0.2 * (1 - np.cos(t)) ** 2, 0.4 * (1 - np.cos(t)) * np.sin(t), strict=True
    ):
        steps.append(envelope.follow(np.array([5.0, wave]), rate * SECOND))
    assert kinds([step.active for step in steps], 'b') == []
    assert steps[-1].position[1] == pytest.approx(0.2 * (1 - np.cos(t[-1])) ** 2)
    assert steps[-1].position[0] > 0.9


@pytest.mark.parametrize('seed', range(3))
def test_no_jumps_and_brakes_lead_above_the_bounds(seed):
    random, envelope = np.random.default_rng(seed), at(NONE, walled())
    places = [NONE]
    while len(places) < 800:
        wanted, rate = random.uniform(-1.3, 1.3, 2), random.uniform(-3, 3, 2)
        still, brake = random.random() < 0.5, random.random() < 0.2
        for tick in range(random.integers(3, 60)):
            ahead = NONE if still else rate * tick * H
            step = envelope.brake() if brake else envelope.follow(wanted + ahead, NONE + ahead / H)
            places.append(step.position)
    p = np.array(places)
    v = np.diff(p, axis=0) / H
    fastest = [np.minimum(2.0, 1.5 * np.sqrt(np.maximum(1 - s * p, 0.0))) for s in (1, -1)]
    up, down = (np.maximum(x[1:], x[:-1]) for x in fastest)
    assert (v <= up + 1e-9).all()
    assert (v >= -down - 1e-9).all()
    assert ((v > 0.97 * up) & (up < 1.5)).any()
    assert ((v < -0.97 * down) & (down < 1.5)).any()
    assert sizes(p)[1:].max() <= 1 + 1e-9
    assert np.abs(p).max() <= 0.99 + 1e-9


# Obstacles


class Wall:
    """Knows of an obstacle: refuses every stop of the first joint beyond `most`; keeps what it was
    asked.
    """

    def __init__(self, most: float = np.inf, share: np.ndarray | None = None) -> None:
        self.most, self.share = most, share
        self.begun, self.taken, self.asked, self.refused = [], [], [], ''

    def start(self, q_N):
        self.begun.append(q_N.copy())

    def proves(self, q_N, reach_N, stop):
        places = stop(np.linspace(0, 1, 9))
        self.asked.append((q_N.copy(), reach_N.copy(), places))
        lengths = stop.lengths(np.linspace(0, 1, 9))
        assert (np.abs(np.diff(places, axis=0)) <= lengths + 1e-9).all()
        assert (np.abs(places - q_N) <= reach_N + 1e-9).all()
        clear = bool((places[:, 0] <= self.most).all())
        self.refused = '' if clear else 'a and the wall'
        return clear

    def ceilings(self, q_N):
        assert q_N == pytest.approx((self.taken or self.begun)[-1])
        return None if self.share is None else (self.share, ONE)

    def accept(self, q_N):
        self.taken.append(q_N.copy())

    def nearest(self):
        return 'a and b', 0.5


def test_obstacles_are_told_where_the_robot_starts_and_every_command():
    wall = Wall()
    envelope = at(NONE, clearance=wall)
    places, _ = go(envelope, ONE, 10)
    envelope.brake()
    assert [q.tolist() for q in wall.begun] == [[0.0, 0.0]]
    assert [q.tolist() for q in wall.taken] == [*places[1:].tolist(), envelope.position.tolist()]
    assert envelope.nearest == ('a and b', 0.5)


def test_a_stop_is_shown_from_the_next_command_on_and_no_joint_leaves_its_reach():
    wall = Wall()
    places, _ = go(at(NONE, clearance=wall), np.array([1.0, -1.0]), 200)
    assert len(wall.asked) == 200
    for (q, reach, stop), place in zip(wall.asked, places[1:], strict=True):
        assert q == pytest.approx(place)
        assert stop[0] == pytest.approx(q)
        assert (np.abs(stop - q) <= reach + 1e-9).all()
        assert (reach <= 1.0).all()


def test_the_reach_is_that_of_the_command_also_where_only_some_joints_brake():
    wall = Wall()
    places, _ = go(at(np.array([-0.9, 0.0]), walled(), wall), np.array([5.0, 0.5]), 250)
    assert places[-1, 0] > 0.9
    for _, reach, stop in wall.asked:
        assert (reach <= np.ptp(stop, axis=0) + 1e-9).all()


def test_what_no_stop_stays_clear_of_is_not_approached_and_told_for_all_joints():
    wall = Wall(most=0.5)
    envelope = at(NONE, clearance=wall)
    places, active = go(envelope, np.array([1.0, 0.2]), 300)
    assert 0.4 < places[:, 0].max() <= 0.5
    assert active[-1] == ('a:clearance', 'b:clearance')
    assert envelope.nearest == ('a and the wall', 0.5)
    assert sizes(places).max() <= 1 + 1e-9
    back, active = go(envelope, NONE, 300)
    assert back[-1] == pytest.approx(NONE)
    assert active[-1] == ()


def test_a_passing_curve_is_proven_clear_too():
    references, wall = pulses(np.full(3, 0.5)), Wall(most=0.4)
    assert references[:, 0].max() > 0.45
    places, _ = play(at(NONE, clearance=wall), references)
    assert 0.3 < places[:, 0].max() <= 0.4
    assert sizes(places).max() <= 1 + 1e-9
    free, _ = play(at(NONE, clearance=Wall()), references)
    assert (free[1:] == references).all()


def test_near_an_obstacle_only_the_way_towards_it_is_slow():
    wall = Wall(share=np.array([0.2, 1.0]))
    envelope = at(NONE, clearance=wall)
    places, active = go(envelope, np.array([1.0, 2.5]), 400)
    assert sizes(places)[0] == pytest.approx([0.2, 1.0], abs=0.01)
    assert sizes(places)[0, 0] <= 0.2
    assert 'slowed' in kinds(active, 'a')
    assert 'slowed' not in kinds(active, 'b')
    assert 'velocity' in kinds(active, 'b')
    back, _ = go(envelope, np.array([-1.0, 2.5]), 400)
    assert sizes(back)[0, 0] > 0.9


def test_a_share_and_a_slow_zone_both_hold():
    wall = Wall(share=np.array([0.2, 1.0]))
    places, _ = go(at(NONE, clearance=wall), ONE, 300, 0.5)
    assert (sizes(places)[0] <= [0.2, 0.5]).all()
    assert sizes(places)[0] == pytest.approx([0.2, 0.5], rel=0.03)
