import pytest

from gen_nodes.cli.demo import MARK, failures, fresh_folder
from gen_nodes.cli.main import main
from gen_nodes.errors import ConfigError


def test_a_folder_that_holds_something_else_is_refused_untouched(tmp_path):
    (tmp_path / 'bags').mkdir()
    (tmp_path / 'bags' / 'precious').touch()
    with pytest.raises(ConfigError, match='name an empty folder'):
        fresh_folder(tmp_path)
    assert [path.name for path in tmp_path.rglob('*')] == ['bags', 'precious']


def test_a_demos_folder_is_emptied_of_what_the_demo_wrote_and_of_nothing_else(tmp_path):
    out = fresh_folder(tmp_path / 'demo')
    for name in ('bags', 'log'):
        (out / name).mkdir()
    for name in ('report.json', 'notes.txt'):
        (out / name).touch()
    fresh_folder(out)
    assert {path.name for path in out.iterdir()} == {MARK, 'notes.txt'}


@pytest.mark.parametrize(
    'words', [('--seed', '-1'), ('--checkpoint', '/nosuch'), ('--robot', 'ur5'), ('--task', 'x')]
)
def test_nothing_is_deleted_where_an_argument_is_wrong(words, tmp_path, capsys):
    out = fresh_folder(tmp_path / 'demo')
    (out / 'report.json').touch()
    assert main(['demo', '--out', str(out), *words]) == 1
    assert (out / 'report.json').exists() and capsys.readouterr().err.count('\n') == 1


def test_deaths_leftovers_and_failed_episodes_are_reasons_to_fail():
    report = {
        'deaths': ['data_recorder died'],
        'left_behind': {'files': ['/tmp/x'], 'processes': []},
        'episodes': 2,
        'episodes_detail': [{'success': True}, {'success': False}],
    }
    assert failures(report) == [
        'data_recorder died',
        'left behind: files /tmp/x',
        '1 of 2 episodes succeeded, not most of them',
    ]
    good = [{'success': True}] * 2
    assert not failures({'deaths': [], 'left_behind': {}, 'episodes': 2, 'episodes_detail': good})
