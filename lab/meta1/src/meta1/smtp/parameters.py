"""ESMTP parameters of MAIL and RCPT: SIZE, BODY, RET, ENVID, AUTH, NOTIFY, ORCPT."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from meta1.smtp.errors import RemoteProtocolError
from meta1.smtp.reply import UNKNOWN_PARAMETER, reply
from meta1.smtp.syntax import NULL_PATH, Mailbox, NullPath, parse_mailbox

_KEYWORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_XTEXT_SPECIAL = re.compile(r"[^!-*,-<>-~]")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
NOTIFY_WORDS = frozenset({"SUCCESS", "FAILURE", "DELAY"})


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What MAIL said beside the address; `auth` None means the parameter was not given."""

    size: int = 0
    body: str = ""
    ret: str = ""
    envid: str = ""
    auth: Mailbox | NullPath | None = None


@dataclass(frozen=True, slots=True)
class RecipientParameters:
    """What RCPT said beside the address; `notify` empty means the sender did not say."""

    notify: frozenset[str] = frozenset()
    orcpt: str = ""


NO_MAIL_PARAMETERS = MailParameters()
NO_RECIPIENT_PARAMETERS = RecipientParameters()


def decode_xtext(text: str) -> str | None:
    """Undo RFC 3461's xtext; None if it is malformed or hides something unprintable."""
    if _XTEXT.fullmatch(text) is None:
        return None
    plain = _HEX.sub(lambda found: chr(int(found[1], 16)), text)
    return plain if plain.isascii() and plain.isprintable() else None


def encode_xtext(text: str) -> str:
    """Write printable ASCII as RFC 3461 xtext."""
    return _XTEXT_SPECIAL.sub(lambda found: f"+{ord(found[0]):02X}", text)


def _bad(keyword: str) -> RemoteProtocolError:
    return RemoteProtocolError(reply(501, "5.5.4", f"Bad value for parameter {keyword}"))


def _size(old: MailParameters, value: str) -> MailParameters:
    # RFC 1870 section 4: up to 20 digits.
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise _bad("SIZE")
    return replace(old, size=int(value))


def _body(old: MailParameters, value: str) -> MailParameters:
    if value.upper() not in ("7BIT", "8BITMIME"):
        raise _bad("BODY")
    return replace(old, body=value.upper())


def _ret(old: MailParameters, value: str) -> MailParameters:
    if value.upper() not in ("FULL", "HDRS"):
        raise _bad("RET")
    return replace(old, ret=value.upper())


def _envid(old: MailParameters, value: str) -> MailParameters:
    plain = decode_xtext(value) if len(value) <= 100 else None
    if plain is None:
        raise _bad("ENVID")
    return replace(old, envid=plain)


def _auth(old: MailParameters, value: str) -> MailParameters:
    # RFC 4954 section 5: the value is xtext of a mailbox, or `<>`.
    plain = decode_xtext(value) if len(value) <= 500 else None
    author = NULL_PATH if plain == "<>" else parse_mailbox(plain or "")
    if author is None:
        raise _bad("AUTH")
    return replace(old, auth=author)


def _notify(old: RecipientParameters, value: str) -> RecipientParameters:
    # RFC 3461 4.1: NEVER stands alone; the other words may be combined.
    words = value.upper().split(",")
    if words != ["NEVER"] and not (
        NOTIFY_WORDS.issuperset(words) and len(set(words)) == len(words)
    ):
        raise _bad("NOTIFY")
    return replace(old, notify=frozenset(words))


def _orcpt(old: RecipientParameters, value: str) -> RecipientParameters:
    kind, separator, address = value.partition(";")
    plain = decode_xtext(address) if len(value) <= 500 else None
    if not separator or _ADDRESS_TYPE.fullmatch(kind) is None or plain is None:
        raise _bad("ORCPT")
    return replace(old, orcpt=f"{kind};{plain}")


MAIL_PARAMETERS: dict[str, Callable[[MailParameters, str], MailParameters]] = {
    "SIZE": _size,
    "BODY": _body,
    "RET": _ret,
    "ENVID": _envid,
    "AUTH": _auth,
}
RECIPIENT_PARAMETERS: dict[str, Callable[[RecipientParameters, str], RecipientParameters]] = {
    "NOTIFY": _notify,
    "ORCPT": _orcpt,
}


def _pairs(text: str, known: frozenset[str]) -> list[tuple[str, str]]:
    """Split `KEY=value KEY=value`, refusing unknown, repeated and valueless keywords."""
    pairs: dict[str, str] = {}
    for word in text.split():
        found = _KEYWORD.fullmatch(word)
        keyword = found[1].upper() if found is not None else ""
        if found is None or keyword not in known:
            raise RemoteProtocolError(UNKNOWN_PARAMETER)
        if found[2] is None or keyword in pairs:
            raise _bad(keyword)
        pairs[keyword] = found[2]
    return list(pairs.items())


def parse_mail_parameters(text: str, known: frozenset[str]) -> MailParameters:
    """Read the parameters of MAIL; `known` are the keywords the server offers."""
    parameters = NO_MAIL_PARAMETERS
    for keyword, value in _pairs(text, known):
        parameters = MAIL_PARAMETERS[keyword](parameters, value)
    return parameters


def parse_recipient_parameters(text: str, known: frozenset[str]) -> RecipientParameters:
    """Read the parameters of RCPT; `known` are the keywords the server offers."""
    parameters = NO_RECIPIENT_PARAMETERS
    for keyword, value in _pairs(text, known):
        parameters = RECIPIENT_PARAMETERS[keyword](parameters, value)
    return parameters
