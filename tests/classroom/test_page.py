"""The instructor's page as a program: its real service between a broker's real socket and a Jupyter server.

Of the hub there is only what the service asks it: who has a token, and where servers are. The whole of it, with the
hub and browsers, is in `test_faces.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from test_panel import BASE, SECONDS, TOKEN, TOP, Server, server
from test_table import table
from tornado import web
from tornado.httpclient import HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import websocket_connect

from lab.classroom.protocol import OF_INSTRUCTORS, Request
from lab.classroom.serve import Channel, Door
from lab.errors import LabError

__all__ = ["server"]
pytestmark = pytest.mark.classroom  # the broker's socket is root's
INSTRUCTOR, TRAINEE = "instructor-token", "trainee-token"
SCOPES = {INSTRUCTOR: ["access:services!service=class"], TRAINEE: ["self"]}


@dataclass
class World:
    """What the service stands on, and its address."""

    address: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    table: dict[str, Any] = field(default_factory=table)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def ask(
        self, method: str, path: str, token: str = INSTRUCTOR, **more: Any
    ) -> requests.Response:
        """A request with a token of the hub."""
        headers = {"Authorization": f"token {token}"} if token else {}
        url = f"{self.address}{path}"
        return requests.request(
            method, url, headers=headers, timeout=SECONDS, allow_redirects=False, **more
        )

    def order(self, verb: str, order: Any, token: str = INSTRUCTOR) -> requests.Response:
        """An order as the page sends it: with what the page was given against requests of other sites."""
        with requests.Session() as browser:
            browser.headers["Authorization"] = f"token {INSTRUCTOR}"
            browser.get(self.address, timeout=SECONDS)
            browser.headers["Authorization"] = f"token {token}"
            browser.headers["X-XSRFToken"] = str(browser.cookies["_xsrf"])
            return browser.post(f"{self.address}{verb}", json=order, timeout=SECONDS)

    async def answer(self, request: Request, channel: Channel) -> object:
        """The broker's part: a table, and a note of all else."""
        if request.do == "table":
            return self.table
        if request.do == "watch":
            while True:
                moved = self.moved
                await channel.put(self.table)
                await moved.wait()
        self.asked.append((request.do, dict(request.arguments)))
        if request.arguments.get("chapter") == 2:
            return {"failed": {"t2": "its machine is away"}}
        if request.arguments.get("text") == "fail":
            raise LabError("nobody hears", "speak up")
        return {"failed": {}}

    def change(self, new: dict[str, Any]) -> None:
        """Something has happened in the class."""

        def now() -> None:
            self.table = new
            self.moved.set()
            self.moved = asyncio.Event()

        self.loop.call_soon_threadsafe(now)


def hub(jupyter: str) -> web.Application:
    """Two answers of JupyterHub's."""

    class User(web.RequestHandler):
        def get(self) -> None:
            token = self.request.headers["Authorization"].split()[1]
            if token not in SCOPES:
                raise web.HTTPError(404)
            name = token.split("-")[0]
            self.write({"name": name, "kind": "user", "scopes": SCOPES[token], "groups": []})

    class Routes(web.RequestHandler):
        def get(self) -> None:
            self.write({BASE: {"target": jupyter.removesuffix(BASE)}})

    return web.Application([("/hub/api/user", User), ("/hub/api/proxy", Routes)])


@pytest.fixture(scope="module")
def world(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The service, running."""
    home, made = tmp_path_factory.mktemp("page"), World()
    sockets = [bind_sockets(0, "127.0.0.1") for _ in range(2)]
    ports = [each[0].getsockname()[1] for each in sockets]
    sockets[1][0].close()
    (home / "class").mkdir(mode=0o700)
    door = Door(home / "class/run/instructor.sock", 0, OF_INSTRUCTORS, made.answer)

    async def begin() -> None:
        HTTPServer(hub(server.address)).add_sockets(sockets[0])
        await door.open()

    threading.Thread(target=made.loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(begin(), made.loop).result(SECONDS)
    env = {
        **os.environ,
        "LAB_HOME": str(home),
        "JUPYTERHUB_API_URL": f"http://127.0.0.1:{ports[0]}/hub/api",
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": "service-class",
        "JUPYTERHUB_SERVICE_NAME": "class",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/class/",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{ports[1]}/services/class/",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps(["access:services!service=class"]),
    }
    made.address = env["JUPYTERHUB_SERVICE_URL"]
    process = subprocess.Popen([sys.executable, "-m", "lab.classroom.instructor"], cwd=TOP, env=env)
    try:
        _answers(made, process)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)
        made.loop.call_soon_threadsafe(made.loop.stop)


def _answers(made: World, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            made.ask("get", "static/page.css")
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the service did not come up")


PATHS = ["", "events", "class.csv", "trainee/t1"]


@pytest.mark.parametrize("path", PATHS)
def test_it_is_for_those_whom_the_hub_lets(world: World, path: str) -> None:
    """A trainee is refused, a stranger is sent to log in."""
    assert world.ask("get", path, TRAINEE).status_code == 403
    assert world.ask("get", path, "").status_code in (302, 403)


@pytest.mark.parametrize("verb", ["goto", "say", "server"])
def test_orders_are_not_for_trainees(world: World, verb: str) -> None:
    """Nor for a page of another site, which cannot know what the page was given: nothing reaches the broker."""
    order = {"trainees": "all", "text": "x"}
    assert world.order(verb, order, TRAINEE).status_code == 403
    assert world.ask("post", verb, INSTRUCTOR, json=order).status_code == 403
    assert world.asked == []


def test_the_page_shows_the_table(world: World) -> None:
    """All trainees and chapters, with names as text, and nothing from another host is allowed."""
    answer = world.ask("get", "")
    assert answer.status_code == 200
    assert 'id="cell-t2-2"' in answer.text
    assert "One, the first" in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert world.ask("get", "trainee/t1").status_code == 200
    assert world.ask("get", "trainee/t9").status_code == 404


def test_changes_come_by_themselves(world: World) -> None:
    """First everything, then what has changed and no more."""
    events = world.ask("get", "events", stream=True).iter_lines(chunk_size=1)
    said = (json.loads(line[6:]) for line in events if line.startswith(b"data: "))
    first = next(each for each in said if each["places"])
    assert first["trouble"] == ""
    assert first["places"]["cell-t1-1"][3] == "not begun"
    world.change(table(state="working", attempts=1))
    assert next(said)["places"] == {"cell-t1-1": ["working", "…", "1", "working, 1 check"]}
    world.change(table())


def test_the_csv_file_is_a_download(world: World) -> None:
    """With a name that says when."""
    answer = world.ask("get", "class.csv")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.text.startswith("assignment,student_id,score,max_score")


def test_orders_reach_the_broker_and_its_answer_the_page(world: World) -> None:
    """What was done; who was not reached and why; an error with its next step; nonsense."""
    answers = [
        world.order(verb, order)
        for verb, order in (
            ("goto", {"trainees": ["t1"], "chapter": 1}),
            ("goto", {"trainees": "all", "chapter": 2}),
            ("say", {"trainees": "all", "text": "fail"}),
            ("say", {"trainees": []}),
            ("say", {"trainees": "all", "text": "x" * 3000}),
        )
    ]
    assert [each.status_code for each in answers] == [200, 409, 409, 400, 409]
    assert answers[0].json() == {"done": "t1 at the start of chapter 1"}
    assert "t2: its machine is away" in answers[1].json()["message"]
    assert answers[2].json() == {"message": "nobody hears", "mend": "speak up"}
    assert [do for do, _ in world.asked] == ["goto", "goto", "say"]
    world.asked.clear()


def test_a_terminal_is_passed_on_and_left(world: World, server: Server) -> None:
    """It shows what the trainee's server shows; input goes nowhere; once it is closed nobody is told to be watched."""
    headers = {"Authorization": f"token {TOKEN}"}
    made = requests.post(f"{server.address}api/terminals", headers=headers, timeout=SECONDS).json()
    name = made["name"]

    async def look() -> str:
        own = await websocket_connect(
            HTTPRequest(
                f"ws{server.address.removeprefix('http')}terminals/websocket/{name}",
                headers=headers,
            )
        )
        address = f"ws{world.address.removeprefix('http')}trainee/t1/terminal/{name}"
        page = await websocket_connect(
            HTTPRequest(address, headers={"Authorization": f"token {INSTRUCTOR}"})
        )
        await page.write_message(json.dumps(["stdin", "echo from$((40+2))page\r"]))
        await own.write_message(json.dumps(["stdin", "echo last$((7*6))one\r"]))
        seen = ""
        async with asyncio.timeout(SECONDS):
            while "last42one" not in seen:
                message = await page.read_message()
                assert message is not None, page.close_reason
                seen += str(message)
        page.close()
        own.close()
        return seen

    assert "from42page" not in asyncio.run(look())
    deadline = time.monotonic() + 20
    while server.ask("get", "messages").json()["watched"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_terminal_is_not_for_trainees(world: World) -> None:
    """Nor one of a trainee who has none, for anybody."""

    async def look(token: str, name: str) -> str | bytes | None:
        request = HTTPRequest(
            f"ws{world.address.removeprefix('http')}trainee/{name}/terminal/1",
            headers={"Authorization": f"token {token}"},
        )
        return await (await websocket_connect(request)).read_message()

    with pytest.raises(Exception, match="403"):
        asyncio.run(look(TRAINEE, "t1"))
    assert asyncio.run(look(INSTRUCTOR, "t2")) is None
