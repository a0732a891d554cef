"""Make a Vagrant box of the machine's file tree: a disk, a kernel, and what Vagrant must know.

No loop device, no boot loader, no ready-made box and no root: `mke2fs -d` fills a file system from
a folder, and QEMU starts the kernel itself. An ordinary user unpacks the tree in a user namespace,
so that its owners are right. The box carries no key of any kind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from lab.errors import ImageBuildFailed, NoProvider
from lab.machine import image
from lab.providers.base import Progress

NAME = "meta1-lab"
"""Name of the box, as `vagrant box list` shows it."""
DISK_GIB = 8
ROOM_MIB = 2200
"""What a build needs at its largest: the tree and a disk of it side by side."""
LIMIT = 900.0
"""Seconds that one step may take on a slow disk."""
TOOLS = {"mke2fs": "e2fsprogs", "qemu-img": "qemu-utils", "tar": "tar"}
FILES = ("metadata.json", "Vagrantfile", "vmlinuz", "initrd.img", "box.img")
"""What the box consists of."""
SHIPPED = Path(__file__).with_name("Vagrantfile.box")

# Run by sh; $1 is the work folder, $2 the tree's tar file. Who starts QEMU must be able to read the
# kernel.
FILL = f"""\
mkdir "$1/tree" && cd "$1"
tar -xf "$2" -C tree --numeric-owner --exclude='./dev/*'
cp -L tree/vmlinuz tree/initrd.img . && chmod 644 vmlinuz initrd.img
mke2fs -q -t ext4 -L lab -m 0 -E lazy_itable_init=1,lazy_journal_init=1 -d tree disk.raw {DISK_GIB}G
rm -rf tree
"""
COMPRESS = "qemu-img convert -q -f raw -O qcow2 -c -o compression_type=zstd"


@dataclass(frozen=True, slots=True)
class Box:
    """A box on this disk; `vagrant box add` takes `metadata`, a Vagrantfile pins `version`."""

    metadata: Path
    version: str


def ensure(progress: Progress) -> Box:
    """The box of this version of the machine, built if the cache has none."""
    box = Box(image.folder() / "lab.json", version())
    if not _is_built(box):
        tree = image.tree(progress)
        with image.build_lock(progress):
            if not _is_built(box):
                build(tree, box.metadata.parent, box.version, progress)
    return box


def version() -> str:
    """Number of this box: a hash of all inputs, written as the dotted numbers Vagrant wants."""
    digest = hashlib.sha256(image.recipe_hash().encode())
    for path in (Path(__file__), SHIPPED):
        digest.update(path.read_bytes())
    return f"1.0.{int(digest.hexdigest()[:10], 16)}"


def build(root_tar: Path, out_dir: Path, box_version: str, progress: Progress) -> Path:
    """Write `lab.box`, and last `lab.json` with its version, into `out_dir`.

    Nobody else may build there meanwhile; `image.sweep` removes what a killed build leaves.
    """
    _require(out_dir)
    work = Path(mkdtemp(prefix="build-", dir=out_dir.parent))  # where image.sweep looks
    try:
        progress("unpacking the machine's files into a disk (once, about 15 seconds)")
        _run(work, [*_as_owner(), "sh", "-euc", FILL, "sh", str(work), str(root_tar)])
        progress("compressing the disk")
        _run(work, [*COMPRESS.split(), str(work / "disk.raw"), str(work / "box.img")])
        (work / "disk.raw").unlink()
        progress("packing the box")
        _pack(work)
        return _publish(work, out_dir, box_version)
    finally:
        _remove(work)


def _pack(work: Path) -> None:
    about = {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GIB}
    (work / "metadata.json").write_text(json.dumps(about) + "\n")
    shutil.copyfile(SHIPPED, work / "Vagrantfile")
    with tarfile.open(work / "lab.box", "w") as box:
        for name in FILES:
            box.add(work / name, name)


def _publish(work: Path, out_dir: Path, box_version: str) -> Path:
    """Put box and description in place; the description last: it says that both are whole."""
    metadata, box = out_dir / "lab.json", out_dir / "lab.box"
    metadata.unlink(missing_ok=True)
    (work / "lab.box").rename(box)
    provider = {"name": "libvirt", "url": f"file://{box}"}
    about = {"name": NAME, "versions": [{"version": box_version, "providers": [provider]}]}
    (work / "lab.json").write_text(json.dumps(about, indent=1) + "\n")
    (work / "lab.json").rename(metadata)
    return box


def _is_built(box: Box) -> bool:
    try:
        about = json.loads(box.metadata.read_text())
    except (FileNotFoundError, ValueError):
        return False
    whole = box.metadata.with_name("lab.box").exists()
    return whole and bool(about["versions"][0]["version"] == box.version)


def _require(out_dir: Path) -> None:
    for tool, package in TOOLS.items():
        if not shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            raise NoProvider(
                f"{tool} is missing: it makes the Vagrant box",
                f"sudo apt-get install --no-install-recommends {package}",
            )
    free = shutil.disk_usage(out_dir).free >> 20
    if free < ROOM_MIB:
        raise ImageBuildFailed(
            f"the box needs {ROOM_MIB} MiB in {out_dir} while it is made; {free} MiB are free",
            "make room there, or set LAB_CACHE to a folder on a larger disk",
        )


def _as_owner() -> list[str]:
    """What makes an ordinary user root over a tree of his own; nothing for root."""
    return [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--map-auto", "--"]


def _run(work: Path, command: list[str]) -> None:
    """Run one step, which ends with us even if we are killed; raise `ImageBuildFailed`."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    # By this TMPDIR `image.sweep` knows what is still at work in a folder.
    env = dict(os.environ, PATH=path, LC_ALL="C.UTF-8", TMPDIR=str(work))
    try:
        done = subprocess.run(
            ["setpriv", "--pdeathsig", "KILL", *command],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=env,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ImageBuildFailed(
            f"{command[0]} did not end within {LIMIT:.0f} s", "is the disk very slow?"
        ) from error
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise ImageBuildFailed(
            f"making the box failed:\n{last}", "usually no room on the disk, or no user namespaces"
        )


def _remove(work: Path) -> None:
    """Remove the work folder, whoever of this user's range owns what is in it."""
    shutil.rmtree(work, ignore_errors=True)
    if work.exists():
        _run(work, [*_as_owner(), "rm", "-rf", str(work)])
