"""What the page asks of JupyterHub: start and stop a trainee's server, and look at a terminal that runs on it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tornado import httpclient, websocket

from lab.errors import LabError

SECONDS = 120.0
"""The longest wait for the hub: a server that starts on a busy host."""
TERMINAL = re.compile(r"\w{1,40}")


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub's interface (https://jupyterhub.readthedocs.io, REST API), with the token of this service."""

    api: str
    token: str

    @classmethod
    def of_service(cls) -> Hub:
        """The hub that started this process."""
        return cls(os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_API_TOKEN"])

    async def start(self, name: str) -> None:
        """Start a trainee's server. Raises `LabError`."""
        await self._ask("POST", f"users/{quote(name)}/server")

    async def stop(self, name: str) -> None:
        """Stop a trainee's server. Raises `LabError`."""
        await self._ask("DELETE", f"users/{quote(name)}/server")

    async def terminals(self, name: str) -> list[str]:
        """Names of the terminals that a trainee has open; none where the server does not run."""
        server = await self._server(name)
        if not server:
            return []
        found = await self._get(f"{server}api/terminals")
        return sorted((str(each["name"]) for each in found), key=lambda each: (len(each), each))

    async def look(self, name: str, terminal: str) -> websocket.WebSocketClientConnection:
        """Open what a terminal shows, read-only: its server takes no input there, and tells the trainee."""
        server = await self._server(name)
        if not server or not TERMINAL.fullmatch(terminal):
            raise LabError(f"{name} has no such terminal")
        address = f"ws{server.removeprefix('http')}lab-panel/watch/{terminal}"
        try:
            return await websocket.websocket_connect(self._request("GET", address))
        except (httpclient.HTTPClientError, OSError) as error:
            raise LabError(f"the terminal of {name} cannot be seen: {error}") from error

    async def _server(self, name: str) -> str:
        """Address of a trainee's server on this host, as the proxy knows it; empty if it does not run."""
        routes = await self._get(f"{self.api}/proxy")
        path = f"/user/{quote(name)}/"
        found = routes.get(path)
        return f"{found['target'].rstrip('/')}{path}" if found else ""

    async def _get(self, address: str) -> Any:
        try:
            answer = await httpclient.AsyncHTTPClient().fetch(self._request("GET", address))
        except (httpclient.HTTPClientError, OSError) as error:
            raise LabError(f"JupyterHub does not answer: {error}", "lab class status") from error
        return json.loads(answer.body)

    async def _ask(self, method: str, path: str) -> None:
        request = self._request(method, f"{self.api}/{path}")
        try:
            await httpclient.AsyncHTTPClient().fetch(request)
        except httpclient.HTTPClientError as error:
            told = json.loads(error.response.body) if error.response and error.response.body else {}
            raise LabError(f"JupyterHub refuses: {told.get('message', error)}") from error
        except OSError as error:
            raise LabError(f"JupyterHub does not answer: {error}", "lab class status") from error

    def _request(self, method: str, address: str) -> httpclient.HTTPRequest:
        return httpclient.HTTPRequest(
            address,
            method=method,
            headers={"Authorization": f"token {self.token}"},
            request_timeout=SECONDS,
            allow_nonstandard_methods=True,
        )
