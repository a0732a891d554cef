"""The workflow files of a public CI: what they call is there, and none can do more than it must."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.config import ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
READ = {"contents": "read"}
MAY_WRITE = {
    ("site", "pages"): {"pages": "write", "id-token": "write"},
    ("weekly", "tell"): {"issues": "write"},
}
"""The only jobs with more than leave to read."""

EVENTS = {
    "check": {"push", "pull_request"},
    "site": {"push", "pull_request"},
    "weekly": {"schedule", "workflow_dispatch"},
}


def read(path: Path) -> dict[str, Any]:
    """A workflow; YAML takes its word `on` for true."""
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {"on" if key is True else str(key): value for key, value in found.items()}


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a job."""
    found: list[dict[str, Any]] = job["steps"]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_workflow_may_no_more_than_it_must(path: Path) -> None:
    """It begins when it should, reads only, ends by itself; who may write runs nothing of a checkout."""
    flow = read(path)
    assert set(flow["on"]) == EVENTS[path.stem]
    assert flow["permissions"] == READ
    for name, job in flow["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 120
        assert job.get("permissions", READ) == MAY_WRITE.get((path.stem, name), READ)
        checkouts = [step for step in steps(job) if "actions/checkout" in step.get("uses", "")]
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)
        if "permissions" in job:
            assert checkouts == []
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_actions_are_pinned(path: Path) -> None:
    """By the hash of a commit, with the version beside it for people."""
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    pin = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")
    assert [line for line in used if not pin.fullmatch(line)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_what_a_workflow_runs_is_there(path: Path) -> None:
    """Each target of make, each script; and no text of somebody else gets into a shell line."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for job in read(path)["jobs"].values():
        for line in filter(None, (step.get("run") for step in steps(job))):
            assert "${{" not in line
            assert set(re.findall(r"\bmake ([a-z]+)", line)) <= targets
            named = re.findall(r"(?:^|\s)((?:lab|tests|\.ci)/[\w./-]+)", line)
            assert [name for name in named if not (ROOT / name).is_file()] == []
