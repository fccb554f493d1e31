"""`gen robot check`: what it prints, writes and returns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gen_nodes.cli.main import main
from gen_nodes.robot import load_robot


def edited(tmp_path: Path, robot: str, *edits: tuple[str, str]) -> str:
    text = load_robot(robot).source.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / 'robot.yaml').write_text(text)
    return str(tmp_path / 'robot.yaml')


def test_a_robot_that_ships_is_usable_drawn_and_written(tmp_path, capsys):
    png, report = tmp_path / 'a' / 'ur5e.png', tmp_path / 'ur5e.json'
    assert main(['robot', 'check', 'ur5e', '--png', str(png), '--json', str(report)]) == 0
    said = capsys.readouterr().out
    assert 'Universal Robots UR5e (ur5e)' in said and 'ur5e: usable, 0 errors' in said
    assert 'shoulder_pan_joint' in said and '1.5 y' in said and '150 u' in said
    assert '/forward_position_controller/commands' in said and 'pairs watched' in said
    assert png.read_bytes().startswith(b'\x89PNG')
    found = json.loads(report.read_text())
    assert found['ok'] and found['counts']['error'] == 0 and found['sha256']
    assert found['joints'][0]['sources']['velocity'] == 'robot YAML'
    assert found['contacts']['clearance'] > 0 and found['contacts']['pairs']['watched']


def test_a_velocity_limit_that_depends_on_position_is_marked(capsys, tmp_path):
    assert main(['robot', 'check', 'franka_fr3', '--png', str(tmp_path / 'x.png')]) == 0
    assert 'y*' in capsys.readouterr().out


def test_the_picture_goes_to_out_where_nothing_else_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['robot', 'check', 'ur5e']) == 0
    assert (tmp_path / 'out' / 'robot' / 'ur5e.png').is_file()


def test_a_wrong_name_suggests_the_right_one(capsys):
    assert main(['robot', 'check', 'ur5']) == 1
    said = capsys.readouterr().err
    assert "unknown robot 'ur5'. Did you mean 'ur5e'?" in said and said.count('\n') == 1


def test_a_missing_file_is_named_also_in_the_report(tmp_path, capsys):
    path, report = str(tmp_path / 'none.yaml'), tmp_path / 'report.json'
    assert main(['robot', 'check', path, '--json', str(report)]) == 1
    assert f"cannot read '{path}'" in capsys.readouterr().err
    found = json.loads(report.read_text())
    assert not found['ok'] and 'cannot read' in found['error']


def test_a_report_that_cannot_be_written_is_said_before_anything_else(tmp_path, capsys):
    assert main(['robot', 'check', 'ur5e', '--json', str(tmp_path / 'none' / 'x.json')]) == 1
    said = capsys.readouterr()
    assert 'there is no folder' in said.err and said.out == ''


@pytest.mark.parametrize(
    ('name', 'why'), [('x.jpg', 'its name ends in .png'), ('file/x.png', 'cannot be made')]
)
def test_a_picture_that_cannot_be_written_is_said_before_anything_else(tmp_path, capsys, name, why):
    (tmp_path / 'file').touch()
    assert main(['robot', 'check', 'ur5e', '--png', str(tmp_path / name)]) == 1
    said = capsys.readouterr()
    assert '--png' in said.err and why in said.err and said.out == ''


def test_a_package_that_this_machine_lacks_is_a_warning_with_what_to_install(tmp_path, capsys):
    topic = 'topics:\n    - {topic: /mode, type: nowhere_msgs/msg/Mode, field: mode, allow: 1}'
    path = edited(tmp_path, 'ur5e', ('topics:', topic))
    assert main(['robot', 'check', path, '--png', str(tmp_path / 'x.png')]) == 0
    said = capsys.readouterr().out
    assert 'NOT INSTALLED' in said and 'ros-jazzy-nowhere-msgs' in said


def test_links_that_touch_at_ready_make_a_robot_unusable(tmp_path, capsys):
    path = edited(
        tmp_path,
        'ur5e',
        ('shoulder_lift_joint: -1.7', 'shoulder_lift_joint: -1.57'),
        ('elbow_joint: 1.87', 'elbow_joint: 3.1'),
    )
    report = tmp_path / 'x.json'
    status = main(['robot', 'check', path, '--png', str(tmp_path / 'x.png'), '--json', str(report)])
    said = capsys.readouterr().out
    assert status == 1 and 'NOT usable' in said and 'apart at the ready pose' in said
    codes = [finding['code'] for finding in json.loads(report.read_text())['findings']]
    assert 'self_collision' in codes


def test_a_robot_that_the_emulator_cannot_load_is_unusable(tmp_path, capsys):
    urdf = load_robot('ur5e').urdf_xml
    (tmp_path / 'ur5e.urdf').write_text(urdf.replace('<mass value="3.761"/>', '<mass value="0"/>'))
    path = edited(tmp_path, 'ur5e')
    assert main(['robot', 'check', path, '--png', str(tmp_path / 'x.png')]) == 1
    assert 'the emulator cannot load it: ' in capsys.readouterr().out


def test_self_collision_that_is_switched_off_is_told(tmp_path, capsys):
    path = edited(tmp_path, 'ur5e', ('safety:\n', 'safety:\n  self_collision: false\n'))
    assert main(['robot', 'check', path, '--png', str(tmp_path / 'x.png')]) == 0
    said = capsys.readouterr().out
    assert 'nothing is watched' in said and 'self-collision is switched off' in said


@pytest.mark.parametrize('word', ['velocity: 9.0', 'velocity: fast'])
def test_a_description_that_does_not_load_is_one_line(tmp_path, capsys, word):
    path = edited(tmp_path, 'ur5e', ('velocity: 1.5', word))
    assert main(['robot', 'check', path]) == 1
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and 'velocity' in said
