"""`gen robot list`."""

from gen_nodes.cli.main import main
from gen_nodes.robot import known_robots, load_robot


def test_every_known_robot_stands_in_the_list(capsys):
    assert main(['robot', 'list']) == 0
    said = capsys.readouterr().out
    for name in known_robots():
        assert name in said and load_robot(name).display_name in said
    assert '16 (14 arm, 2 gripper)' in said


def test_a_robot_that_cannot_be_loaded_is_told_and_the_others_stay(tmp_path, monkeypatch, capsys):
    (tmp_path / 'config' / 'robots').mkdir(parents=True)
    (tmp_path / 'urdf').symlink_to(load_robot('ur5e').source.parents[2] / 'urdf')
    good = load_robot('ur5e').source.read_text()
    (tmp_path / 'config' / 'robots' / 'good.yaml').write_text(good)
    (tmp_path / 'config' / 'robots' / 'bad.yaml').write_text(good.replace('jerk: ', 'jerky: '))
    monkeypatch.setattr('gen_nodes.robot.resource_root', lambda: tmp_path)
    assert main(['robot', 'list']) == 1
    said = capsys.readouterr().out
    assert 'bad cannot be loaded' in said and 'good' in said.splitlines()[1]
