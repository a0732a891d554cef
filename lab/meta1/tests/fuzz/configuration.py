"""Configuration files: right ones from the declarations, bent in every way; faults have places."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from fuzz.source import Source
from fuzz.target import must
from meta1.config import ConfigError, parse_config
from meta1.config.schema import Section, options_of, sections_of
from meta1.config.sections.root import Config
from meta1.config.show import show

EXAMPLES = tuple(
    path.read_text()
    for path in (
        Path(__file__).parents[1] / "data" / "tutorial-2006.conf",
        Path(__file__).parents[2] / "misc" / "meta1.conf.in",
    )
    if path.is_file()
)  # fmt: skip
MARKS = (
    b"{", b"}", b"=", b";", b",", b'"', b"\\", b"#", b"\n", b"\r\n", b"\0", b"\xff", b"\xc3\xa9",
    b'"x" "y"', b"{ { {", b"} }",
    b"\\x41", b"\\777", b"\\0", b"\\\n", b"smtps { }", b"a = b;", b"\xe2\x80\xa8", b"\x7f",
    b"99999999999999999999", b"\xef\xbb\xbf",
)  # fmt: skip
VALUES = (
    "1", "0", "25", "-1", "99999999999", "1k", "64M", "5m3s", "1d1d", "yes", "x", '"a b"', '""',
    '"\\n"', "127.0.0.1", "::1",
    "999.1.1.1", "lab.example", "a..b", "/tmp/x", "../x", "{ a, b }", "{ }",
    "{ 8bitmime, access }", "{ dont_8bitmime }",
    "{ PLAIN }", '"PLAIN LOGIN"', "inet", "unix", "hash", "wait", "pass", "é", '"\\x00"',
    '"' + "x" * 2000 + '"', "\u0661",
    "{ a, }", "{ , }", "1" * 30, "0x10", '"a\\\\b"', '"a\\"b"', "1e3", "noplaintext",
    "{ smtps, qmgr }", "host:25",
    '"\u2028"',
)  # fmt: skip
_FAULT = re.compile(r"f\.conf:([1-9][0-9]*):([1-9][0-9]*): \S.*")
FILE = "f.conf"


def section(source: Source, kind: type[Section], depth: int) -> str:
    """A section by its declaration, with right and wrong values."""
    lines = []
    for option in source.shuffled(tuple(options_of(kind)))[: source.below(4)]:
        if source.chance(2):
            shown = option.kind.show(option.default)
            value = source.choose(VALUES) if shown.startswith("# ") else shown
        else:
            value = source.choose(VALUES)
        name = option.spelling if not source.chance(20) else option.spelling[1:]
        lines.append(f"{name} = {value};")
    for inner in source.shuffled(tuple(sections_of(kind)))[: source.below(3 if depth else 5)]:
        label = source.choose(("", "", " a", " b", " 1", ' "x y"', " é"))
        lines.append(f"{inner.keyword}{label} {{ {section(source, inner.section, depth + 1)} }}")
    return source.choose((" ", "\n", "\n\t", "\r\n")).join(lines)


def text(source: Source) -> bytes:
    """A whole file."""
    if source.chance(10):
        # A string that has to be shown with escapes, alone: so the file is right more often.
        name = "".join([source.choose(("a", "\\\\", '\\"', "\\x41", "/", " ")) for _ in range(5)])
        return f'queue_directory = "{name}";'.encode()
    if source.chance(3):
        data = source.choose(EXAMPLES).encode()
    else:
        data = section(source, Config, 0).encode()
    if source.chance(60):
        unit = source.choose(
            (
                "x{",
                "a=1;",
                "smtps a{}",
                "}",
                '"',
                "x = {",
                "map m {}",
                "smar { ",
                "a",
                "\\",
                "# x",
                "x=;",
                "{",
            )
        )
        data += unit.encode() * source.choose((20, 300, 3000))
    return source.damaged(data, MARKS) if source.chance(2) else data


def run(source: Source) -> None:
    """A configuration, or faults that say where they are."""
    data = text(source)
    try:
        config = parse_config(data, FILE)
    except ConfigError as error:
        _check_faults(data, error)
        return
    shown = show(config).encode()
    again = parse_config(shown, FILE)
    must(
        replace(again, order=()) == replace(config, order=()),
        "what is shown means something else",
        data,
        shown,
    )


def _check_faults(data: bytes, error: ConfigError) -> None:
    """Each fault has file, line and column, and they are in the file."""
    must(error.faults, "refused without a fault", data)
    lines = data.split(b"\n")
    for fault in error.faults:
        found = _FAULT.fullmatch(str(fault))
        must(found, "a fault without its place, or on two lines", str(fault))
        assert found is not None
        line, column = int(found[1]), int(found[2])
        must(line <= len(lines), "a line that is not there", str(fault), len(lines))
        must(
            column <= len(lines[line - 1]) + 1,
            "a column that is not there",
            str(fault),
            lines[line - 1],
        )
        must(str(fault).isprintable(), "a fault with odd characters", str(fault))
