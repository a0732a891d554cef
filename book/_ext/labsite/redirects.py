"""Old addresses lead to the new ones: the table `redirects` of _config.yml, from old page to new.

Each old address is a small page that sends its reader on.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from labsite.sending_on import sending_on

WORDS = ("This page is ", "here now", ".")


def check(table: dict[str, str], pages: set[str]) -> None:
    """Stop at a line that hides a page or leads nowhere. Raises `ExtensionError`."""
    for old, new in table.items():
        if old in pages:
            raise ExtensionError(f"redirects: {old} is a page, so it cannot lead elsewhere")
        if new not in pages:
            raise ExtensionError(f"redirects: {old} leads to {new}, which is no page")


def write_redirects(app: Sphinx, failure: Exception | None) -> None:
    """Write the page of each old address."""
    if failure is not None or app.builder.name != "html":
        return
    check(app.config.redirects, set(app.env.found_docs))
    for old, new in app.config.redirects.items():
        target = Path(app.outdir, f"{old}.html")
        target.parent.mkdir(parents=True, exist_ok=True)
        uri = app.builder.get_target_uri(new)
        relative = os.path.relpath(uri, PurePosixPath(old).parent)
        title, address = app.env.titles[new].astext(), app.config.html_baseurl + uri
        html = sending_on(title, relative, address, app.config.language, WORDS)
        target.write_text(html, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Take the table from the configuration."""
    app.add_config_value("redirects", {}, "", [dict])
    app.connect("build-finished", write_redirects)
