"""The language of the access map: its tags and its values, in the two tables the book prints.

An entry is `tag:key value`.  Only `cltresolve:` and `smtpc_rcpt_conf:` are names that MeTA1's
public documents confirm; the others are ours, in its style.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from meta1.messages import Stage, Verdict


@dataclass(frozen=True, slots=True)
class Tag:
    """A kind of key."""

    name: str
    stage: Stage
    keys: str
    values: frozenset[str]
    meaning: str


_BASIC: Final = frozenset({"ok", "relay", "reject", "discard", "error", "cont"})
_REFUSING: Final = frozenset({"ok", "reject", "discard", "error", "cont"})

TAGS: Final = {
    tag.name: tag
    for tag in (
        Tag("cltaddr", Stage.CONNECT, "IP address of the client, then its leading parts",
            _BASIC, "by where the client connects from; relay lets it send anywhere"),
        Tag("cltname", Stage.CONNECT, "host name of the client (checked), then its domains",
            _BASIC, "by the client's name; relay lets it send anywhere"),
        Tag("cltresolve", Stage.CONNECT, "ok, fail, temp or forged",
            _REFUSING, "by whether address and name of the client agree in DNS"),
        Tag("from", Stage.MAIL, "sender, its domains, user@; <> for the null sender",
            _REFUSING, "by the sender, who can be invented: never a reason to relay"),
        Tag("to", Stage.RCPT, "recipient, its domains, user@",
            _BASIC, "by the recipient; relay takes mail for a domain that is not local"),
        Tag("protectedrcpt", Stage.RCPT, "recipient, its domains, user@",
            frozenset({"relay", "from", "cont"}),
            "who may send there: relay: only who may relay; from:KEY: only senders KEY fits"),
        Tag("certissuer", Stage.RCPT, "DN of the issuer of the client's certificate, encoded",
            frozenset({"relay", "subject", "cont"}),
            "relay: who has such a certificate may relay; subject: look at certsubject"),
        Tag("certsubject", Stage.RCPT, "DN of the client's certificate, encoded",
            frozenset({"relay", "cont"}), "asked when certissuer says subject"),
    )
}  # fmt: skip
"""In the order in which they are asked within a stage."""

GREETING_CODES: Final = {4: 421, 5: 554}
"""In place of the greeting RFC 5321 3.1 knows only these, one for each first digit."""

VALUES: Final = {
    "ok": "go on, and ask no more at this stage; this is not a right to relay",
    "relay": "go on, and mail may be relayed",
    "reject": f"refuse with 550 5.7.1, a client with {GREETING_CODES[5]} in place of the greeting",
    "discard": "take the message and throw it away",
    "error": "error:CODE STATUS TEXT: refuse with that reply; in place of the greeting "
    f"the code is {GREETING_CODES[5]}, or {GREETING_CODES[4]} for 4yz",
    "cont": "no decision: ask what comes next",
    "subject": "(certissuer) the subject decides",
    "from": "(protectedrcpt) from:KEY: senders that KEY fits",
    "quick": "quick:VALUE: as VALUE, and no later stage is asked",
}

_ERROR: Final = re.compile(
    r"([45][0-9]{2})(?:\s+([45](?:\.[0-9]{1,3}){2}))?(?:\s+(.*))?\Z", re.DOTALL
)
_MACRO: Final = re.compile(r"\$\{([a-z_]+)\}")


class BadValue(ValueError):
    """The map holds something that is no value of the tag."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value, read."""

    word: str
    is_quick: bool = False
    code: int = 550
    enhanced_code: str = "5.7.1"
    text: str = "Access denied"
    argument: str = ""


def read_value(tag: str, text: str, macros: dict[str, str]) -> Value:
    """Read the right-hand side for a tag; `BadValue` if it makes no sense there."""
    word, _, rest = text.strip().partition(":")
    is_quick = word.lower() == "quick"
    if is_quick:
        word, _, rest = rest.strip().partition(":")
    word, rest = word.strip().lower(), rest.strip()
    if word not in TAGS[tag].values or (rest and word not in ("error", "from")):
        raise BadValue(f"{tag}: has no value {text.strip()[:80]!r}")
    if word == "error":
        return _read_error(rest, is_quick, macros)
    if word == "from" and not rest:
        raise BadValue("from: needs a key")
    return Value(word, is_quick, argument=rest)


def _read_error(rest: str, is_quick: bool, macros: dict[str, str]) -> Value:
    """Read CODE STATUS TEXT; the text may name ${client_addr} and other facts."""
    found = _ERROR.match(rest)
    if found is None:
        raise BadValue(f"error: needs a code 4yz or 5yz, not {rest[:80]!r}")
    code = int(found[1])
    enhanced = found[2] or f"{found[1][0]}.7.1"
    if enhanced[0] != found[1][0]:
        raise BadValue(f"{found[1]} and {enhanced} do not agree")
    text = _MACRO.sub(lambda one: macros.get(one[1], ""), found[3] or "Access denied")
    safe = "".join(char if " " <= char <= "~" else "?" for char in text)[:400]
    return Value("error", is_quick, code, enhanced, safe)


VERDICTS: Final = {
    "ok": Verdict.ACCEPT,
    "relay": Verdict.RELAY,
    "reject": Verdict.REFUSE,
    "discard": Verdict.DISCARD,
    "error": Verdict.REFUSE,
}
