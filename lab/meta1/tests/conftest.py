"""What all tests share: where the source tree is, and a private directory a plain user can use."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is not a fault, and a release check has to give the same answer twice.
settings.register_profile("check", deadline=None, derandomize=True, database=None)
# For make check, which shows that a build works: what is found by more trying is check-all's.
settings.register_profile("quick", settings.get_profile("check"), max_examples=10)
settings.load_profile(os.environ.get("META1_HYPOTHESIS", "check"))

# saslpasswd2 and others are in /usr/sbin, where Debian does not let a plain user look.
os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

TREE = Path(__file__).resolve().parent.parent


@pytest.fixture
def tree() -> Path:
    """The top of the source tree."""
    return TREE


@pytest.fixture
def box() -> Iterator[Path]:
    """A directory with a short name, for sockets, that any user may enter."""
    path = Path(tempfile.mkdtemp(prefix="m1-", dir="/tmp"))
    path.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    yield path
    shutil.rmtree(path)
