"""What every map can do, and the three answers it can give."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

MAX_VALUE: Final = 64 * 1024


class Status(Enum):
    """Found, not found, or not found and do not look for anything derived from the key."""

    OK = "OK"
    NOT_FOUND = "NOTFOUND"
    NO_MORE = "NOMORE"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a map."""

    status: Status
    value: str = ""

    @property
    def is_found(self) -> bool:
        """Tell whether there is a value."""
        return self.status is Status.OK


NOT_FOUND: Final = Answer(Status.NOT_FOUND)
NO_MORE: Final = Answer(Status.NO_MORE)


class MapFailure(Exception):
    """The map cannot be asked now: whoever depends on it is answered temporarily."""


class MapRefusal(Exception):
    """The map says that there will never be an answer for this key."""


class Map(Protocol):
    """A named map."""

    @property
    def name(self) -> str:
        """Its name in the configuration, for the log."""

    async def lookup(self, key: str) -> Answer:
        """Look a key up; raises MapFailure or MapRefusal."""

    def close(self) -> None:
        """Let go of files and connections."""
