import pytest

from gen_nodes.cli.arguments import check_json, check_seed
from gen_nodes.errors import ConfigError


def test_a_report_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    check_json(None)
    check_json(tmp_path / 'report.json')
    for path in (tmp_path / 'nowhere' / 'report.json', tmp_path):
        with pytest.raises(ConfigError, match='--json'):
            check_json(path)


def test_a_seed_out_of_range_is_refused():
    check_seed(2**31 - 1)
    for seed in (-1, 2**31):
        with pytest.raises(ConfigError, match='must lie in'):
            check_seed(seed)
