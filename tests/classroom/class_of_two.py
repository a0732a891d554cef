"""A class of two for the tests, made within this process, with both people logged in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.bench.classroom.browser import Browser
from lab.classroom import boxes, place, roster, sandbox, tls
from lab.classroom import settings as class_settings
from lab.classroom.down import down
from lab.classroom.settings import Settings, Trainee
from lab.classroom.up import Wish, up

ONE, TWO = "trainee01", "trainee02"


def quiet(_: str) -> None:
    """No progress."""


@dataclass
class Room:
    """A class that is up, its people logged in and their servers running."""

    settings: Settings
    browsers: dict[str, Browser]

    @property
    def origin(self) -> str:
        """Where browsers go."""
        return f"https://localhost:{self.settings.port}"

    def browser(self, name: str) -> Browser:
        """A new one, not logged in."""
        return Browser(self.origin, tls.certificate_file(), name)

    def trainee(self, name: str) -> Trainee:
        """Of the roster."""
        found = class_settings.load().trainee(name)
        assert found
        return found

    def box(self, name: str) -> sandbox.Box:
        """Another sandbox like that of the trainee's server."""
        return boxes.box(self.settings, self.trainee(name))

    def uid(self, name: str) -> int:
        """The trainee's user."""
        return self.settings.uid(self.trainee(name))


def words() -> dict[str, str]:
    """Passwords as they are handed out."""
    return {row[0]: row[2] for row in roster.rows(place.passwords().read_text())}


def until(what: Callable[[], object], seconds: float = 150) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@contextmanager
def class_of_two(folder: Path) -> Iterator[Room]:
    """Bring it up in that folder, and start the servers; nothing of it is left afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(folder))
        try:
            settings = up(Wish(roster.numbered(2), prepare=False), quiet)
            found = Room(settings, {})
            found.browsers = {name: found.browser(name) for name in (ONE, TWO)}

            def begin(browser: Browser) -> None:
                browser.log_in(words()[browser.name])
                browser.start()

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(begin, found.browsers.values()))
            yield found
        finally:
            down(quiet)
