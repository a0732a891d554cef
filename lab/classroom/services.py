"""The programs that make a class, as the supervisor runs them: each a command line and its environment."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.classroom import net, place
from lab.classroom.settings import Settings
from lab.config import ROOT

PROXY = (
    ROOT
    / ".venv"
    / "proxy"
    / "node_modules"
    / "configurable-http-proxy"
    / "bin"
    / "configurable-http-proxy"
)
SECRETS = "proxy", "culler", "instructor"
"""Tokens that the programs show each other."""
PAGE = "class"
"""The instructor's page among the hub's services: it is at /services/class/."""


@dataclass(frozen=True, slots=True)
class Service:
    """One program. `environment` is added to the supervisor's own."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]


def hub_url(settings: Settings) -> str:
    """Where the hub listens: for the sandboxes, the proxy and the services."""
    return f"http://{net.hub_address(settings.network)}:{settings.hub_port}"


def proxy_url(settings: Settings) -> str:
    """The proxy's own interface."""
    return f"http://127.0.0.1:{settings.proxy_port}"


def page_url(settings: Settings) -> str:
    """The instructor's page, behind the proxy."""
    return f"http://127.0.0.1:{settings.page_port}"


def tokens() -> dict[str, str]:
    """The secrets by name, made on first use; hub/tokens.json, mode 0600."""
    path = place.hub() / "tokens.json"
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({name: secrets.token_hex(32) for name in SECRETS}, file)
        new.replace(path)
    found: dict[str, str] = json.loads(path.read_text())
    return found


def of_class(settings: Settings) -> list[Service]:
    """All programs of a class, in the order in which they start."""
    token, python = tokens(), [sys.executable, "-m"]
    found = [
        Service("broker", [*python, "lab.classroom.broker"], {}),
        Service("proxy", _proxy(settings), {"CONFIGPROXY_AUTH_TOKEN": token["proxy"]}),
        Service("hub", [*python, "jupyterhub", "--config", str(ROOT / "lab/classroom/hub_config.py")],
                {"CONFIGPROXY_AUTH_TOKEN": token["proxy"]}),
        Service("instructor", [*python, "lab.classroom.instructor"],
                _of_hub(settings, PAGE, token["instructor"], page_url(settings))),
    ]  # fmt: skip
    if settings.idle_minutes:
        seconds = settings.idle_minutes * 60
        argv = [*python, "jupyterhub_idle_culler", f"--timeout={seconds}",
                f"--cull-every={min(seconds, 300)}"]  # fmt: skip
        found.append(Service("culler", argv, _of_hub(settings, "culler", token["culler"])))
    return found


def _proxy(settings: Settings) -> list[str]:
    """Its node has TLS 1.2 as the least that it speaks."""
    tls = place.tls()
    return [
        str(Path(sys.prefix) / "bin" / "node"), "--tls-min-v1.2", str(PROXY),
        f"--ip={settings.address}", f"--port={settings.port}",
        f"--ssl-cert={tls / 'certificate.pem'}", f"--ssl-key={tls / 'key.pem'}",
        "--api-ip=127.0.0.1", f"--api-port={settings.proxy_port}",
        f"--error-target={hub_url(settings)}/hub/error", "--log-level=warn",
    ]  # fmt: skip


def _of_hub(settings: Settings, name: str, token: str, url: str = "") -> dict[str, str]:
    """What JupyterHub tells a service that it starts itself, told to one that outlives it."""
    prefix = f"/services/{name}/"
    told = {
        "JUPYTERHUB_API_TOKEN": token,
        "JUPYTERHUB_API_URL": f"{hub_url(settings)}/hub/api",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_SERVICE_NAME": name,
        "JUPYTERHUB_CLIENT_ID": f"service-{name}",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([f"access:services!service={name}"]),
    }
    if url:
        told |= {
            "JUPYTERHUB_SERVICE_URL": url + prefix,
            "JUPYTERHUB_SERVICE_PREFIX": prefix,
            "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{prefix}oauth_callback",
        }
    return told
