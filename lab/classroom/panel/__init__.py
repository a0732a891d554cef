"""The lab panel of JupyterLab: chapters with check, hint, solve, reset and goto, and the instructor's messages.

A Jupyter server extension (this package) runs the same commands that one types in a terminal; a prebuilt extension of
JupyterLab (`labextension`, plain JavaScript) shows them. `jupyter_server_config.py` here loads both: a server finds it
where JUPYTER_CONFIG_PATH names this folder. It works alike in a class and for one person.
"""

from __future__ import annotations

from typing import Any

from lab.classroom.panel.handlers import install

__all__ = ["_jupyter_server_extension_points", "_load_jupyter_server_extension"]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "lab.classroom.panel"}]


def _load_jupyter_server_extension(server: Any) -> None:
    install(server)
