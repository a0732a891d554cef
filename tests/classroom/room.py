"""A class for the tests: what of it is on this host, and probes run in its sandboxes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.classroom import place, sandbox
from lab.classroom.marks import Marks
from lab.classroom.sandbox import Box, Tree


def traces() -> dict[str, list[str]]:
    """All that a class has made on this host, by kind; looked for without the class's own means."""
    marks, folder = Marks.of(), str(place.top().parent)
    own = (marks.group, folder, str(place.podman_run("x").parent))
    return {
        "processes": [pid for pid in _processes() if _mentions(pid, own)],
        "mounts": [
            line.split()[4]
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if any(each in line for each in own)
        ],
        "links": [path.name for path in Path("/sys/class/net").glob(f"{marks.links}*")],
        "addresses": [
            line
            for line in _said("ip", "-oneline", "address").splitlines()
            if marks.address in line
        ],
        "tables": [
            line for line in _said("nft", "list", "tables").splitlines() if marks.table in line
        ],
        "groups": [str(path) for path in Path("/sys/fs/cgroup").rglob(f"{marks.group}*")],
        "loops": [
            line
            for line in _said("losetup", "--list", "--noheadings").splitlines()
            if folder in line
        ],
        "files": [
            str(path)
            for top in (place.top().parent, place.podman_run("x").parent)
            for path in top.glob("*")
            if path.name != "class" or any(path.iterdir())
        ],
    }


def _processes() -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*")]


def _mentions(pid: str, own: Sequence[str]) -> bool:
    """Its command line or its control groups name the class, or its user is of the class."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        groups = Path(f"/proc/{pid}/cgroup").read_text()
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return False
    base = Marks.of().uid_base
    return any(each in words or each in groups for each in own) or base < uid < base + 1000


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def comes_through(box: Box, seen: Tree, code: str, before: Sequence[str] = ()) -> bool:
    """Does a Python program end well in that sandbox? `before` is put before the sandbox's command line."""
    command = [*before, *sandbox.argv(box, seen, [sandbox.python(), "-I", "-S", "-c", code])]
    return ends_well(command, box.name)


def ends_well(command: Sequence[str], name: str) -> bool:
    """Run a command with a trainee's environment, at most half a minute."""
    done = subprocess.run(
        command, env=sandbox.environment(name), capture_output=True, timeout=60, check=False
    )
    # Of what starts the sandbox, and not of the probe: such a failure proves nothing.
    assert not any(word in done.stderr for word in (b"bwrap: ", b"nsenter: ", b"setpriv: ")), (
        done.stderr
    )
    return done.returncode == 0
