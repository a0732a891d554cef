"""Photograph pages of the site, to be looked at by a person: `make test` measures, it has no taste.

Usage: .venv/bin/python tests/site/shots.py FOLDER [PAGE ...]     such as  /tmp/shots book/index
The site is built anew; without PAGE it is every page. A page gives FOLDER/VIEW-PAGE.png per view.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import served
import views


def main(folder: str, *names: str) -> None:
    """Build the site and photograph its pages in all views."""
    wanted = [f"{name.removesuffix('.html')}.html" for name in names]
    pages = wanted or served.pages((served.ROOT / "_toc.yml").read_text())
    with tempfile.TemporaryDirectory() as output:
        site = served.build(served.ROOT, Path(output))
        with served.serve(site) as address, views.chromium(program=views.WINDOWLESS) as browser:
            for view in views.VIEWS:
                for path in pages:
                    name = path.removesuffix(".html").replace("/", "-")
                    target = Path(folder, f"{view}-{name}.png")
                    with views.opened(browser, view, address + path) as page:
                        page.screenshot(path=target, full_page=True)
                    print(target)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
