"""What this book needs of its site beyond Jupyter Book: shell cells, pictures, repairs.

Jupyter Book loads it because `_config.yml` names it; every module here owns one of those jobs.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.typing import ExtensionMetadata

from labsite import (
    anchors,
    bundle,
    cells,
    chapter,
    cover,
    dates,
    discovery,
    figures,
    mentions,
    notes,
    pictures,
    queue_states,
    redirects,
    repairs,
    rights,
    runs,
    shell,
    sources,
    teaching,
    terms,
)

NOT_FOUND = """\
<h1>No such page</h1>
<p>This address leads nowhere in the book. A chapter may have a new name: the list on the left has
them all, the search finds words, and <a href="{home}">the first page</a> is where to begin.</p>
"""

PARTS = (
    *(
        dates,
        shell,
        chapter,
        cells,
        anchors,
        notes,
        cover,
        runs,
        teaching,
        rights,
        queue_states,
    ),  # what is on a page
    *(pictures, figures, sources, mentions, terms),  # what it shows and where it leads
    *(discovery, redirects, repairs, bundle),  # the site around it
)


def check_jupyter_book(found: str) -> None:
    """Stop with a clear word if this is not Jupyter Book 1, whose two files the book is made of."""
    if found.split(".")[0] != "1":
        raise ExtensionError(
            f"this book needs Jupyter Book 1 and found {found}: version 2 reads myst.yml, not "
            "_config.yml and _toc.yml. Use the environment of requirements.txt: make setup"
        )


def _installed_jupyter_book() -> str:
    """Version of Jupyter Book; plain Sphinx builds the site too, then there is nothing to check."""
    try:
        return version("jupyter-book")
    except PackageNotFoundError:
        return "1"


def _one_address(_app: Sphinx, config: Config) -> None:
    """Derive from `html_baseurl` what other extensions want to be told again."""
    home = urlsplit(config.html_baseurl).path.rstrip("/") + "/"
    config.notfound_urls_prefix = home
    config.notfound_context = {"title": "Page not found", "body": NOT_FOUND.format(home=home)}


def setup(app: Sphinx) -> ExtensionMetadata:
    """Connect the parts."""
    check_jupyter_book(_installed_jupyter_book())
    # Before notfound.extension checks the prefix (it connects with the default priority 500).
    app.connect("config-inited", _one_address, priority=400)
    for part in PARTS:
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
