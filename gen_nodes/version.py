"""Which code this is: every artifact carries it."""

from __future__ import annotations

import subprocess
from pathlib import Path

VERSION = '0.1.0'


def code_version() -> str:
    """Release number; in a checkout with its commit and a '+' for uncommitted changes."""
    here = Path(__file__).resolve().parent
    try:
        said = subprocess.run(
            ['git', 'describe', '--always', '--dirty=+', '--exclude', '*'],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return VERSION
    return f'{VERSION} {said.stdout.strip()}'.strip() if said.returncode == 0 else VERSION
