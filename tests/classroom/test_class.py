"""A class of two, for real: who comes in, what each may reach, and that nothing is left of it.

Each defence is shown to be one: with that one left out, the same probe comes through.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import room
from class_of_two import ONE, TWO, Room, class_of_two, quiet, until, words

from lab.classroom import boxes, net, place, roster, sandbox, supervisor, tls
from lab.classroom.cgroup import Group
from lab.classroom.down import down
from lab.classroom.marks import Marks
from lab.classroom.net import Link
from lab.classroom.sandbox import Tree
from lab.classroom.up import Wish, reset_password, up
from lab.config import ROOT
from lab.errors import LabError

pytestmark = pytest.mark.classroom


@pytest.fixture(scope="module")
def cls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """The class of this module."""
    with class_of_two(tmp_path_factory.mktemp("class-home")) as found:
        yield found


# -- who comes in ------------------------------------------------------------------------------------------------


def test_each_has_a_server_with_the_notebooks(cls: Room) -> None:
    """In a home of their own, without the outputs of the book."""
    for name, browser in cls.browsers.items():
        listed = browser.get(f"{browser.server}/api/contents/tutorial").json()["content"]
        assert len(listed) == len(list((ROOT / "notebooks").glob("*.ipynb")))
        page = browser.get(f"{browser.server}/api/contents/tutorial/01-the-lab.ipynb").json()
        assert not any(cell.get("outputs") for cell in page["content"]["cells"])
        assert place.home(name).stat().st_uid == cls.uid(name)


def test_a_server_fills_no_log_of_the_host(cls: Room) -> None:
    """What it says, which a trainee can make endless, goes into the home, whose size is bounded."""
    for name in cls.browsers:
        assert (place.sandbox(name) / "sandbox.log").stat().st_size == 0
        assert "is running at" in (place.home(name) / ".lab" / "server.log").read_text()


@pytest.mark.parametrize(
    ("name", "word"),
    [(ONE, "wrong"), (ONE, ""), ("nobody", "wrong"), ("instructor", "wrong"), ("root", "")],
)
def test_a_wrong_password_is_refused(cls: Room, name: str, word: str) -> None:
    """As is somebody whom the class does not know."""
    with pytest.raises(LabError, match="login as"):
        cls.browser(name).log_in(word)


def test_another_s_password_is_refused(cls: Room) -> None:
    """And where it is one's own, the same form lets in."""
    with pytest.raises(LabError, match="login as"):
        cls.browser(ONE).log_in(words()[TWO])
    cls.browser(ONE).log_in(words()[ONE])


def test_a_new_password_replaces_the_old_one(cls: Room) -> None:
    """At once, without a restart; the file of passwords has it and stays closed."""
    old = words()[TWO]
    reset_password(TWO)
    assert words()[TWO] != old
    assert words()[ONE]
    assert place.passwords().stat().st_mode & 0o777 == 0o600
    with pytest.raises(LabError, match="login as"):
        cls.browser(TWO).log_in(old)
    cls.browser(TWO).log_in(words()[TWO])


def test_the_instructor_comes_in_and_gets_no_server(cls: Room) -> None:
    """The instructor is the hub's administrator."""
    browser = cls.browser("instructor")
    browser.log_in(words()["instructor"])
    with pytest.raises(LabError, match="start of instructor"):
        browser.start()
    assert browser.status_of(f"{cls.origin}/hub/admin") == 200
    assert cls.browsers[ONE].status_of(f"{cls.origin}/hub/admin") == 403


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_tls_is_of_this_century(cls: Room) -> None:
    """TLS 1.2 and newer are spoken, older ones are not."""

    def spoken(version: ssl.TLSVersion) -> bool:
        context = ssl.create_default_context(cafile=str(tls.certificate_file()))
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        try:
            with (
                socket.create_connection(("127.0.0.1", cls.settings.port), 10) as raw,
                context.wrap_socket(raw, server_hostname="localhost"),
            ):
                return True
        except (ssl.SSLError, ConnectionError):
            return False

    versions = (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert [spoken(each) for each in versions] == [False, True, True]


def test_the_server_of_another_is_refused(cls: Room) -> None:
    """By the hub, as its page, its files and its terminals."""
    for path in ("lab", "api/contents", "api/terminals", "files/tutorial/01-the-lab.ipynb"):
        assert cls.browsers[ONE].status_of(f"{cls.origin}/user/{TWO}/{path}") in (403, 404)
        assert cls.browsers[TWO].status_of(f"{cls.origin}/user/{TWO}/{path}") == 200


# -- what a sandbox reaches --------------------------------------------------------------------------------------


def test_the_machine_of_one_s_own(cls: Room) -> None:
    """A sandbox reaches its trainee's machine, through the broker's socket."""
    box, seen = cls.box(ONE), sandbox.tree()
    run = sandbox.argv(box, seen, [sandbox.python(), "-m", "lab", "up"])
    assert room.ends_well(run, ONE)
    run = sandbox.argv(box, seen, [sandbox.python(), "-m", "lab", "run", "hostname"])
    assert room.ends_well(run, ONE)
    assert not room.ends_well(
        sandbox.argv(replace(box, run=None), seen, [sandbox.python(), "-m", "lab", "up"]), ONE
    )


CONNECT = "import socket; socket.socket(socket.AF_UNIX).connect({!r})"


def test_the_socket_of_another_is_not_there(cls: Room) -> None:
    """Not even for the one whose it is; who is shown it reaches it."""
    seen, box = sandbox.tree(), replace(cls.box(ONE), uid=cls.uid(TWO))
    shown = Tree((*seen.paths, place.trainee_run(TWO)), seen.links)
    code = CONNECT.format(str(place.trainee_socket(TWO)))
    assert not room.comes_through(box, seen, code)
    assert room.comes_through(box, shown, code)


def test_the_socket_of_another_is_closed(cls: Room) -> None:
    """Even where it is shown, it opens for its own trainee only."""
    seen, box = sandbox.tree(), cls.box(ONE)
    shown = Tree((*seen.paths, place.trainee_run(TWO)), seen.links)
    code = CONNECT.format(str(place.trainee_socket(TWO)))
    assert not room.comes_through(box, shown, code)
    assert room.comes_through(replace(box, uid=cls.uid(TWO)), shown, code)


def test_the_home_of_another_is_not_there(cls: Room) -> None:
    """Nor is anything else of the host's files that a sandbox was not given."""
    seen, box = sandbox.tree(), replace(cls.box(ONE), uid=cls.uid(TWO))
    home = place.home(TWO)
    code = f"import os; os.listdir({str(home)!r})"
    shown = Tree((*seen.paths, home), seen.links)
    assert not room.comes_through(box, seen, code)
    assert room.comes_through(box, shown, code)


def test_the_home_of_another_is_closed(cls: Room) -> None:
    """Even where it is shown."""
    seen, box, home = sandbox.tree(), cls.box(ONE), place.home(TWO)
    shown = Tree((*seen.paths, home), seen.links)
    code = f"import os; os.listdir({str(home)!r})"
    assert not room.comes_through(box, shown, code)
    assert room.comes_through(replace(box, uid=cls.uid(TWO)), shown, code)


def test_the_class_s_own_files_are_not_there(cls: Room) -> None:
    """Where the state lies in the checkout, as it does unless $LAB_HOME says otherwise, it is not shown with it."""
    code = f"import os; os.stat({str(place.settings_file())!r})"
    seen = sandbox.tree()
    assert not room.comes_through(cls.box(ONE), seen, code)
    assert room.comes_through(
        cls.box(ONE), Tree((*seen.paths, place.settings_file()), seen.links), code
    )
    assert not any(part in str(path) for path in seen.paths for part in (".lab", ".git"))


def test_processes_of_others_are_not_there(cls: Room) -> None:
    """Neither of the other trainee nor of the host."""
    code = (
        "import os, sys\nfor each in os.scandir('/proc'):\n"
        f"    try: each.stat().st_uid == {cls.uid(TWO)} and os._exit(0)\n"
        "    except OSError: pass\n"
        "sys.exit(1)"
    )
    box = cls.box(ONE)
    assert not room.comes_through(box, sandbox.tree(), code)
    assert room.comes_through(replace(box, own_processes=False), sandbox.tree(), code)


DIAL = "import socket; socket.create_connection(({!r}, {}), 5)"


def test_the_hub_is_reached_and_the_server_of_another_is_not(cls: Room) -> None:
    """A sandbox with the host's network reaches it."""
    hub = DIAL.format(str(net.hub_address(cls.settings.network)), cls.settings.hub_port)
    other = Link.of(cls.settings.network, cls.trainee(TWO).number).sandbox
    code = DIAL.format(str(other), net.SERVER_PORT)
    box = cls.box(ONE)
    assert room.comes_through(box, sandbox.tree(), hub)
    assert not room.comes_through(box, sandbox.tree(), code)
    assert room.comes_through(replace(box, namespace=None), sandbox.tree(), code)


def test_nothing_else_of_the_host_is_reached(cls: Room) -> None:
    """What listens on all of the host's addresses is closed by the packet filter, and by nothing else."""
    marks, hub = Marks.of(), net.hub_address(cls.settings.network)
    with socket.create_server(("0.0.0.0", 0)) as listening:
        port = listening.getsockname()[1]
        for address in (hub, Link.of(cls.settings.network, 1).host):
            code = DIAL.format(str(address), port)
            assert not room.comes_through(cls.box(ONE), sandbox.tree(), code)
            subprocess.run(["nft", "delete", "table", "inet", marks.table], check=True)
            try:
                assert room.comes_through(cls.box(ONE), sandbox.tree(), code)
            finally:
                net.lay_host(marks, cls.settings.network, cls.settings.hub_port)


def test_there_are_no_rights_to_be_had(cls: Room) -> None:
    """A program cannot give a file away; as root with root's rights it could."""
    code = "import os; open('/tmp/x', 'w').close(); os.chown('/tmp/x', 1, 1)"
    box = cls.box(ONE)
    assert not room.comes_through(box, sandbox.tree(), code)
    command = sandbox.argv(box, sandbox.tree(), [sandbox.python(), "-I", "-S", "-c", code])
    at, rights = command.index("setpriv"), sandbox.as_user(box.uid)
    assert room.ends_well(command[:at] + command[at + len(rights) :], ONE)
    code = (
        "import sys; t = open('/proc/self/status').read(); "
        "sys.exit('NoNewPrivs:\\t1' not in t or 'CapBnd:\\t' + 16 * '0' not in t)"
    )
    assert room.comes_through(box, sandbox.tree(), code)


def test_programs_and_checkout_cannot_be_changed(cls: Room) -> None:
    """What one trainee could change there, all others would run."""
    for path in (Path("/usr/x"), Path(ROOT, "lab", "x"), Path("/run/lab/x")):
        code = f"import errno, sys\ntry: open({str(path)!r}, 'w')\nexcept OSError as e: sys.exit(e.errno)"
        command = sandbox.argv(cls.box(ONE), sandbox.tree(), [sandbox.python(), "-c", code])
        done = subprocess.run(command, env=sandbox.environment(ONE), timeout=60, check=False)
        assert done.returncode == errno.EROFS


@pytest.mark.parametrize(
    "code",
    [
        "import sys; held = bytearray(b'x') * (1200 << 20)",
        "import threading, time; [threading.Thread(target=time.sleep, args=(3,)).start() for _ in range(600)]",
    ],
    ids=["memory", "processes"],
)
def test_what_it_may_use_is_bounded(cls: Room, code: str) -> None:
    """In a group like that of a server; without it the same program does not end early."""
    group = Group.of(f"{Marks.of().group}/probe")
    group.make(cls.settings.sandbox)
    try:
        assert not room.comes_through(cls.box(ONE), sandbox.tree(), code, group.entering([]))
        assert room.comes_through(cls.box(ONE), sandbox.tree(), code)
    finally:
        group.end()


def test_the_home_is_bounded(cls: Room, tmp_path: Path) -> None:
    """A home on the host's own disk would hold it."""
    size = (cls.settings.sandbox.disk + 100) << 20
    code = (
        "import os, pathlib; f = open(pathlib.Path.home() / 'x', 'w'); os.unlink(f.name); "
        f"os.posix_fallocate(f.fileno(), 0, {size})"
    )
    box = cls.box(ONE)
    assert not room.comes_through(box, sandbox.tree(), code)
    os.chown(tmp_path, box.uid, box.uid)
    assert room.comes_through(replace(box, home=tmp_path), sandbox.tree(), code)


# -- what goes on ------------------------------------------------------------------------------------------------


def pid_of(name: str) -> int:
    """Process of one of the class's programs."""
    return next(each.pid for each in supervisor.states() if each.name == name)


@pytest.mark.parametrize("program", ["hub", "proxy", "broker"])
def test_a_program_that_is_killed_comes_back_and_nothing_is_lost(cls: Room, program: str) -> None:
    """The servers have run on, and who was logged in still is."""
    before, pid = boxes.group(ONE).processes(), pid_of(program)
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid_of(program) != pid)
    browser = cls.browsers[ONE]

    def back() -> bool:
        with contextlib.suppress(LabError, OSError):
            state = browser.get(f"{cls.origin}/hub/api/users/{ONE}").json()
            return bool(
                state["servers"][""]["ready"] and browser.get(f"{browser.server}/api/status")
            )
        return False

    until(back)
    assert before <= boxes.group(ONE).processes()
    assert browser.start() < 10


def test_up_again_adds_people_and_leaves_the_others(cls: Room) -> None:
    """Passwords stay, servers run on, and the new one comes in."""
    before, old = boxes.group(ONE).processes(), words()
    up(Wish(roster.numbered(3), prepare=False), quiet)
    assert {name: words()[name] for name in old} == old
    assert before <= boxes.group(ONE).processes()
    new = cls.browser("trainee03")
    new.log_in(words()["trainee03"])
    new.start()
    assert cls.browsers[TWO].status_of(f"{cls.origin}/user/trainee03/lab") in (403, 404)


def test_down_leaves_nothing_whatever_has_happened(cls: Room) -> None:
    """With the supervisor killed and class.json broken; what is looked for was there before."""
    there = room.traces()
    assert all(there.values()), there
    pid = supervisor.running()
    assert pid
    os.kill(pid, signal.SIGKILL)
    place.settings_file().write_text("{")
    down(quiet)
    assert room.traces() == {kind: [] for kind in there}
    down(quiet)
