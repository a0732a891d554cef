"""The panel's addresses below /lab-panel/, for the owner of the server and nobody else.

GET chapters               what the panel lists
POST run                   run one of five commands; its lines as JSON, one a line, as they come
GET run, DELETE run        follow the command that runs or ran last; stop it
GET messages?since=ID      what the instructor said, and whether somebody looks at a terminal
GET solution?chapter=N     the solution of an exercise, which counts as asking for it
watch/NAME                 websocket: what a terminal shows, for the instructor's page; it takes no input
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from jupyter_server_terminals.handlers import TermSocket
from tornado import iostream, web

from lab.classroom.client import Broker
from lab.classroom.panel import overview
from lab.classroom.panel.runs import BadOrder, Busy, Run, Runs, order
from lab.errors import LabError

ANSWER_SECONDS = 10.0
"""The longest wait for the broker's messages."""


class PanelHandler(APIHandler):
    """What the handlers share: who may ask, and answers in JSON."""

    auth_resource = "lab-panel"

    def initialize(self, runs: Runs, watchers: set[TermSocket]) -> None:
        """Take what the server keeps for the panel."""
        self.runs = runs
        self.watchers = watchers

    def fail(self, status: int, error: LabError) -> None:
        """Answer with an error and its next step."""
        self.set_status(status)
        self.finish(json.dumps({"message": error.message, "mend": error.next_step}))


class ChaptersHandler(PanelHandler):
    """What the panel lists."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with all chapters, as they stand."""
        root = Path(self.settings["server_root_dir"]).expanduser()
        self.finish(json.dumps(await asyncio.to_thread(overview.chapters_of, root)))


class RunHandler(PanelHandler):
    """The command that runs, or ran last."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Run a command and stream it. It goes on if the page is left; GET joins it again."""
        try:
            await self._stream(self.runs.start(order(self.get_json_body())))
        except BadOrder as error:
            self.fail(400, error)
        except Busy as error:
            self.fail(409, error)

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Stream the command from its first line; 204 if there was none."""
        if self.runs.last:
            await self._stream(self.runs.last)
        else:
            self.set_status(204)
            self.finish()

    @web.authenticated
    @authorized
    async def delete(self) -> None:
        """Stop it; answers once it is gone."""
        if self.runs.last:
            await self.runs.last.stop()
        self.set_status(204)
        self.finish()

    async def _stream(self, run: Run) -> None:
        self.set_header("Content-Type", "application/x-ndjson")
        self.set_header("X-Accel-Buffering", "no")
        try:
            async for event in run.follow():
                self.write(json.dumps(event) + "\n")
                await self.flush()
        except iostream.StreamClosedError:
            return  # the page was left
        self.finish()


class MessagesHandler(PanelHandler):
    """What the instructor says and does."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the messages after the one named, and whether a terminal is looked at."""
        since = self.get_query_argument("since", "0")
        if not since.isdecimal():
            raise web.HTTPError(400, "since must be the number of a message")
        answer: dict[str, Any] = {"messages": [], "watched": bool(self.watchers), "trouble": ""}
        if broker := Broker.of_sandbox():
            try:
                answer["messages"] = await asyncio.to_thread(
                    broker.ask, "messages", seconds=ANSWER_SECONDS, since=int(since)
                )
            except LabError as error:
                answer["trouble"] = error.message
        self.finish(json.dumps(answer))


class SolutionHandler(PanelHandler):
    """The solution of an exercise."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with its text; it is reported that the trainee asked."""
        number = self.get_query_argument("chapter", "")
        try:
            text = await asyncio.to_thread(overview.solution, number)
        except LabError as error:
            self.fail(404, error)
        else:
            self.finish(json.dumps({"solution": text}))


class WatchHandler(TermSocket):
    """A terminal as one who only looks sees it. While one is open the panel says so."""

    auth_resource = "lab-panel"

    def initialize(  # type: ignore[override]
        self, name: str, term_manager: Any, watchers: set[TermSocket]
    ) -> None:
        """Take what the server keeps for the panel."""
        super().initialize(name, term_manager)
        self.watchers = watchers
        self._told: tuple[int, int] | None = None

    def open(self, url_component: Any = None) -> None:
        """Begin to look."""
        self.watchers.add(self)
        super().open(url_component)

    def on_pty_read(self, text: str) -> None:
        """Pass on what is shown; before it the size for which it was written, where that is new."""
        if self.terminal and (size := self.terminal.ptyproc.getwinsize()) != self._told:
            self._told = size
            self.send_json_message(["size", *size])
        super().on_pty_read(text)

    async def on_message(self, message: Any) -> None:  # type: ignore[override]
        """Take nothing: neither keys nor a size, which would change the trainee's."""

    def on_close(self) -> None:
        """Look no longer."""
        self.watchers.discard(self)
        super().on_close()


def install(server: Any) -> None:
    """Add the handlers to a Jupyter server."""
    shared: dict[str, Any] = {"runs": Runs(), "watchers": set()}
    here = url_path_join(server.web_app.settings["base_url"], "lab-panel")
    table: list[Any] = [
        (url_path_join(here, name), handler, shared)
        for name, handler in (
            ("chapters", ChaptersHandler),
            ("run", RunHandler),
            ("messages", MessagesHandler),
            ("solution", SolutionHandler),
        )
    ]
    if manager := server.web_app.settings.get("terminal_manager"):
        own = {
            "name": "jupyter_server_terminals",
            "term_manager": manager,
            "watchers": shared["watchers"],
        }
        table.append((url_path_join(here, r"watch/(\w+)"), WatchHandler, own))
    server.web_app.add_handlers(".*$", table)
