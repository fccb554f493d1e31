"""A trial's hostility is real, the same each time, and every broken envelope is caught in it."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from gen_nodes.embodiment.controller import ControllerCore
from gen_nodes.embodiment.envelope import Envelope
from gen_nodes.embodiment.limits import Limits, limits_of
from gen_nodes.hil.checker.limit_checker import LimitChecker
from gen_nodes.hil.checker.published import Segment
from gen_nodes.hil.checker.verdict import Verdict
from gen_nodes.hil.hostile.run import known
from gen_nodes.hil.hostile.trial import Trial, controller
from gen_nodes.robot import resource_root
from gen_nodes.types import Mode

CHUNKS = 400


def trial_of(robot: str, make_core=controller, seed: int = 5) -> Trial:
    spec, limits = known(robot)
    return Trial(spec, limits, np.random.default_rng(seed), make_core=make_core)


def commands(trial: Trial, chunks: int = CHUNKS) -> list[Segment]:
    with np.errstate(all='ignore'):
        return list(trial.run(chunks))


def verdict_of(robot: str, segments: list[Segment]) -> Verdict:
    spec, limits = known(robot)
    checker = LimitChecker(limits, 1.0 / spec.control.rate_hz)
    for segment in segments:
        checker.add(segment)
    return checker.verdict()


@pytest.fixture(scope='module')
def ur5e() -> tuple[Trial, list[Segment]]:
    trial = trial_of('ur5e')
    return trial, commands(trial, 3000)


def test_one_seed_gives_one_result_and_another_seed_another(ur5e):
    first, again = (commands(trial_of('ur5e'))[0] for _ in range(2))
    assert (first.values == again.values).all() and (first.start == again.start).all()
    other = commands(trial_of('ur5e', seed=6))[0]
    assert not np.array_equal(first.values[:3], other.values[:3])


def test_the_robot_moves_in_every_mode_and_chunks_are_refused_for_every_reason(ur5e):
    trial, segments = ur5e
    assert trial.chunks == 3000
    assert set(trial.modes) >= {Mode.WAITING, Mode.RUNNING, Mode.HOLDING, Mode.STOPPED}
    assert trial.modes[Mode.RUNNING] > 0.5 * trial.ticks
    said = ' '.join(trial.refused)
    for part in (
        'not finite',
        'knots',
        'unknown joint',
        'named twice',
        'no joint',
        'effort',
        'future',
        'not newer',
        'shape',
        'increasing',
    ):
        assert part in said, part
    travelled = np.ptp(np.concatenate([one.values for one in segments]), axis=0)
    assert (travelled > 0.5).all()


def test_segments_begin_where_the_robot_was_measured_and_end_at_rest(ur5e):
    _, segments = ur5e
    assert len(segments) > 3
    numbers = [one.number for one in segments]
    assert numbers == list(range(numbers[0], numbers[0] + len(segments)))
    for one in segments:
        assert np.abs(one.values[0] - one.start).max() < 1e-3
        assert (np.diff(one.stamps_ns) == 8_000_000).all()
    assert verdict_of('ur5e', segments).commands == sum(len(one.values) for one in segments)


# A broken envelope is caught


class Loose(ControllerCore):
    """A controller that believes in other limits, or another period, than the robot's."""

    def __init__(self, change: dict[str, float], period: float, spec):
        super().__init__(spec)
        limits = limits_of(spec)
        changes = {key: factor * getattr(limits, key) for key, factor in change.items()}
        wider = replace(limits, **changes)
        self._envelope = Envelope(wider, self.period_s * period)


class Stretched(ControllerCore):
    """A controller whose last joint goes a little further than it was planned to."""

    def __init__(self, by: float, spec):
        super().__init__(spec)
        self._by, self._origin = by, np.array(spec.ready)

    def tick(self, now_ns, steady_ns):
        was = self._commanding
        command = super().tick(now_ns, steady_ns)
        if command is None:
            return None
        if not was:
            self._origin = self._watches.states.position
        values = np.array(command.values)
        values[-1] = self._origin[-1] + self._by * (values[-1] - self._origin[-1])
        return replace(command, values=values)


def wide(key: str, factor: float) -> partial:
    return partial(Loose, {key: factor}, 1.0)


FARTHER = dict.fromkeys(('hard_lower', 'hard_upper', 'lower', 'upper'), 1.1)


@pytest.mark.parametrize(
    ('kind', 'robot', 'broken'),
    [
        ('position', 'openarm_bimanual', partial(Loose, FARTHER, 1.0)),
        ('velocity', 'ur5e', wide('velocity', 1.01)),
        ('acceleration', 'ur5e', wide('acceleration', 1.01)),
        ('jerk', 'ur5e', wide('jerk', 1.02)),
        ('jerk', 'ur5e', partial(Loose, {}, 1.01)),
        ('jerk', 'ur5e', partial(Stretched, 1.05)),
    ],
)
def test_an_envelope_that_is_broken_by_a_little_is_caught(kind, robot, broken):
    segments = commands(trial_of(robot, broken), 1500)
    verdict = verdict_of(robot, segments)
    assert verdict.violations[kind] > 0
    assert verdict.worst[kind].fraction > 1
    assert verdict.first[kind].joint in known(robot)[1].names


def test_bounds_that_depend_on_the_position_are_caught_where_they_are_ignored():
    def without_bounds(spec):
        core = controller(spec)
        limits: Limits = replace(limits_of(spec), bounds=None)
        core._envelope = Envelope(limits, core.period_s)
        return core

    segments = commands(trial_of('franka_fr3', without_bounds), 2000)
    assert verdict_of('franka_fr3', segments).violations['velocity'] > 0


# A robot that is driven by velocities


@pytest.fixture(scope='module')
def by_velocity(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp('robot') / 'by_velocity.yaml'
    text = (resource_root() / 'config' / 'robots' / 'ur5e.yaml').read_text()
    path.write_text(text.replace('kind: forward_position', 'kind: forward_velocity'))
    return str(path)


def test_a_robot_that_is_driven_by_velocities_keeps_its_limits_and_is_left_at_rest(by_velocity):
    trial = trial_of(by_velocity, seed=6)
    segments = commands(trial, 1500)
    verdict = verdict_of(by_velocity, segments)
    assert all(one.by_rate.all() for one in segments) and len(segments) > 3
    assert trial.modes[Mode.RUNNING] > 0.4 * trial.ticks
    assert verdict.first == {} and (verdict.travelled > 0.5).all()
    for kind in ('velocity', 'acceleration', 'jerk'):
        assert verdict.worst[kind].fraction > 0.9


class Restless(ControllerCore):
    """A controller that holds back its last command, by which a robot would come to rest."""

    def tick(self, now_ns, steady_ns):
        command = super().tick(now_ns, steady_ns)
        return None if command is not None and self.at_rest else command


def test_a_driver_of_velocities_that_is_never_told_to_stand_is_caught(by_velocity):
    segments = commands(trial_of(by_velocity, Restless))
    verdict = verdict_of(by_velocity, segments)
    assert verdict.violations['rest'] > 0 and verdict.violations['jerk'] == 0


class Deaf(ControllerCore):
    """A controller that falls silent where it should brake."""

    def tick(self, now_ns, steady_ns):
        command = super().tick(now_ns, steady_ns)
        return command if self.mode == Mode.RUNNING else None


def test_a_controller_that_falls_silent_in_motion_is_caught():
    segments = commands(trial_of('ur5e', Deaf))
    assert verdict_of('ur5e', segments).violations['jerk'] > 0
