"""Read a configuration file: text to checked, typed sections, or every fault at once."""

from __future__ import annotations

import os
from pathlib import Path

from meta1.buildinfo import BUILD
from meta1.config.builder import Builder
from meta1.config.check import check
from meta1.config.errors import ConfigError, Fault, Place
from meta1.config.parse import SectionTree, parse
from meta1.config.sections.common import MODULES
from meta1.config.sections.root import Config

MAX_SIZE = 2**20
DEFAULT_FILE = f"{BUILD.sysconfdir}/meta1.conf"


def load(path: str | os.PathLike[str]) -> Config:
    """The configuration in a file; raises ConfigError."""
    file = os.fspath(path)
    try:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(file, str(error)) from error
    return parse_config(data, file)


def parse_config(data: bytes, file: str = "meta1.conf") -> Config:
    """The configuration in bytes; ``file`` is only for messages and relative names."""
    if len(data) > MAX_SIZE:
        raise _unreadable(file, f"more than {MAX_SIZE} bytes")
    tree, faults = parse(_decode(data, file), file)
    builder = Builder(faults)
    config = builder.build(Config, tree, file=file, order=_order(tree))
    # Rules between options make sense only where each option is right by itself.
    if found := builder.faults or check(config):
        raise ConfigError(found)
    return config


def _order(tree: SectionTree) -> tuple[str, ...]:
    """Names of the module sections as they stand in the file: mcp starts the last one first."""
    sections = [each for each in tree.entries if isinstance(each, SectionTree)]
    modules = [each for each in sections if each.keyword.lower() in MODULES]
    return tuple(dict.fromkeys(_module_name(each) for each in modules))


def _module_name(tree: SectionTree) -> str:
    """Only SMTP servers, of which there may be several, are called by their label."""
    keyword = tree.keyword.lower()
    return tree.name if keyword == "smtps" and tree.name else keyword


def _decode(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ConfigError([Fault(Place(file, line, column), message, "text in UTF-8")]) from error


def _unreadable(file: str, why: str) -> ConfigError:
    return ConfigError([Fault(Place(file, 1, 1), f"cannot be read: {why}", "a readable file")])
