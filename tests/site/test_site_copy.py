"""What the copy buttons of the real chapters give is what the notebook's cell says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import served
from playwright.sync_api import Browser, Page
from views import opened

sys.path.insert(0, str(served.ROOT / "book/_ext"))
from labsite.cells import shown_file

NOTEBOOKS = sorted((served.ROOT / "notebooks").glob("*.ipynb"))
BUTTONS = ".cell:not(.file) .cell_input button.copybtn"
"""Those of what is to be typed; a file that is shown has one as well."""

COPIED = """() => [...document.querySelectorAll('.cell:not(.file) .cell_input')].map(cell => {
    const button = cell.querySelector('button.copybtn');
    let given = null;  // what the page hands to the clipboard: a selected field, and a word to the browser
    document.execCommand = word => { given = word === 'copy' && document.activeElement.value; return true; };
    button?.click();
    return given;
})"""


def commands(notebook: Path) -> list[str]:
    """What is to be typed, of each cell that does more than show a file: less the line that says where it runs."""
    cells: list[dict[str, Any]] = json.loads(notebook.read_text())["cells"]
    found = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and source and not shown_file(source):
            lines = source.splitlines()
            found.append("\n".join(lines[1:] if lines[0].startswith("%%vm") else lines).strip())
    return found


@pytest.fixture(scope="module")
def reader(browser: Browser, site_address: str) -> Iterator[Page]:
    """A page that stays open from chapter to chapter."""
    with opened(browser, "desktop", f"{site_address}notebooks/{NOTEBOOKS[0].stem}.html") as page:
        yield page


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_button_gives_the_commands_exactly(
    reader: Page, site_address: str, notebook: Path
) -> None:
    """No prompt, nothing that a machine answered, nothing left out, in any cell of the chapter."""
    reader.goto(f"{site_address}notebooks/{notebook.stem}.html")
    copied = reader.evaluate(COPIED)
    assert [text and text.strip() for text in copied] == commands(notebook)


def test_a_click_puts_them_on_the_clipboard(browser: Browser, site_address: str) -> None:
    """By mouse and by keyboard."""
    notebook = NOTEBOOKS[1]
    with opened(browser, "desktop", f"{site_address}notebooks/{notebook.stem}.html") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        buttons = page.locator(BUTTONS)
        wanted = commands(notebook)
        for number in (1, len(wanted) // 2, len(wanted) - 1):
            buttons.nth(number).click()
            assert page.evaluate("navigator.clipboard.readText()") == wanted[number]
        buttons.nth(2).focus()
        page.keyboard.press("Enter")
        assert page.evaluate("navigator.clipboard.readText()") == wanted[2]
