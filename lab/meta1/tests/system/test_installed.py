"""The whole of it on a machine that may be changed: accounts, make install, five processes, mail.

Run as root, from a tree that is configured and built, in a container or a virtual machine made for
it: META1_SYSTEM=1 python3 -m pytest tests/system. Everywhere else it is not run, and says so.
"""

from __future__ import annotations

import os
import re
import signal
import smtplib
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent.parent
SBIN = Path("/usr/local/sbin")
CONF = Path("/etc/meta1/meta1.conf")
SPOOL = Path("/var/spool/meta1")
LMTP = Path("/run/meta1-test/lmtp")
PORT = 2525
USERS = {"smtps": "meta1s", "qmgr": "meta1q", "smtpc": "meta1c", "smar": "meta1m"}

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 or os.environ.get("META1_SYSTEM") != "1",
        reason="changes the machine: run as root with META1_SYSTEM=1, in a throw-away one",
    ),
]


def run(*command: str | Path, status: int | None = 0) -> str:
    """Run a command; its output, after a check of its status."""
    done = subprocess.run(
        [str(each) for each in command], text=True, check=False, timeout=120, cwd=TREE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert status is None or done.returncode == status, done.stdout + logs()
    return done.stdout


def logs() -> str:
    """What the modules have written."""
    return "".join(f"--- {each}\n{each.read_text()[-3000:]}" for each in SPOOL.glob("*.log"))


def until(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, logs()
        time.sleep(0.05)


class Mailbox(socketserver.ThreadingUnixStreamServer):
    """An LMTP server that keeps what it gets."""

    daemon_threads = True

    def __init__(self) -> None:
        LMTP.parent.mkdir(mode=0o750, exist_ok=True)
        LMTP.unlink(missing_ok=True)
        subprocess.run(["chgrp", "mail", str(LMTP.parent)], check=True)
        super().__init__(str(LMTP), Lmtp)
        LMTP.chmod(0o777)
        self.mail: list[tuple[list[str], str]] = []


class Lmtp(socketserver.StreamRequestHandler):
    """As much LMTP as smtpc needs."""

    def handle(self) -> None:
        self.say("220 sink LMTP")
        recipients: list[str] = []
        while line := self.rfile.readline().decode():
            verb = line.split()[0].upper() if line.split() else ""
            if verb == "LHLO":
                self.say("250-sink", "250-PIPELINING", "250-8BITMIME", "250 ENHANCEDSTATUSCODES")
            elif verb == "DATA":
                self.say("354 go on")
                self.take(recipients)
                recipients = []
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                if verb == "RCPT":
                    recipients.append(re.findall("<(.*)>", line)[0])
                self.say("250 2.0.0 ok")

    def take(self, recipients: list[str]) -> None:
        lines = []
        while (line := self.rfile.readline().decode()) not in (".\r\n", ""):
            lines.append(line)
        assert isinstance(self.server, Mailbox)
        self.server.mail.append((recipients, "".join(lines)))
        self.say(*("250 2.0.0 ok" for _ in recipients))

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    server = Mailbox()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def machine(mailbox: Mailbox) -> Iterator[None]:
    """Accounts by the commands that sm.check.sh names, then make install and a configuration."""
    for _ in range(3):
        text = run(TREE / "misc/sm.check.sh", "-p", status=None)
        for command in re.findall(r"mend: (.*)", text):
            subprocess.run(command, shell=True, check=True)
    run(TREE / "misc/sm.check.sh", "-p")
    run("make", "install")
    text = Path("/etc/meta1/meta1.conf.sample").read_text()
    text = re.sub(r"(?m)^    log \{.*\n", "", text)
    text = text.replace("port = 25;", f"address = 127.0.0.1; port = {PORT};")
    text = text.replace("/run/cyrus/socket/lmtp", str(LMTP))
    text = text.replace("CDB_gid = 262;", "")
    CONF.write_text(
        "hostname = mail.lab.example;\nmcp { min_restart_delay = 0; }\n"
        + text.replace("smar {", "smar {\n    nameserver = 127.0.0.1; DNS_timeout = 1;")
    )
    yield
    run(SBIN / "mcp.sh", "stop", status=None)


@pytest.fixture
def running(machine: None) -> Iterator[None]:
    run(SBIN / "mcp.sh", "start")
    yield
    run(SBIN / "mcp.sh", "stop")


def processes() -> dict[str, int]:
    """Names and process ids that mcp.sh status shows as up."""
    text = run(SBIN / "mcp.sh", "status", status=None)
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[2] == "up"}


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def send(mailbox: Mailbox, subject: str) -> None:
    """Send a message and wait for it in the mailbox; a server that restarts is tried again."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with smtplib.SMTP("127.0.0.1", PORT, timeout=10) as client:
                client.sendmail("a@lab.example", ["b@mail.lab.example"],
                                f"Subject: {subject}\r\n\r\nhello\r\n")  # fmt: skip
            break
        except (smtplib.SMTPException, OSError):
            assert time.monotonic() < deadline, logs()
            time.sleep(0.2)
    until(lambda: any(f"Subject: {subject}\r\n" in text for _, text in mailbox.mail))


def test_directories_are_right(machine: None) -> None:
    """After make install nothing is left to do for either script."""
    run(SBIN / "sm.check.sh", "-d")
    assert "nothing to change" in run(SBIN / "sm.setup.sh")


def test_setup_mends_owners(machine: None) -> None:
    """A directory that somebody has given away comes back to its owner."""
    os.chown(SPOOL / "ibdb", 0, 0)
    assert "FAULT" in run(SBIN / "sm.check.sh", "-d", status=1)
    assert f"{SPOOL}/ibdb now belongs to meta1q:meta1q" in run(SBIN / "sm.setup.sh")


@pytest.mark.parametrize("name", ["smtps", "smtpc", "qmgr", "smar"])
def test_configuration_check(machine: None, name: str) -> None:
    """The tutorial's way to check the file."""
    text = run(f"/usr/local/libexec/{name}", "-f", CONF, "-VVVV")
    assert text.endswith(f"# {CONF}: valid\n")


def test_only_mcp_is_root(running: None) -> None:
    """Each module has its own user, all groups of it, and no way to more."""
    found = processes()
    assert set(found) == {"mcp", *USERS}
    assert status_of(found["mcp"])["Uid"].split() == ["0"] * 4
    for name, user in USERS.items():
        status = status_of(found[name])
        assert status["Uid"].split() == [run("id", "-u", user).strip()] * 4
        assert set(status["Groups"].split()) == set(run("id", "-G", user).split())
        assert status["NoNewPrivs"] == "1"
        assert status["CapEff"].strip("0") == ""


def test_mail_arrives(running: None, mailbox: Mailbox) -> None:
    """SMTP in, LMTP out."""
    send(mailbox, "first")
    recipients, text = next(each for each in mailbox.mail if "Subject: first" in each[1])
    assert recipients == ["b@mail.lab.example"]
    assert "Received: from" in text


def test_relaying_is_denied(running: None) -> None:
    """A foreign recipient is refused: nobody has said otherwise."""
    with smtplib.SMTP("127.0.0.1", PORT, timeout=10) as client:
        client.ehlo("x.example")
        client.mail("a@lab.example")
        assert client.rcpt("b@elsewhere.example")[0] // 100 == 5


@pytest.mark.parametrize("name", ["smar", "qmgr", "smtpc", "smtps"])
def test_kill_9_of_a_module(running: None, mailbox: Mailbox, name: str) -> None:
    """It comes back, with those that depend on it, and mail goes on."""
    old = processes()[name]
    os.kill(old, signal.SIGKILL)
    until(lambda: processes().get(name, old) != old and len(processes()) == 5)
    send(mailbox, f"after {name}")


def test_kill_9_of_mcp(machine: None, mailbox: Mailbox) -> None:
    """The next start works at once, and nothing of the old processes is left."""
    run(SBIN / "mcp.sh", "start")
    old = processes()
    os.kill(old["mcp"], signal.SIGKILL)
    run(SBIN / "mcp.sh", "start")
    new = processes()
    assert len(new) == 5
    assert not [pid for pid in old.values() if Path(f"/proc/{pid}").exists() and
                status_of(pid)["State"][0] != "Z"]  # fmt: skip
    send(mailbox, "after mcp")
    run(SBIN / "mcp.sh", "stop")


def test_reload(running: None, mailbox: Mailbox) -> None:
    """A wrong file is refused with its faults; a right one is used without a new process."""
    old, text = processes(), CONF.read_text()
    CONF.write_text(text.replace("flags = {", "flgs = {"))
    assert "did you mean flags?" in run(SBIN / "mcp.sh", "reload", status=1)
    CONF.write_text(text)
    run(SBIN / "mcp.sh", "reload")
    send(mailbox, "after reload")
    assert processes() == old


def test_stop_leaves_nothing(machine: None) -> None:
    """No process, no socket, no pid file."""
    run(SBIN / "mcp.sh", "start")
    found = processes()
    run(SBIN / "mcp.sh", "stop")
    assert not [name for name, pid in found.items() if Path(f"/proc/{pid}").exists()]
    assert "not running" in run(SBIN / "mcp.sh", "status", status=3)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", PORT), timeout=2)


def test_systemd_unit(machine: None) -> None:
    """systemd understands the unit without a complaint."""
    unit = Path("/etc/systemd/system/meta1.service")
    unit.write_text((TREE / "misc/meta1.service").read_text())
    text = run("systemd-analyze", "verify", "--man=no", unit, status=None)
    assert "meta1.service" not in text, text


def test_manual_pages(machine: None) -> None:
    """man finds them."""
    for page in ("meta1.conf", "mcp", "smtps", "meta1"):
        assert page in run("man", "-w", page)
