"""sm.check.sh, sm.setup.sh and mcp.sh, with accounts that exist only in a PATH of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent
PLACES = "\n".join(
    line for line in (TREE / "misc/places").read_text().splitlines() if not line.startswith("#")
)
GOOD_USERS = {"meta1s": 260, "meta1q": 261, "meta1c": 262, "meta1m": 263, "meta1": 264}
GOOD_GROUPS = {**GOOD_USERS, "mail": 8}
GOOD_MEMBERS = {
    "meta1s": "meta1s meta1c meta1m", "meta1q": "meta1q meta1m", "meta1c": "meta1c mail",
    "meta1m": "meta1m", "meta1": "meta1",
}  # fmt: skip


def script(box: Path, name: str) -> Path:
    """The script as configure makes it, with every place below the box."""
    text = (TREE / "misc" / f"{name}.in").read_text().replace("@PLACES@", PLACES)
    for key, value in {
        "ETCDIR": "etc", "SPOOLDIR": "spool", "RUNDIR": "run", "SBINDIR": "sbin", "BINDIR": "bin",
    }.items():  # fmt: skip
        text = text.replace(f"@{key}@", f"{box}/{value}")
    assert not re.search(r"@[A-Z]+@", text)
    path = box / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def accounts(
    box: Path, users: dict[str, int], groups: dict[str, int], members: dict[str, str]
) -> dict[str, str]:
    """An environment in which getent and id know exactly these accounts."""
    tools = box / "tools"
    tools.mkdir()
    cases = "".join(f"passwd.{u}) echo {u}:x:{n}:{n}::/:/bin/false ;;\n" for u, n in users.items())
    cases += "".join(f"group.{g}) echo {g}:x:{n}: ;;\n" for g, n in groups.items())
    (tools / "getent").write_text(f"#!/bin/sh\ncase $1.$2 in\n{cases}*) exit 2 ;; esac\n")
    ids = "-u.) echo 1000 ;;\n"
    for user, number in users.items():
        ids += f"-u.{user}) echo {number} ;;\n-gn.{user}) echo {members[user].split()[0]} ;;\n"
        ids += f"-nG.{user}) echo {members[user]} ;;\n"
    (tools / "id").write_text(f"#!/bin/sh\ncase $1.${{2:-}} in\n{ids}*) exit 1 ;; esac\n")
    for each in tools.iterdir():
        each.chmod(0o755)
    return {"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"}


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | environment
    return subprocess.run(
        [str(each) for each in command], env=clean, text=True, check=False, timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_check_accepts_the_accounts_of_the_tutorial(box: Path) -> None:
    """All is well: status 0 and nothing to mend."""
    found = accounts(box, GOOD_USERS, GOOD_GROUPS, GOOD_MEMBERS)
    done = run(script(box, "sm.check.sh"), "-p", **found)
    assert done.returncode == 0, done.stdout
    assert "FAULT" not in done.stdout
    assert done.stdout.endswith("all is well\n")


@pytest.mark.parametrize(
    ("users", "groups", "members", "fault", "mend"),
    [
        ({"meta1q": None}, {}, {}, "no user meta1q", "useradd --system --uid 261 --gid meta1q"),
        ({}, {"meta1m": None}, {}, "no group meta1m", "groupadd --system --gid 263 meta1m"),
        ({}, {}, {"meta1c": "meta1c"}, "meta1c is not in group mail",
         "usermod --append --groups mail meta1c"),
        ({}, {}, {"meta1s": "meta1s meta1m"}, "meta1s is not in group meta1c",
         "usermod --append --groups meta1c meta1s"),
        ({"meta1s": 0}, {}, {}, "user meta1s is root", "usermod --uid 260 meta1s"),
        ({"meta1q": 260}, {}, {}, "have the number 260", "usermod --uid NUMBER USER"),
        ({}, {}, {"meta1m": "users meta1m"}, "meta1m has group users", "usermod --gid meta1m"),
    ],
)  # fmt: skip
def test_check_names_each_fault_and_what_mends_it(
    box: Path, users: dict[str, int | None], groups: dict[str, int | None],
    members: dict[str, str], fault: str, mend: str,
) -> None:  # fmt: skip
    """One fault: it is named, with the command, and the status is 1."""
    found = accounts(
        box,
        {k: v for k, v in (GOOD_USERS | users).items() if v is not None},
        {k: v for k, v in (GOOD_GROUPS | groups).items() if v is not None},
        GOOD_MEMBERS | members,
    )
    done = run(script(box, "sm.check.sh"), "-p", **found)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("FAULT") and fault in line)
    assert mend in lines[at + 1]
    assert lines[-1] == "1 to mend"


def test_check_notes_who_may_read_the_secrets(box: Path) -> None:
    """Not in the group of sasldb2: a note with the command, and all is well; in it: said."""
    secrets = box / "sasldb2"
    secrets.touch()
    group = "nogroup" if os.geteuid() == 0 else secrets.group()
    if os.geteuid() == 0:
        shutil.chown(secrets, group=group)
    check = script(box, "sm.check.sh")
    found = accounts(box, GOOD_USERS, GOOD_GROUPS, GOOD_MEMBERS)
    without = run(check, "-p", META1_SASLDB=str(secrets), **found)
    assert without.returncode == 0, without.stdout
    assert f"note   for AUTH by {secrets}: usermod --append --groups {group} meta1s" in (
        without.stdout
    )
    members = GOOD_MEMBERS | {"meta1s": f"{GOOD_MEMBERS['meta1s']} {group}"}
    shutil.rmtree(box / "tools")
    found = accounts(box, GOOD_USERS, GOOD_GROUPS, members)
    inside = run(check, "-p", META1_SASLDB=str(secrets), **found)
    assert f"ok     meta1s is in group {group}: AUTH may look into {secrets}" in inside.stdout


def test_check_without_option_explains_itself(box: Path) -> None:
    """Usage, with the overrides and their defaults in brackets."""
    done = run(script(box, "sm.check.sh"))
    assert done.returncode == 64
    assert "[mail]" in done.stdout


def test_setup_below_destdir(box: Path) -> None:
    """As a plain user below DESTDIR: every directory with its mode; the second run has no work."""
    setup = script(box, "sm.setup.sh")
    prefix = {} if os.geteuid() else {"PATH": accounts(box, {}, {}, {})["PATH"]}
    first = run(setup, DESTDIR=f"{box}/image", **prefix)
    assert first.returncode == 0, first.stdout
    assert f"made {box}/image{box}/spool/cdb" in first.stdout
    again = run(setup, DESTDIR=f"{box}/image", **prefix)
    assert "nothing to change" in again.stdout
    (Path(f"{box}/image{box}/spool/ibdb")).chmod(0o755)
    mended = run(setup, DESTDIR=f"{box}/image", **prefix)
    assert "spool/ibdb now has mode 0700" in mended.stdout


def test_setup_refuses_a_link_in_its_place(box: Path) -> None:
    """A link that somebody else has put there is not followed."""
    setup = script(box, "sm.setup.sh")
    prefix = {"PATH": accounts(box, {}, {}, {})["PATH"]}
    spool = Path(f"{box}/image{box}/spool")
    spool.mkdir(parents=True)
    (spool / "cdb").symlink_to("/etc")
    done = run(setup, DESTDIR=f"{box}/image", **prefix)
    assert done.returncode == 1
    assert "is no directory" in done.stdout


def test_setup_needs_root(box: Path) -> None:
    """Without root and without DESTDIR nothing is touched."""
    done = run(script(box, "sm.setup.sh"), PATH=accounts(box, {}, {}, {})["PATH"])
    assert done.returncode == 77
    assert not (box / "spool").exists()


def test_setup_overrides_are_documented() -> None:
    """Every variable of the environment that the script reads stands in its head, in brackets."""
    text = (TREE / "misc/sm.setup.sh.in").read_text()
    head, _, body = text.partition("set -u")
    for name in set(re.findall(r"\$\{(META1[A-Z_]*|DESTDIR)[:-]", body)):
        assert name in head, name
    assert "[@ETCDIR@]" in head


def test_mcp_sh_usage(box: Path) -> None:
    """Status of what does not run is 3, a stop of it is fine, nonsense is 64."""
    control = script(box, "mcp.sh")
    assert run(control, "status").returncode == 3
    assert run(control, "stop").stdout == "mcp is not running\n"
    assert run(control, "reload").returncode == 1
    assert run(control, "dance").returncode == 64


@pytest.mark.parametrize("name", ["sm.setup.sh.in", "sm.check.sh.in", "mcp.sh.in"])
def test_scripts_are_posix(box: Path, name: str) -> None:
    """dash, the sh of Debian, parses them."""
    assert run("sh", "-n", script(box, name.removesuffix(".in"))).returncode == 0
