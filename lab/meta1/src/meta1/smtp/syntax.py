"""RFC 5321 section 4.1.2 as values: mailboxes, paths and host names.

Strict on purpose: what is accepted here is later written into queue files, logs, headers and other
hosts' command lines, so no byte passes that the grammar does not name.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

# RFC 5321 4.5.3.1: size limits of the address parts.
MAX_LOCAL_PART = 64
MAX_DOMAIN = 255
MAX_PATH = 256

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOT_STRING = rf"{_ATEXT}+(?:\.{_ATEXT}+)*"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[0-9A-Za-z:.]{1,64}\]"
# RFC 5321 4.1.2, A-d-l: a source route must be understood and ignored.
_ROUTE = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"
_MAILBOX = re.compile(rf"({_DOT_STRING}|{_QUOTED})@({_DOMAIN}|{_LITERAL})")
_PATH = re.compile(rf"<{_ROUTE}(({_DOT_STRING}|{_QUOTED})@({_DOMAIN}|{_LITERAL})|)>")
_IS_DOT_STRING = re.compile(_DOT_STRING)
_IS_DOMAIN = re.compile(_DOMAIN)
_NUMERIC = re.compile(r"[0-9.]+")
_POSTMASTER = re.compile(r"<postmaster>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address with its quoting taken off; `str()` writes the shortest legal form."""

    local_part: str
    domain: str

    def __str__(self) -> str:
        """Write `local-part@domain`, quoting the local part only where the grammar wants it."""
        if not self.domain:
            return self.local_part
        return f"{quote_local_part(self.local_part)}@{self.domain}"


@dataclass(frozen=True, slots=True)
class NullPath:
    """The reverse path `<>` of bounces: not an empty string and not None."""

    def __str__(self) -> str:
        """Write nothing, so that `<%s>` gives the null path."""
        return ""


NULL_PATH = NullPath()
POSTMASTER = Mailbox("postmaster", "")


def quote_local_part(local_part: str) -> str:
    """Quote a local part unless it is a plain dot-string."""
    if _IS_DOT_STRING.fullmatch(local_part) is not None:
        return local_part
    escaped = local_part.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def parse_mailbox(text: str) -> Mailbox | None:
    """Read `local-part@domain`; None if the grammar does not allow it."""
    found = _MAILBOX.fullmatch(text)
    return None if found is None else _checked(found[1], found[2])


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Mailbox | NullPath | None:
    """Read a reverse or forward path in angle brackets; a source route is dropped."""
    found = _PATH.fullmatch(text)
    if found is None:
        return POSTMASTER if _POSTMASTER.fullmatch(text) is not None else None
    if not found[1]:
        return NULL_PATH if text == "<>" else None
    if len(text) > MAX_PATH:
        return None
    return _checked(found[2], found[3])


def _checked(local_part: str, domain: str) -> Mailbox | None:
    """Apply the limits the regular expressions cannot express."""
    if local_part[0] == '"':
        local_part = re.sub(r"\\(.)", r"\1", local_part[1:-1])
    # RFC 5321 4.1.2, Quoted-string: it may hold nothing at all, as in <""@example.com>.
    if len(local_part) > MAX_LOCAL_PART:
        return None
    if domain[0] == "[":
        return Mailbox(local_part, domain) if is_address_literal(domain) else None
    # An all-numeric domain would read as an address without its brackets.
    if len(domain) > MAX_DOMAIN or _NUMERIC.fullmatch(domain) is not None:
        return None
    return Mailbox(local_part, domain)


def is_domain(text: str) -> bool:
    """Say whether the text is a host or domain name by RFC 5321."""
    return len(text) <= MAX_DOMAIN and _IS_DOMAIN.fullmatch(text) is not None


def is_address_literal(text: str) -> bool:
    """Say whether the text is `[1.2.3.4]` or `[IPv6:...]`; general literals are not supported."""
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(inner[5:])
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        return False
    return text[:1] == "[" and text[-1:] == "]"


def is_hello_name(text: str) -> bool:
    """Say whether EHLO may carry this name: any short printable word, as real hosts send them.

    RFC 5321 4.1.4 forbids to refuse mail because the name does not match the client.
    """
    return 0 < len(text) <= MAX_DOMAIN and " " not in text
