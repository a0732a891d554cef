"""A daemon in doubt ends: an error nobody foresaw, in any callback, stops the process.

asyncio would only log it and go on, with half of some work done.  mcp starts the process again,
and what was promised is on disk.
"""

from __future__ import annotations

import asyncio
from typing import Any

from meta1 import maillog
from meta1.program import Service


class Doubt:
    """Watches the loop of a service."""

    def __init__(self, service: Service) -> None:
        """Begin to watch."""
        self.failure: BaseException | None = None
        self._service = service
        asyncio.get_running_loop().set_exception_handler(self._noticed)

    def raise_failure(self) -> None:
        """At the end: raise what went wrong, so that the exit status says so."""
        if self.failure is not None:
            raise self.failure

    def notice(self, error: BaseException) -> None:
        """Stop because of this error; the first one is what is reported."""
        maillog.broken(self._service.name, error)
        self.failure = self.failure or error
        self._service.stopping.set()

    def _noticed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A broken connection is ordinary, all else is not."""
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            maillog.note("loop", message=context.get("message", ""), error=error)
            return
        self.notice(error)
