"""The same targets under atheris, which keeps what reaches new code and goes on from there.

    pip install atheris
    PYTHONPATH=src:tests python3 -m fuzz.guided TARGET [CORPUS] [options of libFuzzer]

The bytes that libFuzzer makes up are the decisions of one run, so that every target works as it is.
atheris is no package of Debian: nothing else here needs it.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["meta1"], enable_loader_override=False):
    from fuzz.source import FromBytes, Source
    from fuzz.table import TARGETS


def main() -> None:
    """Run one target until libFuzzer has had enough; a finding is written to a file, as it does."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(
            f"usage: python3 -m fuzz.guided {{{','.join(TARGETS)}}} [libFuzzer options]"
        )
    target = TARGETS[sys.argv.pop(1)]
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as box, target.open(Path(box)) as feed:
        atheris.Setup(sys.argv, lambda data: feed(Source(FromBytes(data))))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
