"""The common start of the modules: command line, -V, log lines, syslog, listening sockets."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ports import free_port

from meta1 import PRODUCT, maillog
from meta1.arguments import BadArguments, parse_arguments
from meta1.config import DEFAULT_FILE, parse_config
from meta1.config.sections.common import FACILITIES
from meta1.listen import bind, pass_path, receive_sockets, send_sockets
from meta1.pidfile import AlreadyRunning, Entry, PidFile, end_left_behind, start_time
from meta1.program import Service, find_section
from meta1.report import report
from meta1.syslog import MAX_KEPT, SyslogSink, _facility_number

TUTORIAL = Path(__file__).resolve().parent / "data" / "tutorial-2006.conf"


# -- command line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "file", "verbosity"),
    [
        (["-f", "x"], "x", 0), (["-fx", "-VVVV"], "x", 4), (["-V", "-VV"], DEFAULT_FILE, 3),
        (["-f", "/etc/x", "-VVVVVV"], "/etc/x", 4), (["--version"], DEFAULT_FILE, 1),
    ],
)  # fmt: skip
def test_arguments(argv: list[str], file: str, verbosity: int) -> None:
    """The forms that the tutorial and its manual pages use."""
    arguments = parse_arguments(argv)
    assert (arguments.file, arguments.verbosity) == (file, verbosity)


@pytest.mark.parametrize("argv", [["-x"], ["-f"], ["file"], ["--nonsense"]])
def test_bad_arguments(argv: list[str]) -> None:
    """Anything else is refused with a reason."""
    with pytest.raises(BadArguments, match=r"."):
        parse_arguments(argv)


@pytest.mark.parametrize(
    ("letters", "has", "lacks"),
    [
        (1, PRODUCT, "OpenSSL"),
        (2, "OpenSSL", "prefix"),
        (2, "Cyrus SASL: 2.", "prefix"),
        (2, "Berkeley DB: ", "prefix"),
        (3, "prefix: ", "effective configuration"),
    ],
)
def test_versions(capsys: pytest.CaptureFixture[str], letters: int, has: str, lacks: str) -> None:
    """Each V adds a part."""
    assert report("smtps", parse_arguments(["-" + "V" * letters])) == 0
    text = capsys.readouterr().out
    assert has in text and lacks not in text


def test_check_shows_what_is_in_effect(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """-VVVV prints the module's part with the defaults marked; 0 for a valid file."""
    file = tmp_path / "meta1.conf"
    file.write_text("smtps { log_level = 24; listen_socket { } flags = { 8bitmime }; }")
    assert report("smtps", parse_arguments(["-f", str(file), "-VVVV"])) == 0
    text = capsys.readouterr().out
    assert "    log_level = 24;\n" in text
    assert re.search(r"max_message_size = 64M; +# default", text)
    assert "AQ_max_entries" not in text
    assert text.endswith(": valid\n")


def test_check_of_a_wrong_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """-VVVV of a wrong file: every fault, and EX_CONFIG."""
    file = tmp_path / "meta1.conf"
    file.write_text("smtps { a = 1; }\nqmgr { b = 2; }\n")
    assert report("qmgr", parse_arguments(["-f", str(file), "-VVVV"])) == 78
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_check_of_missing_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The tutorial's file is fine, but its certificates are not there yet."""
    # Not /etc/meta1/CA: who follows the tutorial has certificates there before MeTA1 is built.
    file, authority = tmp_path / "meta1.conf", tmp_path / "CA"
    file.write_text(TUTORIAL.read_text().replace("/etc/meta1/CA", str(authority)))
    assert report("smtps", parse_arguments(["-f", str(file), "-VVVV"])) == 78
    assert f"{file}:18:5: {authority}/newreq.pem" in capsys.readouterr().err


def test_which_server() -> None:
    """Of several servers one has to be named."""
    text = (
        b"smtps a { listen_socket { } }smtps b { listen_socket { port = 26; } pass_fd_socket = b; }"
    )
    config = parse_config(text)
    assert find_section(config, "smtps", "b").listen_socket[0].port == 26
    with pytest.raises(Exception, match="say which: -n a, b"):
        find_section(config, "smtps")


# -- log ------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Lines logged during the test, by a sink that keeps them."""
    kept: list[str] = []

    class Keep:
        def write(self, severity: int, line: str) -> None:
            kept.append(line)

        def close(self) -> None:
            pass

    old = maillog._log.sink, maillog._log.level
    maillog._log.sink, maillog._log.level = Keep(), 12
    yield kept
    maillog._log.sink, maillog._log.level = old


def test_log_line(lines: list[str]) -> None:
    """id, fact, key=value; what is not known is left out."""
    maillog.received("S1", sender="a@b", size=10, auth=None, note="")
    assert lines == ["S1 received sender=a@b size=10"]


def test_log_level(lines: list[str]) -> None:
    """At level 12 a new session is not worth a line, at 24 it is."""
    maillog.session_opened("S1", "127.0.0.1")
    assert lines == []
    maillog._log.level = 24
    maillog.session_opened("S1", "127.0.0.1")
    assert lines == ["S1 opened client=127.0.0.1"]


@given(st.text(max_size=2000))
def test_nobody_writes_log_lines_of_their_own(text: str) -> None:
    """Any text becomes one value: printable, bounded, and with no way out of its quotes."""
    value = maillog.clean(text)
    assert value.isascii() and value.isprintable()
    assert len(value) < 8 * maillog.MAX_VALUE
    bare = value[1:-1] if value.startswith('"') else value
    assert not set(bare) & set('"\\') or "\\x" in bare
    assert '"' not in bare
    assert value.startswith('"') or not set(" =") & set(value)


def test_facility_numbers() -> None:
    """Those of syslog(3)."""
    import syslog

    for name in FACILITIES:
        constant = getattr(syslog, f"LOG_{name.upper()}", None)
        if constant is not None:
            assert _facility_number(name) == constant >> 3


def test_syslog_survives_its_daemon(box: Path) -> None:
    """Lines written while nobody listens arrive later; too many are counted, none blocks."""
    device = box / "log"
    sink = SyslogSink("smtps", "mail", str(device))
    for number in range(MAX_KEPT + 7):
        sink.write(6, f"line {number}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(device))
        sink._next_try = 0
        sink.write(6, "last")
        daemon.settimeout(1)
        first = daemon.recv(1000).decode()
        assert re.fullmatch(
            rf"<22>\w{{3}} [ \d]\d \d\d:\d\d:\d\d smtps\[{os.getpid()}\]: line [78]", first
        )
        # The queue of a datagram socket is short: the rest follows as it is read.
        seen = [first]
        while "log_lost" not in seen[-1]:
            sink._flush()
            seen.append(daemon.recv(1000).decode())
        assert "log_lost lines=" in seen[-1]
    sink.close()


def test_end_of_a_burst_reaches_syslog(box: Path) -> None:
    """Lines that found no room arrive by themselves as soon as the daemon reads on."""

    async def burst(daemon: socket.socket) -> int:
        sink = SyslogSink("qmgr", "mail", str(box / "log"))
        loop = asyncio.get_running_loop()
        for number in range(300):
            sink.write(6, f"line {number} " + "x" * 1000)
        seen = [await loop.sock_recv(daemon, 4000) for _ in range(300)]
        sink.close()
        return len(seen)

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(box / "log"))
        daemon.setblocking(False)
        assert asyncio.run(asyncio.wait_for(burst(daemon), 60)) == 300


# -- sockets --------------------------------------------------------------------------------------


def service(box: Path, port: int) -> Service:
    """smtps in a box, told nothing yet."""
    config = parse_config(
        f'queue_directory = "{box}"; '
        f"smtps {{ listen_socket {{ address = 127.0.0.1; port = {port}; }} "
        "pass_fd_socket = fd; }}".replace("}}", "}").encode()
    )
    return Service("smtps", config, config.smtps[0], 0, "mail.lab.example", asyncio.Event())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_sockets_are_passed(box: Path, loop: str) -> None:
    """What mcp has bound is what the module listens on; the UNIX socket is gone afterwards."""
    factory = None
    if loop == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    made = service(box, free_port())
    bound = bind(made.section.listen_socket[0])
    path = pass_path(made.config, made.section, 0)

    async def both() -> list[socket.socket]:
        receiving = asyncio.create_task(receive_sockets(made))
        await asyncio.sleep(0)
        assert path.stat().st_mode & 0o777 == 0o600
        await send_sockets(path, os.geteuid(), [bound])
        return await receiving

    with asyncio.Runner(loop_factory=factory) as runner:
        (received,) = runner.run(both())
    assert received.getsockname() == bound.getsockname()
    assert not path.exists()
    received.close()
    bound.close()


def test_only_the_announced_listening_sockets_are_taken(box: Path) -> None:
    """Rubbish and sockets that do not listen are turned away; then the right one is taken."""
    made = service(box, free_port())
    bound = bind(made.section.listen_socket[0])
    path = pass_path(made.config, made.section, 0)

    def bother() -> None:
        wrong = ((b"x", []), (b"1\n", [0]), (b"1\n", []), (b"2\n", [bound.fileno()]))
        for data, descriptors in wrong:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                if descriptors:
                    with socket.socket() as plain:
                        fds = [plain.fileno() if each == 0 else each for each in descriptors]
                        socket.send_fds(client, [data], fds)
                else:
                    client.send(data)
                client.shutdown(socket.SHUT_WR)
                client.recv(1)

    async def both() -> list[socket.socket]:
        receiving = asyncio.create_task(receive_sockets(made))
        await asyncio.sleep(0)
        await asyncio.to_thread(bother)
        await send_sockets(path, os.geteuid(), [bound])
        return await receiving

    (received,) = asyncio.run(both())
    assert received.getsockname() == bound.getsockname()
    received.close()
    bound.close()


def test_sockets_go_only_to_the_modules_user(box: Path) -> None:
    """mcp does not talk to a socket that belongs to somebody else."""
    path = box / "fd"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(PermissionError):
            asyncio.run(send_sockets(path, os.geteuid() + 1, []))


# -- pid file -------------------------------------------------------------------------------------


def test_pid_file_is_held(box: Path) -> None:
    """The second one is refused by the lock, and told who has it."""
    first = PidFile(box / "run" / "mcp.pid")
    first.write()
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        PidFile(box / "run" / "mcp.pid")


def test_leftovers_are_found_and_ended(box: Path) -> None:
    """A process is ended only if its start time is the one in the list."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        entry = Entry("smtps", process.pid, start_time(process.pid), "up")
        pid_file = PidFile(box / "mcp.pid")
        pid_file.note([entry, Entry("qmgr", process.pid, entry.started + 1, "up")])
        assert pid_file.left_behind() == [entry]
        assert end_left_behind([entry], 5) == []
        assert process.wait(5) != 0


@given(st.binary(max_size=200))
def test_any_list_of_leftovers(data: bytes) -> None:
    """Whatever is in the file, nothing else is taken for one of our processes."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        pid_file = PidFile(Path(folder) / "mcp.pid")
        (Path(folder) / "mcp.pid.modules").write_bytes(data)
        assert pid_file.left_behind() == []
        os.close(pid_file._fd)
