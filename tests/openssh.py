"""A real OpenSSH server on this host's loopback: the tests see what a lab machine does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from pwd import getpwuid

from lab.providers.base import Endpoint

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
MaxSessions 64
LogLevel ERROR
SetEnv HOME={folder} PATH={folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
"""HOME: what the tester's own .bashrc does on login is none of our business. PATH: a test may put a
program of its own in front."""


@dataclass(frozen=True, slots=True)
class Sshd:
    """One sshd and the files it was made from."""

    endpoint: Endpoint
    folder: Path
    process: subprocess.Popen[bytes]

    def connect(self) -> socket.socket:
        """A fresh TCP stream to it, as a provider gives one."""
        return socket.create_connection((self.endpoint.host, self.endpoint.port), timeout=5)

    def children(self) -> list[int]:
        """Process ids of its sessions, oldest first."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


def free_port() -> int:
    """A TCP port that nothing listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def make_key(path: Path) -> str:
    """Make an ed25519 key pair, and return the public half as ``known_hosts`` writes it."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True
    )
    return path.with_name(f"{path.name}.pub").read_text().strip()


def start_sshd(folder: Path) -> Sshd:
    """Start sshd as the user who runs the tests, with keys of its own in a folder."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "these tests need the Debian packages openssh-server and sudo"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd refuses to start without it
    port = free_port()
    public = make_key(folder / "host_key")
    make_key(folder / "user_key")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    (folder / "sshd_config").write_text(CONFIG.format(port=port, folder=folder))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    user = getpwuid(os.geteuid()).pw_name
    endpoint = Endpoint("127.0.0.1", port, user, folder / "user_key", folder / "known_hosts")
    sshd = Sshd(endpoint, folder, process)
    await_banner(sshd)
    return sshd


def await_banner(sshd: Sshd) -> None:
    """Return as soon as sshd greets; it says nowhere else that it is ready."""
    for _ in range(200):
        assert sshd.process.poll() is None, (sshd.folder / "log").read_text()
        try:
            with sshd.connect() as stream:
                if stream.recv(4) == b"SSH-":
                    return
        except ConnectionRefusedError:
            # Each turn is one attempt, and 200 of them bound it to about four seconds.
            subprocess.run(["sleep", "0.02"], check=True)
    raise AssertionError("sshd does not greet")
