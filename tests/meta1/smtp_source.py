"""Postfix's load generator smtp-source: no machine of the lab has Postfix, so its Debian package is only unpacked."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from lab.host import Host

FOLDER = "/opt/smtp-source"
PARTS = (
    "usr/sbin/smtp-source",
    "usr/lib/postfix/libpostfix-global.so",
    "usr/lib/postfix/libpostfix-util.so",
)
COMMAND = f"LD_LIBRARY_PATH={FOLDER} {FOLDER}/smtp-source"


def put(vm: Host, work: Path) -> None:
    """Fetch the package with what it needs, the way the machine's image is made, and put the program there."""
    tar = work / "postfix.tar"
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=extract", "--include=postfix", "bookworm", str(tar)],
        check=True,
        timeout=120,
        capture_output=True,
    )
    with tarfile.open(tar) as packed:
        for name in PARTS:
            part = packed.extractfile(f"./{name}")
            assert part is not None
            vm.put(part.read(), f"{FOLDER}/{Path(name).name}", mode="0755")
    tar.unlink()
