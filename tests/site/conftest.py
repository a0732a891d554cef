"""The books, each built and served once a session, one browser, and what browsers found on every page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import served
import survey
import trialbook
import twin
import views
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def builds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Path]]]:
    """Builds side by side, two at a time, of what is asked for: the real book, a twin of it, and the trial book."""
    folder = tmp_path_factory.mktemp("books")
    asked = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(2) as pool:
        books = {
            "site": (served.build, served.ROOT, folder / "site"),
            "trial": (_trial, folder / "trial"),
            "twin_site": (twin.build, served.ROOT, folder / "twin"),
        }
        yield {name: pool.submit(*book) for name, book in books.items() if name in asked}


def _trial(tree: Path) -> Path:
    tree.mkdir()
    return served.build(trialbook.write(served.ROOT, tree), tree)


@pytest.fixture(scope="session")
def site(builds: Mapping[str, Future[Path]]) -> Path:
    """Folder of the real book's pages."""
    return builds["site"].result()


@pytest.fixture(scope="session")
def trial(builds: Mapping[str, Future[Path]]) -> Path:
    """Folder of the trial book's pages."""
    return builds["trial"].result()


@pytest.fixture(scope="session")
def twin_site(builds: Mapping[str, Future[Path]]) -> Path:
    """Folder of the real book's pages, built again under other circumstances."""
    return builds["twin_site"].result()


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
def findings(site_address: str, trial_address: str) -> survey.Finding:
    """What was wrong with a page, by its site's address, its path and the view."""
    books = ((site_address, survey.SITE_PAGES), (trial_address, survey.TRIAL_PAGES))
    calls = [
        survey.Call(address, path, view)
        for address, paths in books
        for path in paths
        for view in views.VIEWS
    ]
    found = survey.survey(calls)
    return lambda *call: found[survey.Call(*call)]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium that draws letters the same everywhere."""
    with views.chromium(*views.STEADY) as browser:
        yield browser
