"""Who writes sees it at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest
import served
import twin
from playwright.sync_api import Browser

WANTED = 5.0
"""Seconds from saving a line to seeing it, on a machine that does nothing else; the first of a few tries that is."""
TRIES = 8
PAGE = "book/how-to-use-this-book"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout of its own with this one's environment."""
    tree = twin.copy(served.ROOT, tmp_path / "book")
    (tree / ".venv").symlink_to(served.ROOT / ".venv")
    return tree


@contextmanager
def serving(tree: Path) -> Iterator[str]:
    """`make serve` in that checkout; gives its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tree / "log").open("wb") as log:
        process = subprocess.Popen(
            ["make", "serve", f"PORT={port}"],
            cwd=tree,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = monotonic() + 180
        while process.poll() is None and monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            sleep(0.3)
        else:
            raise AssertionError((tree / "log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def test_a_saved_line_shows_by_itself(
    browser: Browser, tree: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """The open page has the new words within seconds, with nobody reloading it."""
    source = tree / f"{PAGE}.md"
    seconds: list[float] = []
    with serving(tree) as address:
        page = browser.new_page()
        page.goto(f"{address}{PAGE}.html")
        page.wait_for_selector("article h1")
        for number in range(TRIES):
            with source.open("a") as text:
                text.write(f"\nA line that was added as number {number}.\n")
            began = monotonic()
            page.get_by_text(f"added as number {number}.").wait_for(timeout=60_000)
            seconds.append(round(monotonic() - began, 1))
            if seconds[-1] <= WANTED:
                break
        page.close()
    record_testsuite_property("rebuild", str(seconds))
    assert min(seconds) <= WANTED, seconds
