"""metaconf, also called smconf: check a configuration file and print what it means."""

from __future__ import annotations

import getopt
import sys

from meta1 import PRODUCT
from meta1.config import DEFAULT_FILE, ConfigError, load
from meta1.config.files import check_files
from meta1.config.show import show
from meta1.program import EX_CONFIG, EX_OK, EX_USAGE

USAGE = f"""usage: metaconf [-d] [-q] [-s] [-V] [FILE]
  FILE  configuration file, {DEFAULT_FILE} if not given
  -d    show the defaults too
  -q    print nothing but faults
  -s    syntax only: do not look whether the files and users it names exist
  -V    print the version"""


def main(argv: list[str] | None = None) -> int:
    """Check and print; the status is 0 only for a file that can be used."""
    try:
        given, files = getopt.getopt(sys.argv[1:] if argv is None else argv, "dqsVh", ["help"])
    except getopt.GetoptError as error:
        print(f"metaconf: {error}\n{USAGE}", file=sys.stderr)
        return EX_USAGE
    letters = {letter for letter, _ in given}
    if len(files) > 1:
        print(USAGE, file=sys.stderr)
        return EX_USAGE
    if letters & {"-h", "--help", "-V"}:
        print(f"metaconf: {PRODUCT}" if "-V" in letters else USAGE)
        return EX_OK
    return _check(files[0] if files else DEFAULT_FILE, letters)


def _check(file: str, letters: set[str]) -> int:
    try:
        config = load(file)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    faults = [] if "-s" in letters else check_files(config)
    if "-q" not in letters:
        print(show(config, everything="-d" in letters), end="")
    for fault in faults:
        print(fault, file=sys.stderr)
    return EX_CONFIG if faults else EX_OK
