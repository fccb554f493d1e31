import pytest

from gen_nodes.cli.arguments import check_folder, check_json, check_seed
from gen_nodes.errors import ConfigError


def test_a_report_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    check_json(None)
    check_json(tmp_path / 'report.json')
    for path in (tmp_path / 'nowhere' / 'report.json', tmp_path):
        with pytest.raises(ConfigError, match='--json'):
            check_json(path)


def test_a_folder_is_made_or_refused_by_name(tmp_path):
    check_folder('--out', tmp_path / 'a' / 'b')
    assert (tmp_path / 'a' / 'b').is_dir()
    (tmp_path / 'file').touch()
    for path in (tmp_path / 'file', tmp_path / 'file' / 'b'):
        with pytest.raises(ConfigError, match=f"--out '{path}' cannot be made: "):
            check_folder('--out', path)


def test_a_seed_out_of_range_is_refused():
    check_seed(2**31 - 1)
    for seed in (-1, 2**31):
        with pytest.raises(ConfigError, match='must lie in'):
            check_seed(seed)
