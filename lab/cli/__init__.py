"""The command `lab`: make a lab machine, work on it, check it, and keep the book true to it."""

from lab.cli import (
    bench,
    book,
    bundle,
    class_load,
    classroom,
    faults,
    fuzz,
    interop,
    machine,
    mta,
    tutorial,
)
from lab.cli.base import main

__all__ = [
    "bench",
    "book",
    "bundle",
    "class_load",
    "classroom",
    "faults",
    "fuzz",
    "interop",
    "machine",
    "main",
    "mta",
    "tutorial",
]
