"""The command line of a sandbox: pure, so looked at without starting one."""

from __future__ import annotations

import math
import os
from pathlib import Path

from lab.classroom import sandbox
from lab.classroom.sandbox import Box, Tree

SEEN = Tree((Path("/usr"), Path("/opt/book/lab")), {Path("/bin"): "usr/bin"})
BOX = Box(
    "ada", 190001, Path("/c/homes/ada"), Path("/c/etc"), Path("/c/run/ada"), Path("/c/net/ada")
)


def pairs(words: list[str], option: str) -> list[tuple[str, str]]:
    """The two arguments of each such option."""
    return [(words[n + 1], words[n + 2]) for n, word in enumerate(words) if word == option]


def test_only_the_home_is_writable() -> None:
    """All else of the host is bound read-only."""
    words = sandbox.argv(BOX, SEEN, ["true"])
    assert pairs(words, "--bind") == [("/c/homes/ada", "/home/ada")]
    assert ("/usr", "/usr") in pairs(words, "--ro-bind")
    assert ("/c/run/ada", "/run/lab") in pairs(words, "--ro-bind")
    assert not {"--dev-bind", "--bind-try", "--share-net"} & set(words)


def test_it_is_entered_by_the_trainee_without_any_right() -> None:
    """The network comes first, since root enters it; the trainee's command comes last."""
    words = sandbox.argv(BOX, SEEN, ["python", "-V"])
    assert words[:3] == ["nsenter", "--net=/c/net/ada", "--"]
    assert {"--unshare-pid", "--unshare-ipc", "--unshare-uts", "--new-session"} <= set(words)
    assert words[-len(sandbox.as_user(190001)) - 2 :] == [*sandbox.as_user(190001), "python", "-V"]
    assert "--no-new-privs" in words
    assert "--bounding-set=-all" in words


def test_folders_on_the_way_are_open_to_the_trainee() -> None:
    """Each is made before what lies in it."""
    words = sandbox.argv(BOX, SEEN, ["true"])
    made = [words[n + 1] for n, word in enumerate(words) if word == "--dir"]
    assert all(str(Path(each).parent) in ("/", *made[:n]) for n, each in enumerate(made))
    assert {"/opt", "/opt/book", "/home", "/etc", "/run"} <= set(made)


def test_no_token_is_on_the_command_line() -> None:
    """Everybody on the host may read command lines."""
    assert "--setenv" not in sandbox.argv(BOX, SEEN, ["true"])


def test_an_interpreter_elsewhere_is_found_through_its_links(tmp_path: Path) -> None:
    """As with a Python that its user built: .venv/bin/python -> python3 -> a shim -> the real one."""
    real = tmp_path / "versions" / "3.11" / "bin" / "python3.11"
    shim = tmp_path / "shims" / "python3"
    venv = tmp_path / "book" / ".venv" / "bin"
    for folder in (real.parent, shim.parent, venv):
        folder.mkdir(parents=True)
    real.touch()
    shim.symlink_to("../versions/3.11/bin/python3.11")
    (venv / "python3").symlink_to(shim)
    (venv / "python").symlink_to("python3")
    found = sandbox.interpreter(venv / "python", [tmp_path / "book" / ".venv"])
    assert found == [shim, tmp_path / "versions" / "3.11"]


def test_an_interpreter_of_the_system_needs_nothing_more(tmp_path: Path) -> None:
    """It lies in /usr, which is shown."""
    (tmp_path / "python").symlink_to("/usr/bin/python3")
    assert sandbox.interpreter(tmp_path / "python", [tmp_path, Path("/usr")]) == []


def test_its_files_of_etc_name_nobody_else() -> None:
    """A full name cannot add a field or a line."""
    files = sandbox.files("ada", "Ada:0:0,x", 190001)
    assert files["passwd"].splitlines()[1] == "ada:x:190001:190001:Ada 0 0 x:/home/ada:/bin/bash"
    assert len(files["passwd"].splitlines()) == 2


def test_a_checkout_in_a_folder_that_is_empty_in_the_sandbox_is_shown() -> None:
    """The empty folder must not be laid over it."""
    words = sandbox.argv(BOX, Tree((Path("/tmp/book"),)), ["true"])
    assert words.index("/tmp") < words.index("/tmp/book")


def test_many_on_few_processors_have_patience() -> None:
    """A time-out that fits one alone would fail a whole class at once."""
    assert sandbox.environment("ada")["LAB_PATIENCE"] == "1"
    assert int(sandbox.environment("ada", 1000)["LAB_PATIENCE"]) == math.ceil(
        1000 / (os.cpu_count() or 1)
    )
