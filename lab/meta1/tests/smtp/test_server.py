"""The server core: order of replies, limits, endings."""

from dataclasses import replace

import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from receiver import SETTINGS, Receiver
from server_talk import ENVELOPE, codes, greeted

from meta1.smtp import events as ev
from meta1.smtp import reply as replies
from meta1.smtp.engine import ServerEngine
from meta1.smtp.errors import LocalProtocolError
from meta1.smtp.server import ServerConnection
from meta1.smtp.state import State


def test_ehlo_offers() -> None:
    """What is offered depends on the settings and on TLS."""
    lines = Receiver().talk("EHLO c")
    assert lines[0] == "220 mail.lab.example ESMTP MeTA1.0.0.0.0"
    assert lines[1] == "250-mail.lab.example ESMTP Hi there"
    assert lines[-1] == "250 HELP"
    for keyword in ("PIPELINING", "8BITMIME", "SIZE 67108864", "DSN", "STARTTLS", "AUTH CRAM-MD5"):
        assert f"250-{keyword}" in lines
    bare = Receiver(replace(SETTINGS, eight_bit_mime=False, offers_tls=False, mechanisms=()))
    text = " ".join(bare.talk("EHLO c"))
    assert not any(word in text for word in ("8BITMIME", "STARTTLS", "AUTH"))
    assert bare.talk("MAIL FROM:<a@b.example> BODY=8BITMIME")[0].startswith("555")
    assert bare.talk("MAIL FROM:<a@b.example> SIZE=1")[0].startswith("250")


def test_replies_keep_the_order_of_commands() -> None:
    """Decisions that come in reverse order leave in the right one."""
    core = greeted()
    events = core.receive_data(
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<bad>\r\n"
        b"RCPT TO:<e@f.example>\r\nNOOP\r\n"
    )
    numbers = [event.number for event in events]  # type: ignore[union-attr]
    assert [type(event) for event in events] == [ev.MailGiven, ev.RecipientGiven, ev.RecipientGiven]
    core.answer(numbers[2], replies.RECIPIENT_OK)
    core.answer(numbers[1], replies.RELAYING_DENIED)
    assert core.bytes_to_send() == b""
    assert core.backlog > 0 and core.is_waiting
    core.answer(numbers[0], replies.SENDER_OK)
    assert codes(core.bytes_to_send()) == [250, 550, 553, 250, 250]
    assert (core.recipients, core.errors, core.state) == (1, 2, State.RECIPIENT)


def test_recipients_behind_a_refused_mail() -> None:
    """RCPT pipelined behind a refused MAIL gets 503 whatever was decided, and is not an error."""
    core = greeted()
    mail, one = core.receive_data(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n")
    core.answer(one.number, replies.RECIPIENT_OK)  # type: ignore[union-attr]
    core.answer(mail.number, replies.TRY_LATER)  # type: ignore[union-attr]
    assert codes(core.bytes_to_send()) == [451, 503, 503]
    assert (core.state, core.errors) == (State.READY, 1)


def test_data_waits_for_recipients() -> None:
    """DATA is asked for only when all recipients are decided, and may be refused."""
    core = greeted()
    events = core.receive_data(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n")
    assert len(events) == 2
    core.answer(events[0].number, replies.SENDER_OK)  # type: ignore[union-attr]
    (data,) = core.answer(events[1].number, replies.RECIPIENT_OK)  # type: ignore[union-attr]
    assert isinstance(data, ev.ContentOffered)
    core.answer(data.number, replies.STORAGE_FULL)
    assert codes(core.bytes_to_send()) == [250, 250, 452]
    assert core.state is State.RECIPIENT


def test_commands_behind_the_dot_wait() -> None:
    """What is pipelined behind the dot is read when the mail is safe, not before."""
    receiver = Receiver()
    receiver.talk(*ENVELOPE, "DATA")
    core = receiver.core
    events = core.receive_data(b"x\r\n.\r\nMAIL FROM:<a@lab.example>\r\n")
    assert isinstance(events[-1], ev.ContentComplete)
    assert core.receive_data(b"RCPT TO:<b@lab.example>\r\n") == []
    more = core.answer(events[-1].number, replies.OK)
    assert [type(event) for event in more] == [ev.MailGiven, ev.RecipientGiven]


def test_refused_content() -> None:
    """A fault is told once and at once; the reply comes at the end; the session goes on."""
    receiver = Receiver(replace(SETTINGS, max_message_size=10))
    receiver.talk(*ENVELOPE, "DATA")
    assert receiver.feed(b"0123456789abc\r\n") == b""
    assert receiver.feed(b"more\r\n") == b""
    assert codes(receiver.feed(b".\r\n")) == [552]
    assert sum(isinstance(event, ev.ContentRefused) for event in receiver.seen) == 1
    assert receiver.mails == []
    assert receiver.talk("NOOP") == ["250 2.0.0 Ok"]


def test_content_refused_by_the_shell() -> None:
    """The shell's refusal after the dot ends the transaction."""
    receiver = Receiver()
    receiver.talk(*ENVELOPE, "DATA")
    (arrived, done) = receiver.core.receive_data(b"x\r\n.\r\n")
    assert arrived == ev.ContentArrived(b"x\r\n")
    assert isinstance(done, ev.ContentComplete) and done.size == 3
    events = receiver.core.answer(done.number, replies.TRY_LATER)
    assert events == [ev.Rejected(replies.TRY_LATER, "DATA")]
    assert receiver.core.state is State.READY


def test_recipient_limit() -> None:
    """The limit counts what is decided and what is not; 452 is no error of the client."""
    receiver = Receiver(replace(SETTINGS, max_recipients=2))
    receiver.talk("EHLO c", "MAIL FROM:<a@lab.example>")
    many = b"RCPT TO:<b@lab.example>\r\n" * 4
    assert codes(receiver.feed(many)) == [250, 250, 452, 452]
    assert receiver.core.errors == 0
    core = greeted(replace(SETTINGS, max_recipients=2))
    assert len(core.receive_data(b"MAIL FROM:<a@b.example>\r\n" + many)) == 3
    receiver.talk("RSET")
    assert [line[:3] for line in receiver.talk(*ENVELOPE[1:])] == ["250", "250"]


def test_what_is_told_of_a_refusal() -> None:
    """The log may show addresses, but nothing behind any other word."""
    receiver = Receiver()
    receiver.talk("EHLO c", "MAIL FROM:<a>", "PASSWORD secret", "AUTH PLAIN c2VjcmV0")
    receiver.talk("MAIL FROM:<a@lab.example>", "RCPT TO:<b@other.example>")
    told = [event for event in receiver.seen if isinstance(event, ev.Rejected)]
    assert [(one.verb, one.argument) for one in told] == [
        ("MAIL", "FROM:<a>"), ("PASSWORD", ""), ("AUTH", ""), ("RCPT", "TO:<b@other.example>"),
    ]  # fmt: skip


def test_error_limit() -> None:
    """Too many errors end the session with 421."""
    receiver = Receiver(replace(SETTINGS, max_errors=3))
    got = receiver.talk("EHLO c", "X", "X", "X", "X", "X")
    assert got[-1].startswith("421 4.7.0")
    assert receiver.closed and receiver.core.is_closed
    assert receiver.feed(b"NOOP\r\n") == b""
    assert receiver.core.answer(0, replies.OK) == []
    assert receiver.core.close(None, "again") == []


def test_error_limit_within_a_batch() -> None:
    """The limit also holds while refusals of a pipelined batch are sent."""
    receiver = Receiver(replace(SETTINGS, max_errors=1))
    receiver.talk("EHLO c")
    bad = b"RCPT TO:<x@other.example>\r\n"
    assert codes(receiver.feed(b"MAIL FROM:<a@lab.example>\r\n" + bad * 4)) == [250, 550, 550, 421]


def test_junk_limit() -> None:
    """Commands that do no work are limited; a transaction sets the count back."""
    receiver = Receiver(replace(SETTINGS, max_junk_commands=5))
    assert receiver.talk("EHLO c", "NOOP", "NOOP", "MAIL FROM:<a@lab.example>")[-1][:3] == "250"
    got = receiver.talk(*["NOOP"] * 5, "NOOP")
    assert got[-2:] == ["250 2.0.0 Ok", "421 4.7.0 Too many commands without mail, closing"]


def test_long_and_strange_lines() -> None:
    """Each kind of bad line has its reply, also behind an undecided MAIL."""
    receiver = Receiver(replace(SETTINGS, max_command_line=64))
    receiver.talk("EHLO c")
    assert codes(receiver.feed(b"NOOP " + b"x" * 100 + b"\r\n")) == [500]
    assert codes(receiver.feed(b"NO\0OP\r\n")) == [500]
    assert codes(receiver.feed("N\u00d6OP\r\n".encode())) == [500]
    assert codes(receiver.feed(b"\r\n")) == [500]
    core = greeted()
    (mail,) = core.receive_data(b"MAIL FROM:<a@b.example>\r\nRCPT\0\r\n")
    core.answer(mail.number, replies.SENDER_OK)  # type: ignore[union-attr]
    assert codes(core.bytes_to_send()) == [250, 500]


def test_reset_and_hello_abort() -> None:
    """RSET, EHLO and QUIT tell the shell that an open transaction is gone."""
    for verb in ("RSET", "EHLO c", "QUIT"):
        receiver = Receiver()
        receiver.talk(*ENVELOPE, verb)
        assert ev.TransactionAborted() in receiver.seen
    assert receiver.seen[-1] == ev.Closing("quit")


def test_mail_arguments() -> None:
    """Quoted local parts, blanks behind the colon, and what is missing."""
    receiver = Receiver()
    receiver.talk("EHLO c")
    ok = ["FROM:<a@b.example>", "from: <a@b.example>", 'FROM:<"> x"@b.example> SIZE=3', "FROM:<>",
          'FROM:<"a b"@b.example>']  # fmt: skip
    for argument in ok:
        assert receiver.talk(f"MAIL {argument}", "RSET")[0][:3] == "250", argument
    for argument in (
        "FROM:<postmaster>",
        'FROM:<"a@b.example>',
        'FROM:<"a"@b.example>SIZE=3',
    ):
        assert receiver.talk(f"MAIL {argument}")[0][:3] == "553", argument
    for line in ("MAIL", "MAIL FROM:", "MAIL FROM: ", "VRFY"):
        assert receiver.talk(line)[0][:3] == "501", line
    assert receiver.talk(ENVELOPE[1], "RCPT TO:")[-1][:3] == "501"


def test_postmaster_without_domain() -> None:
    """RFC 5321 4.5.1: <postmaster> is always a recipient."""
    assert Receiver().talk(*ENVELOPE[:2], "RCPT TO:<Postmaster>")[-1][:3] == "250"


def test_speaking_before_the_greeting() -> None:
    """A client that does not wait for the banner is sent away."""
    core = ServerConnection(SETTINGS)
    assert core.receive_data(b"EHLO c\r\n") == [ev.Closing("spoke before the greeting")]
    assert codes(core.bytes_to_send()) == [554]


def test_refused_for_good() -> None:
    """RFC 5321 3.1: behind 554 wait for QUIT, answer 503 to all else, and take nothing."""
    core = ServerConnection(SETTINGS)
    assert core.greet(replies.reply(554, "5.7.1", "Access denied")) == []
    lines = [*ENVELOPE, "DATA", "Subject: x", ".", "NOOP", "STARTTLS", "AUTH PLAIN", "WIZ", "RSET"]
    events = core.receive_data("".join(f"{line}\r\n" for line in lines).encode())
    assert {type(event) for event in events} == {ev.Rejected}
    assert codes(core.bytes_to_send()) == [554] + [503] * len(lines)
    assert core.receive_data(b"QUIT\r\n") == [ev.Closing("refused")]
    assert codes(core.bytes_to_send()) == [221]


def test_refused_for_good_and_talkative() -> None:
    """Who goes on all the same is left."""
    core = ServerConnection(SETTINGS)
    core.greet(replies.reply(554, "5.7.1", "Access denied"))
    events = core.receive_data(b"NOOP\r\n" * 100)
    assert events[-1] == ev.Closing("too many errors")
    assert codes(core.bytes_to_send())[-1] == 421


def test_refused_greeting() -> None:
    """A greeting may refuse the client for a while: then the session is over."""
    core = ServerConnection(SETTINGS)
    assert core.greet(replies.TOO_BUSY) == [ev.Closing("refused")]
    assert codes(core.bytes_to_send()) == [421]
    other = ServerConnection(SETTINGS)
    other.greet(replies.reply(220, "", "special"))
    assert other.bytes_to_send() == b"220 special\r\n"


# ---- our own mistakes ----------------------------------------------------------------------


def test_misuse_is_told() -> None:
    """A shell that breaks the contract gets an error and the client gets nothing."""
    core = greeted()
    for call in (
        lambda: core.answer(0, replies.OK),
        lambda: core.challenge(0, b""),
        core.tls_started,
        core.greet,
        lambda: core._move("(end of content)"),
    ):
        with pytest.raises(LocalProtocolError):
            call()
    (mail,) = core.receive_data(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\n")[:1]
    core.answer(mail.number + 1, replies.RECIPIENT_OK)  # type: ignore[union-attr]
    with pytest.raises(LocalProtocolError):
        core.answer(mail.number + 1, replies.RECIPIENT_OK)  # type: ignore[union-attr]
    receiver = Receiver()
    receiver.talk("EHLO c", "AUTH CRAM-MD5")
    with pytest.raises(LocalProtocolError):
        receiver.core.challenge(7, b"")
    assert core.bytes_to_send() == b""


def test_the_engine_alone_knows_no_command() -> None:
    """The base class leaves commands to its subclass."""
    for call in (ServerEngine(SETTINGS)._dispatch, ServerEngine(SETTINGS)._continue_exchange):
        with pytest.raises(NotImplementedError):
            call("")  # type: ignore[arg-type]


# ---- anything at all -----------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [b"EHLO c\r\n", b"MAIL FROM:<a@lab.example>\r\n", b"RCPT TO:<b@lab.example>\r\n", b"DATA\r\n",
     b".\r\n", b"\r\n.\r\n", b"RSET\r\n", b"AUTH CRAM-MD5\r\n", b"c2VjcmV0\r\n", b"*\r\n", b"\n",
     b"\r", b"\0", b"x", b"QUIT\r\n", b"STARTTLS\r\n", b"Subject: x\r\n",
     b"RCPT TO:<c@other.example>\r\n"]
)  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.one_of(FRAGMENTS, st.binary(max_size=30)), max_size=40))
def test_any_bytes_whole_or_single(pieces: list[bytes]) -> None:
    """No bytes crash the core, and every reply line is well formed."""
    receiver = Receiver()
    out = receiver.core.bytes_to_send()
    for piece in pieces:
        if receiver.core.state is State.HANDSHAKE:
            receiver.core.tls_started()
        out += receiver.feed(piece)
    for line in out.split(b"\r\n")[:-1]:
        assert line[:3].isdigit() and line[3:4] in (b" ", b"-") and line.decode().isprintable()
    assert out.endswith(b"\r\n")
