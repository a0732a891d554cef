"""createmap: build a Berkeley DB map from text, look a key up in one, or print one as text.

    createmap hash FILE.db < text       build FILE.db; the old map is in use until the new is whole
    createmap -q KEY FILE.db            print the value of a key
    createmap -d FILE.db                print the map, sorted

A line of text is a key, blanks or tabs, a value.  `#` begins a comment at the start of a line, a
line that begins with a blank goes on with the value above.  Keys become lower case unless -f.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from meta1.maps.berkeley import BadDatabase, HashFile, write_hash

MAX_LINE: Final = 64 * 1024
EX_OK, EX_NOT_FOUND, EX_USAGE, EX_DATA, EX_NO_MAP = 0, 1, 64, 65, 66


class BadLine(ValueError):
    """A line of the text is wrong."""


def read_text(lines: Iterable[str], *, fold: bool = True) -> Iterator[tuple[int, str, str]]:
    """Read lines into number, key and value; BadLine for what is neither."""
    key, value, began = "", "", 0
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\n")
        if len(line) > MAX_LINE or "\0" in line:
            raise BadLine(f"line {number}: too long, or holds a NUL")
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t":
            if not key:
                raise BadLine(f"line {number}: goes on with nothing")
            value = f"{value} {line.strip()}"
            continue
        if key:
            yield began, key, value
        key, value = _divide(line, number)
        key, began = key.lower() if fold else key, number
    if key:
        yield began, key, value


def _divide(line: str, number: int) -> tuple[str, str]:
    """Cut a line behind its key; a key in quotes may hold blanks."""
    if line.startswith('"'):
        key, quote, rest = line[1:].partition('"')
        if not quote:
            raise BadLine(f"line {number}: a quote is missing")
    else:
        parts = line.split(None, 1)
        key, rest = parts[0], parts[1] if len(parts) > 1 else ""
    # aliases(5) writes "name: value"; a colon inside belongs to the key, as in "to:domain".
    if key.endswith(":") and len(key) > 1:
        key = key[:-1]
    if not key or not rest.strip():
        raise BadLine(f"line {number}: a key and a value are wanted")
    return key, rest.strip()


def without_doubles(items: Iterable[tuple[int, str, str]]) -> Iterator[tuple[str, str]]:
    """Pass items on; BadLine for a key that is there twice, since only one could count."""
    seen: dict[str, int] = {}
    for number, key, value in items:
        if key in seen:
            raise BadLine(f"line {number}: {key} stands in line {seen[key]} already")
        seen[key] = number
        yield key, value


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="createmap", description=__doc__.split("\n", 1)[0])
    line.add_argument("-d", dest="dump", action="store_true", help="print the map, sorted")
    line.add_argument("-q", dest="query", metavar="KEY", help="print the value of KEY")
    line.add_argument("-f", dest="fold", action="store_false", help="keep upper case in keys")
    line.add_argument("-m", dest="mode", default="0644", metavar="MODE", help="mode of the file")
    line.add_argument("arguments", nargs="+", metavar="[hash] FILE.db", help="the map")
    return line


def main(argv: list[str] | None = None) -> int:
    """Be the program createmap."""
    options = parser().parse_args(argv)
    *kind, name = options.arguments
    if kind not in ([], ["hash"]):
        print(
            f"createmap: only maps of type hash can be made, not {' '.join(kind)}", file=sys.stderr
        )
        return EX_USAGE
    path = Path(name)
    try:
        if options.dump:
            return _dump(path)
        if options.query is not None:
            return _query(path, options.query)
        return _build(path, sys.stdin, options.fold, int(options.mode, 8))
    except BadLine as error:
        print(f"createmap: {error}", file=sys.stderr)
        return EX_DATA
    except (BadDatabase, OSError, ValueError) as error:
        print(f"createmap: {error}", file=sys.stderr)
        return EX_NO_MAP


def _dump(path: Path) -> int:
    """Print all entries in a form that can be read back."""
    file = HashFile(path)
    for key, value in sorted(file.items()):
        shown = f'"{key}"' if " " in key or key.endswith(":") else key
        print(f"{shown}\t{value}")
    file.close()
    return EX_OK


def _query(path: Path, key: str) -> int:
    """Print one value."""
    file = HashFile(path)
    value = file.find(key.lower())
    file.close()
    if value is None:
        return EX_NOT_FOUND
    print(value)
    return EX_OK


def _build(path: Path, text: TextIO, fold: bool, mode: int) -> int:
    """Build the map and say how much is in it."""
    items = list(without_doubles(read_text(text, fold=fold)))
    count = write_hash(path, items, mode)
    print(f"{path}: {count} entries", file=sys.stderr)
    return EX_OK


if __name__ == "__main__":
    sys.exit(main())
