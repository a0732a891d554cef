"""Manual pages and the heads of shell scripts as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

CHARACTERS = {r"\-": "-", r"\(ss": "ß", r"\e": "\\", r"\&": ""}
FONTS = {"B": "**", "I": "*", "R": ""}


def plain(text: str) -> str:
    """Text without the marks of roff."""
    for mark, meant in CHARACTERS.items():
        text = text.replace(mark, meant)
    return re.sub(r"\\f[BIRP]", "", text)


def words(line: str) -> list[str]:
    """The arguments of a macro; quoted ones may hold blanks."""
    return [quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', plain(line))]


def text_of(line: str) -> str:
    """A line of a page as plain text, its macro undone."""
    macro = re.match(r"\.(BR|RB|BI|IR|RI|IB|B|I)\b ?(.*)", line)
    if not macro:
        return plain(line)
    return ("" if len(macro[1]) == 2 else " ").join(words(macro[2]))


def section(page: str, name: str) -> list[str]:
    """The lines of one section."""
    return page.partition(f".SH {name}\n")[2].partition("\n.SH ")[0].splitlines()


def paragraph(lines: list[str]) -> str:
    """Lines of running text as one paragraph."""
    return " ".join(text_of(line) for line in lines if not line.startswith((".PP", ".TP", ".nf")))


def synopsis(page: str) -> str:
    """The command lines of a program."""
    text = " ".join("\n" if line == ".br" else text_of(line) for line in section(page, "SYNOPSIS"))
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def tagged(page: str, name: str) -> Iterator[tuple[str, str]]:
    """What a section explains, one by one: an option, a command, a signal, a file."""
    for part in "\n".join(section(page, name)).split(".TP\n")[1:]:
        head, *rest = part.splitlines()
        yield text_of(head), paragraph(rest)


def name_of(page: str) -> tuple[str, str]:
    """The name of a program and what it is in a few words."""
    name, _, meaning = paragraph(section(page, "NAME")).partition(" - ")
    return name, meaning


def head_of(script: str) -> str:
    """The comment at the head of a shell script, as its -h prints it; places filled in as usual."""
    lines = script.splitlines()[1:]
    head = [line.removeprefix("#").removeprefix(" ") for line in lines[: lines.index("set -u")]]
    text = "\n".join(head).strip()
    places = {"ETCDIR": "/etc/meta1", "SPOOLDIR": "/var/spool/meta1", "RUNDIR": "/run/meta1"}
    places |= {"SBINDIR": "/usr/local/sbin"}
    return re.sub(r"@(\w+)@", lambda found: places[found[1]], text)
