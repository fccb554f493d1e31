from gen_nodes.cli.main import main
from gen_nodes.cli.shadow import unaccounted
from gen_nodes.hil.shadow import LEFT, LOST, NO_STREAM


def test_only_messages_without_a_named_fate_are_unaccounted():
    named = {LEFT: 2, NO_STREAM: 5, 'decimated': 90}
    assert unaccounted({'front': {'dropped': named}}) == []
    assert unaccounted({'front': {'dropped': {LOST: 3}}}) == [f'front 3 {LOST}']
    assert unaccounted({'front': {'dropped': {LOST: -1}}}) == [f'front -1 {LOST}']
    assert unaccounted({'front': {'dropped': {LEFT: -1}}}) == [f'front -1 {LEFT}']


def test_a_report_without_a_folder_is_refused_before_the_bag_is_opened(tmp_path, capsys):
    words = ('--bag', 'nowhere', '--robot', 'ur5e', '--json', str(tmp_path / 'no' / 'r.json'))
    assert main(['shadow', *words]) == 1
    assert 'there is no folder' in capsys.readouterr().err
