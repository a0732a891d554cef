"""Aliases: one local address becomes others, with an end to all loops.

No I/O of its own: `find` looks one address up.  What a value may hold is addresses and names;
programs, files and includes, which sendmail knows, are refused here: a gateway runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from meta1.smtp.syntax import parse_mailbox

_WORD: Final = re.compile(r'<[^<>\s]+>|(?:"[^"]*"|[^\s,"])+')
_REFUSED: Final = ("|", "/", ":include:", '"|', '"/', '":include:')

Find = Callable[[str], Awaitable[str | None]]
"""Gives the value of the alias for a mailbox, or None."""


class BadAlias(Exception):
    """The alias cannot be used: loop, too deep, too many, or a value that makes no sense."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far to go."""

    depth: int = 10
    recipients: int = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """An address at the end of the expansion, and who answers for it if not the sender."""

    mailbox: str
    owner: str = ""


@dataclass(slots=True)
class _Expansion:
    """One expansion under way."""

    find: Find
    is_local: Callable[[str], bool]
    limits: Limits
    members: dict[str, Member] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def words_of(value: str, domain: str) -> list[str]:
    """Read a value: addresses apart by blanks or commas; a bare name gets our domain."""
    found = []
    for word in _WORD.findall(value):
        plain = word.strip("<>").lstrip("\\")
        if plain.lower().startswith(_REFUSED):
            raise BadAlias(f"{plain[:40]}: only addresses may stand in an alias")
        if "@" not in plain.rpartition('"')[2]:
            plain = f"{plain}@{domain}"
        # One that SMTP cannot say would make qmgr or the next server refuse the others, too.
        if parse_mailbox(plain) is None:
            raise BadAlias(f"{plain[:40]}: no address")
        found.append(plain)
    if not found:
        raise BadAlias("an alias leads nowhere")
    return found


async def expand(
    mailbox: str, find: Find, is_local: Callable[[str], bool], limits: Limits
) -> tuple[Member, ...]:
    """Follow aliases from one address to the end; an address that is none gives itself."""
    expansion = _Expansion(find, is_local, limits)
    await _follow(expansion, mailbox, "", 0)
    return tuple(expansion.members.values())


async def _follow(expansion: _Expansion, mailbox: str, owner: str, depth: int) -> None:
    """Add one address, or all that it stands for."""
    key = mailbox.lower()
    value = await expansion.find(mailbox) if expansion.is_local(mailbox) else None
    if value is None:
        _add(expansion, mailbox, owner)
        return
    if key in expansion.seen:
        return
    expansion.seen.add(key)
    if depth >= expansion.limits.depth:
        raise BadAlias(f"aliases of aliases, more than {expansion.limits.depth} deep")
    owner = await _owner_of(expansion, mailbox) or owner
    domain = mailbox.rpartition("@")[2]
    for member in words_of(value, domain):
        if member.lower() == key:
            _add(expansion, member, owner)
        else:
            await _follow(expansion, member, owner, depth + 1)
    if not expansion.members and depth == 0:
        raise BadAlias("aliases that lead only to one another")


def _add(expansion: _Expansion, mailbox: str, owner: str) -> None:
    """Note an address once; the domain is not case sensitive, the local part may be."""
    local, _, domain = mailbox.rpartition("@")
    key = f"{local.lower()}@{domain.lower()}"
    expansion.members.setdefault(key, Member(mailbox, owner))
    if len(expansion.members) > expansion.limits.recipients:
        raise BadAlias(f"more than {expansion.limits.recipients} addresses")


async def _owner_of(expansion: _Expansion, mailbox: str) -> str:
    """The address `owner-NAME` if there is such an alias."""
    local, _, domain = mailbox.rpartition("@")
    if local.lower().startswith("owner-"):
        return ""
    owner = f"owner-{local}@{domain}"
    if parse_mailbox(owner) is None:
        return ""
    return owner if await expansion.find(owner) is not None else ""
