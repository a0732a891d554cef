"""The head of a chapter: time, what it starts from, when it was last verified and on what; and how to run it.

A notebook begins with a table of two rows, for JupyterLab. The site puts a panel in its place, whose figures come from
the recorded runs (book/history.jsonl); nobody types them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import PurePosixPath

from docutils import nodes
from sphinx.application import Sphinx

from lab.drift.history import PATH, Run, last_of, load

PROVIDERS = {"container": "in a container", "vagrant": "in a virtual machine"}
SAID = {"same": "all as printed here", "updated": "outputs stored anew", "drift": "drifted"}
NEVER = "no run is recorded yet"


def day(run: Run) -> str:
    """Day of a run as people write it: 25 November 2026."""
    return f"{datetime.fromisoformat(run.date):%-d %B %Y}"


def duration(seconds: float) -> str:
    """Seconds as people say them: 8 seconds, 4 minutes."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} seconds" if round(seconds) != 1 else "1 second"
    return f"{round(seconds / 60)} minutes"


def times(chapter: str, runs: Sequence[Run]) -> str:
    """How long the last run took, on each provider that ever ran it."""
    found = {kind: last_of(chapter, runs, kind) for kind in PROVIDERS}
    said = [
        f"{duration(run.chapters[chapter].seconds)} {PROVIDERS[kind]}"
        for kind, run in found.items()
        if run
    ]
    return ", ".join(said) or NEVER


def versions(run: Run) -> str:
    """What was on the machine, without Debian's revisions: Debian 12.5, MeTA1 1.0, ..."""
    names = {"cyrus-imapd": "Cyrus IMAP", "openssl": "OpenSSL", "python3": "Python"}
    return ", ".join(
        f"{names.get(name, name)} {re.sub(r'[-+~].*', '', version)}"
        for name, version in run.machine.versions.items()
    )


def verified(chapter: str, runs: Sequence[Run]) -> tuple[str, str]:
    """When the chapter last ran and how that ended; and on what."""
    run = last_of(chapter, runs)
    if run is None:
        return NEVER, ""
    result = run.chapters[chapter].result
    machine = (
        f"image {run.machine.image}, {PROVIDERS.get(run.machine.provider, run.machine.provider)}"
    )
    return f"{day(run)}: {SAID.get(result, result)}", f"{machine}: {versions(run)}"


def number_of(chapter: str) -> int:
    """7 for ``07-meta1-conf``."""
    return int(chapter.split("-")[0])


def find_table(doctree: nodes.document) -> nodes.table | None:
    """The table under the title of a chapter, known by the words of its first column."""
    for table in doctree.findall(nodes.table):
        if [row[0].astext() for row in table.findall(nodes.row)][-2:] == ["Time to run", "Before"]:
            return table
        return None
    return None


def fact(name: str, *content: nodes.Node) -> nodes.definition_list_item:
    """One line of the panel."""
    return nodes.definition_list_item(
        "", nodes.term("", name), nodes.definition("", nodes.paragraph("", "", *content))
    )


def facts(chapter: str, before: nodes.Element, runs: Sequence[Run]) -> Iterator[nodes.Node]:
    """The lines of the panel."""
    words = [
        child.deepcopy() for paragraph in before.findall(nodes.paragraph) for child in paragraph
    ]
    number = number_of(chapter)
    start = "a fresh machine" if number == 1 else f"the end of chapter {number - 1}"
    yield fact("Time to run", nodes.Text(times(chapter, runs)))
    yield fact("Before", *words)
    yield fact("Starts from", nodes.Text(f"{start}: "), nodes.literal("", f"lab goto {number}"))
    result, machine = verified(chapter, runs)
    place = f"#{chapter}" if last_of(chapter, runs) else ""
    link = nodes.raw(
        "",
        f'<a class="reference internal" href="../book/history.html{place}">{escape(result)}</a>',
        format="html",
    )
    yield fact("Last verified", link)
    if machine:
        yield fact("Verified on", nodes.Text(machine))


def shell(*lines: str) -> nodes.literal_block:
    """Commands for the reader's own computer, to be copied without a prompt."""
    text = "\n".join(lines)
    return nodes.literal_block(text, text, language="vm-user")


WAYS: Mapping[str, tuple[str, Sequence[str]]] = {
    "Container.": (
        "In a checkout of this book, on Debian or Ubuntu; ready in seconds.",
        ("make setup", "{lab} --provider container up", "{lab} goto {number}", "make run"),
    ),
    "Vagrant.": (
        "The same in a virtual machine; lab doctor says what is missing for it.",
        (
            "make setup",
            "{lab} --lab vm --provider vagrant up",
            "{lab} --lab vm goto {number}",
            "LAB_NAME=vm make run",
        ),
    ),
    "Dev container or Codespaces.": (
        "Open the checkout in it (.devcontainer says how it is made); there:",
        ("{lab} goto {number}", "make run"),
    ),
    "Several at one computer.": (
        "As many labs as there are people, each by a name of its own; a class has a page of its own.",
        ("{lab} --lab alice goto {number}", "LAB_NAME=alice make run"),
    ),
    "From a checkpoint.": (
        "Once a chapter is done, going back to its start takes a second; then see whether it is done.",
        ("{lab} reset {number}", "{lab} check {number}"),
    ),
}
"""Ways to run a chapter: what is to be said of each, and the commands."""


def run_it_yourself(chapter: str) -> Iterator[nodes.Node]:
    """Every way to run this very chapter, folded under one line."""
    yield nodes.raw(
        "",
        '<details class="run-it"><summary>Run it yourself</summary><div class="ways">',
        format="html",
    )
    for title, (words, lines) in WAYS.items():
        head = nodes.strong("", title)
        yield nodes.paragraph("", "", head, nodes.Text(f" {words}"), classes=["way"])
        yield shell(
            *(line.format(lab=".venv/bin/lab", number=number_of(chapter)) for line in lines)
        )
    name = f"{chapter}.ipynb"
    yield nodes.raw(
        "",
        '<p class="way"><strong>Only the notebook.</strong> '
        f'<a href="../_sources/notebooks/{name}" download="{name}">Download {name}</a>, '
        "without its lab: to read, or to put into a checkout of the same version.</p></div></details>",
        format="html",
    )


def show_head(app: Sphinx, doctree: nodes.document) -> None:
    """Put the panel into a chapter, in place of its table."""
    page = PurePosixPath(app.env.docname)
    if page.parent.name != "notebooks" or not re.match(r"\d\d-", page.name):
        return
    table = find_table(doctree)
    if table is None:
        return
    app.env.note_dependency(str(PATH))
    before = list(table.findall(nodes.row))[-1][1]
    lines = nodes.definition_list("", *facts(page.name, before, load()))
    panel = nodes.container("", lines, *run_it_yourself(page.name), classes=["chapter-head"])
    table.replace_self(panel)


def setup(app: Sphinx) -> None:
    """Work on each chapter before its cells get their looks."""
    app.connect("doctree-read", show_head, priority=400)
