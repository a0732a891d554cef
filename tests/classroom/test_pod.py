"""A trainee's pod for real: its two containers run by podman, with the rights, mounts and users that our values say.

podman stands for the kubelet: one user namespace and one network for both, the shared folder, the volume's two parts,
capabilities, /proc. What the runtime class does on a node, a control group that belongs to the machine's root, the
test does itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from lab.config import ROOT
from lab.errors import LabError
from lab.providers.container import base_image
from lab.providers.podman import cgroup_v2, podman

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
HERE = ROOT / "lab" / "classroom" / "kubernetes"
NAMES = SimpleNamespace(
    machine=f"meta1-lab-pod-{os.getpid()}-machine", notebook=f"meta1-lab-pod-{os.getpid()}-notebook"
)
IMAGE = f"localhost/meta1-lab-pod:{os.getpid()}"
FIRST, COUNT = 2_000_000, 65536
"""The host's users that the pod's are."""
BOOK = "/srv/book"
ULIMITS = ("--ulimit=nofile=1024:4096", "--ulimit=nproc=16384:16384")


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both containers, running; gives the folder that is their volumes."""
    folder = tmp_path_factory.mktemp("pod")
    folder.chmod(0o755)
    single = yaml.safe_load((HERE / "values.yaml").read_text())["singleuser"]
    try:
        tree = base_image(lambda _: None)
        file = HERE / "Containerfile.machine"
        podman("build", "--quiet", "--no-cache", "--isolation=chroot", f"--file={file}", f"--build-arg=TREE={tree}",
               f"--tag={IMAGE}", str(ROOT))  # fmt: skip
        start_machine(folder, single)
        start_notebook(folder, tree, single)
        yield folder
    finally:
        for name in (NAMES.notebook, NAMES.machine):
            podman("rm", "--force", "--time", "0", "--ignore", name, check=False)
        podman("rmi", "--force", IMAGE, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def volumes(folder: Path, mounts: list[dict[str, str]]) -> list[str]:
    """The mounts of a container, each a folder of the test that belongs to the pod."""
    options = []
    for mount in mounts:
        source = folder / mount["name"] / mount.get("subPath", "")
        source.mkdir(parents=True, exist_ok=True)
        os.chown(source, FIRST, FIRST + 100)
        source.chmod(0o2777)  # as fsGroup leaves it, and an emptyDir is
        options.append(f"--volume={source}:{mount['mountPath']}")
    return options


def start_machine(folder: Path, single: dict[str, Any]) -> None:
    """The sidecar, in a user namespace, with just the capabilities of its securityContext."""
    [machine] = single["extraContainers"]
    context = machine["securityContext"]
    assert single["extraPodConfig"]["hostUsers"] is False
    podman(
        "create",
        f"--name={NAMES.machine}",
        f"--uidmap=0:{FIRST}:{COUNT}",
        f"--gidmap=0:{FIRST}:{COUNT}",
        "--network=none",
        "--systemd=always",  # a writable control group, as with the runtime class
        "--cap-drop=ALL",
        *(f"--cap-add={each}" for each in context["capabilities"]["add"]),
        f"--security-opt=unmask={'ALL' if context['procMount'] == 'Unmasked' else ''}",
        f"--memory={machine['resources']['limits']['memory'].removesuffix('i').lower()}",
        *ULIMITS,
        *volumes(folder, machine["volumeMounts"]),
        IMAGE,
    )
    podman("init", NAMES.machine)
    for group in control_groups(NAMES.machine):
        for path in (group, *group.iterdir()):
            os.chown(path, FIRST, FIRST)
    podman("start", NAMES.machine)


def start_notebook(folder: Path, tree: str, single: dict[str, Any]) -> None:
    """The other side: an ordinary user without rights, the checkout and its Python read-only."""
    storage, environment = single["storage"], single["extraEnv"]
    podman(
        "run",
        "--detach",
        f"--name={NAMES.notebook}",
        f"--userns=container:{NAMES.machine}",
        f"--network=container:{NAMES.machine}",
        f"--user={single['uid']}:100",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        *ULIMITS,
        *volumes(folder, storage["extraVolumeMounts"]),
        *(f"--env={key}={value}" for key, value in environment.items()),
        f"--env=HOME={storage['homeMountPath']}",
        "--env=PYTHONDONTWRITEBYTECODE=1",
        f"--env=PYTHONPATH={BOOK}:/opt/packages",
        "--env=LD_LIBRARY_PATH=/opt/python/lib",
        f"--volume={sys.base_prefix}:/opt/python:ro",
        f"--volume={sysconfig.get_path('purelib')}:/opt/packages:ro",
        f"--volume={ROOT}:{BOOK}:ro",
        tree,
        "sleep",
        "600",
    )


def control_groups(container: str) -> list[Path]:
    """Control groups in which systemd works: the one of the unified tree, or version 1's without a controller."""
    pid = podman("inspect", "--format={{.State.Pid}}", container).strip()
    kind = "" if cgroup_v2() else "name=systemd"
    top = Path("/sys/fs/cgroup") / ("" if cgroup_v2() else "systemd")
    lines = [line.split(":") for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    return [top / path.lstrip("/") for _, controllers, path in lines if controllers == kind]


def lab(*words: str) -> str:
    """A command of `lab` in the notebook's container."""
    return podman("exec", NAMES.notebook, "/opt/python/bin/python3", "-m", "lab", *words)


def keeper(verb: str) -> None:
    """Send a signal to the keeper."""
    podman("kill", f"--signal={verb}", NAMES.machine)


def test_the_whole_tutorial_can_start(pod: Path) -> None:
    """From the notebook's side: up, a step, its check passes, a checkpoint undoes it, another brings it back."""
    lab("up")
    lab(
        "run",
        "mkdir --mode=0700 secrets; logger --priority mail.info 'the first line in our mail log'",
    )
    lab("check", "1")
    lab("save", "done")
    lab("restore", "fresh")
    with pytest.raises(LabError, match="a folder for passwords"):
        lab("check", "1")
    lab("restore", "done")
    lab("check", "1")
    assert lab("restore").split() == ["fresh", "done"]
    wait_for(lambda: "Z" not in podman("exec", NAMES.machine, "ps", "-A", "-o", "stat="))


def test_machine_has_no_network_and_no_rights_on_the_host(pod: Path) -> None:
    """Its root is nobody here, it sees no interface but its own loopback, and nothing of the pod's mounts."""
    lab("up")
    pid = podman("inspect", "--format={{.State.Pid}}", NAMES.machine).strip()
    assert Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0] == str(FIRST)
    assert lab("run", "ls /sys/class/net /lab/disk /lab/shared").split() == [
        "/lab/disk:", "/lab/shared:", "/sys/class/net:", "lo"
    ]  # fmt: skip
    told = lab("run", "hostname; cat /etc/resolv.conf").splitlines()
    assert told[:2] == ["mail.lab.example", "nameserver 127.0.0.1"]
    setting = (
        "/proc/sys/kernel/panic"  # of the host's kernel; written as it is, should it be possible
    )
    with pytest.raises(LabError, match="Permission denied"):
        lab("run", "--as", "root", f"now=$(cat {setting}) && echo $now > {setting}")


def test_killed_machine_comes_back_with_its_disk(pod: Path) -> None:
    """It ends by itself: the keeper starts it again; the keeper is told to end: the machine is shut down first."""
    lab("up")
    lab("run", "echo kept > kept; sync")
    with contextlib.suppress(LabError):  # the connection ends with it
        lab("run", "--as", "root", "systemctl poweroff")
    wait_for(lambda: "started again" in podman("logs", NAMES.machine), 60)
    assert lab("run", "cat kept").strip() == "kept"
    keeper("TERM")
    podman("wait", NAMES.machine)
    assert podman("inspect", "--format={{.State.ExitCode}}", NAMES.machine).strip() == "0"


def wait_for(holds: object, seconds: float = 20) -> None:
    """Ask until it holds, or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():  # type: ignore[operator]
                return
        except LabError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.2)
