"""Whole configurations: the tutorial's, faulty ones, and any bytes at all."""

from __future__ import annotations

import dataclasses
import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import meta1
from meta1.config import Config, ConfigError, load, parse_config
from meta1.config.load import MAX_SIZE
from meta1.config.schema import Section, options_of, sections_of
from meta1.config.show import show

TUTORIAL = Path(__file__).resolve().parent.parent / "data" / "tutorial-2006.conf"


def faults(text: str) -> list[str]:
    """All faults of a text, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), "f")
    return [str(each).removeprefix("f:") for each in caught.value.faults]


def test_tutorial_is_accepted_unchanged() -> None:
    """The file of 2006 means what its author meant."""
    config = load(TUTORIAL)
    assert config.order == ("smtps", "smtpc", "qmgr", "smar")
    smtps = config.smtps[0]
    assert (smtps.log_level, smtps.cdb_gid, smtps.wait_for_server) == (24, 262, 4.0)
    assert smtps.flags == {"8bitmime", "access"}
    assert [(each.type, each.port, each.address) for each in smtps.listen_socket] == [
        ("inet", 25, None)
    ]
    assert smtps.auth is not None and smtps.auth.trusted_mechanisms == ("CRAM-MD5",)
    assert smtps.auth.flags == {"noplaintext"}
    assert smtps.tls is not None and smtps.tls.key_file == "/etc/meta1/CA/newreq.pem"
    assert smtps.tls.flags == {"request_cert"}
    assert smtps.arguments == ("smtps", "-f", "/etc/meta1/meta1.conf")
    assert smtps.max_message_size == 67108864
    assert config.smtpc.lmtp_socket == "/var/imap/socket/lmtp"
    assert config.qmgr.restart_dependencies == ("smtps", "smtpc", "smar")
    assert config.smar.nameserver == (ip_address("127.0.0.1"),)
    assert config.smar.log is not None and config.smar.log.ident == "smar"


def test_every_documented_name_is_accepted() -> None:
    """Section 20 of the reference: no documented option, flag or value is unknown."""
    parse_config(b"""
        smtps { IO_timeout = 5m3s; Log_Level = 12; flags = { 8BitMime, access, delay_checks };
            start_action = pass; listen_socket { type = inet; port = 25; };
            tls { key_file = a; cert_file = b; flags = { dont_request_cert } };
            policy_milter { socket { type = inet; address = 127.0.0.1; port = 3333; };
                timeout = 1m; flags = { accept_but_reconnect }; };
            wait_for_client = 3; user = meta1s; restart_dependencies = { smtpc }; path = "/x"; }
        smtpc { IO_timeout = 6m; LMTP_socket = /var/imap/socket/lmtp; }
        qmgr { AQ_max_entries = 8192; smtpc { initial_connections = 19; max_connections = 101; } }
        smar { nameserver = {10.10.10.9, 127.0.0.1}; DNS_timeout = 6;
            map a { type = hash; file = "aliases.db"; }
            map p { type = passwd; }
            map s { type = socket; path = "/var/spool/meta1/smap/userdb"; mapname = userdb; }
            map q { type = sequence; maps = { a, p, s }; }
            aliases { name = a; flags = { localpart, local_domains }; }
            local_user_map { name = "q"; flags = { localpart, local_domains }; } }
    """)


def test_all_faults_at_once() -> None:
    """A file with faults of every sort: each is named with its place, in order."""
    assert faults(
        'smtps {\n  log_lvel = 24;\n  listen_socket { port = 99999; }\n  flags = { 8bitmim };\n}\n'
        'qmgrr { }\nsmar { nameserver =;\n  user = "x;\n log_level = 1; log_level = 2; }\n'
    ) == [
        "2:3: no option 'log_lvel' in smtps; did you mean log_level?",
        "3:26: port may not be '99999'; expected a number from 1 to 65535",
        "4:13: flags may not be '8bitmim'; expected 8bitmime, access or delay_checks; "
        "did you mean 8bitmime?",
        "6:1: no section 'qmgrr'; did you mean qmgr?",
        "7:20: found ';'; expected a value",
        "8:10: string is not closed on its line; expected a closing \"",
        "8:12: found ';'; expected a value",
        "9:17: 'log_level' is given twice, first in line 9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("smtps { }", "1:1: smtps has start_action pass but no socket to pass"),
        ("smtpc { start_action = pass; }", "1:9: smtpc has start_action pass but no socket"),
        ("qmgr { listen_socket { } }", "qmgr listens on no port"),
        ("qmgr { restart_dependencies = { smptc }; }", "no module 'smptc'"),
        ("qmgr { restart_dependencies = { qmgr }; }", "qmgr depends on itself"),
        ("qmgr x { }", "qmgr may not have a name"),
        ("smtps qmgr { listen_socket { } }", "smtps may not be named 'qmgr'"),
        ("smtps { listen_socket {} } smtps { listen_socket { port = 26; } }", "has no name"),
        ("smtps a { listen_socket { } } smtps b { listen_socket { port = 26; } }",
         "pass_fd_socket 'smtps/smtpsfd' is that of another"),
        ("smtps { listen_socket { } listen_socket { } }", "port 25 is taken"),
        ("smtps { listen_socket { address = ::1; } }", "::1 is not an address of type inet"),
        ("smtps { listen_socket { } tls { key_file = a; } }", "key_file of smtps stands alone"),
        ("smtps { listen_socket { } tls { } }", "cannot speak TLS without a certificate"),
        ("smtpc { tls { cert_file = a; } }", "cert_file of smtpc stands alone"),
        ("smtps { listen_socket { } auth { } }", "auth names no mechanism"),
        ("smtps { listen_socket { } auth { trusted_mechanisms = PLAIN; flags = {noplaintext} } }",
         "noplaintext forbids the mechanism PLAIN"),
        ('smtps { listen_socket { } auth { trusted_mechanisms = "X"; mechanisms = "Y"; } }',
         "X is trusted but not offered"),
        ("smtps { listen_socket { } policy_milter { } }", "cannot reach a policy milter"),
        ("smar { map a { } }", "map a has no file"),
        ("smar { map { file = a; } }", "map has no name"),
        ("smar { map a { type = socket; mapname = x; } }", "expected path, or address and port"),
        ("smar { map a { type = sequence; maps = { b }; } }", "there is no map 'b'"),
        ("smar { map a { type = sequence; maps = { a }; } }", "map a is a part of itself"),
        ("smar { map a { file = x; } map a { file = y; } }", "'map a' is given twice"),
        ("smar { aliases { name = a; } }", "there is no map 'a'"),
        ("smar { access { } }", "no map is named"),
        ("qmgr { smtpc { initial_connections = 9; max_connections = 3; } }", "is above"),
        ("qmgr { min_retry = 5h; }", "min_retry is above max_retry"),
        ("smtpc { } smtpc { }", "'smtpc' is given twice, first in line 1"),
        ("log_level = 3;", "no option 'log_level'"),
        ("smtps { smtpc { } }", "no section 'smtpc' in smtps"),
        ("port = 25;", "no option 'port'"),
        ("smtps { user = \xff; }", "user may not be"),
    ],
)  # fmt: skip
def test_rules(text: str, fault: str) -> None:
    """Each of these breaks one rule, which is named."""
    assert any(fault in each for each in faults(text)), faults(text)


def test_several_servers() -> None:
    """Two smtps sections with names are two modules."""
    config = parse_config(
        b"smtps out { listen_socket { } } qmgr { restart_dependencies = { smtps, In }; }"
        b"smtps In { listen_socket { port = 587; } pass_fd_socket = smtps/in; }"
    )
    assert config.order == ("out", "qmgr", "In")
    assert [each.label for each in config.smtps] == ["out", "In"]
    assert config.module("In").listen_socket[0].port == 587


def test_bytes_that_are_no_text() -> None:
    """A byte that is not UTF-8 has its place too."""
    with pytest.raises(ConfigError, match="f:2:3: byte 0xff is not UTF-8"):
        parse_config(b"a\n  \xff", "f")


@pytest.mark.parametrize("path", ["/nonexistent/meta1.conf", "/", "a\0b"])
def test_files_that_cannot_be_read(path: str) -> None:
    """No file is a ConfigError like any other."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)


def test_too_large() -> None:
    """A file without end does not fill the memory."""
    with pytest.raises(ConfigError, match="more than"):
        load("/dev/zero")
    assert MAX_SIZE == 2**20


def test_shown_configuration_is_the_same() -> None:
    """What -VVVV prints can be used as a file and means the same."""
    config = load(TUTORIAL)
    again = parse_config(show(config).encode(), config.file)
    assert again == config
    assert "# default" in show(config)
    assert "# default" not in show(config, everything=False)


def sections(kind: type[Section] = Config) -> list[type[Section]]:
    found = [kind]
    for each in sections_of(kind):
        found += sections(each.section)
    return found


@pytest.mark.parametrize("kind", sorted(set(sections()), key=lambda each: each.__name__))
def test_defaults_are_right_and_read_back(kind: type[Section]) -> None:
    """Every default is a value that the option would accept, and reads back as itself."""
    for each in options_of(kind):
        shown = each.kind.show(each.default)
        if shown.startswith("# "):
            continue
        text = f"{each.spelling} = {shown};"
        from meta1.config.builder import Builder
        from meta1.config.parse import parse

        tree, faults = parse(text, "f")
        builder = Builder(faults)
        section = builder.build(kind, tree)
        assert not builder.faults, text
        assert getattr(section, each.attribute) == each.default, text
        assert each.meaning and not each.meaning.endswith(".")


def test_every_option_is_used() -> None:
    """What the file may say has an effect; the only exception says of itself that it has none."""
    package = Path(meta1.__file__).parent
    files = [each for each in package.rglob("*.py") if each.parent.name != "sections"]
    code = "".join(each.read_text() for each in files)
    options = {each.attribute for kind in sections() for each in options_of(kind)}
    unused = {each for each in options if not re.search(rf"\.{each}\b", code)}
    assert unused == {"wait_for_client"}


def test_no_two_names_differ_in_case_only() -> None:
    """Names are not case sensitive, so they must differ otherwise."""
    for kind in sections():
        names = [each.spelling.lower() for each in options_of(kind)]
        names += [each.keyword.lower() for each in sections_of(kind)]
        assert len(set(names)) == len(names), kind


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a configuration or a ConfigError, nothing else."""
    try:
        parse_config(data)
    except ConfigError as error:
        assert error.faults


_WORDS = st.sampled_from(
    [*"{}=;,", "smtps", "smar", "map", "x", "log_level", "25", '"a b"', "flags", "8bitmime", "tls",
     "listen_socket", "port", "nameserver", "::1", "auth", "aliases", "name", "type", "sequence",
     "maps", "5m", "policy_milter", "qmgr", "user", "{", "}", "=", ";", "\n",
     "restart_dependencies"]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=80))
def test_any_words(words: list[str]) -> None:
    """Any order of words of the language is a configuration or a ConfigError."""
    try:
        parse_config(" ".join(words).encode())
    except ConfigError as error:
        assert all(fault.place.line >= 1 for fault in error.faults)


@given(st.data())
def test_one_changed_byte(data: st.DataObject) -> None:
    """The tutorial's file with one byte changed, lost or added: understood or refused in order."""
    text = bytearray(TUTORIAL.read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        parse_config(bytes(text))
    except ConfigError as error:
        assert error.faults


def test_configuration_is_a_value() -> None:
    """Frozen: nobody changes it while others use it."""
    config = load(TUTORIAL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.queue_directory = "/tmp"  # type: ignore[misc]
