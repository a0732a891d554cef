"""The machines' disks: made before the broker starts, removed with the machines after it has ended."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.classroom import disks, place
from lab.classroom.settings import Settings
from lab.providers.base import Progress
from lab.providers.container import ContainerProvider, Limits
from lab.providers.podman import Store, await_podmen, graph

MODEL_DISK = 8192
"""MiB for the machine that makes the ends of all chapters, and for these."""

END_SECONDS = 60.0


def provider(settings: Settings, name: str) -> ContainerProvider:
    """The machine of a trainee, or of `place.MODEL`, whose images all others read."""
    share = settings.machine
    reads = () if name == place.MODEL else (images(place.MODEL),)
    return ContainerProvider(
        place.machine(name),
        Limits(share.memory, share.cpus, share.pids),
        Store(images(name), place.podman_run(name), (*reads, graph())),
    )


def make(settings: Settings) -> None:
    """Have a file system for each machine, mounted. Raises `LabError`."""
    sizes = {
        place.MODEL: MODEL_DISK,
        **{each.name: settings.machine.disk for each in settings.trainees},
    }
    for name, size in sizes.items():
        disks.make(place.machine_image(name), place.machine(name), size)
    images(place.MODEL).mkdir(mode=0o700, exist_ok=True)


def images(name: str) -> Path:
    """Where podman keeps what a machine is made of."""
    return place.machine(name) / "graph"


def remove(settings: Settings, progress: Progress) -> None:
    """Remove machines, checkpoints and their file systems, whatever state they are in. Raises `LabError`."""
    folder = place.top() / "machines"
    names = sorted(path.stem for path in folder.glob("*.img"))

    def end(name: str) -> None:
        progress(f"removing the machine of {name}")
        if place.machine(name).is_mount():
            provider(settings, name).down()
            # A container that has ended is tidied up by a podman that nobody waits for.
            await_podmen(f"{images(name)}", END_SECONDS)
        disks.remove(place.machine_image(name), place.machine(name))

    with ThreadPoolExecutor(settings.at_once) as pool:
        list(pool.map(end, [name for name in names if name != place.MODEL]))
    end(place.MODEL)  # after those that read it
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(place.podman_run(place.MODEL).parent, ignore_errors=True)
