"""Stored figures on a page: the directive `figures`, whose argument is a name below lab/bench/results.

    ```{figures} throughput          where, when and by which command it was measured
    ```
    ```{figures} throughput
    :table: accepted                 a table; `:chart: NAME` is a chart
    ```

The role `figure-of` quotes a single one in a sentence: {figure-of}`faults:lost`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.utils import Reporter
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from lab.bench.results import Cell, Results, Table, load, path_of
from lab.errors import LabError
from lab.pictures.chart import drawn
from labsite.pictures import themed

DATE = re.compile(r"\d{4}-\d\d-\d\d")


def shown(value: Cell) -> str:
    """Write a cell as people write figures: three digits that count, thousands set apart."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 100:
        return f"{round(value):,}".replace(",", "\u202f")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Figures(SphinxDirective):
    """A table, a chart, or where the figures come from."""

    required_arguments = 1
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {
        "table": directives.unchanged_required,
        "chart": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Read the figures; a page is written again when they are measured anew."""
        name = self.arguments[0]
        self.env.note_dependency(str(path_of(name)))
        try:
            found = load(name)
            if wanted := self.options.get("table"):
                return [_table(found.tables[wanted])]
            if wanted := self.options.get("chart"):
                chart = found.charts[wanted]
                picture = nodes.raw("", themed(drawn(chart)), format="html")
                return [nodes.figure("", picture, nodes.caption("", chart.caption))]
            return [_origin(found)]
        except (LabError, KeyError) as error:
            raise self.error(f"figures of {name}: {error}") from error


class FigureOf(SphinxRole):
    """One figure in a sentence: name of the results, a colon, name of the fact."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Look it up."""
        name, _, fact = self.text.partition(":")
        self.env.note_dependency(str(path_of(name)))
        try:
            return [nodes.Text(shown(load(name).facts[fact]))], []
        except (LabError, KeyError) as error:
            reporter: Reporter = self.inliner.reporter
            return [], [reporter.error(f"figure {self.text}: {error}", line=self.lineno)]


def _origin(found: Results) -> nodes.Node:
    said = nodes.paragraph("", "", classes=["measured"])
    said += nodes.Text(f"Measured on {found.date} by ")
    said += nodes.literal("", found.command)
    said += nodes.Text(f" at commit {found.commit or 'unknown'}, on {found.machine}.")
    return said


def _table(table: Table) -> nodes.Node:
    made = nodes.table("", nodes.title("", table.caption))
    group = nodes.tgroup("", cols=len(table.columns))
    group += [nodes.colspec("", colwidth=1) for _ in table.columns]
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    # A column with a number in it is one of numbers; a dash in it stands where they do.
    numeric = [any(isinstance(cell, int | float) for cell in column) for column in columns]
    group += nodes.thead("", _row(table.columns, numeric))
    group += nodes.tbody("", *(_row(row, numeric) for row in table.rows))
    made += group
    return made


def _row(cells: Sequence[Cell], numeric: Sequence[bool]) -> nodes.row:
    return nodes.row(
        "",
        *(
            nodes.entry("", nodes.paragraph("", shown(cell)), classes=_kind(cell, is_number))
            for cell, is_number in zip(cells, numeric, strict=True)
        ),
    )


def _kind(cell: Cell, is_number: bool) -> list[str]:
    """Classes of a cell, for its style."""
    if isinstance(cell, str) and DATE.fullmatch(cell):
        return ["date"]
    return ["number"] * is_number


def setup(app: Sphinx) -> None:
    """Make both known."""
    app.add_directive("figures", Figures)
    app.add_role("figure-of", FigureOf())
