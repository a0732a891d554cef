"""The panel's server extension, on a real Jupyter server: who may ask, what is run, how it is stopped and watched."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from notebook_server import announced
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from lab.chapters import chapters
from lab.classroom.panel.runs import BadOrder, Order, order

TOP = Path(__file__).resolve().parents[2]
TOKEN = "t" * 32
BASE = "/user/t1/"
"""As a hub's server has it."""
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A Jupyter server with the panel, and the state of its lab."""

    address: str
    home: Path

    def ask(self, method: str, path: str, token: str = TOKEN, **more: Any) -> requests.Response:
        """A request as the panel makes it."""
        headers = {"Authorization": f"token {token}"} if token else {}
        url = f"{self.address}lab-panel/{path}"
        return requests.request(method, url, headers=headers, timeout=SECONDS, **more)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """As `make run` starts it, on a port of its own and without a browser."""
    home = tmp_path_factory.mktemp("panel")
    env = {
        **{k: v for k, v in os.environ.items() if k not in ("LAB_BROKER", "LAB_NAME")},
        "JUPYTER_CONFIG_PATH": str(TOP / "lab/classroom/panel"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "LAB_HOME": str(home),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", "--port=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.base_url={BASE}", "notebooks"),
    ]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=TOP, env=env, stdout=log, stderr=log)
    try:
        said = announced(home / "runtime", process, home / "log", SECONDS)
        yield Server(said["url"], home)
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)


def lines(answer: requests.Response) -> list[dict[str, Any]]:
    """What a run said."""
    return [json.loads(line) for line in answer.iter_lines()]


@pytest.mark.parametrize("method", ["get", "post", "delete"])
@pytest.mark.parametrize("path", ["chapters", "run", "messages", "solution?chapter=1"])
def test_strangers_get_nothing(server: Server, method: str, path: str) -> None:
    """Without the token each address refuses, as those of Jupyter's own do."""
    assert server.ask(method, path, token="").status_code in (403, 405)


def test_chapters_are_listed_with_their_notebooks(server: Server) -> None:
    """All of them, not begun, where this server has them."""
    found = server.ask("get", "chapters").json()
    assert [each["title"] for each in found] == [each.title for each in chapters()]
    assert found[1]["path"] == "02-cyrus-imap.ipynb"
    assert {each["state"] for each in found} == {"not begun"}
    assert found[1]["exercise"]["hints"] == []
    assert found[1]["exercise"]["total"] == len(chapters()[1].exercise.task.hints)


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"command": "up", "chapter": 1},
        {"command": ["check"], "chapter": 1},
        {"command": "check", "chapter": 0},
        {"command": "check", "chapter": "1; reboot"},
        {"command": "check", "chapter": True},
        {"command": "reset", "chapter": 1, "exercise": True},
        {"command": "check", "chapter": 1, "option": "--help"},
    ],
)
def test_nothing_but_the_five_commands_is_run(server: Server, body: object) -> None:
    """What is no order of the panel is refused, with a reason."""
    with pytest.raises(BadOrder):
        order(body)
    answer = server.ask("post", "run", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_orders_are_words_of_lab() -> None:
    """The same that one types."""
    assert order({"command": "hint", "chapter": 3, "exercise": True}).arguments == [
        "hint",
        "3",
        "--exercise",
    ]
    assert order({"command": "goto", "chapter": 16}) == Order("goto", 16)


def test_a_command_is_run_and_says_what_it_says_in_a_terminal(server: Server) -> None:
    """Its order first, then its lines, then its exit code; who comes later gets it all again."""
    said = lines(server.ask("post", "run", json={"command": "check", "chapter": 1}, stream=True))
    assert said[0] == {"order": {"command": "check", "chapter": 1, "exercise": False}}
    assert said[1] == {"line": "lab: lab 'lab' is not up"}
    assert said[-1] == {"code": 3, "stopped": False}
    assert lines(server.ask("get", "run", stream=True)) == said


def test_one_runs_at_a_time_and_a_stop_ends_it_alone(server: Server) -> None:
    """A command that waits for the lab's lock is told from a second one; stopped, it and nothing else is gone."""
    with (server.home / "lab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = server.ask("post", "run", json={"command": "goto", "chapter": 1}, stream=True)
        said = map(json.loads, answer.iter_lines())
        assert next(said)["order"]["command"] == "goto"
        assert "another command is at work" in next(said)["line"]
        second = server.ask("post", "run", json={"command": "check", "chapter": 1})
        assert second.status_code == 409
        assert second.json()["message"] == "lab goto 1 still runs"
        began = time.monotonic()
        assert server.ask("delete", "run").status_code == 204
        assert time.monotonic() - began < 9
    assert list(said)[-1]["stopped"] is True
    assert server.ask("get", "chapters").status_code == 200


def test_messages_need_no_class(server: Server) -> None:
    """There are none, and that is no trouble; nonsense is refused."""
    assert server.ask("get", "messages?since=0").json() == {
        "messages": [],
        "watched": False,
        "trouble": "",
    }
    assert server.ask("get", "messages?since=x").status_code == 400


def test_a_solution_is_told_when_asked_for(server: Server) -> None:
    """The text of the page; of a chapter that there is not, an error."""
    assert "umask 077" in server.ask("get", "solution?chapter=1").json()["solution"]
    assert server.ask("get", "solution?chapter=99").status_code == 404


def test_a_terminal_is_watched_and_takes_no_input(server: Server) -> None:
    """One who looks gets what it shows, for the size that it has; what they send goes nowhere, and all is told."""
    headers = {"Authorization": f"token {TOKEN}"}
    made = requests.post(f"{server.address}api/terminals", headers=headers, timeout=SECONDS).json()
    place = f"ws{server.address.removeprefix('http')}"

    async def look() -> str:
        own, watch = [
            await websocket_connect(HTTPRequest(f"{place}{path}/{made['name']}", headers=headers))
            for path in ("terminals/websocket", "lab-panel/watch")
        ]
        await watch.write_message(json.dumps(["stdin", "echo from$((40+2))watch\r"]))
        await watch.write_message(json.dumps(["set_size", 3, 3]))
        await own.write_message(json.dumps(["set_size", 31, 97]))
        await own.write_message(json.dumps(["stdin", "stty size; echo last$((7*6))one\r"]))
        seen = ""
        async with asyncio.timeout(SECONDS):
            while "last42one" not in seen:
                kind, *rest = json.loads(str(await watch.read_message()))
                seen += str(rest[0]) if kind == "stdout" else f"[{kind} {rest}]"
        watched = await asyncio.to_thread(server.ask, "get", "messages")
        assert watched.json()["watched"] is True
        watch.close()
        own.close()
        return seen

    seen = asyncio.run(look())
    assert "31 97" in seen
    assert "[size [31, 97]]" in seen
    assert "from42watch" not in seen
    deadline = time.monotonic() + 10
    while server.ask("get", "messages").json()["watched"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_no_one_watches_without_the_token(server: Server) -> None:
    """The websocket refuses as the terminal's own does."""

    async def look() -> None:
        await websocket_connect(f"ws{server.address.removeprefix('http')}lab-panel/watch/1")

    with pytest.raises(Exception, match="403"):
        asyncio.run(look())
