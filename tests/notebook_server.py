"""A Jupyter server that a test has started: what it says of itself once it listens."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path


def announced(
    runtime: Path, server: subprocess.Popen[bytes], log: Path, seconds: float
) -> Mapping[str, str]:
    """Wait for its file in $JUPYTER_RUNTIME_DIR: `url`, `token` and more. Raises `AssertionError` with its log."""
    deadline = time.monotonic() + seconds
    while not (found := list(runtime.glob("jpserver-*.json"))):
        assert server.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    said: Mapping[str, str] = json.loads(found[0].read_text())
    return said
