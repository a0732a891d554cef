"""The access decision: closed by default, open only where the table says so."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smar_facts import Table

from meta1.access import decide
from meta1.access_keys import address_keys, domain_keys, encode_dn, mailbox_keys
from meta1.access_table import TAGS, VALUES, BadValue, read_value
from meta1.messages import AccessChecked, CheckAccess, Client, Stage, Verdict

ISSUER = encode_dn("/C=DE/O=Lab (test)/CN=Lab CA")
SUBJECT = encode_dn("/C=DE/CN=client+1")
CLIENT = Client("192.0.2.7", "mail.client.test", "OK", "helo.test")
RCPT = CheckAccess(1, Stage.RCPT, CLIENT, "a@sender.test", "user@far.test")
ACCEPTING = (Verdict.ACCEPT, Verdict.RELAY, Verdict.DISCARD)


def ask(check: CheckAccess, entries: dict[str, str] | None = None) -> AccessChecked:
    """Decide with these entries."""
    return asyncio.run(decide(Table(entries or {}), check))


# ---- the relay matrix ----------------------------------------------------------------------

ADDRESSES = {"listed": "192.0.2.7", "other": "198.51.100.9"}
AUTHS = {
    "none": {},
    "trusted": {"auth_mechanism": "CRAM-MD5", "auth_identity": "u", "trusted": True},
    "untrusted": {"auth_mechanism": "LOGIN", "auth_identity": "u", "trusted": False},
}
CERTS = {
    "none": {},
    "verified": {"tls_verify": "OK", "cert_issuer": ISSUER, "cert_subject": SUBJECT},
    "unverified": {"tls_verify": "FAIL", "cert_issuer": ISSUER, "cert_subject": SUBJECT},
    "stranger": {"tls_verify": "OK", "cert_issuer": "/CN=Other CA", "cert_subject": SUBJECT},
}
RECIPIENTS = {
    "local": "user@local.test",
    "unknown": "nobody@local.test",
    "backup": "x@backup.test",
    "far": "x@far.test",
}
ENTRIES = {
    "cltaddr:192.0.2": "relay",
    "to:backup.test": "relay",
    f"certissuer:{ISSUER}": "relay",
}


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize(
    ("address", "auth", "cert", "recipient"),
    list(itertools.product(ADDRESSES, AUTHS, CERTS, RECIPIENTS)),
)
def test_relay_matrix(address: str, auth: str, cert: str, recipient: str, delayed: bool) -> None:
    """96 combinations, twice: relaying needs one good reason, and exactly one is enough."""
    facts = {**AUTHS[auth], **CERTS[cert]}
    client = Client(ADDRESSES[address], **facts)  # type: ignore[arg-type]
    check = CheckAccess(
        1, Stage.RCPT, client, "a@sender.test", RECIPIENTS[recipient], delayed=delayed
    )
    answer = ask(check, ENTRIES)
    may = address == "listed" or auth == "trusted" or cert == "verified"
    expected = {
        "local": Verdict.ACCEPT,
        "unknown": Verdict.REFUSE,
        "backup": Verdict.RELAY,
        "far": Verdict.RELAY if may else Verdict.REFUSE,
    }[recipient]
    assert answer.verdict is expected
    if recipient == "far" and not may:
        assert (answer.code, answer.enhanced_code) == (550, "5.7.1")


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("cert", CERTS)
def test_default_is_closed(auth: str, cert: str) -> None:
    """Without any entry only a trusted AUTH relays; not even 127.0.0.1 or a certificate do."""
    client = Client("127.0.0.1", "localhost", "OK", **AUTHS[auth], **CERTS[cert])  # type: ignore[arg-type]
    answer = ask(replace(RCPT, client=client))
    assert answer.verdict is (Verdict.RELAY if auth == "trusted" else Verdict.REFUSE)


@pytest.mark.parametrize(
    "path",
    [
        "user%far.test@backup.test",
        "far.test!user@backup.test",
        '"user@far.test"@backup.test',
    ],
)
def test_routed_local_parts_are_not_passed_on(path: str) -> None:
    """A backup MX does not help to get around the next server's rules."""
    assert ask(replace(RCPT, forward_path=path), ENTRIES | {}).verdict is Verdict.RELAY
    stranger = replace(RCPT, client=Client("198.51.100.9"), forward_path=path)
    assert ask(stranger, ENTRIES).verdict is Verdict.REFUSE


# ---- values --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "verdict", "code", "enhanced"),
    [
        ("ok", Verdict.ACCEPT, 250, "2.0.0"),
        ("OK", Verdict.ACCEPT, 250, "2.0.0"),
        ("relay", Verdict.RELAY, 250, "2.0.0"),
        ("reject", Verdict.REFUSE, 550, "5.7.1"),
        ("discard", Verdict.DISCARD, 250, "2.0.0"),
        ("error:554 5.7.0 go away", Verdict.REFUSE, 554, "5.7.0"),
        ("error:451 4.7.1 later", Verdict.TRY_LATER, 451, "4.7.1"),
        ("error:553", Verdict.REFUSE, 553, "5.7.1"),
        ("cont", Verdict.ACCEPT, 250, "2.0.0"),
        ("quick:reject", Verdict.REFUSE, 550, "5.7.1"),
        ("nonsense", Verdict.TRY_LATER, 451, "4.3.5"),
        ("error:hello", Verdict.TRY_LATER, 451, "4.3.5"),
        ("error:550 4.7.1 x", Verdict.TRY_LATER, 451, "4.3.5"),
        ("", Verdict.TRY_LATER, 451, "4.3.5"),
        ("subject", Verdict.TRY_LATER, 451, "4.3.5"),
        ("FAILS", Verdict.TRY_LATER, 451, "4.3.0"),
    ],
)
def test_values_at_connect(value: str, verdict: Verdict, code: int, enhanced: str) -> None:
    """Each value means one thing; what cannot be read means: not now."""
    check = CheckAccess(1, Stage.CONNECT, CLIENT)
    answer = ask(check, {"cltaddr:192.0.2.7": value})
    assert (answer.verdict, answer.code, answer.enhanced_code) == (verdict, code, enhanced)


def test_error_text_names_facts_and_is_harmless() -> None:
    """Placeholders are filled; nothing a client chose can break the line."""
    client = replace(CLIENT, helo="x\r\n250 ok")
    check = CheckAccess(1, Stage.CONNECT, client)
    text = "error:550 5.7.1 ${client_addr} ${helo} ${nothing} no"
    answer = ask(check, {"cltaddr:192": text})
    assert answer.text == "192.0.2.7 x??250 ok  no" and answer.rule == "cltaddr:192"


def test_order_of_client_checks() -> None:
    """Address before name before resolution; the exact key before the wide one."""
    table = Table()
    asyncio.run(decide(table, CheckAccess(1, Stage.CONNECT, CLIENT)))
    assert table.asked == [
        "cltaddr:192.0.2.7", "cltaddr:192.0.2", "cltaddr:192.0", "cltaddr:192",
        "cltname:mail.client.test", "cltname:client.test", "cltname:test", "cltresolve:ok",
    ]  # fmt: skip


def test_nomore_ends_a_search() -> None:
    """NOMORE keeps wider keys from being asked."""
    check = CheckAccess(1, Stage.CONNECT, Client("192.0.2.7"))
    entries = {"cltaddr:192.0.2.7": "NOMORE", "cltaddr:192": "reject"}
    assert ask(check, entries).verdict is Verdict.ACCEPT


@pytest.mark.parametrize("sender", ["a@sender.test", "a@sub.sender.test", "A@Sender.Test"])
def test_sender_is_refused_but_never_relays(sender: str) -> None:
    """`from:` fits subdomains; relay is no value for it, for senders can be invented."""
    check = CheckAccess(1, Stage.MAIL, CLIENT, sender)
    assert ask(check, {"from:sender.test": "reject"}).verdict is Verdict.REFUSE
    with pytest.raises(BadValue):
        read_value("from", "relay", {})


def test_null_sender_has_a_key() -> None:
    """`from:<>` is the null sender, and nobody else."""
    check = CheckAccess(1, Stage.MAIL, CLIENT, "<>")
    assert ask(check, {"from:<>": "error:554 5.7.1 no"}).verdict is Verdict.REFUSE


# ---- delay_checks --------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["cltaddr:192.0.2.7", "cltname:client.test", "cltresolve:ok"])
def test_delayed_client_checks_can_be_overridden(tag: str) -> None:
    """Whoever may relay by AUTH is not refused by client checks; `quick:` refuses all the same."""
    trusted = replace(CLIENT, auth_mechanism="CRAM-MD5", trusted=True)
    plain = replace(RCPT, delayed=True)
    known = replace(plain, client=trusted)
    assert ask(plain, {tag: "reject"}).verdict is Verdict.REFUSE
    assert ask(known, {tag: "reject"}).verdict is Verdict.RELAY
    assert ask(known, {tag: "quick:reject"}).verdict is Verdict.REFUSE
    assert ask(known, {tag: "ok", "from:sender.test": "reject"}).verdict is Verdict.REFUSE


@pytest.mark.parametrize("delayed", [False, True])
def test_quick_ok_does_not_open_the_relay(delayed: bool) -> None:
    """`quick:ok` skips the map, not the last rule."""
    check = replace(RCPT, delayed=delayed)
    entries = {"cltaddr:192.0.2.7": "quick:ok", "to:far.test": "reject"}
    assert ask(check, entries).text == "Relaying denied"
    local = replace(check, forward_path="user@local.test")
    assert ask(local, {"cltaddr:192.0.2.7": "quick:ok", "to:user@": "reject"}).verdict in ACCEPTING
    assert ask(check, {"cltaddr:192.0.2.7": "quick:relay"}).verdict is Verdict.RELAY


def test_without_the_access_flag_the_map_is_not_asked() -> None:
    """Only the rule without a map is left."""
    table = Table({"cltaddr:192.0.2.7": "relay", "to:user@local.test": "reject"})
    check = replace(RCPT, use_map=False)
    assert asyncio.run(decide(table, check)).verdict is Verdict.REFUSE
    local = replace(check, forward_path="user@local.test")
    assert asyncio.run(decide(table, local)).verdict is Verdict.ACCEPT
    assert table.asked == []


# ---- certificates, protected recipients ----------------------------------------------------


def test_issuer_may_leave_it_to_the_subject() -> None:
    """`subject` asks for the DN of the certificate itself."""
    client = Client("198.51.100.9", tls_verify="OK", cert_issuer=ISSUER, cert_subject=SUBJECT)
    check = replace(RCPT, client=client)
    issuer = {f"certissuer:{ISSUER}": "subject"}
    assert ask(check, issuer).verdict is Verdict.REFUSE
    subject = issuer | {"certsubject:/C=DE/CN=client+2B1": "relay"}
    answer = ask(check, subject)
    assert answer.verdict is Verdict.RELAY and answer.rule == "certsubject:/C=DE/CN=client+2B1"


def test_protected_recipients() -> None:
    """Only who may relay, or only senders that fit."""
    local = replace(RCPT, forward_path="user@local.test")
    relay_only = {"protectedrcpt:user@local.test": "relay"}
    assert ask(local, relay_only).verdict is Verdict.REFUSE
    assert ask(local, relay_only | {"cltaddr:192": "relay"}).verdict is Verdict.ACCEPT
    by_sender = {"protectedrcpt:user@": "from:sender.test"}
    assert ask(local, by_sender).verdict is Verdict.ACCEPT
    other = replace(local, reverse_path="a@other.test")
    assert ask(other, by_sender).verdict is Verdict.REFUSE


# ---- keys ----------------------------------------------------------------------------------


def test_keys() -> None:
    """Exact first, wide last; IPv6 by groups, mapped IPv4 as IPv4."""
    assert domain_keys("A.b.Test.") == ["a.b.test", "b.test", "test"]
    assert mailbox_keys("U@b.test") == ["u@b.test", "b.test", "test", "u@"]
    assert mailbox_keys('"x@y"@b.test')[0] == '"x@y"@b.test'
    assert address_keys("2001:db8::1")[:3] == [
        "2001:db8::1", "2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0",
    ]  # fmt: skip
    assert address_keys("2001:db8::1")[-2:] == ["2001:db8", "2001"]
    assert address_keys("::ffff:192.0.2.7")[0] == "192.0.2.7"
    assert address_keys("no address") == []


def test_dn_encoding_follows_the_documented_example() -> None:
    """Blanks, brackets and plus signs as sendmail 8 documents them."""
    name = "CN=Darth Mail (Cert)/emailAddress=darth+cert@endmail.org"
    coded = "CN=Darth+20Mail+20+28Cert+29/emailAddress=darth+2Bcert@endmail.org"
    assert encode_dn(name) == coded


@given(st.text(max_size=60))
def test_any_dn_gives_a_harmless_key(name: str) -> None:
    """Encoded names hold only printable ASCII and none of the special characters."""
    coded = encode_dn(name.encode("utf-8", "ignore").decode())
    assert coded.isascii() and not set(coded) & set(' <>()"\r\n')


paths = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@given(paths, paths, st.sampled_from(list(Stage)), st.booleans())
def test_no_address_opens_the_relay(sender: str, recipient: str, stage: Stage, late: bool) -> None:
    """Whatever a stranger writes, RELAY is never the answer when the map is empty."""
    check = CheckAccess(1, stage, Client("198.51.100.9"), sender, recipient, late)
    assert ask(check).verdict is not Verdict.RELAY


@given(st.sampled_from(sorted(TAGS)), st.text(max_size=40))
def test_any_value_is_read_or_refused(tag: str, text: str) -> None:
    """A value is one of the table's or BadValue; a reply text is printable."""
    try:
        value = read_value(tag, text, {})
    except BadValue:
        return
    assert value.word in VALUES and value.text.isprintable()
