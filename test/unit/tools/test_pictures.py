import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
DRAWN = runpy.run_path(str(ROOT / 'tools' / 'pictures.py'), run_name='pictures')['pictures']()


@pytest.mark.parametrize('name', DRAWN)
def test_the_picture_in_docs_is_what_the_code_draws(name):
    kept = (ROOT / 'docs' / name).read_text(encoding='utf-8')
    assert kept == DRAWN[name], 'out of date: run ./gen python tools/pictures.py and commit docs/'


@pytest.mark.parametrize('name', DRAWN)
def test_a_picture_follows_light_and_dark_and_needs_no_other_file(name):
    root = ElementTree.fromstring(DRAWN[name])
    assert 'prefers-color-scheme: dark' in root[1].text
    links = [value for part in root.iter() for key, value in part.items() if 'href' in key]
    assert links == []
