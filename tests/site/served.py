"""Build the site as `make site` does and serve it on loopback: what all site tests stand on."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(os.environ.get("SITE_TREE", Path(__file__).resolve().parents[2]))
"""The tree whose book is built; SITE_TREE names another one, for a trial."""

BESIDE = ("404.html", "search.html")
"""Pages that no toc lists."""


class BuildFailed(AssertionError):
    """The site did not build, or built with warnings."""


def build(tree: Path, output: Path, *around: str, **variables: str) -> Path:
    """Build a book from nothing, with warnings as errors; return the folder of its pages.

    `around` is a command that runs the build, such as ``env``; `variables` are added to the environment.
    """
    command = [*around, str(Path(sys.executable).parent / "jupyter-book"), "build", str(tree)]
    command += ["--path-output", str(output), "--all", "-n", "-W", "--keep-going"]
    quick = str(tree / "book/_ext/quick")
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": quick, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode or "WARNING" in done.stdout + done.stderr:
        lines = (done.stdout + done.stderr).splitlines()
        told = [line for line in lines if re.search("WARNING|ERROR|rror:", line)]
        raise BuildFailed("\n".join(told or lines[-20:]))
    return output / "_build" / "html"


def toc_files(entry: Any) -> Iterator[str]:
    """Give every page that a toc lists, in order."""
    match entry:
        case dict():
            yield from (str(v) for k, v in entry.items() if k in ("root", "file"))
            for value in entry.values():
                yield from toc_files(value)
        case list():
            for value in entry:
                yield from toc_files(value)


def pages(toc: str) -> list[str]:
    """Give every page of the site with this toc, with those that no toc lists."""
    listed = [f"{name.removesuffix('.md')}.html" for name in toc_files(yaml.safe_load(toc))]
    return [*listed, *BESIDE]


class Handler(SimpleHTTPRequestHandler):
    """A web server as a host of static sites is: it packs text, keeps connections, and has 404.html.

    It is quiet, since the tests look at the answers themselves.
    """

    protocol_version = "HTTP/1.1"
    PACKED = (".html", ".css", ".js", ".svg", ".json", ".txt", ".xml")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with the file, packed where that is worth it."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in self.PACKED or not path.is_file():
            super().do_GET()
            return
        body = packed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Say in which characters a text is, as hosts do."""
        kind = super().guess_type(path)
        return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the site's own page."""
        body = Path(self.directory, "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@cache
def packed(path: Path, changed: int) -> bytes:
    """Content of a file, as it was when it was `changed`, as it goes over the line."""
    return gzip.compress(path.read_bytes(), mtime=0)


class Server(ThreadingHTTPServer):
    """A server that takes it calmly when a browser leaves in the middle of an answer.

    The usual way, a traceback from its thread, also breaks pytest's: both parse source text, and
    CPython 3.11 cannot do that in two threads at once.
    """

    request_queue_size = 128
    """Two browsers ask for more than five files at once; who finds no place tries again a second later."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Report what is not simply a browser that left."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder; gives its address, which ends with a slash."""
    server = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
