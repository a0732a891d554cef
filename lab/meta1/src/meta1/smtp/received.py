"""The Received line (RFC 5321 4.4) from the facts of a session.

Names from the client, from DNS and from certificates are reduced to harmless characters first:
nothing here can end the line or open another header field.
"""

import re
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

_UNSAFE = re.compile(r"[^!#-'*+\-./0-9:=?@A-Z\[\]^_`a-z{|}~]")
MAX_WORD = 255


@dataclass(frozen=True, slots=True)
class Trace:
    """What a Received line says; empty strings are left out."""

    hello_name: str
    client_name: str
    client_address: str
    host_name: str
    product: str
    extended: bool
    transaction_id: str
    tls_version: str = ""
    tls_cipher: str = ""
    tls_bits: int = 0
    tls_verify: str = ""
    authenticated: bool = False
    recipient: str = ""


def protocol_word(extended: bool, secure: bool, authenticated: bool) -> str:
    """Name the protocol as RFC 3848 registers it: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA."""
    if not extended:
        return "SMTP"
    return "ESMTP" + ("S" if secure else "") + ("A" if authenticated else "")


def _word(text: str) -> str:
    """Keep what may stand in a word of the line; anything else becomes a question mark."""
    return _UNSAFE.sub("?", text[:MAX_WORD])


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    """Write the date of RFC 5322, once a second."""
    return formatdate(second, localtime=True)


def received_line(trace: Trace, now: float) -> bytes:
    """Build the header field, folded, with CRLF line ends."""
    address = _word(trace.client_address)
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    client = f"{_word(trace.client_name)} {literal}" if trace.client_name else literal
    word = protocol_word(trace.extended, bool(trace.tls_version), trace.authenticated)
    lines = [f"Received: from {_word(trace.hello_name) or 'unknown'} ({client})"]
    if trace.tls_version:
        lines.append(
            f"(version={_word(trace.tls_version)} cipher={_word(trace.tls_cipher)} "
            f"bits={trace.tls_bits} verify={_word(trace.tls_verify)})"
        )
    lines.append(f"by {_word(trace.host_name)} ({_word(trace.product)}) with {word}")
    for_whom = f" for <{_word(trace.recipient)}>" if trace.recipient else ""
    lines.append(f"id {_word(trace.transaction_id)}{for_whom};")
    lines.append(_date(int(now)))
    return "\r\n\t".join(lines).encode("ascii") + b"\r\n"
