"""Where things are: the project's own folders, the state of the labs, and the cache of machine images."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from lab.errors import LabError

ROOT = Path(__file__).resolve().parent.parent
"""Top of the checkout: book, notebooks and lab lie below it."""


def lab_name() -> str:
    """Name of the lab a command means when it names none: $LAB_NAME, else ``lab``."""
    return os.environ.get("LAB_NAME", "lab")


def state_dir() -> Path:
    """Folder with everything a lab leaves on this host, mode 0700: $LAB_HOME, else ``.lab`` in the checkout."""
    path = Path(os.environ.get("LAB_HOME", ROOT / ".lab")).absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def patient(seconds: float) -> float:
    """How long to wait for a machine where `seconds` do by itself: times $LAB_PATIENCE, for one of many on a host."""
    return seconds * float(os.environ.get("LAB_PATIENCE", 1))


def cache_dir() -> Path:
    """Folder of machine images, shared by all checkouts of this user."""
    if "LAB_CACHE" in os.environ:
        path = Path(os.environ["LAB_CACHE"]).absolute()
    elif os.geteuid() == 0:
        path = Path("/var/cache/meta1-lab")
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "meta1-lab"
    path.mkdir(parents=True, exist_ok=True)
    return path


def settings() -> dict[str, Any]:
    """The user's own ``lab.toml`` at the top of the checkout; empty where there is none."""
    path = ROOT / "lab.toml"
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{path}: {error}", "mend that line, or remove the file") from error
