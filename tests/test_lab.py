"""A lab in a real container: made, reached, saved, broken, restored, and gone without a trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import ConnectionLost, HostKeyMismatch, LabError, NotUp, UnknownName
from lab.host import Host
from lab.lab import FRESH, Lab
from lab.machine import image
from lab.providers.container import ContainerProvider
from lab.providers.podman import podman

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parent.parent


def quiet(_: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder for the labs of these tests alone."""
    path = tmp_path_factory.mktemp("labs")
    before = os.environ.get("LAB_HOME")
    os.environ["LAB_HOME"] = str(path)
    yield path
    for name in {p.name.removesuffix(".lock") for p in path.iterdir()}:
        Lab(name, "container").down()
    if before is None:
        del os.environ["LAB_HOME"]
    else:
        os.environ["LAB_HOME"] = before


@pytest.fixture(scope="module")
def lab(home: Path) -> Lab:
    """One lab that is up."""
    lab = Lab("one", "container")
    lab.up()
    return lab


def cli(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "lab", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
        timeout=200,
        check=False,
    )


def traces(lab: Lab) -> list[str]:
    """What podman still has of a lab: containers and images."""
    name = ContainerProvider(lab.folder).container
    containers = podman("ps", "--all", "--quiet", "--filter", f"name={name}").split()
    images = podman(
        "images", "--all", "--quiet", "--filter", f"label=meta1-lab.container={name}"
    ).split()
    return containers + images


def test_the_machine_is_the_one_we_made(lab: Lab) -> None:
    """It answers under its name, as the user lab, with nothing failed and no way out."""
    vm = lab.host
    assert (
        str(vm.run("hostname --fqdn; whoami; systemctl is-system-running"))
        == "mail.lab.example\nlab\nrunning"
    )
    assert str(vm.run("ip -brief link | grep -vc '^lo'", check=False)) == "0"
    assert str(vm.run("id -un", as_user="root")) == "root"


def test_up_again_changes_nothing_and_is_quick(lab: Lab) -> None:
    """A second `up` finds the machine and leaves it alone."""
    boot = lab.host.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1").stdout
    began = time.monotonic()
    vm = Lab("one").up()
    assert time.monotonic() - began < 2
    assert vm.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1").stdout == boot


def test_a_checkpoint_brings_the_whole_machine_back(lab: Lab) -> None:
    """Files, owners and enabled services are as they were; what came later is gone."""
    lab.host.run("install -o cyrus -m 0640 /etc/hostname /srv/kept", as_user="root")
    lab.save("kept")
    lab.host.run("rm -r /srv/kept /usr/sbin/dnsmasq; touch /srv/later", as_user="root")
    vm = lab.restore("kept")
    assert (
        str(vm.run("stat -c '%a %U' /srv/kept; ls /srv; systemctl is-active dnsmasq"))
        == "640 cyrus\nkept\nactive"
    )


def test_after_a_power_cut_the_disk_is_as_it_was(lab: Lab) -> None:
    """Files are there, the programs that ran are not, and the services come up as after a boot."""
    lab.host.run("touch /srv/cut && systemd-run --quiet --unit=doomed sleep 600", as_user="root")
    vm = lab.power_cut()
    asked = "ls /srv/cut; systemctl is-active doomed; systemctl is-active dnsmasq"
    assert vm.run(asked, check=False).lines == ["/srv/cut", "inactive", "active"]
    lab.restore(FRESH)


def test_forgetting_a_checkpoint_in_use_leaves_the_machine_alone(lab: Lab) -> None:
    """The machine that was started from it goes on running."""
    lab.save("used")
    vm = lab.restore("used")
    lab.forget("used")
    assert vm.run("true").ok
    assert "used" not in lab.names()
    lab.restore(FRESH)


def test_a_checkpoint_of_the_same_name_is_replaced(lab: Lab) -> None:
    """The newer one counts."""
    lab.save("twice")
    lab.host.run("touch /srv/second", as_user="root")
    lab.save("twice")
    assert lab.names().count("twice") == 1
    assert lab.restore("twice").run("test -e /srv/second").ok


def test_an_unknown_checkpoint_names_the_known_ones(lab: Lab) -> None:
    """And the machine is left as it is."""
    with pytest.raises(UnknownName, match="fresh"):
        lab.restore("frsh")
    assert lab.host.run("true").ok


def test_another_host_key_is_refused(lab: Lab, tmp_path: Path) -> None:
    """A machine with a key other than the pinned one gets no command from us."""
    other = Lab("other", "container")
    other.up()
    endpoint = lab.provider().endpoint()
    with pytest.raises(HostKeyMismatch):
        Host(endpoint, other.provider().connect).run("true")


def test_two_labs_side_by_side(lab: Lab) -> None:
    """Each has its own files, keys and services on the same ports."""
    other = Lab("other", "container")
    vm = other.up()
    vm.run("touch /srv/other", as_user="root")
    assert not lab.host.run("test -e /srv/other", check=False).ok
    assert (
        vm.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout
        != lab.host.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout
    )


def test_a_machine_that_dies_under_a_command_is_noticed_at_once(home: Path) -> None:
    """No hang: the command fails and says how to go on; `up` brings the machine back."""
    dying = Lab("dying", "container")
    vm = dying.up()
    container = ContainerProvider(dying.folder).container
    threading.Timer(0.5, podman, ("kill", "--signal", "KILL", container)).start()
    began = time.monotonic()
    with pytest.raises(ConnectionLost, match="sleep 60"):
        vm.run("sleep 60")
    assert time.monotonic() - began < 10
    assert dying.up().run("hostname").ok
    dying.down()


@pytest.mark.parametrize("after", [0.0, 0.3, 0.6, 0.9, 1.3])
def test_killed_while_coming_up_leaves_nothing_after_down(home: Path, after: float) -> None:
    """Whenever the command is killed, `down` finds what it left."""
    killed = Lab("killed", "container")
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "--lab", "killed", "--provider", "container", "up"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not (killed.folder / "lab.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed.down()
    assert traces(killed) == []
    assert not killed.folder.exists()
    assert killed.up().run("true").ok
    killed.down()
    assert traces(killed) == []


def test_a_machine_whose_checkout_was_deleted_is_replaced(home: Path) -> None:
    """Its keys are gone with the folder, so nobody can reach it: the next `up` makes another."""
    orphaned = Lab("orphaned", "container")
    orphaned.up().run("touch left")
    orphaned.save("old")
    shutil.rmtree(orphaned.folder)
    again = Lab("orphaned", "container")
    assert not again.up().run("test -e left", check=False).ok
    assert again.names() == [FRESH]
    again.down()
    assert traces(again) == []


def test_killed_while_the_image_is_built_leaves_nothing_after_down(
    home: Path, tmp_path: Path
) -> None:
    """Neither a half-made tree in the cache nor a process that goes on with it."""
    env = {**os.environ, "LAB_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "lab", "--lab", "early", "--provider", "container"]
    process = subprocess.Popen(
        [*command, "up"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    for line in process.stderr:
        if "downloading packages" in line:
            break
    process.kill()
    process.wait()
    subprocess.run([*command, "down"], cwd=ROOT, env=env, check=True, timeout=60)
    assert list(tmp_path.glob("build-*")) == []
    mark = f"TMPDIR={tmp_path}".encode()
    assert [p for p in Path("/proc").glob("[0-9]*/environ") if mark in _content(p)] == []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended meanwhile


def test_down_is_complete_and_may_be_repeated(home: Path) -> None:
    """Container, images and folder are gone; a lab that is not there is fine."""
    gone = Lab("gone", "container")
    gone.up()
    gone.save("a")
    gone.restore("a")
    gone.save("a")
    gone.down()
    assert traces(gone) == []
    assert not gone.folder.exists()
    gone.down()
    with pytest.raises(NotUp):
        _ = gone.host


def test_secrets_of_a_lab_are_for_its_owner_only(lab: Lab) -> None:
    """State folder 0700, keys 0600."""
    assert lab.folder.stat().st_mode & 0o777 == 0o700
    for name in ("key", "host_key"):
        assert (lab.folder / name).stat().st_mode & 0o777 == 0o600


def test_a_checkpoint_name_must_suit_both_providers(lab: Lab) -> None:
    """A bad one is refused before anything is done."""
    with pytest.raises(LabError, match="no name for a checkpoint"):
        lab.save("Not This One")


def test_status_tells_scripts_too(lab: Lab) -> None:
    """JSON, and exit code 3 for a lab that is not up."""
    there = cli("--lab", "one", "status", "--json")
    assert there.returncode == 0
    assert {s["lab"]: s["state"] for s in json.loads(there.stdout)}["one"] == "running"
    assert cli("--lab", "nowhere", "status").returncode == 3


def test_run_passes_output_and_exit_code_on(lab: Lab) -> None:
    """`lab run` is the command it runs."""
    done = cli("--lab", "one", "run", "--", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "out\nerr\n")


def test_ssh_reaches_the_machine_with_the_ordinary_client(lab: Lab) -> None:
    """Pinned key, our user, no question asked."""
    assert cli("--lab", "one", "ssh", "hostname").stdout == "mail.lab.example\n"


def test_no_container_without_podman(home: Path, tmp_path: Path) -> None:
    """Exit 3, what is missing, and the command that installs it."""
    done = cli("--lab", "nopodman", "--provider", "container", "up", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "podman" in done.stderr and "apt-get install" in done.stderr
    assert cli("--lab", "nopodman", "down").returncode == 0


def test_the_image_is_built_once(lab: Lab) -> None:
    """The cache has this recipe's tree, and whoever asks again only finds it."""
    tree = image.tree(quiet)
    steps: list[str] = []
    assert image.tree(steps.append) == tree
    assert tree.exists()
    assert steps == []
