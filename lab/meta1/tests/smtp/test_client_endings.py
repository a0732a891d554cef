"""The client core when things end, are refused beforehand, or make no sense."""

import pytest
from client_talk import ALICE, BOB, EHLO, EVE, GREETING, codes, delivered, outgoing, ready
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from meta1.smtp import events as ev
from meta1.smtp.client import ClientConnection
from meta1.smtp.delivery import CONNECTION_LOST, Command, delivery_of
from meta1.smtp.errors import LocalProtocolError
from meta1.smtp.outgoing import NO_DSN, DsnRequest, Outgoing, mail_command, recipient_command
from meta1.smtp.reply import Reply
from meta1.smtp.syntax import NULL_PATH, Mailbox

# ---- endings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("replies_before", range(5))
def test_connection_lost(replies_before: int) -> None:
    """Wherever the connection ends, each recipient gets one transient word."""
    client = ready()
    client.deliver(outgoing(ALICE, EVE))
    client.deliver(outgoing(ALICE))
    script = [b"250 a\r\n", b"250 b\r\n", b"550 c\r\n", b"354 d\r\n"]
    for answer in script[:replies_before]:
        client.receive_data(answer)
    events = client.connection_lost()
    one, two = delivered(events)
    assert one.results == (
        CONNECTION_LOST,
        Reply(550, "", ("c",)) if replies_before >= 3 else CONNECTION_LOST,
    )
    assert two.results == (CONNECTION_LOST,)
    assert events[-1] == ev.SessionEnded(None, "connection lost")
    assert client.connection_lost() == [] and client.receive_data(b"250 x\r\n") == []
    with pytest.raises(LocalProtocolError):
        client.deliver(outgoing(ALICE))


def test_421_at_any_time() -> None:
    """421 ends the session; it is also the word for what was open, with the stage it came at."""
    client = ready()
    client.deliver(outgoing(ALICE))
    client.receive_data(b"250 a\r\n250 b\r\n354 c\r\n")
    client.end_content()
    one, end = client.receive_data(b"421 4.3.2 bye\r\n")
    assert isinstance(one, ev.Delivered) and isinstance(end, ev.SessionEnded)
    assert (codes(one.results), one.stages) == ([421], ("content",))
    idle = ready()
    assert idle.receive_data(b"421 4.3.2 bye\r\n") == [
        ev.SessionEnded(Reply(421, "4.3.2", ("bye",)), "")
    ]


def test_reply_without_command() -> None:
    """A reply nobody asked for means the two sides disagree: end."""
    (end,) = ready().receive_data(b"250 surplus\r\n")
    assert isinstance(end, ev.SessionEnded) and end.error == "reply without a command"


def test_garbage_ends_the_session() -> None:
    """What is no reply ends the session; open recipients are tried again."""
    client = ready()
    client.deliver(outgoing(ALICE))
    events = client.receive_data(b"250 a\r\nnonsense\r\n")
    assert codes(delivered(events)[0].results) == [451]
    assert isinstance(events[-1], ev.SessionEnded)


def test_a_refused_transaction_ends_only_once() -> None:
    """A session that dies after a transaction was decided does not decide it again."""
    client = ready()
    client.deliver(outgoing(ALICE))
    events = client.receive_data(b"501 no\r\n")
    assert events == []
    events = client.connection_lost()
    assert [codes(one.results) for one in delivered(events)] == [[501]]


# ---- size, parameters, injection -------------------------------------------------------------


def test_too_large_for_the_server() -> None:
    """A mail over the SIZE of the server is not even tried."""
    client = ready()
    number = client.deliver(outgoing(ALICE, size=1001))
    assert client.take_events() == [
        ev.Delivered(
            number, (Reply(552, "5.3.4", ("Message is larger than the server takes",)),), ("MAIL",)
        )
    ]
    assert client.bytes_to_send() == b"" and client.is_idle
    client.deliver(outgoing(ALICE, size=1000))
    assert b"SIZE=1000" in client.bytes_to_send()


def test_parameters_only_where_offered() -> None:
    """Each parameter is sent only to a server that offers its extension."""
    full = Outgoing(NULL_PATH, ((ALICE, NO_DSN),), 10, "8BITMIME", "a+b", "HDRS")
    offered = ev.Capabilities("mx", {"SIZE": "", "8BITMIME": "", "DSN": ""})
    assert mail_command(full, offered) == (
        b"MAIL FROM:<> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=a+2Bb"
    )
    assert mail_command(full, ev.Capabilities("mx", {})) == b"MAIL FROM:<>"
    assert mail_command(outgoing(ALICE), offered) == b"MAIL FROM:<bob@lab.example>"
    dsn = DsnRequest("SUCCESS,DELAY", "rfc822;a+b@c")
    assert recipient_command(ALICE, dsn) == (
        b"RCPT TO:<alice@lab.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c"
    )
    assert recipient_command(Mailbox("a b", "c"), NO_DSN) == b'RCPT TO:<"a b"@c>'


@pytest.mark.parametrize("evil", ["a\r\nRSET", "a\nb", "a\0b", "\u00e4"])
def test_no_injection(evil: str) -> None:
    """No value can put a line end into a command, whoever made it."""
    with pytest.raises(LocalProtocolError):
        recipient_command(Mailbox(evil, "b.example"), NO_DSN)
    with pytest.raises(LocalProtocolError):
        recipient_command(ALICE, DsnRequest(evil, ""))
    with pytest.raises(LocalProtocolError):
        mail_command(Outgoing(Mailbox(evil, "b"), ((ALICE, NO_DSN),)), ev.Capabilities("", {}))
    with pytest.raises(LocalProtocolError):
        ClientConnection(evil)


def test_misuse_is_told() -> None:
    """A shell that breaks the contract gets an error."""
    client = ready()
    with pytest.raises(LocalProtocolError):
        ClientConnection("c.example").deliver(outgoing(ALICE))
    for call in (
        lambda: client.send_content(b""),
        client.end_content,
        client.tls_started,
        lambda: client.deliver(outgoing()),
        lambda: delivery_of(Command("QUIT", b"QUIT")),
    ):
        with pytest.raises(LocalProtocolError):
            call()


SCRIPTS = st.lists(
    st.one_of(
        st.sampled_from([b"250 ok\r\n", b"354 go\r\n", b"550 no\r\n", b"450 later\r\n",
                         b"421 bye\r\n", b"250-more\r\n", b"220 hi\r\n", EHLO, b"2", b"\r\n"]),
        st.binary(max_size=10),
    ),
    max_size=20,
)  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(SCRIPTS, st.booleans(), st.booleans())
def test_any_server(script: list[bytes], polite: bool, lmtp: bool) -> None:
    """Whatever a server sends, each transaction ends exactly once and nothing crashes."""
    script = [GREETING, EHLO, *script] if polite else script
    client, events, started = ClientConnection("c.example", lmtp=lmtp), [], 0
    for piece in script:
        for event in client.receive_data(piece):
            events.append(event)
            if isinstance(event, ev.ServerReady) and not client.is_over:
                started = max(started, client.deliver(outgoing(ALICE, EVE)))
                started = max(started, client.deliver(outgoing(BOB)))
            if isinstance(event, ev.ContentWanted) and not client.is_over:
                client.send_content(b"x\r\n")
                client.end_content()
    events += client.connection_lost()
    numbers = [event.number for event in delivered(events)]
    assert sorted(numbers) == list(range(1, started + 1))
    assert sum(isinstance(event, ev.SessionEnded) for event in events) == 1
