"""What the tests of the client core use."""

from receiver import Receiver

from meta1.smtp import events as ev
from meta1.smtp.client import ClientConnection
from meta1.smtp.outgoing import NO_DSN, Outgoing
from meta1.smtp.reply import Reply
from meta1.smtp.syntax import Mailbox

BOB = Mailbox("bob", "lab.example")
ALICE = Mailbox("alice", "lab.example")
EVE = Mailbox("eve", "elsewhere.example")
GREETING = b"220 mx ESMTP\r\n"
EHLO = b"250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250 STARTTLS\r\n"


def outgoing(*recipients: Mailbox, size: int = 0) -> Outgoing:
    """Make a transaction from bob."""
    return Outgoing(BOB, tuple((one, NO_DSN) for one in recipients), size)


def ready(hello: bytes = EHLO, *, lmtp: bool = False) -> ClientConnection:
    """Give a client that has heard greeting and EHLO."""
    client = ClientConnection("c.example", lmtp=lmtp)
    client.receive_data(GREETING)
    client.receive_data(hello)
    client.bytes_to_send()
    return client


def codes(results: tuple[Reply, ...]) -> list[int]:
    """Give the codes of results."""
    return [one.code for one in results]


def delivered(events: list[ev.ClientEvent]) -> list[ev.Delivered]:
    """Pick the endings of transactions."""
    return [event for event in events if isinstance(event, ev.Delivered)]


def converse(
    client: ClientConnection, receiver: Receiver, contents: list[bytes]
) -> list[ev.ClientEvent]:
    """Carry bytes between the two cores until neither says anything."""
    seen: list[ev.ClientEvent] = []
    to_client = receiver.core.bytes_to_send()
    to_server = client.bytes_to_send()
    while to_client or to_server:
        for event in client.receive_data(to_client) if to_client else []:
            seen.append(event)
            match event:
                case ev.ContentWanted():
                    client.send_content(contents.pop(0))
                    client.end_content()
                case ev.TlsReady():
                    receiver.core.tls_started()
                    client.tls_started()
        to_server += client.bytes_to_send()
        to_client = receiver.feed(to_server) if to_server else b""
        to_server = b""
    return seen
