"""The picture of a message's path: the right lines of the log, in the right order, as arrows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from random import Random

from lab.pictures.path import Step, dot, picture, steps

IDENT, OTHER = "S0006B0579B40000200", "S0006B0579B40000400"
MESSAGE_ID = "<20261124.1@mail.lab.example>"
WHO = "2026-11-24T11:59:18.866202+00:00 mail"
LOG = f"""\
{WHO} smtps[7]: S0006B0579B40000100 opened client=127.0.0.1
{WHO} smtps[7]: S0006B0579B40000100 starttls side=server version=TLSv1.3 cipher=X bits=256 verify=NO
{WHO} smtps[7]: {IDENT} received session=S0006B0579B40000100 recipients=1 to=alice@lab.example
{WHO} smar[3]: {IDENT} routed to=alice@lab.example host=lmtp:/var/imap/socket/lmtp
{WHO} cyrus/lmtpunix[9]: Delivered: {MESSAGE_ID} to mailbox: user.alice
{WHO} smtpc[5]: {IDENT} handed_over delivery=C000000000100000000 host=lmtp recipients=1 code=250
{WHO} qmgr[4]: {IDENT} attempted to=alice@lab.example outcome=DELIVERED host=lmtp text="Success x"
{WHO} qmgr[4]: {IDENT} finished sender=carol@partner.example nrcpts=1 seconds=3.62
{WHO} smtps[7]: {OTHER} received session=S0006B0579B40000300 recipients=1 to=bob@lab.example
{WHO} cyrus/lmtpunix[9]: Delivered: <other@lab.example> to mailbox: user.bob
not a line of a log
"""
EXPECTED = [
    Step("smtps", "starttls", "client", "smtps", "TLSv1.3"),
    Step("smtps", "received", "smtps", "qmgr", "recipients=1"),
    Step("smar", "routed", "smar", "qmgr", "to cyrus/lmtpunix"),
    Step("cyrus/lmtpunix", "Delivered", "smtpc", "cyrus/lmtpunix", "user.alice"),
    Step("smtpc", "handed_over", "cyrus/lmtpunix", "smtpc", "code 250"),
    Step("qmgr", "attempted", "smtpc", "qmgr", "alice@lab.example\nDELIVERED"),
    Step("qmgr", "finished", "qmgr", "qmgr"),
]


def test_the_steps_are_those_of_this_message_alone() -> None:
    """Its own id, its session's TLS, and Cyrus by Message-ID; nothing of its neighbour."""
    assert steps(LOG, IDENT, MESSAGE_ID) == EXPECTED


def test_the_order_of_the_lines_does_not_matter() -> None:
    """Programs that do not wait for each other may be heard in any order."""
    lines = LOG.splitlines()
    Random(7).shuffle(lines)
    assert steps("\n".join(lines), IDENT, MESSAGE_ID) == EXPECTED


def test_a_message_for_elsewhere_goes_to_that_host() -> None:
    """And what has no way at all is drawn as smar's answer."""
    log = f"""\
{WHO} smar[3]: {OTHER} routed to=x@nomail.example code=556 text="takes no mail"
{WHO} smtpc[5]: {OTHER} handed_over host=mx.partner.example recipients=1 code=250
{WHO} qmgr[4]: {OTHER} attempted to=x@nomail.example outcome=FAILED code=556
"""
    found = steps(log, OTHER)
    assert [(step.source, step.target) for step in found] == [
        ("smar", "qmgr"),
        ("mx.partner.example", "smtpc"),
        ("smar", "qmgr"),
    ]
    assert found[0].detail == "to nowhere"


def test_arrows_are_numbered_and_text_cannot_break_out() -> None:
    """A quotation mark from the log stays text."""
    text = dot([Step("qmgr", "attempted", "smtpc", "qmgr", 'a"b')])
    assert '"smtpc" -> "qmgr" [label="1 attempted\\na\\"b"];' in text
    svg = picture([Step("smtpc", "handed_over", 'mx<"&', "smtpc")])
    assert 'mx<"&' in ET.fromstring(svg).get("aria-label", "")


def test_the_picture_is_for_everybody() -> None:
    """It is well-formed, has a name for those who cannot see it, and no background."""
    svg = picture(EXPECTED)
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label", "").startswith("Path of a message through client, smtps, qmgr")
    assert svg == picture(EXPECTED)
    assert svg.count('class="edge"') == len(EXPECTED)
