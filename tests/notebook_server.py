"""A Jupyter server that a test has started: what it says of itself once it listens."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path


def announced(
    runtime: Path, server: subprocess.Popen[bytes], log: Path, seconds: float
) -> Mapping[str, str]:
    """Wait for its file in $JUPYTER_RUNTIME_DIR: `url`, `token` and more. Raises `AssertionError` with its log.

    It writes the file before it listens, so that is waited for as well.
    """
    deadline = time.monotonic() + seconds
    while not (found := list(runtime.glob("jpserver-*.json"))) or not listens(found[0]):
        assert server.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    said: Mapping[str, str] = json.loads(found[0].read_text())
    return said


def listens(told: Path) -> bool:
    """Whether somebody is at the port that the file names."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", json.loads(told.read_text())["port"])) == 0
