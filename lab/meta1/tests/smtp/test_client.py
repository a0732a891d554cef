"""The client core: SMTP and LMTP, pipelined or not, against our server core and scripts."""

import pytest
from client_talk import ALICE, BOB, EHLO, EVE, GREETING, codes, converse, delivered, outgoing, ready
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from receiver import Receiver

from meta1.smtp import events as ev
from meta1.smtp.client import ClientConnection
from meta1.smtp.errors import LocalProtocolError
from meta1.smtp.outgoing import DsnRequest, Outgoing
from meta1.smtp.reply import Reply
from meta1.smtp.syntax import NULL_PATH

# ---- against our own server core -------------------------------------------------------------


def test_both_cores_together() -> None:
    """Two mails pass, with a recipient each result, and a good end."""
    client, receiver = ClientConnection("c.example"), Receiver()
    converse(client, receiver, [])
    client.deliver(outgoing(ALICE, EVE))
    client.deliver(Outgoing(NULL_PATH, ((ALICE, DsnRequest("NEVER", "rfc822;a+b@c")),)))
    seen = converse(client, receiver, [b"one\r\n.dot\r\n", b"two"])
    one, two = delivered(seen)
    assert (codes(one.results), one.stages) == ([250, 550], ("content", "RCPT"))
    assert codes(two.results) == [250]
    assert receiver.mails == [b"one\r\n.dot\r\n", b"two\r\n"]
    assert client.is_idle
    client.quit()
    assert converse(client, receiver, []) == [
        ev.SessionEnded(Reply(221, "2.0.0", ("Goodbye",)), "")
    ]
    client.quit()
    assert client.bytes_to_send() == b""


def test_starttls_with_our_server() -> None:
    """After STARTTLS the client greets again and the capabilities are new ones."""
    client, receiver = ClientConnection("c.example"), Receiver()
    converse(client, receiver, [])
    assert "STARTTLS" in client.capabilities
    client.start_tls()
    seen = converse(client, receiver, [])
    assert [type(event) for event in seen] == [ev.TlsReady, ev.ServerReady]
    assert client.is_tls and "STARTTLS" not in client.capabilities
    with pytest.raises(LocalProtocolError):
        client.start_tls()


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=80), st.integers(1, 3)), min_size=1, max_size=4))
def test_any_content_arrives_clean(mails: list[tuple[bytes, int]]) -> None:
    """Whatever content we send, our server gets it with CRLF line ends only."""
    client, receiver = ClientConnection("c.example"), Receiver()
    converse(client, receiver, [])
    for _, count in mails:
        client.deliver(outgoing(*[ALICE] * count))
    contents = [content.replace(b"\0", b"") for content, _ in mails]
    seen = converse(client, receiver, contents)
    assert len(delivered(seen)) == len(mails)
    assert len(receiver.mails) == len(mails)


# ---- pipelining ------------------------------------------------------------------------------


def test_envelope_in_one_write() -> None:
    """With PIPELINING the whole envelope leaves at once, and the next behind the dot."""
    client = ready()
    client.deliver(outgoing(ALICE))
    assert client.bytes_to_send() == (
        b"MAIL FROM:<bob@lab.example>\r\nRCPT TO:<alice@lab.example>\r\nDATA\r\n"
    )
    client.deliver(outgoing(ALICE))
    assert client.bytes_to_send() == b""
    assert client.phase == "MAIL"
    assert client.receive_data(b"250 a\r\n250 b\r\n354 c\r\n") == [ev.ContentWanted(1)]
    assert client.bytes_to_send() == b"" and client.phase == "" and not client.is_idle
    client.send_content(b"x\r\n")
    client.end_content()
    assert client.bytes_to_send().startswith(b"x\r\n.\r\nMAIL FROM")
    assert client.phase == "content"


def test_one_by_one_without_pipelining() -> None:
    """Without PIPELINING each command waits for its reply."""
    client = ready(b"250 mx\r\n")
    client.deliver(outgoing(ALICE, EVE))
    said = [client.bytes_to_send()]
    for answer in (b"250 ok\r\n", b"250 ok\r\n", b"550 no\r\n"):
        client.receive_data(answer)
        said.append(client.bytes_to_send())
    assert [line[:4] for line in said] == [b"MAIL", b"RCPT", b"RCPT", b"DATA"]


@pytest.mark.parametrize("hello", [EHLO, b"250 mx\r\n"], ids=["pipelining", "plain"])
def test_all_recipients_refused(hello: bytes) -> None:
    """Nobody to send to: no content leaves and the transaction is reset."""
    client = ready(hello)
    client.deliver(outgoing(ALICE, EVE))
    events = []
    for answer in (b"250 ok\r\n", b"550 5.1.1 no\r\n", b"450 later\r\n", b"554 none\r\n"):
        events += client.receive_data(answer)
    (end,) = delivered(events)
    assert (codes(end.results), end.stages) == ([550, 450], ("RCPT", "RCPT"))
    assert client.bytes_to_send().endswith(b"RSET\r\n")
    client.receive_data(b"250 ok\r\n")
    assert client.is_idle


def test_data_accepted_without_recipients() -> None:
    """RFC 2920: a 354 after all RCPT were refused is answered with an empty mail."""
    client = ready()
    client.deliver(outgoing(ALICE))
    events = client.receive_data(b"250 a\r\n550 b\r\n354 c\r\n")
    assert codes(delivered(events)[0].results) == [550]
    assert client.bytes_to_send().endswith(b"\r\nDATA\r\n.\r\n")
    client.receive_data(b"554 none\r\n")
    assert client.is_idle and not client.is_over


@pytest.mark.parametrize("hello", [EHLO, b"250 mx\r\n"], ids=["pipelining", "plain"])
def test_mail_refused(hello: bytes) -> None:
    """A refused MAIL speaks for all recipients; RSET follows, once, before the next mail."""
    client = ready(hello)
    client.deliver(outgoing(ALICE, EVE))
    client.deliver(outgoing(ALICE))
    events = []
    answers = 4 if hello is EHLO else 1
    for _ in range(answers):
        events += client.receive_data(b"501 5.1.7 no\r\n")
    (end,) = delivered(events)
    assert (codes(end.results), end.stages) == ([501, 501], ("MAIL", "MAIL"))
    out = client.bytes_to_send()
    assert out.count(b"RSET") == 1
    client.receive_data(b"250 ok\r\n")
    out += client.bytes_to_send()
    assert out.index(b"RSET") < out.rindex(b"MAIL")


def test_data_refused() -> None:
    """A refused DATA speaks for the recipients accepted so far."""
    client = ready()
    client.deliver(outgoing(ALICE, EVE))
    events = client.receive_data(b"250 a\r\n250 b\r\n550 c\r\n452 4.3.1 full\r\n")
    (end,) = delivered(events)
    assert (codes(end.results), end.stages) == ([452, 550], ("DATA", "RCPT"))


def test_replies_out_of_place() -> None:
    """2yz to DATA or 3yz to RCPT make no sense: tried again later."""
    client = ready()
    client.deliver(outgoing(ALICE, EVE))
    events = client.receive_data(b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n")
    assert codes(delivered(events)[0].results) == [451, 451]


# ---- LMTP ------------------------------------------------------------------------------------


def test_lmtp_results_for_each_recipient() -> None:
    """RFC 2033: one reply for each accepted recipient after the dot."""
    client = ready(lmtp=True)
    client.deliver(outgoing(ALICE, EVE, BOB))
    client.receive_data(b"250 a\r\n250 b\r\n550 c\r\n250 d\r\n354 e\r\n")
    client.end_content()
    assert client.receive_data(b"250 2.1.5 ok\r\n") == []
    events = client.receive_data(b"452 4.2.2 over quota\r\n")
    (end,) = delivered(events)
    assert codes(end.results) == [250, 550, 452]
    assert end.stages == ("content", "RCPT", "content")


def test_lmtp_says_lhlo_and_never_helo() -> None:
    """A refused LHLO ends the session."""
    client = ClientConnection("c.example", lmtp=True)
    client.receive_data(GREETING)
    assert client.bytes_to_send() == b"LHLO c.example\r\n"
    (end,) = client.receive_data(b"500 what\r\n")
    assert isinstance(end, ev.SessionEnded) and end.error == "LHLO refused"


def test_lmtp_data_without_recipients() -> None:
    """How many replies would follow is not sure, so the session ends."""
    client = ready(lmtp=True)
    client.deliver(outgoing(ALICE))
    events = client.receive_data(b"250 a\r\n550 b\r\n354 c\r\n")
    assert codes(delivered(events)[0].results) == [550]
    assert isinstance(events[-1], ev.SessionEnded)


# ---- greeting, HELO, STARTTLS ----------------------------------------------------------------


def test_helo_fallback() -> None:
    """A server that knows no EHLO gets HELO; one that refuses that too is left."""
    client = ClientConnection("c.example")
    client.receive_data(GREETING)
    client.receive_data(b"502 what\r\n")
    assert client.bytes_to_send() == b"EHLO c.example\r\nHELO c.example\r\n"
    assert client.receive_data(b"250 mx\r\n") == [ev.ServerReady(ev.Capabilities("", {}))]
    other = ClientConnection("c.example")
    other.receive_data(GREETING)
    other.receive_data(b"502 what\r\n")
    (end,) = other.receive_data(b"550 no\r\n")
    assert isinstance(end, ev.SessionEnded) and end.error == "HELO refused"


@pytest.mark.parametrize("greeting", [b"554 no\r\n", b"450 later\r\n", b"250 odd\r\n"])
def test_greeting_refused(greeting: bytes) -> None:
    """Any greeting but 220 ends the session with that reply."""
    (end,) = ClientConnection("c.example").receive_data(greeting)
    assert isinstance(end, ev.SessionEnded) and end.reply is not None


def test_starttls_refused() -> None:
    """The shell decides whether to go on in clear text."""
    client = ready()
    client.start_tls()
    (refused,) = client.receive_data(b"454 4.7.0 not now\r\n")
    assert isinstance(refused, ev.TlsRefused) and client.is_idle


def test_response_injection() -> None:
    """Bytes in clear text behind the 220 of STARTTLS end the session, together or later."""
    client = ready()
    client.start_tls()
    (end,) = client.receive_data(b"220 go\r\n250 injected\r\n")
    assert isinstance(end, ev.SessionEnded)
    client = ready()
    client.start_tls()
    assert client.receive_data(b"220 go\r\n") == [ev.TlsReady()]
    assert client.receive_data(b"250 injected\r\n") == []
    client.tls_started()
    assert client.bytes_to_send().endswith(b"EHLO c.example\r\n")
