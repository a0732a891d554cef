"""Lighthouse's verdict on a page, as a middling phone on a slow net gets it (its own preset)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import served
import views

PROGRAM = served.ROOT / ".venv/node/node_modules/.bin/lighthouse"
SECONDS = 120
"""For one verdict."""
PHONE = 4.0
"""Lighthouse's own slowdown, meant for a host with an index of `DESKTOP`."""
DESKTOP = 1500.0
FIRST_FRAME = "--run-all-compositor-stages-before-draw"
"""A frame is drawn when the page has one. Without this, Chromium 156 draws what is not there within a quarter of a
second only at the next full second."""
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")


class Missing(AssertionError):
    """Lighthouse is not installed."""


class NoVerdict(AssertionError):
    """The browser did not get as far as a verdict; a busy machine may be the reason."""


def scores(address: str, report: Path, slowdown: float = PHONE) -> Mapping[str, int]:
    """Points of 100 in each category. The report with the reasons goes into a file. Raises `Missing`, `NoVerdict`.

    `slowdown` is how many times slower than this host the phone is.
    """
    if not PROGRAM.exists():
        raise Missing("lighthouse is missing; lab/setup.sh test installs it")
    flags = ["--headless=new", *views.QUIET, FIRST_FRAME]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [str(PROGRAM), address, "--quiet", "--output=json", f"--output-path={report}"]
    command += [f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={' '.join(flags)}"]
    command += [f"--port={_free_port()}", "--disable-full-page-screenshot"]
    command += [f"--throttling.cpuSlowdownMultiplier={slowdown:.2f}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CHROME_PATH": views.CHROMIUM}
    try:
        subprocess.run(command, env=env, check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise NoVerdict(str(error)) from error
    found = json.loads(report.read_text())
    if told := found.get("runtimeError"):
        raise NoVerdict(told["message"])
    return {name: round(found["categories"][name]["score"] * 100) for name in CATEGORIES}


def slowdown_here(report: Path) -> float:
    """How many times slower than this host, as busy as it was, the phone is: Lighthouse's docs/throttling.md."""
    index = json.loads(report.read_text())["environment"]["benchmarkIndex"]
    return max(1.0, min(PHONE, PHONE * float(index) / DESKTOP))


def wanting(report: Path) -> list[str]:
    """Audits that cost points, with what they say."""
    found = json.loads(report.read_text())
    weights = {
        ref["id"]: ref["weight"]
        for name in CATEGORIES
        for ref in found["categories"][name]["auditRefs"]
    }
    return [
        f"{audit['id']}: {audit['title']} {audit.get('displayValue', '')}".strip()
        for audit in found["audits"].values()
        if weights.get(audit["id"]) and audit["score"] is not None and audit["score"] < 1
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
