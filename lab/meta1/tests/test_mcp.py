"""mcp with stand-ins for the modules: real processes, sockets and signals, no root needed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ports import free_port

import meta1

TESTS = Path(__file__).resolve().parent
SOURCE = Path(meta1.__file__).resolve().parent.parent
STUB = TESTS / "stub.py"
START_ORDER = ["smar.0", "qmgr.0", "smtpc.0", "smtps.0"]


class Lab:
    """One mcp with its own directory, run as a plain user."""

    def __init__(self, box: Path) -> None:
        self.box, self.port = box, free_port()
        self.process: subprocess.Popen[str] | None = None
        self.write_config()

    def write_config(self, smtps: str = "", mcp: str = "", **modules: str) -> None:
        def section(name: str, more: str = "") -> str:
            arguments = f'"python3 -I {self.box}/stub {name} -f {self.box}/meta1.conf"'
            return (
                f'{name} {{ path = "{sys.executable}"; arguments = {arguments}; {more} '
                f"{modules.get(name, '')} }}\n"
            )

        listen = f"listen_socket {{ address = 127.0.0.1; port = {self.port}; }} {smtps}"
        text = f'hostname = mail.lab.example; queue_directory = "{self.box}";\n'
        text += (
            f'mcp {{ pid_file = "{self.box}/mcp.pid"; min_restart_delay = 0; '
            f"{mcp or 'start_timeout = 30;'} }}\n"
        )
        text += section("smtps", listen) + section("smtpc")
        text += section("qmgr", "restart_dependencies = { smtps, smtpc };")
        text += section("smar", "restart_dependencies = { smtps, qmgr };")
        (self.box / "meta1.conf").write_text(text)
        (self.box / "smtps").mkdir(exist_ok=True)
        path = [str(SOURCE), str(TESTS)]
        (self.box / "stub").write_text(
            f"import sys\nsys.path[:0] = {path}\nimport runpy\n"
            f"runpy.run_path({str(STUB)!r}, run_name='__main__')\n"
        )
        if os.geteuid() == 0:
            os.chown(self.box / "smtps", 65534, 65534)

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "meta1.mcp", *(options or ("-F",))]
        self.process = subprocess.Popen(
            [*command, str(self.box / "meta1.conf")],
            env={"PYTHONPATH": str(SOURCE), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE, stderr=(self.box / "stderr").open("a"), text=True,
            **({"user": 65534, "group": 65534} if os.geteuid() == 0 else {}),
        )  # fmt: skip
        return self.process

    def history(self, what: str = "") -> list[str]:
        """Lines that the stand-ins wrote, without process numbers."""
        try:
            lines = (self.box / "history").read_text().splitlines()
        except FileNotFoundError:
            return []
        words = [line.split() for line in lines]
        return [f"{name}" if what else f"{name} {event}" for name, event, _ in words
                if event == what or not what]  # fmt: skip

    def pid(self, name: str) -> int:
        lines = (self.box / "history").read_text().splitlines()
        return int([each for each in lines if each.startswith(f"{name} ready")][-1].split()[2])

    def forget(self) -> None:
        (self.box / "history").unlink(missing_ok=True)

    def until(self, what: Callable[[], object], seconds: float = 60) -> None:
        """Wait for something to become true; says what the log has if it does not."""
        deadline = time.monotonic() + seconds
        while not what():
            if time.monotonic() > deadline:
                raise AssertionError((self.box / "stderr").read_text() + str(self.history()))
            time.sleep(0.02)

    def all_ready(self) -> None:
        self.until(lambda: sorted(self.history("ready")) == sorted(START_ORDER))

    def greeting(self) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            return connection.recv(100)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


@pytest.fixture
def lab(box: Path) -> Iterator[Lab]:
    made = Lab(box)
    yield made
    made.stop()


def test_starts_last_to_first_and_stops_first_to_last(lab: Lab) -> None:
    """Each module starts when the one behind it in the file serves, and stops before it."""
    process = lab.start()
    lab.all_ready()
    assert lab.history("ready") == START_ORDER
    assert lab.greeting() == b"220 smtps\r\n"
    process.terminate()
    assert process.wait(60) == 0
    assert lab.history("stop") == START_ORDER[::-1]
    assert not (lab.box / "mcp.pid").exists()
    assert not list(lab.box.glob("*.modules"))


@pytest.mark.whole
def test_second_mcp_is_refused(lab: Lab) -> None:
    """Two of them would fight over the sockets and the queue."""
    lab.start()
    lab.all_ready()
    second = Lab.start(lab_twin(lab))
    assert second.wait(60) != 0
    assert "already running" in (lab.box / "stderr").read_text()


def lab_twin(lab: Lab) -> Lab:
    twin = object.__new__(Lab)
    twin.box, twin.port, twin.process = lab.box, lab.port, None
    return twin


@pytest.mark.whole
def test_a_dead_module_takes_its_dependents_along(lab: Lab) -> None:
    """qmgr is killed: smtps and smtpc stop, qmgr starts, then they do; smar is left alone."""
    lab.start()
    lab.all_ready()
    old, smar = lab.pid("qmgr.0"), lab.pid("smar.0")
    lab.forget()
    os.kill(old, signal.SIGKILL)
    lab.until(lambda: len(lab.history("ready")) == 3)
    assert lab.history("ready") == ["qmgr.0", "smtpc.0", "smtps.0"]
    assert sorted(lab.history("stop")) == ["smtpc.0", "smtps.0"]
    assert lab.pid("qmgr.0") != old
    os.kill(smar, 0)
    # mcp keeps the listening socket: a client that comes in between waits and is served.
    os.kill(lab.pid("smtps.0"), signal.SIGKILL)
    assert lab.greeting() == b"220 smtps\r\n"


@pytest.mark.whole
def test_a_module_that_keeps_dying_does_not_stop_the_others(lab: Lab) -> None:
    """The others serve; the bad one is tried again, later each time, and the log says so."""
    text = (lab.box / "meta1.conf").read_text()
    (lab.box / "meta1.conf").write_text(text.replace("restart_delay = 0", "restart_delay = 1s"))
    (lab.box / "smtpc.die").touch()
    lab.start()
    lab.until(lambda: len(lab.history("ready")) == 3)
    assert lab.greeting() == b"220 smtps\r\n"
    lab.until(lambda: lab.history("start").count("smtpc.0") == 2)
    assert "module_waits module=smtpc seconds=1.0" in (lab.box / "stderr").read_text()
    (lab.box / "smtpc.die").unlink()
    lab.all_ready()


@pytest.mark.whole
def test_a_module_that_never_serves_is_killed_and_tried_again(lab: Lab) -> None:
    """A start that hangs does not hold the others up for ever."""
    lab.write_config(mcp="start_timeout = 3;")
    (lab.box / "smtpc.hang").touch()
    lab.start()
    lab.until(lambda: "smtps.0" in lab.history("ready"))
    (lab.box / "smtpc.hang").unlink()
    lab.all_ready()
    assert "module_late module=smtpc" in (lab.box / "stderr").read_text()


@pytest.mark.whole
def test_a_deaf_module_is_killed(lab: Lab) -> None:
    """Who does not end within stop_timeout gets SIGKILL, and mcp still ends with 0."""
    lab.write_config(mcp="stop_timeout = 1;")
    (lab.box / "qmgr.deaf").touch()
    process = lab.start()
    lab.all_ready()
    pid = lab.pid("qmgr.0")
    process.terminate()
    assert process.wait(60) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.whole
@pytest.mark.parametrize("deaf", ["", "smtps.deaf"])
def test_kill_9_of_mcp_leaves_nothing_that_blocks_a_restart(lab: Lab, deaf: str) -> None:
    """Modules end with mcp; one that does not is ended by the next mcp, which then serves."""
    if deaf:
        lab.write_config(mcp="stop_timeout = 1;")
        (lab.box / deaf).touch()
    first = lab.start()
    lab.all_ready()
    pids = [lab.pid(each) for each in START_ORDER]
    lab.forget()
    first.kill()
    first.wait()
    (lab.box / "smtps.deaf").unlink(missing_ok=True)
    lab.start()
    lab.all_ready()
    assert lab.greeting() == b"220 smtps\r\n"
    assert not any(alive(pid) for pid in pids)


@pytest.mark.whole
def test_reload_restarts_only_what_changed(lab: Lab) -> None:
    """SIGHUP: a new port restarts smtps and is served; the others read the file again."""
    process = lab.start()
    lab.all_ready()
    old_port, lab.port = lab.port, free_port()
    lab.write_config()
    process.send_signal(signal.SIGHUP)
    lab.until(lambda: lab.history("ready").count("smtps.0") == 2)
    assert lab.greeting() == b"220 smtps\r\n"
    lab.until(lambda: len(lab.history("reload")) == 3)
    assert sorted(lab.history("reload")) == ["qmgr.0", "smar.0", "smtpc.0"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", old_port), timeout=30)
    # A wrong file: the fault is logged with its place, and the configuration in use stays.
    lab.write_config(smtps="max_sesions = 3;")
    process.send_signal(signal.SIGHUP)
    lab.until(lambda: "did you mean max_sessions" in (lab.box / "stderr").read_text())
    assert lab.greeting() == b"220 smtps\r\n"


@pytest.mark.whole
def test_reload_adds_and_removes_a_server(lab: Lab) -> None:
    """A second smtps section starts with a reload, and ends when it is taken out again."""
    process = lab.start()
    lab.all_ready()
    text = (lab.box / "meta1.conf").read_text()
    port = free_port()
    stub = f'"python3 -I {lab.box}/stub smtps -n inside -f {lab.box}/meta1.conf"'
    more = (
        f'smtps inside {{ path = "{sys.executable}"; arguments = {stub}; '
        f"listen_socket {{ address = 127.0.0.1; port = {port}; }} "
        "pass_fd_socket = smtps/inside; }\n"
    )
    (lab.box / "meta1.conf").write_text(text.replace("smtps {", "smtps outside {") + more)
    process.send_signal(signal.SIGHUP)
    lab.until(lambda: "not_reloaded" in (lab.box / "stderr").read_text()
              or "inside.0" in lab.history("ready"))  # fmt: skip
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        assert connection.recv(100) == b"220 inside\r\n"
    (lab.box / "meta1.conf").write_text(text)
    process.send_signal(signal.SIGHUP)
    lab.until(lambda: "inside.0" in lab.history("stop"))


@pytest.mark.whole
def test_several_processes_share_several_sockets(lab: Lab) -> None:
    """processes = 2, IPv4 and IPv6 on one port; a process that dies leaves the other alone."""
    lab.write_config(smtps=f"processes = 2; listen_socket {{ type = inet6; port = {lab.port}; }}")
    lab.start()
    lab.until(lambda: len(lab.history("ready")) == 5)
    with socket.create_connection(("::1", lab.port), timeout=30) as connection:
        assert connection.recv(100) == b"220 smtps\r\n"
    os.kill(lab.pid("smtps.1"), signal.SIGKILL)
    assert lab.greeting() == b"220 smtps\r\n"
    lab.until(lambda: lab.history("ready").count("smtps.1") == 2)
    assert lab.history("ready").count("smtps.0") == 1


@pytest.mark.whole
def test_background(lab: Lab) -> None:
    """Without -F the command returns when everything serves; the pid file names the daemon."""
    starter = lab.start("-f")
    assert starter.wait(60) == 0
    assert lab.history("ready") == START_ORDER
    pid = int((lab.box / "mcp.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    lab.until(lambda: not alive(pid))
    assert (lab.box / "qmgr.log").exists()


@pytest.mark.whole
def test_background_start_that_fails_says_why(lab: Lab) -> None:
    """A port that is taken: status 1 and a message where one sees it."""
    with socket.create_server(("127.0.0.1", lab.port)):
        starter = lab.start("-f")
        assert starter.wait(60) == 1
    assert "Address already in use" in (lab.box / "stderr").read_text()


@pytest.mark.whole
def test_wrong_configuration_starts_nothing(lab: Lab) -> None:
    """Every fault is shown with its place; the status is EX_CONFIG."""
    (lab.box / "meta1.conf").write_text("smtps { prot = 25; }\nqmgrr { }\n")
    assert lab.start().wait(60) == 78
    text = (lab.box / "stderr").read_text()
    assert "meta1.conf:1:9: no option 'prot' in smtps" in text
    assert "meta1.conf:2:1: no section 'qmgrr'; did you mean qmgr?" in text
    assert not lab.history()


@pytest.mark.whole
def test_an_account_that_is_missing_is_named(lab: Lab) -> None:
    """mcp as a plain user cannot become another one, and says so."""
    lab.write_config(qmgr="user = root;")
    lab.start()
    lab.until(lambda: "only mcp runs as root" in (lab.box / "stderr").read_text())
