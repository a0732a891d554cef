"""Puts an executed notebook against the stored one, cell by cell: pure, tested without a kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from lab.drift.canonical import joined, tidy
from lab.drift.compare import Verdict, compare
from lab.drift.notebooks import IGNORE, asked, first_line, runs, tagged
from lab.drift.outcome import CellResult, NotebookResult, Status
from lab.drift.page import as_node
from lab.drift.rules import RuleSet
from lab.drift.sticky import merged
from lab.errors import last_lines

if TYPE_CHECKING:
    from lab.drift.execute import Execution, Failure


def judge(name: str, stored: NotebookNode, execution: Execution, rules: RuleSet) -> NotebookResult:
    """The verdict on each cell and on the whole; cells after one that failed are not judged."""
    cells = tuple(_cells(name, stored, execution, rules))
    hits = Counter(dict.fromkeys(own_rules(name, stored, rules), 0))
    for cell in cells:
        hits.update(cell.hits)
    return NotebookResult(
        name,
        _status(cells),
        seconds=sum(execution.seconds),
        cells=cells,
        message=_message(name, execution.failure, cells),
        masked=sum(cell.masked for cell in cells),
        total=sum(cell.total for cell in cells),
        hits=dict(hits),
    )


def own_rules(name: str, stored: NotebookNode, rules: RuleSet) -> list[str]:
    """Names of the rules that the cells bring along; a wish that cannot be met is a `LabError`."""
    cells = [cell for cell in stored.cells if runs(cell)]
    found = [rule.name for cell in cells for rule in rules.for_cell(cell, _place(name, cell))]
    return [rule for rule in found if rule not in rules.names]


def updated(name: str, stored: NotebookNode, execution: Execution, rules: RuleSet) -> NotebookNode:
    """The stored notebook with the new output in each cell that drifted, line by line."""
    result = deepcopy(stored)
    for cell, fresh in zip(result.cells, execution.notebook.cells, strict=True):
        if not runs(cell):
            continue
        old, new = joined(cell.outputs), tidy_outputs(fresh)
        if not old or not (tagged(cell, IGNORE) or _compare(name, cell, fresh, rules).same):
            kept = merged(old, new, rules.for_cell(cell, _place(name, cell)))
            cell.outputs = [as_node(output) for output in kept]
    return tidy(result)


def tidy_outputs(cell: NotebookNode) -> list[NotebookNode]:
    """A cell's outputs in the form in which they would be stored."""
    return list(tidy(as_node({"metadata": {}, "cells": [cell]})).cells[0].outputs)


def _cells(
    name: str, stored: NotebookNode, execution: Execution, rules: RuleSet
) -> Iterator[CellResult]:
    seconds = iter(execution.seconds)
    number = 0
    for index, cell in enumerate(stored.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        result = CellResult(0, cell.id, first_line(cell.source), "skipped")
        if not runs(cell):
            yield replace(result, message="tagged skip-execution")
            continue
        number += 1
        result = replace(result, number=number, seconds=next(seconds, 0.0))
        fresh = execution.notebook.cells[index]
        if execution.failure and index == execution.failure.index:
            yield replace(result, status="failed", message=_reason(execution.failure, fresh))
            return
        yield _judged(name, result, cell, fresh, rules)


def _judged(
    name: str, result: CellResult, cell: NotebookNode, fresh: NotebookNode, rules: RuleSet
) -> CellResult:
    if tagged(cell, IGNORE):
        return replace(result, status="ignored", message=asked(cell)["reason"])
    verdict = _compare(name, cell, fresh, rules)
    result = replace(
        result,
        status="same" if verdict.same else "drift",
        diff=verdict.diff,
        masked=verdict.masked,
        total=verdict.total,
        hits=verdict.hits,
    )
    if not result.too_masked:
        return result
    share = f"rules hide {verdict.masked / verdict.total:.0%} of this output"
    return replace(
        result,
        status="masked" if verdict.same else "drift",
        message=f"{share}: print something that stays the same, or tag it {IGNORE} and say why",
    )


def _compare(name: str, cell: NotebookNode, fresh: NotebookNode, rules: RuleSet) -> Verdict:
    matcher = asked(cell).get("match", "same")
    return compare(cell.outputs, fresh.outputs, rules.for_cell(cell, _place(name, cell)), matcher)


def _status(cells: tuple[CellResult, ...]) -> Status:
    found = {cell.status for cell in cells}
    if "failed" in found:
        return "failed"
    return "drift" if found & {"drift", "masked"} else "same"


def _place(name: str, cell: NotebookNode) -> str:
    return f"{name}, cell {cell.id}"


def _reason(failure: Failure, cell: NotebookNode) -> str:
    said = f"{failure.ename}: {failure.evalue}" if failure.ename else failure.evalue
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    more = "longer: notebook metadata drift.timeout" if failure.kind == "timeout" else ""
    return "\n".join([said, *last_lines(printed), *filter(None, [more])])


def _message(name: str, failure: Failure | None, cells: tuple[CellResult, ...]) -> str:
    """Where a failed notebook stopped, and how to go on from there."""
    if not failure:
        return ""
    return (
        f"stopped at {cells[-1].place}; the lab is as that cell left it\n"
        f"  next: lab drift {name}   (puts the lab where it starts, and runs it again)"
    )
