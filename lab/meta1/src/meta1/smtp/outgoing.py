"""MAIL and RCPT lines of an envelope, safe against injection by construction."""

from dataclasses import dataclass

from meta1.smtp.errors import LocalProtocolError
from meta1.smtp.events import Capabilities
from meta1.smtp.parameters import encode_xtext
from meta1.smtp.syntax import Mailbox, NullPath


@dataclass(frozen=True, slots=True)
class DsnRequest:
    """NOTIFY and ORCPT of one recipient, decoded (RFC 3461); empty when not given."""

    notify: str = ""
    original: str = ""


NO_DSN = DsnRequest()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One transaction to send; `size` in octets, 0 if not known."""

    reverse_path: Mailbox | NullPath
    recipients: tuple[tuple[Mailbox, DsnRequest], ...]
    size: int = 0
    body: str = ""
    envelope_id: str = ""
    return_part: str = ""


def _line(words: list[str]) -> bytes:
    """Join words into a command; anything but printable ASCII is our own mistake."""
    text = " ".join(words)
    if not (text.isascii() and text.isprintable()):
        raise LocalProtocolError("a command may hold only printable ASCII")
    return text.encode("ascii")


def mail_command(outgoing: Outgoing, offered: Capabilities) -> bytes:
    """Write MAIL with the parameters that the server offers to understand."""
    words = [f"MAIL FROM:<{outgoing.reverse_path}>"]
    if "SIZE" in offered and outgoing.size:
        words.append(f"SIZE={outgoing.size}")
    if "8BITMIME" in offered and outgoing.body:
        words.append(f"BODY={outgoing.body}")
    if "DSN" in offered and outgoing.return_part:
        words.append(f"RET={outgoing.return_part}")
    if "DSN" in offered and outgoing.envelope_id:
        words.append(f"ENVID={encode_xtext(outgoing.envelope_id)}")
    return _line(words)


def recipient_command(forward_path: Mailbox, dsn: DsnRequest) -> bytes:
    """Write RCPT, with its DSN parameters if there are any."""
    words = [f"RCPT TO:<{forward_path}>"]
    if dsn.notify:
        words.append(f"NOTIFY={dsn.notify}")
    if dsn.original:
        kind, _, address = dsn.original.partition(";")
        words.append(f"ORCPT={kind};{encode_xtext(address)}")
    return _line(words)
