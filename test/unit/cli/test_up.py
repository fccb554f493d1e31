import pytest

from gen_nodes.cli.main import main


@pytest.mark.parametrize(
    ('words', 'line'),
    [
        (('--set', 'robot_emulator.task=[1'), "'[1' is no YAML value"),
        (('--set', 'robot_emulator'), 'expected NODE.PARAMETER=VALUE'),
        (('--policy', '/nosuch'), "checkpoint '/nosuch' does not exist"),
        (('--policy', '/nosuch', '--real', '--yes'), "checkpoint '/nosuch' does not exist"),
    ],
)
def test_what_cannot_be_started_is_one_line_before_anything_starts(words, line, capsys, tmp_path):
    assert main(['up', 'ur5e', '--seconds', '1', '--out', str(tmp_path), *words]) == 1
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and line in said and not list(tmp_path.iterdir())
