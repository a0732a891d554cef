"""Make `world` importable, and a queue directory; log only what must not happen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from meta1 import maillog

sys.path.insert(0, str(Path(__file__).parent))

maillog.open_log("test", 0, None)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A queue directory."""
    (tmp_path / "cdb").mkdir()
    return tmp_path
