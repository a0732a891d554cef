"""Write the reference, book/reference/*.md, from the code of MeTA1 in lab/meta1.

Usage: PYTHONPATH=book/_ext python -m labsite.reference [FOLDER]      `make fix` does it
The pages are kept in git, to be read wherever Markdown is; a test compares them with fresh ones.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from labsite import reference_code as code
from labsite import reference_manual as manual

ROOT = Path(__file__).resolve().parents[3]
TREE = ROOT / "lab" / "meta1"
PACKAGE = TREE / "src" / "meta1"
FOLDER = ROOT / "book" / "reference"
NOTICE = "<!-- Made from lab/meta1 by `make fix`; edit there, not here. -->\n"
SCRIPTS = ("mcp.sh", "sm.check.sh", "sm.setup.sh")
SECTION = re.compile(r"## (?:Section `(.*)`|(.*))")
DOCUMENTED, OURS = "MeTA1 documents", "ours"


def tables() -> dict[str, str]:
    """What MeTA1 itself writes for the book: meta1.conf.md and meta1.access.md."""
    environment = {**os.environ, "PYTHONPATH": str(TREE / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "meta1.manual", folder]
        subprocess.run(command, check=True, env=environment)
        return {path.name: path.read_text() for path in Path(folder).glob("*.md")}


def row(*cells: str) -> str:
    """One line of a table; nothing in it is taken for HTML or for the end of a cell."""
    safe = (re.sub(r"(?<!\\)\|", r"\|", re.sub("<(?!br>)", r"\<", cell)) for cell in cells)
    return f"| {' | '.join(safe)} |"


def table(heads: Iterable[str], rows: Iterable[str]) -> Iterator[str]:
    """A table, with its end."""
    heads = list(heads)
    yield row(*heads)
    yield row(*("---" for _ in heads))
    yield from rows
    yield ""


def names(fields: Iterable[str]) -> str:
    """Names as code, with commas."""
    return ", ".join(f"`{each}`" for each in fields)


# -- the pages ------------------------------------------------------------------------------------


def options() -> Iterator[str]:
    """Every option of meta1.conf."""
    yield "# Options of meta1.conf\n"
    yield (
        "Each section with its options, as the man page meta1.conf(5) has them. A name marked *ours* is an"
        " addition of this implementation; all others are named in public documents on MeTA1. What a"
        " documented option does where the documents are silent, its default above all, is ours in"
        " either case: see [](../ours-and-the-original.md). How a value may be written is told in"
        " [chapter 7](../../notebooks/07-meta1-conf.ipynb).\n"
    )
    for line in tables()["meta1.conf.md"].splitlines():
        if found := SECTION.match(line):
            yield f"## {_title(found[1]) if found[1] else found[2]}"
        elif line.startswith("| option |"):
            yield row("option", "meaning")
        elif line.startswith("| ---"):
            yield row("---", "---")
        elif line.startswith("| `"):
            yield _option(*_cells(line))
        else:
            yield line.replace("<", "\\<")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _option(name: str, meaning: str, value: str, default: str, origin: str) -> str:
    mark = "<br>*ours*" if origin == OURS else ""
    return row(f"{name}{mark}", f"{meaning}.<br>Value: {value}. Default: {default}.")


def _title(path: str) -> str:
    inner, *outer = reversed(path.split(" / "))
    return f"Section `{inner}`" + "".join(f" in `{each}`" for each in outer).replace(
        "`any module`", "any module"
    )


def origin() -> Iterator[str]:
    """Which options of which section are documented, and which are ours: a part of a page."""
    rows = []
    section, found = "", {DOCUMENTED: list[str](), OURS: list[str]()}

    def flush() -> None:
        if any(found.values()):
            rows.append(row(section, *(names(found[each]) or "none" for each in found)))

    for line in tables()["meta1.conf.md"].splitlines():
        if title := SECTION.match(line):
            flush()
            found = {DOCUMENTED: [], OURS: []}
            section = f"`{title[1].replace(' / ', '` / `')}`" if title[1] else title[2]
        elif line.startswith("| `"):
            cells = _cells(line)
            found[cells[-1]].append(cells[0].strip("`"))
    flush()
    yield from table(("section", "documented names", "our additions"), rows)


def access_map() -> Iterator[str]:
    """Every tag and value of the access map."""
    yield "# The access map\n"
    yield (
        "What may stand in `/etc/meta1/access`, from which `createmap` makes `access.db`. Public"
        " documents on MeTA1 confirm two of the tags, `cltresolve:` and `smtpc_rcpt_conf:`; we have the"
        " first. The other tags and all values are ours, in the style of sendmail 8"
        " {cite}`sendmailcf`. Chapter [11](../../notebooks/11-relaying.ipynb) uses them.\n"
    )
    yield from (line.replace("<", "\\<") for line in tables()["meta1.access.md"].splitlines())


def replies() -> Iterator[str]:
    """Every reply."""
    yield "# Replies and status codes\n"
    yield (
        "The first digit decides: 2 yes, 3 go on, 4 not now, 5 no {cite}`rfc5321`. The three numbers"
        " behind it are the enhanced status code. Words in *italics* are filled in. Of the original's"
        " reply texts only the greeting, the lines after `EHLO` and the code 421 of a policy milter are"
        " documented; all texts here are ours.\n"
    )
    found = code.replies(PACKAGE)
    yield "## What the server says\n"
    yield (
        "From `smtps`, some of them on behalf of `smar` (access) and `qmgr` (queue). An entry of the"
        " access map with `error:` gives its own code, status and text. A client that the map does not"
        " want at all gets 554 or 421 in place of the greeting. Behind 554 the server waits ten seconds for QUIT,"
        " and answers 503 to all else.\n"
    )
    yield from _replies(each for each in found if _is_for_clients(each.path))
    yield "## What stands in `mailq`, log and bounces\n"
    yield (
        "The result of an attempt to route or deliver. Most such lines hold the reply of the other"
        " server, whose texts are its own; these are the ones that our programs make themselves.\n"
    )
    yield from _replies(each for each in found if not _is_for_clients(each.path))


def _is_for_clients(path: str) -> bool:
    at_the_door = ("smtps", "access", "queue/desk", *code.TO_CLIENTS)
    return path.startswith(at_the_door)


def _replies(found: Iterable[code.Reply]) -> Iterator[str]:
    seen: dict[tuple[int, str, str], dict[str, None]] = {}
    for each in found:
        key = (each.code, each.status, each.text)
        seen.setdefault(key, {})[code.process_of(each.path)] = None
    yield from table(
        ("reply", "text", "from"),
        (
            row(f"`{f'{number} {status}'.strip()}`", text, ", ".join(processes))
            for (number, status, text), processes in seen.items()
        ),
    )


def log() -> Iterator[str]:
    """Every fact of the log and every field."""
    facts, sayings = code.facts(PACKAGE)
    yield "# The log\n"
    yield (
        "A line is an id, a fact and fields: `S00000000000012E800 received size=412 ...`. Nothing is"
        " logged at a level above `log_level`; the severity goes to syslog. The form of the original's"
        " log lines is not public, so all of this is ours but the idea: one id for a message in all"
        " modules. Fields that are empty are left out.\n"
    )
    yield "## Facts\n"
    yield from table(("fact", "meaning"), map(_fact, facts))
    for kind, (title, sentence) in SAYINGS.items():
        yield f"## {title}\n"
        yield f"{sentence}\n"
        yield from table(
            ("name", "from", "further fields"),
            (
                row(_name(each), each.process, names(each.fields))
                for each in sayings
                if each.kind == kind
            ),
        )
    yield "## Fields\n"
    yield from table(("field", "meaning"), (row(f"`{k}`", v) for k, v in field_meanings().items()))


SAYINGS = {
    "trouble": (
        "Troubles",
        "Lines of the fact `trouble`, by their field `what`: something outside is wrong.",
    ),
    "broken": ("What may not happen", "Lines of the fact `broken`, by their field `what`."),
    "note": (
        "Notes",
        "Lines of level 16, for a person who looks for a fault. The name is the fact.",
    ),
}


def _fact(each: code.Fact) -> str:
    meaning = each.meaning.removesuffix(".").replace("``", "`")
    said = f"<br>Level {each.level}, {each.severity}; from {', '.join(each.processes)}."
    fields = f"<br>Fields: {names(each.fields)}." if each.fields else ""
    return row(f"`{each.name}`", f"{meaning}.{said}{fields}")


def _name(saying: code.Saying) -> str:
    return saying.what if "*" in saying.what else f"`{saying.what}`"


def field_meanings() -> dict[str, str]:
    """The table of manual_log.py."""
    for node in ast.parse((PACKAGE / "manual_log.py").read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "FIELDS":
            assert node.value is not None
            return dict(ast.literal_eval(node.value))
    raise LookupError("manual_log.py has no FIELDS")


def tools() -> Iterator[str]:
    """Every program with its options."""
    yield "# Programs and their options\n"
    yield (
        "From the manual pages and the scripts themselves; `man 8 qmgrctl` on the machine says more."
        " The names of the programs, and `-f` and `-V` of the modules, are documented of MeTA1"
        " {cite}`seed,port`; the other letters and all commands of `qmgrctl` are ours.\n"
    )
    for path in sorted((TREE / "man").glob("*.8")):
        page = path.read_text()
        if page.startswith(".so") or path.stem == "meta1":
            continue
        yield from _program(page)
    for script in SCRIPTS:
        head = manual.head_of((TREE / "misc" / f"{script}.in").read_text())
        yield f"## `{script}`\n"
        yield f"```text\n{head}\n```\n"


def _program(page: str) -> Iterator[str]:
    name, meaning = manual.name_of(page)
    yield f"## `{name}`\n"
    yield f"{meaning[:1].upper()}{meaning[1:]}.\n"
    yield f"```text\n{manual.synopsis(page)}\n```\n"
    for title, head in (("OPTIONS", "option"), ("COMMANDS", "command"), ("SIGNALS", "signal")):
        rows = [row(f"`{tag}`", text) for tag, text in manual.tagged(page, title)]
        if rows:
            yield from table((head, "meaning"), rows)
    yield f"Exit status: {manual.paragraph(manual.section(page, 'EXIT STATUS'))}\n"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "options.md": options,
    "access-map.md": access_map,
    "replies.md": replies,
    "log.md": log,
    "tools.md": tools,
    "origin.md": origin,
}
"""The pages; the last is a part of the page on ours and the original."""


def render(name: str) -> str:
    """The text of one page."""
    return NOTICE + "\n" + "\n".join(PAGES[name]()).rstrip("\n") + "\n"


def main(folder: Path = FOLDER) -> None:
    """Write all pages, leaving alone those that are right."""
    folder.mkdir(exist_ok=True)
    for name in PAGES:
        path, text = folder / name, render(name)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: {path.relative_to(ROOT) if folder == FOLDER else path}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
