"""Programs that read mailboxes, against what was sent; and two sessions by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lab.bench.interop.orders import CA, LOGIN, SERVER
from lab.bench.interop.verdict import Feature, Verdict, held, no, unchanged
from lab.bench.interop.world import TOP, World
from lab.check import soon

PACKAGES = ("isync", "fetchmail")
FEATURES = (
    Feature(
        "messages",
        "each is as it was sent to MeTA1, octet by octet, but for the line ends of files",
    ),
)
FOLDER = f"{TOP}/read"
BY_HAND = (
    Feature("BDAT", "refused by 500 or 502, the session goes on, and mail by DATA arrives"),
    Feature(
        "Thunderbird",
        "EHLO with an address, STARTTLS, EHLO, AUTH, BODY=8BITMIME and SIZE: all taken",
    ),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """A program that fetches all of Alice's INBOX into the folder `FOLDER`/name; `adds` is what it puts in."""

    name: str
    version: str
    script: str
    adds: str = ""


_MBSYNC = f"""
IMAPAccount lab
Host {SERVER}
User alice
PassCmd "cat {LOGIN}"
SSLType IMAPS
CertificateFile {CA}

IMAPStore far
Account lab

MaildirStore near
Path {FOLDER}/mbsync/
Inbox {FOLDER}/mbsync/inbox

Channel all
Far :far:INBOX
Near :near:
Create Near
Sync Pull
SyncState *
"""
READERS = (
    Reader("imaplib", "python3 --version", ""),
    Reader(
        "curl", "curl --version | head -1 | cut -d ' ' -f 1,2",
        f'n=$(curl --silent --cacert {CA} --user "alice:$(cat {LOGIN})" -X "STATUS INBOX (MESSAGES)" imaps://{SERVER}'
        " | tr -dc 0-9) && "
        f'curl --silent --show-error --cacert {CA} --user "alice:$(cat {LOGIN})"'
        f' "imaps://{SERVER}/INBOX;MAILINDEX=[1-$n]" --output "{FOLDER}/curl/#1"',
    ),
    Reader(
        "mbsync", "mbsync --version",
        f"printf '%s' '{_MBSYNC}' > {FOLDER}/mbsyncrc && mbsync --quiet --config {FOLDER}/mbsyncrc all"
        f" && find {FOLDER}/mbsync/inbox -type f -exec sed -i '/^X-TUID: /d' {{}} +",
        adds="X-TUID:",
    ),
    Reader(
        "fetchmail", "fetchmail --version | grep -o '[0-9][0-9.]*' | head -1",
        f"umask 077; printf 'poll {SERVER} protocol imap user alice password \"%s\" is lab here ssl sslcertck"
        f" sslcertfile {CA} keep fetchall no rewrite pass8bits mda \"{TOP}/keep.sh {FOLDER}/fetchmail\"\\n'"
        f' "$(cat {LOGIN})" > ~/.fetchmailrc-interop'
        " && fetchmail --silent --invisible --fetchmailrc ~/.fetchmailrc-interop --pidfile ~/.fetchmail-interop.pid",
    ),
)  # fmt: skip


def read(
    world: World, readers: Sequence[Reader], idents: Sequence[str]
) -> dict[str, dict[str, Verdict]]:
    """Let all programs read what came with these identities."""
    found = {}
    world.vm.run(f"rm -rf {FOLDER} && mkdir -p {FOLDER}")
    for reader in readers:
        folder = f"{FOLDER}/{reader.name}"
        world.vm.run("mkdir -p %s", folder)
        done = world.vm.run(reader.script or "true", check=False, timeout=200)
        stored = world.files(folder) if reader.script else world.mailbox()
        verdict = unchanged(stored, idents)
        if not done.ok and verdict.holds is False:
            verdict = no(f"exit {done.code}: {(done.stderr + done.stdout)[-150:]}")
        elif verdict.holds and reader.adds:
            verdict = held(True, f"{verdict.note}, but for its {reader.adds}", "")
        found[reader.name] = {"messages": verdict}
    return found


def by_hand(world: World) -> dict[str, Verdict]:
    """The two sessions of programs/byhand.py."""
    said = {}
    for what, content in (("bdat", "plain"), ("thunderbird", "8bit")):
        path = world.message(content, f"hand.{what}", "alice@lab.example")
        said[what] = json.loads(world.vm.run("python3 %s/byhand.py %s %s", TOP, what, path).stdout)
    found = soon(world.mailbox, lambda f: "hand.bdat" in f and "hand.thunderbird" in f)
    codes = {what: [int(line[:3]) for line in lines] for what, lines in said.items()}
    arrived = {what: unchanged(found, [f"hand.{what}"]).holds for what in said}
    refused, after = codes["bdat"][4], codes["bdat"][6:]
    return {
        "BDAT": held(
            refused in (500, 502) and after == [250, 250, 250, 354, 250, 221] and bool(arrived["bdat"]),
            f"refused: {said['bdat'][4]}", f"{said['bdat']}",
        ),
        "Thunderbird": held(
            codes["thunderbird"] == [220, 250, 220, 250, 334, 235, 250, 250, 354, 250, 221]
            and bool(arrived["thunderbird"]),
            "yes", f"{said['thunderbird']}",
        ),
    }  # fmt: skip
