"""The lab machine as a virtual machine that Vagrant makes, from our own box or a public one.

Our own box runs in libvirt's session: no root, no bridge, no hardware virtualisation; its one way in
is a port on 127.0.0.1. With $LAB_BOX (or `box` in lab.toml) naming a public Debian 12 box, Vagrant
chooses between libvirt with KVM and VirtualBox, and provisions. Either way the host key is this lab's
own and known before the first connection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from lab.config import settings
from lab.errors import LabError, NotUp, UnknownName
from lab.host import Host
from lab.keys import MACHINE, ensure_keys
from lab.machine.box import Box, ensure
from lab.providers.base import Endpoint, Finding, Progress, Status
from lab.providers.vagrant import boxes, kvm, needs
from lab.providers.vagrant.command import AGAIN, TookTooLong, Vagrant
from lab.providers.vagrant.libvirt import Domain, environment, joining
from lab.providers.vagrant.public import VagrantSnapshots

UP_SECONDS = 900.0
"""For `vagrant up`, whose own wait for the machine to boot ends after 600."""
HANG_SECONDS = 300.0
"""After which it is tried once more: one emulated machine in sixty has been seen to hang."""
PROVISION_SECONDS = 3600.0
"""For a public box, on which packages are installed."""
SSHD_SECONDS = 120.0
END_SECONDS = 10.0
PROGRAMS = (b"qemu", b"VBoxHeadless")


def _quiet(_: str) -> None:
    return


class VagrantProvider:
    """One virtual machine and its snapshots, named after the lab's folder: two never collide."""

    name = machine = "vagrant"

    def __init__(
        self,
        folder: Path,
        box: Callable[[Progress], Box] = ensure,
        memory: int | None = None,
        cpus: int | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.dot = self.folder / "vagrant"
        self.public = public_box()
        self._box = box
        self._size = {"LAB_MEMORY": memory, "LAB_CPUS": cpus}
        self._vagrant = Vagrant(self.folder / "log" / "vagrant.log", self.dot / "running")
        self.domain = Domain(f"meta1-{hashlib.sha256(bytes(self.dot)).hexdigest()[:8]}-lab")
        saved = VagrantSnapshots(self._run, self.dot / "snapshots")
        self._states = saved if self.public else self.domain

    # -- the contract -----------------------------------------------------------------------------

    def up(self, progress: Progress) -> Endpoint:
        """Make the machine from the box, or start the stopped one; nothing if it runs."""
        needs.require(bool(self.public))
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ensure_keys(self.folder)
        if self.status().state != "running":
            self.dot.mkdir(mode=0o700, exist_ok=True)
            self._vagrant.end()
            if self.public:
                self._run(["up"], progress, PROVISION_SECONDS)
                self._ask_address()
            else:
                self._prepare(progress)
                self._boot(progress)
        self._await_sshd()
        return self.endpoint()

    def down(self) -> None:
        """Remove the machine, its disk, its snapshots, and what an interrupted `up` left of them."""
        if not self.dot.exists():
            return
        self._vagrant.end()
        if self._machine_id() and shutil.which("vagrant"):
            with contextlib.suppress(LabError):  # what it leaves goes now
                self._run(["destroy", "--force"], limit=180)
        if shutil.which("virsh") and not self.public:
            self.domain.remove()
            boxes.sweep()
        shutil.rmtree(self.dot, ignore_errors=True)

    def status(self) -> Status:
        """Look for the machine's process: asking Vagrant takes a second, and libvirt may sleep."""
        identity = self._machine_id()
        if not identity:
            return Status("absent", self.name)
        detail = self.public or f"127.0.0.1:{self._port()}"
        return Status("running" if _pids(identity) else "stopped", self.name, detail)

    def endpoint(self) -> Endpoint:
        """The machine's own name stands for its address: the pinned key depends on no port."""
        if self.status().state != "running":
            raise NotUp(f"no machine runs for the lab in {self.folder}", "lab up")
        return Endpoint(MACHINE, 22, "lab", self.folder / "key", self.folder / "known_hosts")

    def connect(self) -> socket.socket:
        """A TCP stream to sshd that sends small packets at once."""
        self.endpoint()
        try:
            stream = socket.create_connection(self._address(), timeout=20)
        except OSError as error:
            raise NotUp(f"the machine of {self.folder} does not answer: {error}", AGAIN) from error
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def cut_power(self) -> None:
        """Kill it. What its kernel had not written to the disk yet, or synced, is gone."""
        self.endpoint()
        if self.public:
            self._run(["halt", "--force"])
            return
        # Not by libvirt, which asks politely first: an emulator that ends in order writes out what it holds.
        for pid in _pids(self._machine_id()):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + END_SECONDS
        while self.status().state == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        self.domain.end()  # so that libvirt knows

    def save(self, name: str) -> None:
        """Take a snapshot of the running machine: memory, processes and disk."""
        self.endpoint()
        self._states.save(name)

    def restore(self, name: str) -> None:
        """Go back to a snapshot, and tell the machine what time it is now."""
        if name not in (known := self.names()):
            raise UnknownName("checkpoint", name, known)
        self._states.revert(name)
        self._await_sshd()
        self.set_clock()

    def names(self) -> list[str]:
        """Names of the snapshots, oldest first."""
        return self._states.names() if self._machine_id() else []

    def forget(self, name: str) -> None:
        """Drop a snapshot."""
        self._states.forget(name)

    @classmethod
    def doctor(cls) -> list[Finding]:
        """Vagrant, its libvirt plug-in, QEMU, what builds the box; and whether the CPU helps."""
        return [*needs.findings(bool(public_box())), needs.acceleration()]

    @classmethod
    def usable(cls) -> bool:
        """Is all there that this provider needs?"""
        return all(finding.ok for finding in needs.findings(bool(public_box())))

    @classmethod
    def accelerated(cls) -> bool:
        """Will the machine run on the processor itself, not by emulation?"""
        return kvm.works() or bool(public_box() and shutil.which("VBoxManage"))

    # -- how --------------------------------------------------------------------------------------

    def set_clock(self) -> None:
        """Give the machine our time: a restored one goes on from when it was saved.

        By what its clock differs, since an emulated machine may take seconds until it hears of a time.
        """
        host = Host(self.endpoint(), self.connect)
        try:
            host.run("true")  # connects
            asked = time.time()
            there = float(str(host.run("date +%s.%N")))
            behind = (asked + time.time()) / 2 - there
            host.run("date --set=%s", f"{behind:+.3f} seconds", as_user="root")
        finally:
            host.close()

    def _prepare(self, progress: Progress) -> None:
        """Have the box in Vagrant and libvirt, no remains of an earlier machine, a free port."""
        new = not self._machine_id()
        if new:
            self.domain.remove()
            box = self._box(progress)
            # A machine keeps the box it was made from, whatever box the recipe makes later.
            shutil.copyfile(box.metadata, self.dot / "lab.json")
            boxes.add(box, self._vagrant, self._environment(), progress)
        port = self._port()
        if not port or not _is_free(port):
            free = _free_port()
            if port and not new:
                self.domain.change_port(port, free)
            (self.dot / "ssh-port").write_text(f"{free}\n")

    def _boot(self, progress: Progress) -> None:
        try:
            self._run(["up"], progress, HANG_SECONDS)
        except TookTooLong:
            progress("the machine hangs while it boots: switching it off and on")
            self.domain.end()
            self._run(["up"], progress, UP_SECONDS)

    def _run(
        self, arguments: list[str], progress: Progress = _quiet, limit: float = 300.0
    ) -> list[str]:
        command = [*(() if self.public else joining()), "vagrant", *arguments]
        return self._vagrant.run(command, self._environment(), progress, limit)

    def _environment(self) -> dict[str, str]:
        """What lab/machine/Vagrantfile reads, and what keeps Vagrant off network and terminal."""
        env = dict(os.environ) if self.public else environment()
        env |= {name: str(value) for name, value in self._size.items() if value}
        env |= {"VAGRANT_CWD": str(boxes.RECIPE), "VAGRANT_DOTFILE_PATH": str(self.dot)}
        env |= {"VAGRANT_NO_COLOR": "1", "VAGRANT_CHECKPOINT_DISABLE": "1"}
        env |= {"LAB_STATE": str(self.folder), "LAB_BOX": self.public or "local"}
        env |= {"LAB_MACHINES": "1"}  # whatever a room has set
        if not self.public:
            env |= {"LAB_BOX_URL": str(self.dot / "lab.json"), "LAB_NET": "user"}
            env |= {"LAB_SSH_PORT": str(self._port()), "VAGRANT_DEFAULT_PROVIDER": "libvirt"}
            env |= {"LAB_ACCEL": "kvm" if kvm.works() else "qemu"}
        return env

    def _machine_id(self) -> str:
        """Vagrant's name for the machine, which is also the hypervisor's; empty without one."""
        for path in self.dot.glob("machines/lab/*/id"):
            with contextlib.suppress(FileNotFoundError):
                return path.read_text().strip()
        return ""

    def _port(self) -> int:
        try:
            return int((self.dot / "ssh-port").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _address(self) -> tuple[str, int]:
        if not self.public:
            return "127.0.0.1", self._port()
        host, port = json.loads((self.dot / "address.json").read_text())
        return str(host), int(port)

    def _ask_address(self) -> None:
        """Ask Vagrant once where the machine is, and keep the answer."""
        rows = [line.split(maxsplit=1) for line in self._run(["ssh-config"])]
        found = {row[0]: row[1] for row in rows if len(row) == 2}
        address = [found["HostName"], int(found["Port"])]
        (self.dot / "address.json").write_text(json.dumps(address))

    def _await_sshd(self) -> None:
        """Wait until sshd greets, ever more patient: QEMU accepts what the machine does not yet."""
        deadline, patience = time.monotonic() + SSHD_SECONDS, 0.5
        while time.monotonic() < deadline:
            if self.status().state != "running":
                raise LabError(f"the machine ended; see {self._vagrant.log.parent}", AGAIN)
            with contextlib.suppress(NotUp, OSError), self.connect() as stream:
                stream.settimeout(patience)
                if stream.recv(4) == b"SSH-":
                    return
            patience = min(patience * 1.5, 10)
            time.sleep(0.05)
        raise LabError(f"sshd did not answer within {SSHD_SECONDS:.0f} s", AGAIN)


def public_box() -> str:
    """Name of the public box to use; empty for our own."""
    name = os.environ.get("LAB_BOX") or str(settings().get("box", ""))
    return "" if name == "local" else name


def _pids(identity: str) -> list[int]:
    """The process that runs this machine, if any: it has the machine's name as an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            program, *arguments = path.read_bytes().split(b"\0")
            if identity.encode() in arguments and any(name in program for name in PROGRAMS):
                found.append(int(path.parent.name))
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
