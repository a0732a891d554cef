"""A broker with two trainees on real machines: what each may do, what none may, and what survives.

Trainees are users of this host here, without the sandbox around them. Their folders of sockets are entered by root
for them, as the sandbox binds them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import paramiko
import pytest
from other_user import as_user

from lab.chapters import chapters
from lab.classroom import place, storage
from lab.classroom.client import VARIABLE, Broker
from lab.classroom.machine import Machine
from lab.classroom.settings import Settings, Share, Trainee, store
from lab.cli import main
from lab.errors import LabError, NotUp
from lab.host import Host
from lab.lab import Lab
from lab.providers.base import Endpoint
from lab.providers.container import ContainerProvider
from lab.session import Session

pytestmark = pytest.mark.classroom
TOP = Path(__file__).resolve().parent.parent.parent
SETTINGS = Settings(
    trainees=(Trainee("t01", "One", 1, ""), Trainee("t02", "Two", 2, "")),
    machine=Share(memory=300, cpus=1.0, pids=400, disk=256),
    prepare=False,
)

FORKS = """
for (1..500) { last unless defined($p = fork); if (!$p) { sleep 60; exit } push @p, $p }
kill 9, @p; print scalar @p
"""
"""Perl: how many processes one may have, up to 500."""


@dataclass
class Class:
    """A broker that runs, and the two who ask it."""

    process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start the broker, and wait until it answers."""
        log = (place.top() / "broker.log").open("ab")
        command = [sys.executable, "-m", "lab.classroom.broker"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=TOP)
        self.instructor("table")

    def kill(self) -> None:
        """End the broker without a word."""
        self.process.kill()
        self.process.wait()

    def ask(self, number: int, do: str, **arguments: Any) -> Any:
        """Ask as a trainee, through their own socket."""
        return self.through(number, number, do, **arguments)

    def through(self, number: int, whose: int, do: str, **arguments: Any) -> Any:
        """Ask as a trainee, through the socket of the same or another one."""
        folder = place.trainee_run(f"t0{whose}")
        ask = Broker(Path("broker.sock")).ask
        return as_user(63000 + number, folder, lambda: ask(do, wait=0, **arguments))

    def instructor(self, do: str, **arguments: Any) -> Any:
        """Ask as the instructor."""
        return Broker(place.instructor_socket()).ask(do, seconds=120, wait=90, **arguments)

    def state(self, number: int) -> str:
        """Of a trainee's machine."""
        found: str = self.ask(number, "status")["state"]
        return found

    def pid(self, number: int) -> int:
        """First process of a trainee's machine."""
        return storage.provider(SETTINGS, f"t0{number}").pid()

    def messages(self, number: int) -> list[str]:
        """Texts, oldest first."""
        return [each["text"] for each in self.ask(number, "messages", since=0)]

    def host(self, number: int, folder: Path) -> Host:
        """The machine of a trainee, logged in to with what the broker gave them."""
        found = self.ask(number, "up")
        key, known = folder / f"key{number}", folder / f"known{number}"
        key.write_text(found["key"])
        known.write_text(found["known_hosts"])
        return Host(
            Endpoint(found["host"], found["port"], found["user"], key, known),
            lambda: storage.provider(SETTINGS, f"t0{number}").connect(),
        )


def eventually(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """A class with a broker and two machines that run; nothing of it is left."""
    home = tmp_path_factory.mktemp("class")
    before = os.environ.get("LAB_HOME")
    os.environ["LAB_HOME"] = str(home)
    store(SETTINGS)
    storage.make(SETTINGS)
    made = Class(subprocess.Popen(["true"]))
    try:
        made.start()
        yield made
    finally:
        made.process.terminate()
        made.process.wait(timeout=60)
        print((place.top() / "broker.log").read_text())
        storage.remove(SETTINGS, lambda _: None)
        if before is None:
            del os.environ["LAB_HOME"]
        else:
            os.environ["LAB_HOME"] = before
    assert str(home) not in Path("/proc/mounts").read_text()
    assert not place.podman_run("t01").exists()


@pytest.fixture(scope="module")
def one(room: Class, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The machine of the first trainee."""
    host = room.host(1, tmp_path_factory.mktemp("keys"))
    yield host
    host.close()


@pytest.fixture(scope="module")
def two(room: Class, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The machine of the second trainee."""
    host = room.host(2, tmp_path_factory.mktemp("keys"))
    yield host
    host.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the first trainee reaches, which those of pytest's are not."""
    with TemporaryDirectory() as path:
        os.chown(path, 63001, 63001)
        yield Path(path)


def test_a_trainee_uses_a_lab_as_anybody_does(room: Class, home: Path) -> None:
    """up, save, restore, status, down, up again: with the class's provider, and the keys of a container's lab."""

    def work() -> tuple[list[str], str, str, str]:
        lab = Lab()
        vm = lab.up()
        vm.run("touch saved")
        lab.save("mine")
        vm.run("rm saved; touch later")
        lab.restore("mine")
        for command in ("check", "hint"):
            with suppress(SystemExit):
                main([command, "1"])
        left = lab.host.run("ls").stdout.split()
        names = " ".join(lab.names())
        key = Session(lab, lambda _: None).key(chapters()[1].notebook)
        lab.down()
        return left, names, key, lab.status().state

    folder = place.trainee_run("t01")
    variables = {VARIABLE: "broker.sock", "LAB_HOME": str(home / "lab"), "HOME": str(home)}
    left, names, key, state = as_user(63001, folder, work, **variables)
    assert left == ["saved"]
    assert names == "fresh mine"
    assert key == Session(Lab("any", "container"), lambda _: None).key(chapters()[1].notebook)
    begun = room.instructor("table")["trainees"][0]["chapters"]["1"]
    assert (begun["state"], begun["attempts"], begun["hints"]) == ("working", 1, 1)
    assert (state, room.state(1), room.ask(1, "names")) == ("absent", "absent", ["fresh"])


def test_nobody_asks_through_the_socket_of_another(room: Class) -> None:
    """The folder is closed to them; were it open, and the socket too, the broker would not answer that uid."""
    assert room.through(1, 1, "status")
    with pytest.raises((LabError, PermissionError)):
        room.through(1, 2, "status")
    folder, end = place.trainee_run("t02"), place.trainee_socket("t02")
    folder.chmod(0o755)
    end.chmod(0o666)
    try:
        with pytest.raises(NotUp):
            room.through(1, 2, "status")
        assert room.through(2, 2, "status")
    finally:
        folder.chmod(0o750)
        end.chmod(0o660)
    with pytest.raises((LabError, PermissionError)):
        instructor = Broker(Path("instructor.sock"))
        as_user(63001, place.run(), lambda: instructor.ask("table", wait=0))


def test_the_key_of_one_opens_no_other_machine(room: Class, one: Host, two: Host) -> None:
    """Even with a stream to it: each machine knows one key."""
    for key, opens in ((two.endpoint.key_file, True), (one.endpoint.key_file, False)):
        stream = storage.provider(SETTINGS, "t02").connect()
        transport = paramiko.Transport(stream)
        try:
            transport.start_client(timeout=20)
            transport.auth_publickey("lab", paramiko.Ed25519Key.from_private_key_file(str(key)))
        except paramiko.AuthenticationException:
            assert not opens
        else:
            assert opens
        finally:
            transport.close()


def test_a_link_on_a_machine_leads_the_broker_nowhere(room: Class, one: Host, two: Host) -> None:
    """Root on a machine may put anything in the place of its socket: it would be another's machine, or any socket."""
    mine, other = (place.machine(name) / "run" / "ssh.sock" for name in ("t01", "t02"))
    one.run(
        f"mv /lab/run/ssh.sock /lab/run/kept && ln -s {other} /lab/run/ssh.sock", as_user="root"
    )
    try:
        with socket.socket(socket.AF_UNIX) as naive:
            folder = os.open(mine.parent, os.O_PATH)
            naive.connect(f"/proc/self/fd/{folder}/ssh.sock")  # so the link does lead there
            os.close(folder)
            assert naive.recv(4) == b"SSH-"
        with pytest.raises(NotUp):
            room.ask(1, "connect")
    finally:
        one.run("mv /lab/run/kept /lab/run/ssh.sock", as_user="root")
    room.ask(1, "connect")


def test_a_full_disk_is_one_trainees_own(room: Class, one: Host, two: Host) -> None:
    """No space left at the limit, there and in what the machine shares with the host; the other writes on."""
    full = one.run("cat /dev/zero > /var/tmp/full", as_user="root", check=False)
    assert not full.ok and "No space left" in full.stderr
    size = int(one.run("stat --format %s /var/tmp/full").stdout)
    assert 150 << 20 < size < SETTINGS.machine.disk << 20
    shared = one.run("cat /dev/zero > /lab/run/full", as_user="root", check=False)
    assert not shared.ok and "No space left" in shared.stderr
    with pytest.raises(LabError, match="no room"):
        room.ask(1, "save", name="more")
    assert two.run("head -c 30M /dev/zero > /var/tmp/some && sync", as_user="root").ok
    one.run("rm /var/tmp/full /lab/run/full", as_user="root")


def test_no_machine_is_made_beside_its_disk(tmp_path: Path) -> None:
    """Where that is not mounted, nothing would limit it."""
    machine = Machine(ContainerProvider(tmp_path), None)
    with pytest.raises(NotUp, match="not mounted"):
        machine.up()
    with pytest.raises(NotUp, match="not mounted"):
        machine.restore("fresh")


def test_memory_and_processes_have_a_limit(one: Host, two: Host) -> None:
    """What is beyond it fails; what is within it does not, at the same time on the other machine."""
    assert two.run("head -c 60M /dev/zero | tail | wc -c").stdout.strip() == str(60 << 20)
    assert one.run("head -c 600M /dev/zero | tail | wc -c").stdout.strip() == "0"
    assert 100 < int(one.run(f"perl -e '{FORKS}'").stdout) < SETTINGS.machine.pids
    assert two.run("true").ok


def test_a_machine_that_dies_is_started_again(room: Class, one: Host) -> None:
    """With its disk; the trainee is told."""
    one.run("touch still-here && sync")
    first = room.pid(1)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: room.pid(1) not in (0, first) and room.state(1) == "running")
    assert one.run("test -e still-here").ok
    assert "runs again" in room.messages(1)[-1]


def test_a_machine_that_is_lost_goes_back_to_its_checkpoint(room: Class, one: Host) -> None:
    """To the last one that was saved; the trainee is told."""
    one.run("touch before")
    room.ask(1, "save", name="kept")
    one.run("touch after")
    provider = storage.provider(SETTINGS, "t01")
    provider._podman("rm", "--force", "--time", "0", provider.container)
    eventually(lambda: "'kept'" in " ".join(room.messages(1)) and room.state(1) == "running")
    assert one.run("test -e before && ! test -e after").ok


def test_a_broker_that_is_killed_has_lost_nothing(room: Class, one: Host, two: Host) -> None:
    """Machines go on meanwhile; one that died meanwhile is started again; events and messages are there."""
    room.ask(1, "event", kind="check", chapter=3, detail={"passed": True})
    room.instructor("say", trainees="all", text="Five minutes")
    room.instructor("server", trainee="t02", running=True)
    before = room.instructor("table")
    alive, dead = room.pid(1), room.pid(2)
    room.kill()
    assert one.run("true").ok
    os.kill(dead, signal.SIGKILL)
    room.start()
    eventually(lambda: {room.state(1), room.state(2)} == {"running"})
    assert room.pid(1) == alive and room.pid(2) not in (0, dead)
    assert room.instructor("table") == before
    assert before["trainees"][0]["chapters"]["3"]["state"] == "passed"
    assert room.messages(1)[-1] == "Five minutes"
    assert room.messages(2)[-2] == "Five minutes" and "runs again" in room.messages(2)[-1]


def test_who_watches_sees_each_change(room: Class) -> None:
    """The table at once, and again soon after a trainee has done something; no more than two in a second."""
    watch = Broker(place.instructor_socket()).says("watch", seconds=30)
    first = next(watch)["trainees"][1]["chapters"]["9"]
    began = time.monotonic()
    for _ in range(20):
        room.instructor("say", trainees="all", text="Nothing that is in the table")
        room.ask(2, "event", kind="check", chapter=9, detail={"passed": False})
    seen = [next(watch)["trainees"][1]["chapters"]["9"]["attempts"]]
    while seen[-1] < 20:
        seen.append(next(watch)["trainees"][1]["chapters"]["9"]["attempts"])
    assert (first["attempts"], len(seen)) == (0, len(set(seen)))
    assert len(seen) <= 2 * (time.monotonic() - began) + 1
    watch.close()


def test_an_instructor_puts_trainees_to_a_chapter(room: Class, one: Host, two: Host) -> None:
    """To the end of the one before, which was made once; who is there is told. Not before it is made."""
    end = Session(Lab("any", "container"), lambda _: None).key(chapters()[0].notebook)
    with pytest.raises(LabError, match="0 of"):
        room.instructor("goto", trainees="all", chapter=2)
    model = Broker(place.trainee_socket(place.MODEL))
    model.ask("up")
    container = storage.provider(SETTINGS, place.MODEL)
    container._podman("exec", container.container, "touch", "/home/lab/made-once")
    model.ask("save", name=end)
    assert room.instructor("prepared")["chapters"] == [1]
    assert end in room.ask(1, "names")
    assert room.instructor("goto", trainees=["t01", "t02"], chapter=2) == {"failed": {}}
    for host in (one, two):
        assert host.run("test -e made-once").ok
    assert "chapter 2" in room.messages(2)[-1]
    assert room.instructor("table")["trainees"][1]["chapters"]["2"]["state"] == "working"
