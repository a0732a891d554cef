"""What ``-V`` prints, one part more for each letter; the fourth checks the configuration."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import fields

from meta1 import PRODUCT
from meta1.arguments import Arguments
from meta1.buildinfo import BUILD
from meta1.config import Config, ConfigError, Section, load
from meta1.config.files import check_files
from meta1.config.schema import options_of
from meta1.config.show import show
from meta1.libraries import versions

EX_CONFIG = 78


def report(name: str, arguments: Arguments) -> int:
    """Print as much as was asked for; the status tells whether the configuration is valid."""
    for line in _facts(name, arguments.verbosity):
        print(line)
    return check_and_show(name, arguments.file) if arguments.verbosity >= 4 else 0


def _facts(name: str, verbosity: int) -> Iterator[str]:
    yield f"{name}: {PRODUCT}"
    if verbosity >= 2:
        yield from (f"  {library}: {version}" for library, version in versions())
    if verbosity >= 3:
        yield from (f"  {each.name}: {getattr(BUILD, each.name)}" for each in fields(BUILD))
        yield f"  running on: {platform.platform()}"


def check_and_show(name: str, file: str) -> int:
    """Check a configuration file and the files it names, and print what is in effect."""
    try:
        config = load(file)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    print(f"# {file}: effective configuration; '# default' marks what the file does not set")
    print(_of_module(config, name), end="")
    faults = check_files(config)
    for fault in sorted(faults, key=lambda each: each.place):
        print(fault, file=sys.stderr)
    if faults:
        return EX_CONFIG
    print(f"# {file}: valid")
    return 0


def _of_module(config: Config, name: str) -> str:
    """Options of all modules, then the sections of this one; all sections for mcp."""
    if name not in ("smtps", "smtpc", "qmgr", "smar"):
        return show(config)
    sections: tuple[Section, ...] = (
        config.smtps if name == "smtps" else (getattr(config, name),)
    )
    common = "".join(_common(config))
    return common + "".join("\n" + show(each, name) for each in sections)


def _common(config: Config) -> Iterator[str]:
    """The global options alone."""
    for each in options_of(Config):
        value = each.kind.show(getattr(config, each.attribute))
        if value.startswith("# "):
            yield f"# {each.spelling}: {value.removeprefix('# ')}\n"
        else:
            mark = "" if config.is_set(each.attribute) else "  # default"
            yield f"{each.spelling} = {value};{mark}\n"
