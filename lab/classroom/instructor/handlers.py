"""The addresses of the instructor's page. Whoever may use the service, by the hub's roles, may use all of them.

GET  .                       the page: trainees and chapters
GET  events                  what changes on it, as server-sent events
GET  class.csv               the table for a spreadsheet
POST goto, say, server       ask the broker, or the hub, for a change
GET  trainee/NAME            one trainee: chapters, server, terminals
trainee/NAME/terminal/ID     websocket: what a terminal shows
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado import iostream, web, websocket

from lab.classroom.client import Broker
from lab.classroom.instructor.hub import Hub
from lab.classroom.instructor.live import Live
from lab.classroom.instructor.table import Place, Table, as_csv, changed, places
from lab.config import ROOT
from lab.errors import LabError

HERE = Path(__file__).parent
FONTS = ROOT / "book" / "_static" / "fonts"
XTERM = ROOT / ".venv" / "instructor" / "node_modules" / "@xterm"
SIGN_OF_LIFE = 15.0
"""Seconds after which a page hears from us though nothing changed."""
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
"""Content-Security-Policy: nothing from another host. xterm.js sets styles of its own."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all handlers have."""

    broker: Broker
    hub: Hub
    live: Live
    prefix: str


class Handler(HubOAuthenticated, web.RequestHandler):  # type: ignore[misc]
    """A page or an answer, for those whom the hub lets use this service."""

    def initialize(self, shared: Shared) -> None:
        """Take what all handlers have."""
        self.shared = shared

    def set_default_headers(self) -> None:
        """Nothing comes from elsewhere, and nothing is kept by caches."""
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    async def table(self) -> Table:
        """The broker's table as it is now. Raises `LabError`."""
        return self.shared.live.news.table or await self.ask("table")

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Ask the broker, which may take as long as a machine takes. Raises `LabError`."""
        return await asyncio.to_thread(lambda: self.shared.broker.ask(do, **arguments))

    def show(self, template: str, **names: object) -> None:
        """Answer with a page."""
        self.render(
            template, prefix=self.shared.prefix, xsrf=_text(self.xsrf_token), now=_now(), **names
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with what went wrong, as text."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(str(error) if isinstance(error, LabError) else f"{status_code}: {self._reason}")


class PageHandler(Handler):
    """Trainees and chapters."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with the page."""
        table = await self.table()
        self.show("page.html", table=table, places=places(table))


class EventsHandler(Handler):
    """What changes on the page (https://html.spec.whatwg.org, server-sent events)."""

    @web.authenticated
    async def get(self) -> None:
        """Answer as long as the page is open: all places, and then those that change."""
        self.set_header("Content-Type", "text/event-stream")
        shown: dict[str, Place] = {}
        try:
            async for news in self.shared.live.follow(SIGN_OF_LIFE):
                if news is None:
                    self.write(": still here\n\n")
                else:
                    new = places(news.table) if news.table else shown
                    self._say(
                        {
                            "trouble": news.trouble,
                            "places": {k: astuple(p) for k, p in changed(shown, new).items()},
                        }
                    )
                    shown = new
                await self.flush()
        except iostream.StreamClosedError:
            return  # the page was left

    def _say(self, value: object) -> None:
        self.write(f"data: {json.dumps(value)}\n\n")


class CsvHandler(Handler):
    """The table for a spreadsheet."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with a file."""
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        name = f"class-{datetime.now(UTC):%Y-%m-%d-%H%M}.csv"
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.finish(as_csv(await self.ask("table")))


class AskHandler(Handler):
    """Changes; each answers with what has been done, or with what is wrong and the next step."""

    @web.authenticated
    async def post(self, verb: str) -> None:
        """Do it, and answer when it is done."""
        try:
            order = json.loads(self.request.body)
            said = await getattr(self, f"_{verb}")(**order)
        except (ValueError, TypeError):
            self._answer(400, {"message": "that is no order", "mend": "load the page again"})
        except LabError as error:
            self._answer(409, {"message": error.message, "mend": error.next_step})
        else:
            self._answer(200, {"done": said})

    def _answer(self, status: int, value: object) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(value))

    async def _goto(self, trainees: object, chapter: object) -> str:
        answer = await self.ask("goto", trainees=trainees, chapter=chapter)
        if failed := answer["failed"]:
            why = "; ".join(f"{name}: {words}" for name, words in failed.items())
            raise LabError(f"not at the start of chapter {chapter}: {why}")
        return f"{_whom(trainees)} at the start of chapter {chapter}"

    async def _say(self, trainees: object, text: object) -> str:
        await self.ask("say", trainees=trainees, text=text)
        return f"sent to {_whom(trainees)}"

    async def _server(self, trainee: object, verb: object) -> str:
        change: Callable[..., Any] | None = {
            "start": self.shared.hub.start,
            "stop": self.shared.hub.stop,
        }.get(str(verb))
        if not change:
            raise LabError(f"a server cannot {verb}")
        await change(str(trainee))
        return f"the server of {trainee}: {verb}"


class TraineeHandler(Handler):
    """One trainee."""

    @web.authenticated
    async def get(self, name: str) -> None:
        """Answer with the page."""
        table = await self.table()
        found = next((each for each in table["trainees"] if each["name"] == name), None)
        if not found:
            raise web.HTTPError(404, reason=f"no trainee named {name}")
        try:
            terminals, trouble = await self.shared.hub.terminals(name), ""
        except LabError as error:
            terminals, trouble = [], error.message
        self.show(
            "trainee.html",
            table=table,
            trainee=found,
            places=places(table),
            terminals=terminals,
            trouble=trouble,
        )


class TerminalHandler(HubOAuthenticated, websocket.WebSocketHandler):  # type: ignore[misc]
    """What a terminal of a trainee shows. What comes from the browser goes nowhere."""

    def initialize(self, shared: Shared) -> None:
        """Take what all handlers have."""
        self.shared = shared
        self._source: websocket.WebSocketClientConnection | None = None
        self._passing: asyncio.Task[None] | None = None

    async def get(self, *args: str, **kwargs: str) -> None:
        """Open it, for those whom the hub lets use this service."""
        if not self.current_user:
            raise web.HTTPError(403)
        await super().get(*args, **kwargs)

    async def open(self, *args: str, **kwargs: str) -> None:
        """Connect to the trainee's server."""
        try:
            self._source = await self.shared.hub.look(*args)
        except LabError as error:
            self.close(4000, error.message[:120])
            return
        # In a task of its own: until `open` returns, nobody hears that the page was closed.
        self._passing = asyncio.create_task(self._pass_on(self._source))

    async def _pass_on(self, source: websocket.WebSocketClientConnection) -> None:
        with contextlib.suppress(websocket.WebSocketClosedError):
            while (message := await source.read_message()) is not None:
                await self.write_message(message)
            self.close(reason="the terminal has ended")

    def on_message(self, message: str | bytes) -> None:
        """Take no input."""

    def on_close(self) -> None:
        """Look no longer."""
        if self._source:
            self._source.close()


def application(shared: Shared, secret: bytes) -> web.Application:
    """The service below its prefix; `secret` signs its cookies."""
    own = {"shared": shared}
    table: list[tuple[str, type[web.RequestHandler], dict[str, Any]]] = [
        ("", PageHandler, own),
        ("events", EventsHandler, own),
        ("class.csv", CsvHandler, own),
        ("(goto|say|server)", AskHandler, own),
        ("trainee/([a-z0-9-]+)", TraineeHandler, own),
        (r"trainee/([a-z0-9-]+)/terminal/(\w+)", TerminalHandler, own),
        ("oauth_callback", HubOAuthCallbackHandler, {}),
        ("static/(.*)", web.StaticFileHandler, {"path": str(HERE / "static")}),
        ("fonts/(.*)", web.StaticFileHandler, {"path": str(FONTS)}),
        ("xterm/(.*)", web.StaticFileHandler, {"path": str(XTERM)}),
    ]
    return web.Application(
        [(url_path_join(shared.prefix, path), handler, names) for path, handler, names in table],
        template_path=str(HERE / "templates"),
        cookie_secret=secret,
        xsrf_cookies=True,
    )


def _whom(trainees: object) -> str:
    match trainees:
        case "all":
            return "everybody"
        case [one]:
            return str(one)
        case list():
            return f"{len(trainees)} trainees"
    return str(trainees)


def _text(token: bytes | str) -> str:
    return token.decode() if isinstance(token, bytes) else token


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
