"""The connection under `Host`: kept, lost, remade, watched, and made with the right machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from openssh import Sshd, make_key

from lab import connection
from lab.errors import ConnectionLost, HostKeyMismatch, LabError
from lab.host import Host

NewHost = Callable[..., Host]


def session(host: Host) -> int:
    """Process id of the sshd that serves this connection."""
    return int(str(host.run("echo $PPID")))


def test_one_connection_serves_all_calls(host: Host) -> None:
    """Making one costs ten times as much as a command."""
    assert session(host) == session(host)


def test_nagle_is_off(host: Host) -> None:
    """With it each command takes 40 ms longer."""
    stream = host.connection.transport().sock
    assert isinstance(stream, socket.socket)
    assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_two_threads_may_run_at_once(host: Host) -> None:
    """On the same connection, at the same time, each getting its own output."""
    host.run("true")
    results: dict[int, str] = {}

    def work(number: int) -> None:
        results[number] = host.run("sleep 0.2; echo %s; seq 2000", number).stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tail = "".join(f"{n}\n" for n in range(1, 2001))
    assert results == {number: f"{number}\n{tail}" for number in range(4)}
    assert time.monotonic() - start < 0.8 * 4


def test_a_connection_lost_in_mid_command_is_noticed_at_once(host: Host) -> None:
    """And the error says what ran and how to go on."""
    threading.Timer(0.3, os.kill, (session(host), signal.SIGKILL)).start()
    start = time.monotonic()
    with pytest.raises(ConnectionLost, match="lost while it ran: sleep 30; echo") as caught:
        host.run("sleep 30; echo %s", "x")
    assert time.monotonic() - start < 3
    assert caught.value.command == "sleep 30; echo x"
    assert "lab up" in caught.value.next_step


def test_a_connection_lost_while_idle_is_made_anew(host: Host) -> None:
    """The command that finds it dead has not started, so it may simply run."""
    before = session(host)
    os.kill(before, signal.SIGKILL)
    assert session(host) != before


def test_close_is_not_for_ever(host: Host) -> None:
    """After a restore the same host is used on."""
    before = session(host)
    host.close()
    assert session(host) != before


def test_a_machine_that_freezes_is_noticed(
    new_host: NewHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket stays open, but it answers nothing any more."""
    monkeypatch.setattr(connection, "KEEP_ALIVE", 0.3)
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT", 1.0)
    host = new_host()
    frozen = session(host)
    threading.Timer(0.2, os.kill, (frozen, signal.SIGSTOP)).start()
    start = time.monotonic()
    try:
        with pytest.raises(ConnectionLost):
            host.run("sleep 30")
        assert time.monotonic() - start < 5
    finally:
        os.kill(frozen, signal.SIGKILL)


def test_a_machine_that_is_gone_is_told_with_the_next_step(new_host: NewHost) -> None:
    """Not with an exception of the socket library."""

    def refused() -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(ConnectionLost, match="cannot be reached") as caught:
        new_host(refused).run("true")
    assert "lab up" in caught.value.next_step


def test_a_server_that_is_no_ssh_server_is_told(new_host: NewHost) -> None:
    """Here one that hangs up at once."""

    def silent() -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    with pytest.raises(ConnectionLost, match="no SSH server answers"):
        new_host(silent).run("true")


def test_any_stream_will_do(new_host: NewHost, sshd: Sshd) -> None:
    """A provider may hand over a UNIX socket; here one with `sshd -i` behind it."""
    ours, theirs = socket.socketpair()
    config = sshd.folder / "sshd_config"
    with (
        theirs,
        subprocess.Popen(
            ["/usr/sbin/sshd", "-i", "-f", config],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
        ),
    ):
        theirs.close()
        host = new_host(lambda: ours)
        assert host.run("echo here").stdout == "here\n"
        host.close()


# -- who is at the other end -------------------------------------------------------------------


def test_another_host_key_is_refused(new_host: NewHost, sshd: Sshd, tmp_path: Path) -> None:
    """Before anything is said to that machine, least of all who we are."""
    public = make_key(tmp_path / "other")
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sshd.endpoint.port} {public}\n")
    with pytest.raises(HostKeyMismatch, match="shows another key") as caught:
        new_host(known_hosts=known).run("true")
    assert caught.value.next_step


def test_an_unknown_host_key_is_refused(new_host: NewHost, tmp_path: Path) -> None:
    """There is no first time: the key was known before the machine."""
    known = tmp_path / "known_hosts"
    known.write_text(f"other.example {make_key(tmp_path / 'other')}\n")
    with pytest.raises(HostKeyMismatch, match="pins no key"):
        new_host(known_hosts=known).run("true")
    with pytest.raises(HostKeyMismatch, match="No such file"):
        new_host(known_hosts=tmp_path / "missing").run("true")


def test_a_key_of_another_kind_is_refused(new_host: NewHost, sshd: Sshd, tmp_path: Path) -> None:
    """The server has no key of the pinned kind at all."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "other"], check=True
    )
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sshd.endpoint.port} {(tmp_path / 'other.pub').read_text()}")
    with pytest.raises(HostKeyMismatch, match="no key of the pinned kind"):
        new_host(known_hosts=known).run("true")


@pytest.mark.parametrize("name", ["127.0.0.1", "[127.0.0.1]:{port}"])
def test_a_host_may_be_pinned_with_or_without_its_port(
    new_host: NewHost, sshd: Sshd, tmp_path: Path, name: str
) -> None:
    """A host reached through a socket has no port to name."""
    known = tmp_path / "known_hosts"
    public = (sshd.folder / "host_key.pub").read_text()
    known.write_text(f"{name.format(port=sshd.endpoint.port)} {public}")
    assert new_host(known_hosts=known).run("true").ok


def test_a_refused_user_key_is_told_with_its_file(new_host: NewHost, tmp_path: Path) -> None:
    """And no other key is tried."""
    make_key(tmp_path / "key")
    with pytest.raises(LabError, match=r"refuses .*'s key .*/key"):
        new_host(key_file=tmp_path / "key").run("true")
    with pytest.raises(LabError, match="no usable key"):
        new_host(key_file=tmp_path / "missing").run("true")
