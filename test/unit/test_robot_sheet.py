"""A robot in figures: stopping, tips, singularity, watchdogs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen_nodes.robot import known_robots, load_robot
from gen_nodes.robot_sheet import sheet_of, stop_of


@given(*[st.floats(0.1, 10.0)] * 3)
def test_a_stop_takes_what_the_closed_form_says(velocity, acceleration, jerk):
    """Symmetric s-curve: half of its duration at the full velocity."""
    ramp = acceleration / jerk
    full = velocity >= acceleration * ramp
    seconds = velocity / acceleration + ramp if full else 2 * np.sqrt(velocity / jerk)
    found_s, distance = stop_of(velocity, acceleration, jerk)
    assert found_s == pytest.approx(seconds, rel=1e-6)
    assert distance == pytest.approx(velocity * seconds / 2, rel=1e-6)


@pytest.mark.parametrize('robot', known_robots())
def test_the_fastest_tip_is_as_fast_as_the_best_of_many_random_motions(robot):
    spec, rng = load_robot(robot), np.random.default_rng(1)
    kinematics = spec.kinematics()
    for tip in sheet_of(spec).tips:
        jacobian = kinematics.jacobian(tip.name, spec.ready)[:3]
        signs = rng.choice([-1.0, 1.0], (2000, spec.n))
        speeds = np.linalg.norm((signs * spec.velocity) @ jacobian.T, axis=1)
        assert tip.fastest >= 0.99 * speeds.max() and tip.stop < tip.fastest
        assert tip.position == pytest.approx(kinematics.frame(tip.name, spec.ready)[:3, 3])


def test_each_limit_stands_with_its_source_and_what_the_maker_published():
    row = sheet_of(load_robot('franka_fr3')).joints[0]
    assert row.depends_on_position and row.sources['position'] == 'URDF'
    assert row.published['velocity'] > row.velocity and row.sources['velocity'] == 'robot YAML'
    assert row.ready_room == pytest.approx(row.upper)  # ready is 0


def test_a_stretched_ur5e_is_singular_and_its_ready_pose_is_not(tmp_path):
    spec = load_robot('ur5e')
    good = sheet_of(spec).tips[0]
    text = spec.source.read_text()
    for joint, value in zip(spec.joint_names, spec.ready, strict=True):
        text = text.replace(f'{joint}: {value}', f'{joint}: 0.0')
    (tmp_path / 'ur5e.yaml').write_text(text)
    stretched = sheet_of(load_robot(str(tmp_path / 'ur5e.yaml'))).tips[0]
    assert good.translation > 0.3 and good.pose > 0.1
    assert stretched.translation < good.translation and stretched.pose < 1e-3


def test_a_watchdogs_metres_are_its_seconds_at_the_fastest_tip_and_then_the_stop():
    spec = load_robot('ur5e')
    sheet = sheet_of(spec)
    rows = {row.name: row for row in sheet.watchdogs}
    silent = rows['joint states silent']
    assert silent.seconds == spec.state.timeout_s
    assert silent.travel == pytest.approx(silent.seconds * sheet.tips[0].fastest)
    assert silent.until_rest == pytest.approx(silent.travel + sheet.tips[0].stop)
    assert rows['action chunks silent'].seconds == spec.control.chunk_timeout_s
