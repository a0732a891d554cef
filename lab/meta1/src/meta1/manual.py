"""Write meta1.conf(5), or its tables for the book, from the declarations of the options."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meta1 import VERSION, manual_access
from meta1.config import Config, Module
from meta1.config.compound import Flags, Maybe
from meta1.config.schema import Count, Option, Origin, Section, SubSection, options_of, sections_of
from meta1.roff import escape

_INTRODUCTION = """\
The file is a sequence of options and sections.
An option is a name, =, and one value with a ; behind it, or a list of values in braces with commas
between them; a ; behind the list may be left out.
A section is a keyword, for some sections a name, and options and sections in braces; a ; behind it
may be left out.
Names and keywords are not case sensitive. Layout does not matter. # begins a comment that goes to
the end of the line.
---
A value is a word, or a string in double quotes. Strings may hold the escapes of C; strings that
follow each other are one string. Where a list is possible, a single value may stand without braces.
A time is a number of seconds, or numbers with the units w d h m s, such as 5m3s. A size is a number
of bytes, or a number with the unit K, M, G or T. A flag is switched off by dont_ before its name.
---
The sections of the modules stand in the order in which mcp stops them; it starts the last one
first. A file with any fault is refused as a whole, and all its faults are shown with file, line and
column."""


_SHARED = ("log",)


@dataclass(frozen=True, slots=True)
class Part:
    """One section with the path of keywords that leads to it."""

    title: str
    section: type[Section]
    declared: SubSection | None


def parts(
    section: type[Section] = Config, path: str = "", seen: set[object] | None = None
) -> Iterator[Part]:
    """Every kind of section, outer ones first; what several modules share is told once."""
    seen = set() if seen is None else seen
    for each in sections_of(section):
        title = f"{path} / {each.keyword}" if path else each.keyword
        if (each.section, each.keyword) in seen:
            continue
        seen.add((each.section, each.keyword))
        is_shared = each.keyword in _SHARED
        yield Part(f"any module / {each.keyword}" if is_shared else title, each.section, each)
        yield from parts(each.section, title, seen)


def _default(each: Option) -> str:
    """The default as the file would say it, or in words."""
    shown = each.kind.show(each.default)
    return shown.removeprefix("# ")


def _is_own(part: Part, each: Option) -> bool:
    """Whether an option belongs to this section alone: the common ones are told once."""
    if not issubclass(part.section, Module):
        return True
    common = {option.attribute: option for option in options_of(Module)}
    return each.attribute not in common or each.meaning != common[each.attribute].meaning


def _flags(each: Option) -> dict[str, str]:
    kind = each.kind.kind if isinstance(each.kind, Maybe) else each.kind
    return dict(kind.known) if isinstance(kind, Flags) else {}


def roff() -> Iterator[str]:
    """The manual page."""
    yield f'.TH META1.CONF 5 "" "MeTA1 {VERSION}" "MeTA1"'
    yield ".SH NAME\nmeta1.conf \\- configuration file of MeTA1"
    yield ".SH DESCRIPTION"
    for paragraph in _INTRODUCTION.split("---\n"):
        yield ".PP\n" + escape(paragraph.strip())
    yield ".PP\nOptions marked * are additions of this implementation; all others are named in"
    yield "public documents on MeTA1."
    yield ".SH OPTIONS OF ALL PARTS"
    yield from _roff_options(Part("", Config, None))
    yield ".SH OPTIONS OF EVERY MODULE"
    yield from _roff_module()
    for part in parts():
        if "/" not in part.title:
            yield f".SH SECTION {part.title}"
        else:
            yield f'.SS "{part.title}"'
        assert part.declared is not None
        yield escape(_sentence(part.declared))
        yield from _roff_options(part)
    pages = ("meta1", "mcp", "smtps", "smtpc", "qmgr", "smar", "metaconf", "createmap")
    yield ".SH SEE ALSO\n" + ",\n".join(f".BR {each} (8)" for each in pages)


def _roff_module() -> Iterator[str]:
    for each in options_of(Module):
        yield from _roff_option(each)


def _roff_options(part: Part) -> Iterator[str]:
    for each in options_of(part.section):
        if _is_own(part, each):
            yield from _roff_option(each)


def _roff_option(each: Option) -> Iterator[str]:
    mark = "*" if each.origin is Origin.OURS else ""
    yield f".TP\n.BR {each.spelling} \" {mark}\"" if mark else f".TP\n.B {each.spelling}"
    yield escape(f"{_capital(each.meaning)}.")
    yield escape(f"Value: {each.kind.expected}.")
    yield escape(f"Default: {_default(each)}.")
    for flag, meaning in _flags(each).items():
        yield f".br\n.I {escape(flag)}:\n{escape(meaning)}."


def _capital(text: str) -> str:
    is_word = text[1:2].islower() or text[1:2] == " "
    return text[:1].upper() + text[1:] if is_word and not text.split()[0].endswith(":") else text


def _sentence(declared: SubSection) -> str:
    ours = " An addition of this implementation." if declared.origin is Origin.OURS else ""
    often = "" if declared.count is Count.ONE else f" It may stand {declared.count.value}."
    return f"{_capital(declared.meaning)}.{often}{ours}"


def markdown() -> Iterator[str]:
    """The same as tables for the book: one table a section."""
    yield from _table("Options of all parts", "", list(options_of(Config)))
    yield from _table("Options of every module", "", list(options_of(Module)))
    for part in parts():
        assert part.declared is not None
        own = [each for each in options_of(part.section) if _is_own(part, each)]
        yield from _table(f"Section `{part.title}`", _sentence(part.declared), own)


def _table(title: str, text: str, options: list[Option]) -> Iterator[str]:
    yield f"## {title}\n"
    if text:
        yield f"{text}\n"
    yield "| option | meaning | value | default | named in |"
    yield "| --- | --- | --- | --- | --- |"
    for each in options:
        flags = "; ".join(f"`{flag}`: {meaning}" for flag, meaning in _flags(each).items())
        meaning = f"{each.meaning}; {flags}" if flags else each.meaning
        source = "MeTA1 documents" if each.origin is Origin.DOCUMENTED else "ours"
        cells = (f"`{each.spelling}`", meaning, each.kind.expected, _default(each), source)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


WRITERS = {
    "meta1.conf.5": roff,
    "meta1.conf.md": markdown,
    "meta1.access.5": manual_access.roff,
    "meta1.access.md": manual_access.markdown,
}


def main(argv: list[str]) -> int:
    """Write every page into a directory."""
    for name, write in WRITERS.items():
        Path(argv[0], name).write_text("\n".join(write()) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
