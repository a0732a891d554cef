"""Figures of a measurement as they are stored: lab/bench/results/NAME.json, from which pages of the book are made.

Pure but for `store` and `load`. What is stored is data: tables with their heads, plots as their series. Who draws
them (`lab.pictures.chart`, the site's `figures` directive) needs no machine, and nobody types a figure by hand.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.config import ROOT
from lab.errors import LabError
from lab.pictures.chart import Chart

FOLDER = ROOT / "lab" / "bench" / "results"
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below their heads; `None` is a cell that was not measured, and is shown as a dash."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Results:
    """What one run of `command` found; `machine` and `date` say where and when."""

    name: str
    command: str
    tables: Mapping[str, Table] = field(default_factory=dict)
    charts: Mapping[str, Chart] = field(default_factory=dict)
    facts: Mapping[str, Cell] = field(default_factory=dict)
    """Single figures that prose quotes, by name."""
    series: Sequence[Mapping[str, Any]] = ()
    """Of a measurement that adds up: what each run has found, from which the tables are made."""
    machine: str = ""
    date: str = ""
    commit: str = ""


def machine() -> str:
    """Say in a line what this host is: processors, memory, kernel, system."""
    cpus = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpus, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    release = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    name = re.sub(r"\s+", " ", model[1]) if model else platform.machine()
    return f"{os.cpu_count()} processors ({name}), {memory:.0f} GiB, {release}, Linux {platform.release()}"


def commit() -> str:
    """Name the commit that was measured; a tree with changes is marked, one outside of git has none."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git(
        "status", "--porcelain", "--untracked-files=no", "--", ":!lab/bench/results", ":!book"
    )
    return git("rev-parse", "--short=10", "HEAD") + (" with changes" if changed else "")


def path_of(name: str) -> Path:
    """Where the figures of that name are kept."""
    return FOLDER / f"{name}.json"


def store(
    name: str,
    command: str,
    *,
    tables: Mapping[str, Table] | None = None,
    charts: Mapping[str, Chart] | None = None,
    facts: Mapping[str, Cell] | None = None,
    series: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write what a full run has found, with machine, date and commit; gives the file."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    found = Results(
        name, command, tables or {}, charts or {}, facts or {}, series, machine(), today, commit()
    )
    FOLDER.mkdir(exist_ok=True)
    path = path_of(name)
    path.write_text(json.dumps(asdict(found), indent=1, ensure_ascii=False) + "\n")
    return path


def load(name: str) -> Results:
    """Read stored figures. Raises `LabError` if there are none, or they are not of this form."""
    try:
        data = json.loads(path_of(name).read_text())
        data["tables"] = {key: Table(**value) for key, value in data["tables"].items()}
        data["charts"] = {key: Chart(**value) for key, value in data["charts"].items()}
        return Results(**data)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LabError(f"no figures named {name}: {error}", f"look into {FOLDER}") from error
