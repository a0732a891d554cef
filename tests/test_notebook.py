"""``%%vm`` in a real IPython, and in a real kernel as the drift check runs one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from openssh import Sshd

from lab.host import Host
from lab.notebook import register

HERE = Path(__file__).parent


@pytest.fixture
def shell(host: Host) -> Iterator[Any]:
    """An IPython whose ``%%vm`` talks to the test's sshd."""
    made = InteractiveShell.instance()
    register(lambda name: host)
    yield made
    InteractiveShell.clear_instance()


def test_outside_ipython_nothing_happens() -> None:
    """The command line imports the same package."""
    register()


def test_a_cell_runs_on_the_machine(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Both streams, as plain output, in order."""
    assert shell.run_cell("%%vm\necho one\necho two >&2\nX=3; echo $X").success
    assert capsys.readouterr().out == "one\ntwo\n3\n"


def test_a_failing_cell_shows_no_internals(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One line: the code and what failed."""
    result = shell.run_cell("%%vm\ngrep -q nosuch /etc/passwd")
    assert str(result.error_in_exec) == "exit 1: grep -q nosuch /etc/passwd"
    shown = capsys.readouterr()
    assert "CommandFailed: exit 1: grep -q nosuch /etc/passwd" in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err


def test_as_another_user(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """By ``--as``."""
    assert shell.run_cell("%%vm --as nobody\nid -un").success
    assert capsys.readouterr().out == "nobody\n"


def test_a_variable_as_input(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Text or bytes of the notebook."""
    shell.user_ns["message"] = "Subject: hi\n"
    shell.user_ns["raw"] = b"\x00\x01"
    assert shell.run_cell("%%vm --stdin message\ncat").success
    assert shell.run_cell("%%vm --stdin raw\nwc -c").success
    assert capsys.readouterr().out == "Subject: hi\n2\n"


def test_a_time_out(shell: Any) -> None:
    """By ``--timeout``."""
    result = shell.run_cell("%%vm --timeout 0.3\nsleep 5")
    assert str(result.error_in_exec).startswith("no end within 0.3 s: sleep 5")


@pytest.mark.parametrize(
    "line, message",
    [
        ("--bogus", "unrecognized arguments: --bogus"),
        ("--timeout soon", "invalid float value: 'soon'"),
        ("--as", "expected one argument"),
        ("--as 'x", "no closing quotation"),
    ],
)
def test_a_wrong_option_is_told_with_the_usage(shell: Any, line: str, message: str) -> None:
    """And nothing runs."""
    error = shell.run_cell(f"%%vm {line}\necho never").error_in_exec
    assert message in str(error)
    assert "usage: %%vm [--as USER]" in str(error)


def test_an_unknown_variable_is_told_with_the_nearest(shell: Any) -> None:
    """As is one that is no text."""
    shell.user_ns["message"] = 1
    assert "did you mean message?" in str(shell.run_cell("%%vm --stdin mesage\ncat").error_in_exec)
    assert "a int is no input" in str(shell.run_cell("%%vm --stdin message\ncat").error_in_exec)


def test_the_named_lab_is_used(host: Host, shell: Any) -> None:
    """By ``--lab``; else the source is asked for the current one."""
    asked: list[str | None] = []

    def source(name: str | None) -> Host:
        asked.append(name)
        return host

    register(source)
    shell.run_cell("%%vm --lab blue\ntrue")
    shell.run_cell("%%vm\ntrue")
    assert asked == ["blue", None]


SETUP = """\
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from lab.host import Host
from lab.notebook import register
from lab.providers.base import Endpoint
import socket
vm = Host(Endpoint("127.0.0.1", {port}, {user!r}, Path({key!r}), Path({known!r})),
          lambda: socket.create_connection(("127.0.0.1", {port})))
register(lambda name: vm)"""


def made_of(*cells: str) -> nbformat.NotebookNode:
    """A notebook of code cells."""
    made: nbformat.NotebookNode = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    made.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]  # type: ignore[no-untyped-call]
    return made


def test_in_a_real_kernel(sshd: Sshd, tmp_path: Path) -> None:
    """Output is one merged stream, and an error one short line, as the drift check stores them."""
    point = sshd.endpoint
    setup = SETUP.format(
        root=str(HERE.parent),
        port=point.port,
        user=point.user,
        key=str(point.key_file),
        known=str(point.known_hosts),
    )
    cells = [
        setup,
        "%%vm\necho out; echo err >&2; sleep 0.1; echo late",
        "vm.run('printf a; exit 4', check=False)",
        "%%vm\ntrue\ngrep -q nosuch /etc/passwd",
    ]
    notebook = made_of(*cells)
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    client.km = client.create_kernel_manager()
    client.km.transport = "ipc"
    client.km.ip = str(tmp_path / "ipc")
    with pytest.raises(CellExecutionError) as caught:
        client.execute()
    streams = notebook.cells[1].outputs
    assert {output.name for output in streams} == {"stdout"}
    assert "".join(output.text for output in streams) == "out\nerr\nlate\n"
    assert notebook.cells[2].outputs[0].data["text/plain"] == "a\nexit 4"
    (error,) = notebook.cells[3].outputs
    assert (error.ename, error.evalue) == (
        "CommandFailed",
        "exit 1 in line 2: grep -q nosuch /etc/passwd",
    )
    assert error.traceback == ["CommandFailed: exit 1 in line 2: grep -q nosuch /etc/passwd"]
    assert caught.value.ename == "CommandFailed"
