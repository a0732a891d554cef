"""The lab machine as a system container: podman runs the tree with systemd as PID 1.

The container has no network but its own loopback. The host reaches sshd through a UNIX socket in a folder that
both share (see machine/files/etc/systemd/system/ssh-lab.socket), so no port on the host is taken and no other
user of the host can connect. A checkpoint is an image that `podman commit` makes.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import hashlib
import json
import os
import resource
import shutil
import socket
import stat
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.errors import LabError, NoProvider, NotUp, UnknownName
from lab.keys import MACHINE, ensure_keys
from lab.machine import image
from lab.providers.base import Endpoint, Finding, Progress, Status
from lab.providers.podman import Store, await_podmen, cgroup_v2, podman, rootless, sudo_works

BOOT_SECONDS = 60.0
PAUSES = 5
"""Tries to stop all processes of a machine: with control groups v1 the kernel gives up on a busy host."""
REPOSITORY = "localhost/meta1-lab"
LABEL = "meta1-lab.container"
# Stated, since podman's own defaults are higher than what a host without CAP_SYS_RESOURCE lets it set.
ULIMITS = {"nofile": (resource.RLIMIT_NOFILE, 1 << 20), "nproc": (resource.RLIMIT_NPROC, 1 << 15)}
# What is written to the console of the machine is kept on the host, outside of any limit of its disk.
LOG = ("--log-driver=k8s-file", "--log-opt=max-size=1mb")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a container may have of its host."""

    memory: int
    """MiB; no swap beside it."""
    cpus: float
    pids: int

    def options(self) -> tuple[str, ...]:
        """Options of `podman run`."""
        memory = f"{self.memory}m"
        return (
            f"--memory={memory}",
            f"--memory-swap={memory}",
            f"--cpus={self.cpus}",
            f"--pids-limit={self.pids}",
        )


class ContainerProvider:
    """One container and its checkpoints; the name is made from the lab's folder, so two checkouts never collide."""

    name = machine = "container"

    def __init__(
        self, folder: Path, limits: Limits | None = None, store: Store | None = None
    ) -> None:
        self.folder = folder
        self._limits = limits
        self._podman = partial(podman, store=store)
        self.container = (
            f"meta1-lab-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}-{folder.name}"
        )
        self.states = f"localhost/{self.container.lower()}"

    # -- the contract ------------------------------------------------------------------------------------------

    def up(self, progress: Progress) -> Endpoint:
        """Start the container, from where it stopped or from the image."""
        require_podman()
        state = self.status().state
        if state != "absent" and not (self.folder / "key").exists():
            progress("removing what a checkout that was deleted has left here")
            self.down()
            state = "absent"
        if state == "stopped":
            # Stopped by a restart of the host: /run in it is gone, the rest is as it was.
            progress("starting the container again")
            self._podman("start", self.container)
        elif state == "absent":
            self._run(base_image(progress), progress)
        self._await_sshd()
        return self.endpoint()

    def down(self) -> None:
        """Remove container and checkpoints."""
        if not shutil.which("podman"):
            return
        self.await_orphans()
        self._podman("rm", "--force", "--time", "0", "--ignore", self.container)
        # By label, since a checkpoint that was replaced or forgotten while in use has no name any more.
        images = self._podman(
            "images", "--quiet", "--no-trunc", "--filter", f"label={LABEL}={self.container}"
        ).split()
        if images:
            self._podman("rmi", "--force", *dict.fromkeys(images), check=False)
        shutil.rmtree(self.folder / "run", ignore_errors=True)

    def status(self) -> Status:
        """Ask podman for the container's state."""
        if not shutil.which("podman"):
            return Status("absent", self.name, "podman is not installed")
        shown = self._podman(
            "container",
            "inspect",
            "--format",
            "{{.State.Status}} {{.ImageName}}",
            self.container,
            check=False,
        )
        word, _, source = shown.strip().partition(" ")
        if word == "running":
            return Status("running", self.name, source)
        # "created" is what a podman that was killed while starting leaves: nothing to go on with.
        return Status("stopped" if word in ("exited", "stopped") else "absent", self.name, source)

    def endpoint(self) -> Endpoint:
        """The machine's own name stands for the shared UNIX socket."""
        return Endpoint(MACHINE, 22, "lab", self.folder / "key", self.folder / "known_hosts")

    def connect(self) -> socket.socket:
        """A stream to sshd over the shared folder's socket."""
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.setblocking(False)  # who accepts nothing does not make us wait: connect fails then
        try:
            # Through the folder's descriptor: a socket's path may have no more than 107 bytes.
            # What lies there is made by root on the machine: a link would lead us to any socket of this host.
            end = os.open(self.folder / "run" / "ssh.sock", os.O_PATH | os.O_NOFOLLOW)
            try:
                if not stat.S_ISSOCK(os.fstat(end).st_mode):
                    raise FileNotFoundError(errno.ENOENT, "no socket")
                stream.connect(f"/proc/self/fd/{end}")
            finally:
                os.close(end)
        except OSError as error:
            stream.close()
            raise NotUp(f"no machine answers for the lab in {self.folder}", "lab up") from error
        stream.setblocking(True)
        return stream

    def pid(self) -> int:
        """Process id of the running machine's first process, on this host; 0 if it does not run."""
        shown = self._podman(
            "container", "inspect", "--format", "{{.State.Pid}}", self.container, check=False
        )
        return int(shown.strip() or 0)

    def cut_power(self) -> None:
        """Kill every process at once. What they had written is on this host's disk, synced or not."""
        if self.status().state != "running":
            raise NotUp("only a running lab has power to cut", "lab up")
        self._podman("kill", "--signal", "KILL", self.container)
        self._podman("wait", self.container)

    def save(self, name: str) -> None:
        """Commit the container's file system; the processes stand still meanwhile, so the files agree."""
        if self.status().state != "running":
            raise NotUp("only a running lab can be saved", "lab up")
        self._podman("exec", self.container, "sync", "--file-system", "/")
        for left in reversed(range(PAUSES)):
            try:
                self._commit(name)
                break
            except LabError as error:
                if "pausing container" not in error.message or not left:
                    raise
            time.sleep(0.5)

    def restore(self, name: str) -> None:
        """Start anew from a checkpoint: the services that are enabled come up as after a boot."""
        if name not in self.names():
            raise UnknownName("checkpoint", name, self.names())
        self.start_from(f"{self.states}:{name}")

    def start_from(self, image: str) -> None:
        """Start anew from an image, which may be another lab's checkpoint."""
        self._run(image, lambda _: None)
        self._await_sshd()

    def names(self) -> list[str]:
        """Tags of this lab's repository."""
        shown = self._podman(
            "images", "--filter", f"reference={self.states}", "--format", "json", check=False
        )
        images = sorted(json.loads(shown or "[]"), key=lambda i: i["Created"])
        prefix = f"{self.states}:"
        return [
            tag.removeprefix(prefix)
            for i in images
            for tag in i.get("Names") or ()
            if tag.startswith(prefix)
        ]

    def forget(self, name: str) -> None:
        """Drop one checkpoint; if the machine was started from it, only its name."""
        for verb in ("rmi", "untag"):
            if name in self.names():
                self._podman(verb, f"{self.states}:{name}", check=False)

    def await_orphans(self) -> None:
        """Let a podman end whose `lab up` was killed: what it still makes could not be found and removed now."""
        await_podmen(self.container, BOOT_SECONDS)

    @classmethod
    def doctor(cls) -> list[Finding]:
        """podman, an OCI runtime for this host's cgroups, mmdebstrap; and whether root is needed."""
        apt = "sudo apt-get install --no-install-recommends {}"
        findings = [
            Finding(bool(shutil.which(tool)), f"{tool}: {why}", apt.format(tool))
            for tool, why in (
                ("podman", "runs the container"),
                ("mmdebstrap", "builds the machine image"),
            )
        ]
        if not cgroup_v2():
            findings.append(
                Finding(
                    bool(shutil.which("runc")),
                    "runc: crun does not run on this host's cgroup v1",
                    apt.format("runc"),
                )
            )
        if os.geteuid() and not rootless():
            findings.append(
                Finding(
                    sudo_works(),
                    "root for podman: rootless needs cgroup v2 and a line for "
                    f"{getpass.getuser()} in /etc/subuid",
                    "sudo -v",
                )
            )
        return findings

    @classmethod
    def usable(cls) -> bool:
        """Can this provider be used on this host as it is?"""
        return all(f.ok for f in cls.doctor())

    # -- how -----------------------------------------------------------------------------------------------------

    def _run(self, source: str, progress: Progress) -> None:
        progress("starting the container")
        ensure_keys(self.folder)
        self._podman("rm", "--force", "--time", "0", "--ignore", self.container)
        keys, run = self.folder / "keys", self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)  # whatever the machine before has put there
        for path in (keys, run):
            path.mkdir(
                mode=0o755, exist_ok=True
            )  # reachable only by the owner of the folder above, mode 0700
        shutil.copy(self.folder / "key.pub", keys / "authorized_key")
        shutil.copy(self.folder / "host_key", keys / "host_key")
        self._podman(
            "run",
            "--detach",
            "--name",
            self.container,
            "--systemd=always",
            "--network=none",
            "--no-hosts",
            f"--hostname={MACHINE}",
            *(f"--ulimit={name}={_limit(*limit)}" for name, limit in ULIMITS.items()),
            *(self._limits.options() if self._limits else ()),
            *LOG,
            f"--volume={keys}:/lab/keys:ro",
            f"--volume={run}:/lab/run",
            source,
            "/sbin/init",
        )

    def _commit(self, name: str) -> None:
        self._podman(
            "commit",
            "--quiet",
            "--pause",
            "--change",
            f"LABEL {LABEL}={self.container}",
            self.container,
            f"{self.states}:{name}",
        )

    def _await_sshd(self) -> None:
        """Wait until sshd sends its banner, at most `BOOT_SECONDS`."""
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            with contextlib.suppress(NotUp, OSError), self.connect() as stream:
                stream.settimeout(5)
                if stream.recv(4) == b"SSH-":
                    return
            if self.status().state != "running":
                raise LabError(
                    "the container ended while it was booting:\n" + self._last_words(),
                    "lab down; lab up",
                )
            if time.monotonic() > deadline:
                raise LabError(
                    f"sshd did not answer within {BOOT_SECONDS:.0f} s:\n" + self._last_words(),
                    "lab down; lab up",
                )
            time.sleep(0.02)

    def _last_words(self) -> str:
        return self._podman("logs", "--tail", "8", self.container, check=False)


def base_image(progress: Progress) -> str:
    """The OCI image of this version of the recipe, imported from the tree if podman has it not."""
    reference = f"{REPOSITORY}:{image.recipe_hash()}"
    if podman("images", "--quiet", reference, check=False).strip():
        return reference
    tree = image.tree(progress)
    with image.build_lock(progress):
        if not podman("images", "--quiet", reference, check=False).strip():
            progress("importing the image into podman (once, about 20 seconds)")
            podman("import", "--quiet", str(tree), reference, timeout=600)
    return reference


def require_podman() -> None:
    """Raise `NoProvider` with every missing thing and the command that mends it."""
    lacking = [f for f in ContainerProvider.doctor() if not f.ok]
    if lacking:
        raise NoProvider(
            "the container provider lacks " + "; ".join(f.what for f in lacking), lacking[0].mend
        )


def _limit(kind: int, most: int) -> str:
    """Our own soft and hard limit, or `most` where we have more or none."""
    soft, hard = (
        most if value == resource.RLIM_INFINITY else min(value, most)
        for value in resource.getrlimit(kind)
    )
    return f"{soft}:{hard}"
