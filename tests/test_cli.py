"""The command line without a machine: help, names, exit codes, one clear line for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def cli(*arguments: str, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with a state folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LAB_HOME": str(home), **env},
        timeout=60,
        check=False,
    )


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    """A newcomer learns from it what there is."""
    shown = cli("--help", home=tmp_path)
    assert shown.returncode == 0
    for word in [
        "up",
        "down",
        "status",
        "ssh",
        "run",
        "reset",
        "save",
        "restore",
        "check",
        "hint",
        "solve",
        "goto",
        "drift",
        "doctor",
        "bench",
    ]:
        assert f"\n  {word} " in shown.stdout
    assert "Exit codes" in shown.stdout


@pytest.mark.parametrize("command", ["check", "hint", "solve", "goto", "drift"])
def test_an_unknown_chapter_names_the_known_ones(tmp_path: Path, command: str) -> None:
    """One line, exit 2, nothing made."""
    done = cli(command, "cyros", home=tmp_path)
    assert done.returncode == 2
    assert "02-cyrus-imap" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_lab_that_is_not_up_says_how_to_bring_it_up(tmp_path: Path) -> None:
    """Exit 3 and the command."""
    done = cli("run", "true", home=tmp_path)
    assert done.returncode == 3
    assert "next: lab up" in done.stderr


@pytest.mark.parametrize("command", ["check", "hint", "solve"])
def test_an_exercise_needs_a_lab_too(tmp_path: Path, command: str) -> None:
    """`--exercise` is the same command on the chapter's exercise; without a machine there is nothing to ask."""
    done = cli(command, "1", "--exercise", home=tmp_path)
    assert done.returncode == 3
    assert "next: lab up" in done.stderr


def test_a_bad_lab_name_is_refused(tmp_path: Path) -> None:
    """It becomes a host name and a folder, so not everything will do."""
    done = cli("--lab", "../up", "status", home=tmp_path)
    assert done.returncode == 2
    assert "no name for a lab" in done.stderr


def test_an_unknown_provider_is_refused(tmp_path: Path) -> None:
    """Also where it comes from the environment."""
    done = cli("status", home=tmp_path, LAB_PROVIDER="contaner")
    assert done.returncode == 2
    assert "container" in done.stderr


def test_missing_rights_are_said_in_one_line(tmp_path: Path) -> None:
    """No traceback for what the system refuses."""
    done = cli("up", home=Path("/proc/nowhere"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "/proc/nowhere" in done.stderr


def test_a_full_disk_is_said_in_one_line(tmp_path: Path) -> None:
    """On a file system with no room, `up` fails with the system's words and leaves no machine."""
    script = (
        f"mount -t tmpfs -o size=4k,nr_inodes=3 none {tmp_path} && "
        f"LAB_HOME={tmp_path}/s exec {sys.executable} -m lab --provider container up"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_setting_is_shown_with_its_place(tmp_path: Path) -> None:
    """lab.toml is the user's own file; a mistake in it is theirs to find."""
    copy = tmp_path / "checkout"
    (copy / "notebooks").mkdir(parents=True)
    (copy / "lab").symlink_to(ROOT / "lab")
    (copy / "lab.toml").write_text("provider = container\n")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import lab.config as c; from pathlib import Path;"
            f"c.ROOT = Path({str(copy)!r}); c.settings()",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert "lab.toml" in done.stderr
    assert "line 1" in done.stderr


def test_doctor_tells_scripts_what_is_missing(tmp_path: Path) -> None:
    """Each finding has a mending command, and with nothing installed the exit code is 3."""
    done = cli("doctor", "--json", home=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert {"container", "vagrant"} <= found.keys()
    assert all(f["mend"] for each in found.values() for f in each if not f["ok"])


def test_completion_completes_chapters(tmp_path: Path) -> None:
    """The shell offers what can be typed."""
    done = cli(
        home=tmp_path, _LAB_COMPLETE="bash_complete", COMP_WORDS="lab check 02", COMP_CWORD="2"
    )
    assert "02-cyrus-imap" in done.stdout
