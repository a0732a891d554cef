"""Checks, each once where it holds and once where it does not."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from pwd import getpwuid

import pytest
from openssh import Sshd, free_port

from lab import check
from lab.errors import CheckFailed
from lab.host import Host

ME = getpwuid(os.geteuid()).pw_name


@pytest.fixture
def program(sshd: Sshd) -> Iterator[Callable[[str, str], None]]:
    """Put a program on the machine, found before all others of its name."""
    folder = sshd.folder / "bin"
    folder.mkdir(exist_ok=True)

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    yield put
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture
def greeter() -> Iterator[int]:
    """A port that greets each caller, in two pieces."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                # Who only asks whether the port is open leaves at once.
                with peer, suppress(OSError):
                    peer.sendall(b"* O")
                    peer.sendall(b"K Cyrus\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_port_that_answers(host: Host, greeter: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, for each of the two questions."""
    check.port_answers(host, greeter)
    check.port_answers(host, greeter, "* OK")
    assert capsys.readouterr().out == (
        f"ok   port {greeter} answers\nok   port {greeter} answers * OK\n"
    )


def test_a_port_that_greets_otherwise(host: Host, greeter: int) -> None:
    """The whole greeting is shown."""
    with pytest.raises(CheckFailed) as caught:
        check.port_answers(host, greeter, "220")
    assert (caught.value.expected, caught.value.found) == ("'220'", "'* OK Cyrus'")


def test_a_port_that_says_nothing(host: Host) -> None:
    """Is not waited for longer than asked."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(CheckFailed, match="found:    ''"),
    ):
        check.port_answers(host, server.getsockname()[1], "220", timeout=0.2)


def test_a_closed_port(host: Host) -> None:
    """With where to look."""
    with pytest.raises(CheckFailed, match="expected: an open port") as caught:
        check.port_answers(host, free_port(), timeout=0)
    assert "ss -ltnp" in caught.value.hint


def test_a_port_that_opens_late(host: Host) -> None:
    """Is waited for."""
    port = free_port()

    def serve() -> None:
        time.sleep(0.5)
        with socket.create_server(("127.0.0.1", port)) as server:
            server.accept()

    threading.Thread(target=serve, daemon=True).start()
    check.port_answers(host, port)


def test_a_service_runs(
    host: Host, program: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """What systemd says of it."""
    program("systemctl", '[ "$*" = "is-active -- rsyslog" ] && echo active')
    check.service_runs(host, "rsyslog")
    assert capsys.readouterr().out == "ok   service rsyslog runs\n"


def test_a_service_that_does_not_run(host: Host, program: Callable[[str, str], None]) -> None:
    """Its state is shown."""
    program("systemctl", "echo failed; exit 3")
    with pytest.raises(CheckFailed, match="found:    failed") as caught:
        check.service_runs(host, "meta1")
    assert "journalctl" in caught.value.hint


def test_a_file_has_a_text(host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Or not, or is not there."""
    (tmp_path / "conf").write_text("admins: cyrus\n")
    check.file_has(host, f"{tmp_path}/conf", "admins: cyrus")
    assert capsys.readouterr().out == f"ok   {tmp_path}/conf has 'admins: cyrus'\n"
    with pytest.raises(CheckFailed, match="found:    1 lines without it"):
        check.file_has(host, f"{tmp_path}/conf", "alice")
    with pytest.raises(CheckFailed, match="No such file"):
        check.file_has(host, f"{tmp_path}/nosuch", "alice")


def test_a_file_is_as_it_should_be(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what is asked for is compared; a mode may be written with its leading zero."""
    path = tmp_path / "key"
    path.touch(mode=0o640)
    check.file_is(host, str(path))
    check.file_is(host, str(path), owner=ME, mode="0640")
    assert capsys.readouterr().out.splitlines()[1] == f"ok   {path} is owner {ME} mode 640"
    with pytest.raises(CheckFailed) as caught:
        check.file_is(host, str(path), owner=ME, mode="600")
    assert caught.value.found == f"owner {ME} mode 640"
    with pytest.raises(CheckFailed, match="No such file"):
        check.file_is(host, f"{path}.pem")


@pytest.fixture
def mailbox(
    tmp_path: Path, program: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder of messages as Cyrus keeps them, and an `mbpath` that knows it."""
    folder = tmp_path / "alice"
    folder.mkdir()
    (folder / "cyrus.index").write_bytes(b"\x00")
    program("mbpath", f'[ "$2" = user.alice ] && echo {folder} || {{ echo "no $2" >&2; exit 1; }}')
    monkeypatch.setattr(check, "MAIL_OWNER", ME)
    return folder


def test_mail_that_has_arrived(
    host: Host, mailbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its subject is decoded; what is in its body does not count."""
    (mailbox / "1.").write_bytes(
        b"From: bob@lab.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from\r\n here\r\n"
        b"\r\nSubject: body\r\n"
    )
    check.mail_arrived(host, "user.alice", "Grüße from here")
    assert capsys.readouterr().out == "ok   mail 'Grüße from here' is in user.alice\n"
    with pytest.raises(CheckFailed, match="found:    'Grüße from here'"):
        check.mail_arrived(host, "user.alice", "body", timeout=0.1)


def test_mail_that_is_on_its_way(host: Host, mailbox: Path) -> None:
    """Is waited for."""
    threading.Timer(0.3, (mailbox / "7.").write_bytes, (b"Subject: late\r\n\r\n",)).start()
    check.mail_arrived(host, "user.alice", "late", timeout=5)


def test_mail_that_never_arrives(host: Host, mailbox: Path) -> None:
    """In a mailbox that is empty, or that is not there."""
    with pytest.raises(CheckFailed, match="an empty mailbox"):
        check.mail_arrived(host, "user.alice", "x", timeout=0.1)
    with pytest.raises(CheckFailed, match=r"no user\.bob"):
        check.mail_arrived(host, "user.bob", "x", timeout=0.1)


def test_an_answer_that_comes_late(
    host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a time-out a command is asked again until it says, or finds, what it should."""
    log = tmp_path / "log"
    late = threading.Timer(0.5, log.write_text, ["she came in\n"])
    late.start()
    check.holds(host, "there is a log", f"test -s {log}", timeout=30)
    check.says(host, "who came", f"cat {log}", "she came in", timeout=30)
    late.join()
    assert capsys.readouterr().out == "ok   there is a log\nok   who came\n"


def test_an_answer_that_never_comes(host: Host) -> None:
    """What was said at last is told; without a time-out, at once."""
    for seconds in (0, 0.5):
        with pytest.raises(CheckFailed) as caught:
            check.says(host, "who came", "echo nobody", "she came in", timeout=seconds)
        assert caught.value.found == "'nobody'"
        with pytest.raises(CheckFailed, match="there is a log"):
            check.holds(host, "there is a log", "false", timeout=seconds)


def test_values(capsys: pytest.CaptureFixture[str]) -> None:
    """For whatever has no check of its own."""
    check.equal("messages", 2, 2)
    check.true("there is mail", [1])
    assert capsys.readouterr().out == "ok   messages\nok   there is mail\n"
    with pytest.raises(CheckFailed, match="messages\n  expected: 2\n  found:    3"):
        check.equal("messages", 3, 2)
    with pytest.raises(CheckFailed, match="next: look there"):
        check.true("there is mail", [], "look there")
