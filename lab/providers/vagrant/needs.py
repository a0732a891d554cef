"""What this host needs to run the machine with Vagrant, and the command that installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from lab.errors import NoProvider
from lab.providers.base import Finding
from lab.providers.vagrant import kvm

ALLOW = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
"""On a Debian host they are allowed; Ubuntu restricts them."""
APT = "sudo apt-get install --no-install-recommends {}"
# Program, what for, Debian package.
LIBVIRT = (
    ("virsh", "talks to libvirt", "libvirt-clients"),
    ("libvirtd", "starts and keeps virtual machines", "libvirt-daemon-system"),
    (kvm.QEMU, "is the virtual machine", "qemu-system-x86"),
)
BOX = (
    ("qemu-img", "makes the disk of the box", "qemu-utils"),
    ("mke2fs", "fills that disk", "e2fsprogs"),
    ("mmdebstrap", "builds the machine image", "mmdebstrap"),
    ("ssh", "is what `vagrant ssh` runs", "openssh-client"),
)
PLUGIN = "vagrant-libvirt"
GEMS = (
    "/usr/share/rubygems-integration/*/gems",
    "/var/lib/gems/*/gems",
    "/opt/vagrant/embedded/gems/*/gems",
    "~/.vagrant.d/gems/*/gems",
)
"""Where Debian and Vagrant itself install plug-ins; asking Vagrant takes more than a second."""


def findings(public: bool) -> list[Finding]:
    """All without which no machine comes up; for a public box VirtualBox will do, too."""
    found = [_program("vagrant", "makes the machine from its Vagrantfile", "vagrant")]
    if public and _which("VBoxManage"):
        return found
    found.append(Finding(_has_plugin(), f"{PLUGIN}: Vagrant's way to libvirt", APT.format(PLUGIN)))
    found += [_program(*row) for row in (LIBVIRT if public else LIBVIRT + BOX)]
    if not public:
        found.append(
            Finding(_namespaces(), "user namespaces: who makes a box is root in one", ALLOW)
        )
        if os.geteuid():
            found.append(_program("newuidmap", "lets an ordinary user do so", "uidmap"))
    return found


def acceleration() -> Finding:
    """Whether the processor helps; without it all works too, about fifteen times slower."""
    if kvm.works():
        return Finding(True, "KVM: the machine runs on the processor itself")
    reason = kvm.why_not() or "LAB_ACCEL=qemu"
    if kvm.NO_RIGHT in reason:
        return Finding(False, f"KVM: {reason}", "sudo adduser $USER kvm, then log in anew")
    return Finding(True, f"no KVM ({reason}): the machine is emulated, slow but right")


def require(public: bool) -> None:
    """Raise `NoProvider` that names all that is missing, and one command that installs it."""
    lacking = [finding for finding in findings(public) if not finding.ok]
    if lacking:
        prefix = APT.format("")
        packages = [f.mend.removeprefix(prefix) for f in lacking if f.mend.startswith(prefix)]
        missing = "; ".join(finding.what for finding in lacking)
        step = APT.format(" ".join(packages)) if packages else lacking[0].mend
        raise NoProvider(f"the vagrant provider lacks {missing}", step)


def _program(name: str, why: str, package: str) -> Finding:
    return Finding(bool(_which(name)), f"{name}: {why}", APT.format(package))


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _namespaces() -> bool:
    command = ["unshare", "--user", "--map-root-user", "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _has_plugin() -> bool:
    patterns = [Path(pattern).expanduser() / f"{PLUGIN}-[0-9]*" for pattern in GEMS]
    return any(any(Path("/").glob(str(pattern.relative_to("/")))) for pattern in patterns)
