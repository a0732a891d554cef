"""The virtual machine that Vagrant makes: a real one, by emulation where the host has no KVM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import HostKeyMismatch, NoProvider, NotUp, UnknownName
from lab.host import Host
from lab.keys import ensure_keys
from lab.machine import box
from lab.providers.vagrant import VagrantProvider, kvm, needs, provider
from lab.providers.vagrant.command import failure
from lab.providers.vagrant.libvirt import joining, pool_folder, virsh

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1200)]

# Brings a lab up in a process of its own, and says every step on its standard output.
UP = """
import sys
from pathlib import Path
from lab.providers.vagrant import VagrantProvider
VagrantProvider(Path(sys.argv[1])).up(lambda step: print(step, flush=True))
"""


def quiet(_: str) -> None:
    """Progress that nobody watches."""


def leftovers(lab: VagrantProvider) -> list[str]:
    """Everything of a lab that is still on this host, but its keys and its log."""
    domains = [name for name in virsh("list", "--all", "--name").split() if name == lab.domain.name]
    volumes = [path.name for path in pool_folder().glob(f"{lab.domain.name}*")]
    mine = str(lab.folder).encode()
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if mine in command and path.parent.name != str(os.getpid()):
            processes.append(command.replace(b"\0", b" ").decode(errors="replace")[:100])
    folders = [str(lab.dot)] if lab.dot.exists() else []
    return domains + volumes + processes + folders


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VagrantProvider]:
    """A machine for the whole module; at the end nothing of it may be left."""
    made = VagrantProvider(tmp_path_factory.mktemp("lab"))
    try:
        made.up(quiet)
        yield made
    finally:
        made.down()
    assert leftovers(made) == []


@pytest.fixture
def vm(lab: VagrantProvider) -> Iterator[Host]:
    """A connection of its own to that machine."""
    with closing(Host(lab.endpoint(), lab.connect)) as host:
        yield host


@pytest.fixture
def other(tmp_path: Path) -> Iterator[VagrantProvider]:
    """A second lab, not up yet."""
    made = VagrantProvider(tmp_path)
    yield made
    made.down()
    assert leftovers(made) == []


def test_the_machine_is_the_lab_machine(vm: Host) -> None:
    """It has the lab's name, user, mail log and nothing failed; the key it shows is the pinned one."""
    assert str(vm.run("hostname --fqdn")) == "mail.lab.example"
    assert str(vm.run("id --user --name")) == "lab"
    assert str(vm.run("id --user", as_user="root")) == "0"
    assert str(vm.run("dig +short lab.example MX")) == "10 mail.lab.example."
    assert str(vm.run("systemctl is-system-running --wait", check=False)) == "running"


def test_a_machine_with_another_key_is_refused(lab: VagrantProvider, tmp_path: Path) -> None:
    """The host key is known before the first connection, so an impostor gets none."""
    ensure_keys(tmp_path)
    endpoint = replace(lab.endpoint(), known_hosts=tmp_path / "known_hosts")
    with closing(Host(endpoint, lab.connect)) as host, pytest.raises(HostKeyMismatch):
        host.run("true")


def test_up_again_and_status_are_quick(lab: VagrantProvider) -> None:
    """Neither asks Vagrant, which takes more than a second for anything."""
    began = time.monotonic()
    assert lab.status().state == "running"
    assert time.monotonic() - began < 0.5
    assert lab.up(quiet) == lab.endpoint()
    assert time.monotonic() - began < 3


def test_restore_brings_back_files_processes_and_the_time(lab: VagrantProvider, vm: Host) -> None:
    """A checkpoint is the whole machine in mid-run; only its clock goes on."""
    vm.run("setsid sleep 1000 > /dev/null 2>&1 < /dev/null & echo $! > /tmp/pid")
    vm.run("echo before > /tmp/file")
    vm.run("date --set='1 hour ago'", as_user="root")
    lab.save("here")
    vm.run("echo after > /tmp/file; kill $(cat /tmp/pid)")
    lab.restore("here")
    with closing(Host(lab.endpoint(), lab.connect)) as restored:
        assert str(restored.run("cat /tmp/file")) == "before"
        assert str(restored.run("ps -o comm= -p $(cat /tmp/pid)")) == "sleep"
        assert abs(float(str(restored.run("date +%s.%N"))) - time.time()) < 1


def test_checkpoints_have_names(lab: VagrantProvider) -> None:
    """Oldest first; saving again replaces; an unknown one is refused with the nearest name."""
    for name in ("first", "second", "first"):
        lab.save(name)
        time.sleep(1)  # libvirt notes whole seconds
    assert lab.names()[-2:] == ["second", "first"]
    lab.forget("first")
    lab.forget("first")
    assert lab.names()[-1] == "second"
    with pytest.raises(UnknownName, match="second"):
        lab.restore("secnod")


def test_the_machine_reaches_nothing_outside(vm: Host) -> None:
    """No mail of an exercise leaves the machine: not to this host, not beyond it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = "timeout 5 bash -c 'echo > /dev/tcp/10.0.2.2/%s'"
        assert not vm.run(command, port, check=False).ok


def test_vagrants_own_commands_work_on_it(lab: VagrantProvider) -> None:
    """Who knows Vagrant finds what he expects: the lab's user, its key, its snapshots."""
    lab.save("seen")
    assert "mail.lab.example" in lab._run(["ssh", "-c", "hostname"])
    assert any("seen" in line for line in lab._run(["snapshot", "list"]))
    assert any("running" in line for line in lab._run(["status"]))


@pytest.mark.parametrize("moment", ["Creating image", "Booting"])
def test_a_killed_up_leaves_nothing_after_down(other: VagrantProvider, moment: str) -> None:
    """Killed while Vagrant is at work, the rest ends with it or is found by `down`."""
    command = [sys.executable, "-c", UP, str(other.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any(line.startswith(moment) for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    other.down()
    assert leftovers(other) == []


def test_two_labs_at_once(
    lab: VagrantProvider, other: VagrantProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its machine, its port and its keys; one that hangs in its boot is started again."""
    steps: list[str] = []
    monkeypatch.setattr(provider, "HANG_SECONDS", 8.0)
    other.up(steps.append)
    assert any("hangs" in step for step in steps)
    assert lab.status().detail != other.status().detail
    with closing(Host(other.endpoint(), other.connect)) as second:
        second.run("touch /tmp/second")
    with closing(Host(lab.endpoint(), lab.connect)) as first:
        assert not first.run("test -e /tmp/second", check=False).ok


def test_a_machine_whose_power_was_cut_comes_up_at_a_free_port(lab: VagrantProvider) -> None:
    """What was synced is on its disk; a port that was taken meanwhile is given up."""
    with closing(Host(lab.endpoint(), lab.connect)) as host:
        host.run("echo kept > /home/lab/file && sync")
    old = lab._port()
    lab.cut_power()
    assert lab.status().state == "stopped"
    with pytest.raises(NotUp):
        lab.connect()
    with socket.create_server(("127.0.0.1", old)):
        lab.up(quiet)
        assert lab._port() != old
        with closing(Host(lab.endpoint(), lab.connect)) as host:
            assert str(host.run("cat /home/lab/file")) == "kept"


# -- without a machine ----------------------------------------------------------------------------


def test_what_is_missing_is_named_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a bare host `doctor` and `up` say what to install."""
    monkeypatch.setattr(needs, "_which", lambda name: None)
    monkeypatch.setattr(needs, "GEMS", ())
    mends = " ".join(finding.mend for finding in VagrantProvider.doctor() if not finding.ok)
    assert not VagrantProvider.usable()
    with pytest.raises(NoProvider) as caught:
        VagrantProvider(tmp_path).up(quiet)
    for package in ("vagrant", "vagrant-libvirt", "libvirt-daemon-system", "qemu-system-x86"):
        assert package in mends
        assert package in caught.value.next_step


def test_the_probe_tells_a_processor_that_works_from_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs a guest rather than look for a device file; the environment overrules it."""
    assert kvm.runs_a_guest("tcg")
    assert not kvm.runs_a_guest("no-such-accelerator")
    for wanted, expected in (("kvm", True), ("qemu", False)):
        monkeypatch.setenv("LAB_ACCEL", wanted)
        assert kvm.works() is expected


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("qemu: write error: No space left on device", "the disk is full"),
        ("Could not set up host forwarding rule 'tcp:127.0.0.1:1-:22'", "has taken the machine's"),
        ("Name `meta1-1-lab` of domain is already taken.", "a machine of that name is there"),
    ],
)
def test_a_failure_is_said_in_one_line(said: str, meaning: str, tmp_path: Path) -> None:
    """What Vagrant says at length has a meaning and a next step."""
    error = failure("vagrant up", ["==> lab: working", "\tfrom loader.rb:119", said], tmp_path)
    assert meaning in error.message.splitlines()[0]
    assert "loader.rb" not in error.message
    assert error.next_step


def test_the_box_carries_no_keys(lab: VagrantProvider, tmp_path: Path) -> None:
    """It holds a disk, a kernel and their descriptions; keys come from the lab, at every boot."""
    made = box.ensure(quiet)
    with tarfile.open(made.metadata.with_name("lab.box")) as packed:
        names = packed.getnames()
        disk = tmp_path / "disk.raw"
        packed.extract("box.img", tmp_path, filter="data")
    assert sorted(names) == ["Vagrantfile", "box.img", "initrd.img", "metadata.json", "vmlinuz"]
    subprocess.run(["qemu-img", "convert", "-O", "raw", tmp_path / "box.img", disk], check=True)
    for folder, found in (("/etc/ssh", "sshd_config"), ("/home/lab", ".profile")):
        listed = subprocess.run(
            ["/sbin/debugfs", "-R", f"ls -p {folder}", disk], capture_output=True, text=True
        ).stdout
        assert found in listed
        assert "ssh_host_" not in listed
        assert "/.ssh/" not in listed


def test_root_is_an_ordinary_user_in_the_session() -> None:
    """So nothing runs in the system's libvirt, and QEMU has no right that this user has not."""
    shown = subprocess.run([*joining(), "id", "-u"], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() != "0"
