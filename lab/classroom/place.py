"""Where a class keeps what it has: everything lies below one folder that only root can open."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.config import state_dir

CLASS = "class"
"""Name of the folder; no lab may be called so."""
MODEL = "class.ends"
"""Stands among the trainees for the machine on which the ends of chapters are made; no trainee can be called so."""


def top() -> Path:
    """The class's folder, mode 0700: all paths below are in it."""
    path = state_dir() / CLASS
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def settings_file() -> Path:
    """Settings of the class and its roster (`lab.classroom.settings`); the class is up while it is there."""
    return top() / "class.json"


def passwords() -> Path:
    """What the instructor hands out: CSV, mode 0600."""
    return top() / "passwords.csv"


def events() -> Path:
    """The broker's SQLite file of events and messages."""
    return top() / "events.sqlite"


def model() -> Path:
    """State folder of the lab that makes the ends of chapters, as a trainee's is in the home."""
    return top() / "model"


def tls() -> Path:
    """Certificate and key of the proxy."""
    return top() / "tls"


def hub() -> Path:
    """JupyterHub's own files: database, secrets, tokens, pid files, logs."""
    return top() / "hub"


def run() -> Path:
    """Sockets of the broker."""
    return top() / "run"


def instructor_socket() -> Path:
    """The broker's socket for the instructor's page, the spawner and `lab class`: root only."""
    return run() / "instructor.sock"


def trainee_run(name: str) -> Path:
    """Folder with a trainee's socket, /run/lab in the sandbox: of root and the trainee's group, mode 0750."""
    return run() / name


def trainee_socket(name: str) -> Path:
    """The broker's socket for one trainee."""
    return trainee_run(name) / "broker.sock"


def home(name: str) -> Path:
    """Where a trainee's home is mounted."""
    return top() / "homes" / name


def home_image(name: str) -> Path:
    """The file system of that home."""
    return top() / "homes" / f"{name}.img"


def namespace(name: str) -> Path:
    """File that keeps the network namespace of a trainee's sandbox."""
    return top() / "net" / name


def sandbox(name: str) -> Path:
    """Folder with a trainee's own /etc files, and what was said when their sandbox was made."""
    return top() / "sandboxes" / name


def machine(name: str) -> Path:
    """Where a trainee's machine has all it has: keys, disk, checkpoints."""
    return top() / "machines" / name


def machine_image(name: str) -> Path:
    """The file system of that folder, which is also the limit of it all."""
    return top() / "machines" / f"{name}.img"


def podman_run(name: str) -> Path:
    """What podman keeps of that machine while the host is up."""
    return Path("/run/meta1-lab-class") / hashlib.sha256(str(top()).encode()).hexdigest()[:8] / name
