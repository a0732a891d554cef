"""The table of all targets; a new one is an entry here."""

from __future__ import annotations

from typing import Final

from fuzz import (
    configuration,
    dns_lies,
    frames,
    live,
    map_files,
    maps,
    queue_files,
    smtp_client,
    smtp_pair,
    smtp_server,
)
from fuzz.target import Target, pure

_ALL: Final = (
    Target(
        "smtp-server",
        feeds=(
            "the server core: SMTP dialogs with bent commands, orders, line ends and ends of "
            "data, cut anywhere"
        ),
        holds=(
            "replies by RFC 5321, one a line and in order; mail byte for byte as sent by the "
            "rules, or refused; no cutting changes anything"
        ),
        open=pure(smtp_server.run),
        short=1500,
        full=1_000_000,
    ),
    Target(
        "live",
        feeds=(
            "the SMTP port of the real processes: the dialogs of smtp-server over TCP, half "
            "closed, reset or left alone"
        ),
        holds=(
            "replies by RFC 5321; each mail answered with 250 arrives once, a good one "
            "unchanged; no process ends, grows or keeps descriptors"
        ),
        open=live.open_live,
        short=60,
        full=20_000,
        alarm=60,
        is_single=True,
    ),
    Target(
        "smtp-client",
        feeds="the client core: SMTP and LMTP replies of servers that say anything",
        holds=(
            "one verdict a recipient, success only if the server said so; commands of "
            "printable ASCII; mail data by RFC 5321"
        ),
        open=pure(smtp_client.run),
        short=600,
        full=50_000,
    ),
    Target(
        "smtp-pair",
        feeds="any content, from our client core to our server core, cut anywhere",
        holds="what arrives is what was sent, or both know that it was refused",
        open=pure(smtp_pair.run),
        short=300,
        full=20_000,
    ),
    Target(
        "frames",
        feeds="the codec between processes: frames of all messages, bent as bytes and as JSON",
        holds=(
            "what was sent comes back; all else is refused, or is a right message without line ends"
        ),
        open=pure(frames.run),
        short=1500,
        full=100_000,
    ),
    Target(
        "channel",
        feeds="a channel: peers without Hello, with another version, with noise",
        holds="nothing is heard before Hello or behind the end; the owner hears of the end once",
        open=frames.open_channel,
        short=1000,
        full=50_000,
    ),
    Target(
        "netstrings",
        feeds="replies of socket maps as bytes",
        holds="the same whole and byte by byte; only the status words of the protocol count",
        open=pure(maps.run_netstring),
        short=1500,
        full=100_000,
    ),
    Target(
        "socket-map",
        feeds="a socket map's server that lies, hangs up, floods or says nothing",
        holds="an answer or a failure in time; few connections; a lie is not remembered",
        open=maps.open_socket_map,
        short=150,
        full=10_000,
    ),
    Target(
        "map-values",
        feeds="values of the access map, of aliases and of the mailer table that make no sense",
        holds=(
            "an answer that the asking process takes; addresses that SMTP knows, ports that "
            "exist, codes that agree"
        ),
        open=maps.open_values,
        short=1500,
        full=100_000,
    ),
    Target(
        "map-files",
        feeds="Berkeley DB files with damaged heads, tables, pages and ends",
        holds="an answer or a failure; the reader lives, and does so in 1 GiB",
        open=map_files.open_files,
        short=24,
        full=1_000,
        alarm=60,
    ),
    Target(
        "dns",
        feeds=(
            "DNS packets over UDP and TCP: odd records, bent packets, forged answers, "
            "silence; ten chains of questions an input"
        ),
        holds="hosts with names and addresses, or a failure; a forged packet is never believed",
        open=dns_lies.open_dns,
        short=20,
        full=300,
    ),
    Target(
        "configuration",
        feeds="configuration files made from the declarations, with wrong values and bent bytes",
        holds=(
            "a configuration that is read back as shown, or faults that all say file:line:column"
        ),
        open=pure(configuration.run),
        short=800,
        full=20_000,
    ),
    Target(
        "journal",
        feeds="segments of the journal with damage, or with old blocks in them",
        holds="the first records, as they were written; no record that nobody wrote",
        open=queue_files.open_journal,
        short=200,
        full=10_000,
    ),
    Target(
        "records",
        feeds="records of the journal with right checksums and any meaning",
        holds=(
            "a queue that can be written down and read again; what makes no sense is left out"
            " as a whole"
        ),
        open=pure(queue_files.run_replay),
        short=1500,
        full=100_000,
    ),
    Target(
        "content",
        feeds="records of the content database with damage, and places that are none",
        holds="damaged content does not pass for whole",
        open=queue_files.open_content,
        short=500,
        full=50_000,
    ),
    Target(
        "defedb",
        feeds="the SQLite file of deferred mail, damaged as bytes or by rows of other types",
        holds="sound rows, or the one error that says so",
        open=queue_files.open_defedb,
        short=300,
        full=5_000,
    ),
)
TARGETS: Final = {target.name: target for target in _ALL}
