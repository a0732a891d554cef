"""The built site and the trial book, each built and served once a session, and one browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import served
import trialbook
import views
from playwright.sync_api import Browser, BrowserContext


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the real book's pages."""
    return served.build(served.ROOT, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the trial book's pages."""
    tree = trialbook.write(served.ROOT, tmp_path_factory.mktemp("trial"))
    return served.build(tree, tree)


@pytest.fixture(scope="session")
def site_address(site: Path) -> Iterator[str]:
    """Where the real book is served."""
    with served.serve(site) as address:
        yield address


@pytest.fixture(scope="session")
def trial_address(trial: Path) -> Iterator[str]:
    """Where the trial book is served."""
    with served.serve(trial) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with views.chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def visitors(browser: Browser) -> dict[str, BrowserContext]:
    """One visitor for each view, who goes through all pages."""
    return {name: browser.new_context(**view) for name, view in views.VIEWS.items()}
