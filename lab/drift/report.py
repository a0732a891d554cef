"""Tells the outcome: Markdown for people, JUnit for CI, JSON for programs, text for a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree as ET

from lab.drift.outcome import MOST_MASKED_OVERALL, CellResult, NotebookResult, Outcome

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SAID = {
    "same": "the same",
    "drift": "DRIFT",
    "updated": "updated",
    "unchanged": "unchanged",
    "failed": "FAILED",
    "blocked": "NOT RUN",
}


def write(outcome: Outcome, folder: Path) -> None:
    """Write all three files into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "junit.xml").write_bytes(junit(outcome))
    (folder / "report.json").write_text(as_json(outcome))
    (folder / "summary.md").write_text(summary(outcome))


def verdict(outcome: Outcome) -> str:
    """The last line of a run."""
    count = dict.fromkeys(_SAID, 0)
    for notebook in outcome.notebooks:
        count[notebook.status] += 1
    parts = [f"{number} {_SAID[status]}" for status, number in count.items() if number]
    parts.append(f"rules hide {outcome.masked_share:.1%} of the output")
    total = len(outcome.notebooks)
    what = f"{total} notebook{'s' * (total != 1)} in {outcome.seconds:.1f} s"
    return f"{what}: {', '.join(parts)}"


def text(outcome: Outcome) -> str:
    """What a terminal shows at the end: every cell to look at, dead rules, the verdict."""
    return "\n".join([*_text_lines(outcome), verdict(outcome)])


def _text_lines(outcome: Outcome) -> Iterator[str]:
    for notebook in outcome.notebooks:
        for cell in notebook.wrong:
            said = "updated" if notebook.status == "updated" else cell.status
            yield f"{notebook.name}, {cell.place}: {said}"
            yield from (f"  {line}" for line in _detail(cell).split("\n"))
            yield ""
        if notebook.status in ("failed", "blocked"):
            yield f"{notebook.name}: {notebook.message}"
    yield from (f"rule {name} matched nothing: remove it" for name in outcome.dead_rules)
    if outcome.too_masked:
        yield too_masked(outcome)
    if outcome.error:
        yield outcome.error


def too_masked(outcome: Outcome) -> str:
    """Why a run fails in which every cell is the same, and where to begin to mend it."""
    most = max(outcome.notebooks, key=lambda notebook: notebook.masked)
    return (
        f"rules hide {outcome.masked_share:.1%} of all output, {MOST_MASKED_OVERALL:.0%} at most: "
        f"print less of what changes, {most.name} has the most of it"
    )


def _detail(cell: CellResult) -> str:
    return "\n".join(filter(None, [cell.message, cell.diff]))


def summary(outcome: Outcome) -> str:
    """A page in Markdown: the notebooks, what drifted, and the accounts of the rules."""
    return "\n".join([*_summary_lines(outcome), ""])


def _summary_lines(outcome: Outcome) -> Iterator[str]:
    yield from ["# Drift check", "", f"{verdict(outcome)}.", ""]
    if outcome.error:
        yield from _fenced(outcome.error)
    yield from ["| notebook | result | cells | to look at | s |", "| --- | --- | --: | --: | --: |"]
    for notebook in outcome.notebooks:
        said = notebook.message if notebook.status == "unchanged" else _SAID[notebook.status]
        figures = f"{len(notebook.cells)} | {len(notebook.wrong)} | {notebook.seconds:.1f}"
        yield f"| {notebook.name} | {said} | {figures} |"
    yield ""
    if outcome.too_masked:
        yield from [f"{too_masked(outcome)}.", ""]
    for notebook in outcome.notebooks:
        yield from _section(notebook)
    yield from ["## Rules", "", "| rule | matches |", "| --- | --: |"]
    for name, count in outcome.hits.items():
        yield f"| {name} | {count}{' (dead: remove it)' if name in outcome.dead_rules else ''} |"


def _section(notebook: NotebookResult) -> Iterator[str]:
    if notebook.status in ("failed", "blocked") or notebook.wrong:
        yield from [f"## {notebook.name}: {_SAID[notebook.status]}", ""]
    if notebook.status in ("failed", "blocked"):
        yield from _fenced(notebook.message)
    for cell in notebook.wrong:
        yield from [f"### Cell {cell.number} `{cell.cell_id}`: {cell.status}", ""]
        yield from _fenced(cell.line, "python")
        if cell.message:
            yield from _fenced(cell.message)
        if cell.diff:
            yield from _fenced(cell.diff, "diff")


def _fenced(content: str, language: str = "text") -> list[str]:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", content, fence, ""]


def as_json(outcome: Outcome) -> str:
    """Everything, with what is worked out from it."""
    worked_out = {
        "exit_code": outcome.exit_code,
        "dead_rules": outcome.dead_rules,
        "masked_share": round(outcome.masked_share, 4),
        "too_masked": outcome.too_masked,
        "rule_hits": outcome.hits,
    }
    return json.dumps({**worked_out, **asdict(outcome)}, indent=1) + "\n"


def junit(outcome: Outcome) -> bytes:
    """A test suite a notebook, a test case a cell; one more suite for the rules."""
    root = ET.Element("testsuites", name="drift", time=f"{outcome.seconds:.3f}")
    for notebook in outcome.notebooks:
        cases = [_case(notebook, cell) for cell in notebook.cells]
        _suite(root, notebook.name, cases or [_bare(notebook)])
    rules = [_told("rules", name, "failure", "matched nothing") for name in outcome.dead_rules]
    if outcome.too_masked:
        rules.append(_told("rules", "all of them", "failure", too_masked(outcome)))
    if rules:
        _suite(root, "rules", rules)
    if outcome.error:
        _suite(root, "lab", [_told("lab", "lab", "error", outcome.error)])
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _suite(root: ET.Element, name: str, cases: list[ET.Element]) -> None:
    suite = ET.SubElement(root, "testsuite", name=name, tests=str(len(cases)))
    for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(kind) is not None for case in cases)))
    suite.extend(cases)


def _case(notebook: NotebookResult, cell: CellResult) -> ET.Element:
    kind = {"failed": "error", "drift": "failure", "masked": "failure"}.get(cell.status, "skipped")
    if cell.status == "same" or (notebook.status == "updated" and cell.status == "drift"):
        kind = ""
    case = _told(notebook.name, cell.place, kind, _detail(cell))
    case.set("time", f"{cell.seconds:.3f}")
    return case


def _bare(notebook: NotebookResult) -> ET.Element:
    """The case of a notebook of which no cell ran."""
    kind = "error" if notebook.status == "blocked" else ""
    return _told(notebook.name, notebook.message, kind, notebook.message)


def _told(suite: str, name: str, kind: str, said: str) -> ET.Element:
    case = ET.Element("testcase", classname=suite, name=_xml(name))
    if kind:
        first, *_ = said.split("\n")
        ET.SubElement(case, kind, message=_xml(first)).text = _xml(said)
    return case


def _xml(said: str) -> str:
    """Text less the control characters that XML has no way to hold."""
    return _NOT_XML.sub("?", said)
