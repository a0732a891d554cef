"""The keeper of a pod: runs one trainee's machine, keeps its checkpoints, and answers as the broker of a class does.

First process of the machine's container. It speaks the protocol of `lab.classroom.protocol` on a socket that the
notebook's container shares, so that `lab` there works as it does in a class on one host; there is one trainee, and
nobody else to ask. The machine is a child in namespaces of its own (`machine.sh`), its disk a folder of the volume
`DISK`: a checkpoint is a copy of that folder. It runs in the machine's image: standard library and this protocol only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.classroom import protocol
from lab.errors import LabError, NotUp, UnknownName

DISK = Path("/lab/disk")
"""The volume with what the machine changed, its checkpoints and the keys: lives as long as the trainee's claim."""
SHARED = Path("/lab/shared")
"""The volume that both containers see: the socket is here."""
HANDED = Path("/run/keeper")
"""What the machine gets: its keys, and the folder in which its sshd listens."""
CGROUPS = Path("/sys/fs/cgroup")
MACHINE = "mail.lab.example"
BOOT_SECONDS = 90.0
HALT_SECONDS = 15.0
PAUSE = 1.0
"""Seconds between looks whether the machine is alive."""
NAMESPACES = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--net", "--uts")
HALT = signal.SIGRTMIN + 4
"""What tells systemd to power off."""


class Machine:
    """The machine of this pod. Methods that change it wait for each other; each may raise `LabError`."""

    def __init__(self, disk: Path, handed: Path) -> None:
        self.disk = disk
        self.handed = handed
        self._lock = threading.RLock()
        self._child: subprocess.Popen[bytes] | None = None
        self._wanted = False

    def up(self) -> dict[str, object]:
        """Leave it running with its own disk, sshd answering; how to reach it."""
        with self._lock:
            self._wanted = True
            if not self.runs():
                self._start()
        return {
            "user": "lab",
            "host": MACHINE,
            "port": 22,
            "key": (self.disk / "keys/key").read_text(),
            "known_hosts": f"{MACHINE} {(self.disk / 'keys/host_key.pub').read_text()}",
        }

    def down(self) -> None:
        """Forget all of it but its keys: the next `up` starts from the image."""
        with self._lock:
            self.cut_power()
            for part in ("upper", "work", "checkpoints"):
                shutil.rmtree(self.disk / part, ignore_errors=True)

    def status(self) -> dict[str, str]:
        """Running, stopped, or absent if it never was."""
        state = "running" if self.runs() else "absent"
        if state == "absent" and (self.disk / "upper").exists():
            state = "stopped"
        return {"state": state, "detail": "in this pod"}

    def runs(self) -> bool:
        """Its first process is there."""
        return self._child is not None and self._child.poll() is None

    def connect(self) -> socket.socket:
        """A stream to its sshd."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stream.connect(str(self.handed / "run/ssh.sock"))
        except OSError as error:
            stream.close()
            raise NotUp("the machine does not answer", "lab up") from error
        return stream

    def cut_power(self) -> None:
        """End every process of it at once; its disk stays."""
        with self._lock:
            self._wanted = False
            if self._child:
                self._child.kill()  # unshare takes all of the namespace with it
                self._child.wait()

    def halt(self) -> None:
        """Shut it down as an administrator does; after `HALT_SECONDS` as a power cut does."""
        with self._lock:
            self._wanted = False
            if self._child and self.runs():
                with contextlib.suppress(OSError, IndexError):
                    os.kill(self._first(), HALT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(HALT_SECONDS)
            self.cut_power()

    def keep_alive(self) -> None:
        """Start it again with its disk if it ended by itself; bury what it left. Called now and then."""
        with self._lock:
            self._bury()
            if self._wanted and not self.runs():
                say("the machine ended by itself and is started again")
                self._start()

    # -- checkpoints -------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names of the checkpoints, oldest first."""
        found = [p for p in (self.disk / "checkpoints").glob("*") if not p.name.startswith(".")]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    def save(self, name: str) -> None:
        """Copy what the machine changed; its processes stand still meanwhile, so the files agree."""
        with self._lock:
            if not self.runs():
                raise NotUp("only a running lab can be saved", "lab up")
            kept = self.disk / "checkpoints" / name
            new = kept.with_name(f".{name}.new")
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            with self._still():
                _copy(self.disk / "upper", new / "upper")
            os.utime(new)
            shutil.rmtree(kept, ignore_errors=True)
            new.rename(kept)

    def restore(self, name: str) -> None:
        """Start it anew from a checkpoint."""
        with self._lock:
            if name not in self.names():
                raise UnknownName("checkpoint", name, self.names())
            self.cut_power()
            shutil.rmtree(self.disk / "upper", ignore_errors=True)
            _copy(self.disk / "checkpoints" / name / "upper", self.disk / "upper")
            self._wanted = True
            self._start()

    def forget(self, name: str) -> None:
        """Drop a checkpoint; absent is fine."""
        with self._lock:
            shutil.rmtree(self.disk / "checkpoints" / name, ignore_errors=True)

    # -- how ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._hand_over()
        shutil.rmtree(self.disk / "work", ignore_errors=True)
        for part in ("upper", "work", "root"):
            (self.disk / part).mkdir(mode=0o755, exist_ok=True)
        script = Path(__file__).with_name("machine.sh")
        words = ["sh", script, self.disk, self.handed, overlay_options()]
        self._child = subprocess.Popen(
            [*NAMESPACES, *map(str, words)], stdin=subprocess.DEVNULL, preexec_fn=_enter_cgroup
        )
        self._await_sshd()

    def _bury(self) -> None:
        """Take note of the ended: the machine's own first process becomes ours when `unshare` is killed."""
        if self._child:
            self._child.poll()  # before the others, so that its end is not taken for theirs
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def _hand_over(self) -> None:
        """Make the keys if there are none, and lay out what the machine may have of them."""
        keys, given, run = self.disk / "keys", self.handed / "keys", self.handed / "run"
        for folder in (keys, given):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        run.mkdir(mode=0o755, exist_ok=True)
        (run / "ssh.sock").unlink(missing_ok=True)
        for name, comment in (("key", "lab"), ("host_key", MACHINE)):
            if not (keys / f"{name}.pub").exists():
                (keys / name).unlink(missing_ok=True)
                words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]
                subprocess.run([*words, str(keys / name)], check=True)
        shutil.copy(keys / "host_key", given / "host_key")
        shutil.copy(keys / "key.pub", given / "authorized_key")

    def _await_sshd(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            with contextlib.suppress(NotUp, OSError), self.connect() as stream:
                stream.settimeout(5)
                if stream.recv(4) == b"SSH-":
                    return
            if not self.runs():
                raise LabError("the machine ended while it was booting", "lab up")
            if time.monotonic() > deadline:
                raise LabError(f"sshd did not answer within {BOOT_SECONDS:.0f} s", "lab up")
            time.sleep(0.05)

    def _first(self) -> int:
        """Process id of the machine's systemd, as it is here."""
        assert self._child
        unshare = self._child.pid
        return int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()[0])

    @contextlib.contextmanager
    def _still(self) -> Iterator[None]:
        """All processes of the machine stand still: those started meanwhile, too."""
        space = Path(f"/proc/{self._first()}/ns/pid").readlink()
        stopped: set[int] = set()
        try:
            while fresh := _processes(space) - stopped:
                for process in fresh:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGSTOP)
                stopped |= fresh
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)


def overlay_options() -> str:
    """In a user namespace, the overlay's marks are in attributes that its root may write."""
    own = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    return "" if own else "userxattr,"


def lay(folder: Path) -> None:
    """Make the keeper's folder on a volume, without the setgid bit that fsGroup gives the volume: all below had it."""
    folder.mkdir(exist_ok=True)
    os.chown(folder, 0, 0)
    folder.chmod(0o700)


def settle() -> None:
    """Leave the container's own control group to others (v2): one with processes in it can share nothing out."""
    if (CGROUPS / "cgroup.controllers").exists():
        (CGROUPS / "keeper").mkdir(exist_ok=True)
        (CGROUPS / "keeper/cgroup.procs").write_text("0")


def _enter_cgroup() -> None:
    """In the child, before it becomes the machine: its control group, in which systemd will be at home."""
    if (CGROUPS / "cgroup.controllers").exists():
        (CGROUPS / "machine").mkdir(exist_ok=True)
        (CGROUPS / "machine/cgroup.procs").write_text("0")


def _processes(space: Path) -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/pid").readlink() == space:
                found.add(int(process.name))
    return found


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with owners, times and the overlay's marks. Raises `LabError` where it does not fit."""
    words = ["cp", "--archive", "--reflink=auto", str(source), str(target)]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        raise LabError(
            f"the disk of this pod cannot take it: {done.stderr.strip().splitlines()[-1]}",
            "remove large files on the machine, or ask the instructor for a larger disk",
        )


class Handler(socketserver.StreamRequestHandler):
    """One request of the trainee."""

    def handle(self) -> None:
        """Answer one line; an error is an answer, too."""
        line = self.rfile.readline(protocol.MOST_REQUEST + 1)
        try:
            request = protocol.parse(line, protocol.OF_TRAINEES)
            answer = VERBS[request.do](machine, **request.arguments)
            stream = answer if isinstance(answer, socket.socket) else None
            self.wfile.write(protocol.encode({"ok": None if stream else answer}))
            if stream:
                with stream:
                    socket.send_fds(self.request, [b"{}\n"], [stream.fileno()])
        except LabError as error:
            self.wfile.write(protocol.refusal(error))
        except OSError as error:
            say(f"{type(error).__name__}: {error}")


class Server(socketserver.ThreadingUnixStreamServer):
    """A thread for each connection; none outlives the keeper."""

    daemon_threads = True


def told(_: Machine, kind: str, chapter: int, detail: dict[str, Any]) -> None:
    """What a trainee did, as a line of the container's log."""
    say(json.dumps({"event": kind, "chapter": chapter, **detail}))


VERBS: dict[str, Callable[..., object]] = {
    "up": Machine.up,
    "down": Machine.down,
    "status": Machine.status,
    "names": Machine.names,
    "save": Machine.save,
    "restore": Machine.restore,
    "forget": Machine.forget,
    "cut_power": Machine.cut_power,
    "connect": Machine.connect,
    "event": told,
    "messages": lambda _, since: [],
}
"""Each verb of a trainee; nobody sends messages here."""

machine = Machine(DISK / "machine", HANDED)


def say(text: str) -> None:
    """A line of the container's log."""
    sys.stdout.write(f"keeper: {text}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until the pod ends; then shut the machine down, so that its disk is whole."""
    settle()
    lay(machine.disk)
    path = SHARED / "broker.sock"
    path.unlink(missing_ok=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with Server(str(path), Handler) as server:
        path.chmod(0o666)  # who sees the volume may ask: it is this pod's alone
        threading.Thread(target=server.serve_forever, daemon=True).start()
        say("ready")
        machine.up()
        while not ended.wait(PAUSE):
            try:
                machine.keep_alive()
            except LabError as error:
                say(str(error))
        machine.halt()
        server.shutdown()


if __name__ == "__main__":
    main()
