"""The page of recorded runs: `{drift-history}` shows the last ones of each chapter, and what they ran on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lab.drift.history import PATH, Run, load
from labsite.chapter import PROVIDERS, SAID, day, duration, versions

SHOWN = 6
"""Runs that the page shows, the newest first."""
MARKS = {"same": "✓", "updated": "✓", "drift": "≠", "failed": "✗"}


def paragraph(*content: nodes.Node | str) -> nodes.paragraph:
    """A paragraph of words and nodes."""
    return nodes.paragraph("", "", *(nodes.Text(c) if isinstance(c, str) else c for c in content))


def table(head: Sequence[str], rows: Sequence[Sequence[nodes.Node]], kind: str) -> nodes.table:
    """A table of nodes under its heads."""
    group = nodes.tgroup("", cols=len(head))
    group += [nodes.colspec("", colwidth=1) for _ in head]
    group += nodes.thead("", nodes.row("", *(nodes.entry("", paragraph(word)) for word in head)))
    group += nodes.tbody(
        "", *(nodes.row("", *(nodes.entry("", cell) for cell in row)) for row in rows)
    )
    return nodes.table("", group, classes=[kind])


def turn(chapter: str, run: Run) -> nodes.Node:
    """What became of a chapter in a run: a mark and its seconds, and the result in words if it is not the usual one."""
    found = run.chapters.get(chapter)
    if found is None:
        return paragraph("–")
    words = f"{MARKS.get(found.result, '?')} {found.seconds:.1f} s"
    said = "" if found.result == "same" else f" {SAID.get(found.result, found.result)}"
    mark = nodes.inline("", words + said, classes=["turn", f"turn-{found.result}"])
    return paragraph(mark)


class DriftHistory(SphinxDirective):
    """Two tables: chapters by runs, and the runs themselves."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Make them from book/history.jsonl; the page is written again when a run is added."""
        self.env.note_dependency(str(PATH))
        every = load()[::-1]
        runs = every[:SHOWN]
        if not runs:
            return [
                paragraph("No run is recorded yet; `lab drift --record` adds one.".replace("`", ""))
            ]
        return [
            self._chapters(sorted({name for run in every for name in run.chapters}), runs),
            nodes.rubric("", "What they ran on"),
            self._runs(runs),
        ]

    def _chapters(self, names: Sequence[str], runs: Sequence[Run]) -> nodes.table:
        head = ["chapter", *(f"{day(run)}, {run.machine.provider}" for run in runs)]
        rows = [[self._link(name), *(turn(name, run) for run in runs)] for name in names]
        made = table(head, rows, "drift-history")
        for name, row in zip(names, list(made.findall(nodes.row))[1:], strict=True):
            row["ids"].append(name)
        return made

    def _link(self, name: str) -> nodes.Node:
        """The chapter by its title, which is known only when all pages are read."""
        if f"notebooks/{name}" not in self.env.found_docs:
            return paragraph(name)  # a chapter that is no more
        where = {"refdomain": "std", "reftype": "doc", "reftarget": f"/notebooks/{name}"}
        known = {"refdoc": self.env.docname, "refexplicit": False, "refwarn": True}
        return paragraph(addnodes.pending_xref("", nodes.inline("", name), **where, **known))

    def _runs(self, runs: Sequence[Run]) -> nodes.table:
        rows = []
        for run in runs:
            results = [each.result for each in run.chapters.values()]
            same = sum(result in ("same", "updated") for result in results)
            seconds = sum(each.seconds for each in run.chapters.values())
            rows.append(
                [
                    paragraph(f"{day(run)}, {run.date[11:16]} UTC"),
                    paragraph(
                        f"{same} of {len(results)} chapters as printed, in {duration(seconds)}"
                    ),
                    paragraph(PROVIDERS.get(run.machine.provider, run.machine.provider)),
                    paragraph("image ", nodes.literal("", run.machine.image), f": {versions(run)}"),
                    paragraph(nodes.literal("", run.commit or "unknown")),
                ]
            )
        return table(["when", "result", "machine", "what was on it", "commit"], rows, "drift-runs")


def setup(app: Sphinx) -> None:
    """Make the directive known."""
    app.add_directive("drift-history", DriftHistory)
