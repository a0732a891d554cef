"""What a trainee's browser does: log in through the proxy, start the server, ask it for things. Real HTTP and TLS."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from lab.errors import LabError

STEP_SECONDS = 60.0
POLL_SECONDS = 0.5


class Browser:
    """One person's session. Methods raise `LabError` with what the other side said."""

    def __init__(self, origin: str, certificate: Path, name: str) -> None:
        self.origin = origin.rstrip("/")
        self.name = name
        self.server = f"{self.origin}/user/{name}"
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor certificates but those named here
        self._session.verify = str(certificate)

    def log_in(self, password: str) -> None:
        """Fill in the form. Raises `LabError` where the hub wants nothing of it."""
        self.get(f"{self.origin}/hub/login")
        form = {"username": self.name, "password": password, "_xsrf": self._xsrf("/hub/")}
        answer = self._session.post(
            f"{self.origin}/hub/login?next=%2Fhub%2Fhome",
            data=form,
            timeout=STEP_SECONDS,
            allow_redirects=False,
        )
        if answer.status_code != 302:
            raise LabError(f"login as {self.name}: {answer.status_code}", "lab class password NAME")

    def start(self, seconds: float = 600.0) -> float:
        """Have the server running; gives the seconds it took."""
        began = time.monotonic()
        answer = self._hub("POST", f"users/{self.name}/server")
        if answer.status_code not in (201, 202, 400):  # 400: it runs already
            raise LabError(
                f"start of {self.name}: {answer.status_code} {answer.text[:200]}", "try again"
            )
        while time.monotonic() - began < seconds:
            state = self._hub("GET", f"users/{self.name}").json()
            server = state.get("servers", {}).get("", {})
            if server.get("ready"):
                self.get(f"{self.server}/lab")  # which logs in to the server by the hub
                return time.monotonic() - began
            if not server.get("pending"):
                raise LabError(f"the server of {self.name} did not start", "lab class status")
            time.sleep(POLL_SECONDS)
        raise LabError(
            f"the server of {self.name} did not start in {seconds:.0f} s", "lab class status"
        )

    def get(self, url: str) -> requests.Response:
        """Get a page. Raises `LabError` unless it comes."""
        answer = self._session.get(url, timeout=STEP_SECONDS)
        if answer.status_code != 200:
            raise LabError(f"GET {url}: {answer.status_code}", "lab class status")
        return answer

    def status_of(self, url: str) -> int:
        """Status with which a page is answered, whatever it is; redirects are gone along."""
        return int(self._session.get(url, timeout=STEP_SECONDS).status_code)

    def run(
        self, command: str, chapter: int, exercise: bool = False, seconds: float = 900.0
    ) -> list[Any]:
        """Run a command of the lab panel in the server; gives what it streamed, the last with the exit code."""
        order: Any = {"command": command, "chapter": chapter, "exercise": exercise}
        path = f"/user/{self.name}/"
        with self._session.post(
            f"{self.server}/lab-panel/run",
            json=order,
            headers={"X-XSRFToken": self._xsrf(path), "Referer": f"{self.server}/lab"},
            timeout=seconds,
            stream=True,
        ) as answer:
            if answer.status_code != 200:
                raise LabError(
                    f"{command} {chapter}: {answer.status_code} {answer.text[:200]}", "try again"
                )
            return list(_lines(answer))

    def _hub(self, method: str, path: str) -> requests.Response:
        return self._session.request(
            method,
            f"{self.origin}/hub/api/{path}",
            headers={"X-XSRFToken": self._xsrf("/hub/"), "Referer": f"{self.origin}/hub/home"},
            timeout=STEP_SECONDS,
        )

    def _xsrf(self, path: str) -> str:
        """The token that forms and requests of those pages repeat."""
        found = [
            each for each in self._session.cookies if each.name == "_xsrf" and each.path == path
        ]
        if not found or found[0].value is None:
            raise LabError(f"no _xsrf cookie for {path}", "lab class status")
        return found[0].value


def _lines(answer: requests.Response) -> Iterator[Any]:
    for line in answer.iter_lines():
        if line:
            yield json.loads(line)
