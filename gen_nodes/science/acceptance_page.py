"""The page of the acceptance suite, from the mapping that its JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gen_nodes.science.page import page, paragraph


def acceptance_page(report: Mapping[str, Any]) -> str:
    """The whole page as HTML."""
    return page('acceptance', [paragraph('')])
