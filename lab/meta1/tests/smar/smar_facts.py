"""Facts for the access decision that tests write down by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from meta1.maps.base import NO_MORE, NOT_FOUND, Answer, MapFailure, Status


@dataclass
class Table:
    """An access map in a dict, local domains and users."""

    entries: dict[str, str] = field(default_factory=dict)
    domains: frozenset[str] = frozenset({"local.test"})
    users: frozenset[str] = frozenset({"user@local.test"})
    asked: list[str] = field(default_factory=list)

    async def lookup(self, key: str) -> Answer:
        """Answer from the dict; two words stand for answers without a value."""
        self.asked.append(key)
        value = self.entries.get(key)
        if value == "FAILS":
            raise MapFailure("map is away")
        if value == "NOMORE":
            return NO_MORE
        return NOT_FOUND if value is None else Answer(Status.OK, value)

    async def is_local(self, domain: str) -> bool:
        """Tell whether a domain is ours."""
        return domain.lower() in self.domains

    async def user_exists(self, mailbox: str) -> bool:
        """Tell whether a user is ours."""
        return mailbox.lower() in self.users
