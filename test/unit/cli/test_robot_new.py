"""`gen robot new`: what it writes, refuses and never overwrites."""

from __future__ import annotations

from pathlib import Path

import pytest
from invented_robots import arm_urdf

from gen_nodes.cli.main import main
from gen_nodes.robot import load_robot


@pytest.fixture
def urdf(tmp_path) -> Path:
    (tmp_path / 'twig.urdf').write_text(arm_urdf())
    return tmp_path / 'twig.urdf'


def test_the_yaml_stands_beside_its_urdf_and_all_that_is_missing_is_said(urdf, capsys):
    assert main(['robot', 'new', '--urdf', str(urdf)]) == 0
    said = capsys.readouterr().out
    assert 'twig.yaml: 5 joints, 1 tips' in said and 'safety.jerk' in said
    assert 'gen robot check' in said
    assert 'urdf: twig.urdf' in urdf.with_suffix('.yaml').read_text()


def test_a_file_that_exists_is_never_replaced_unless_forced(urdf, capsys):
    urdf.with_suffix('.yaml').write_text('mine')
    assert main(['robot', 'new', '--urdf', str(urdf)]) == 1
    said = capsys.readouterr().err
    assert 'exists: choose another --out, or --force' in said and said.count('\n') == 1
    assert urdf.with_suffix('.yaml').read_text() == 'mine'
    assert main(['robot', 'new', '--urdf', str(urdf), '--force']) == 0
    assert 'FILL IN' in urdf.with_suffix('.yaml').read_text()


def test_what_is_still_to_fill_in_is_listed_by_the_check(urdf, capsys):
    main(['robot', 'new', '--urdf', str(urdf)])
    capsys.readouterr()
    assert main(['robot', 'check', str(urdf.with_suffix('.yaml'))]) == 1
    said = capsys.readouterr()
    assert "safety.acceleration: 'FILL IN" in said.out and 'data sheet' in said.out
    assert '4 entries are still to be filled in, first control.paths[0].topic' in said.err


def test_a_yaml_elsewhere_finds_its_urdf(urdf, tmp_path, capsys):
    (tmp_path / 'robots').mkdir()
    out = tmp_path / 'robots' / 'mine.yaml'
    assert main(['robot', 'new', '--urdf', str(urdf), '--out', str(out)]) == 0
    assert 'urdf: ../twig.urdf' in out.read_text()


def test_base_and_tips_can_be_said(urdf):
    words = ['robot', 'new', '--urdf', str(urdf), '--base', 'pedestal', '--tip', 'roll_link']
    assert main(words) == 0
    assert 'tips: [roll_link]' in urdf.with_suffix('.yaml').read_text()


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (['--out', 'robot.txt'], 'a robot YAML ends in .yaml'),
        (['--out', 'none/robot.yaml'], 'there is no folder'),
        (['--tip', 'tool_tap'], "Did you mean 'tool_tip'?"),
        (['--base', 'pedestl'], "Did you mean 'pedestal'?"),
    ],
)
def test_what_cannot_be_done_is_one_line(urdf, monkeypatch, capsys, words, says):
    monkeypatch.chdir(urdf.parent)
    assert main(['robot', 'new', '--urdf', str(urdf), *words]) == 1
    said = capsys.readouterr().err
    assert says in said and said.count('\n') == 1


def test_a_missing_urdf_is_named(tmp_path, capsys):
    assert main(['robot', 'new', '--urdf', str(tmp_path / 'none.urdf')]) == 1
    assert 'cannot read' in capsys.readouterr().err
    assert main(['robot', 'new']) == 2


@pytest.mark.parametrize('robot', ['ur5e', 'franka_fr3', 'openarm_bimanual'])
def test_the_urdf_of_a_robot_that_ships_gives_a_yaml_with_all_its_joints(robot, tmp_path, capsys):
    out = tmp_path / 'again.yaml'
    source = load_robot(robot).source.parents[2] / 'urdf' / f'{robot}.urdf'
    assert main(['robot', 'new', '--urdf', str(source), '--out', str(out)]) == 0
    assert all(name in out.read_text() for name in load_robot(robot).joint_names)
