"""Our client core and our server core: what one sends is what the other takes."""

from __future__ import annotations

import re

from fuzz.smtp_client import PEOPLE, mail_data, text
from fuzz.smtp_server import SETTINGS, Shell, expected_content
from fuzz.source import Source
from fuzz.target import must
from meta1.smtp import events as ev
from meta1.smtp.client import ClientConnection
from meta1.smtp.outgoing import NO_DSN, Outgoing
from meta1.smtp.syntax import NULL_PATH


def run(source: Source) -> None:
    """Some mails over one connection, cut anywhere, decided in any order."""
    settings = SETTINGS[source.choose((0, 0, 1, 2))]
    shell, client = Shell(settings, source), ClientConnection("c.example")
    contents = [text(source) for _ in range(1 + source.below(4))]
    people = [source.shuffled(PEOPLE)[: 1 + source.below(4)] for _ in contents]
    senders = [NULL_PATH if source.chance(4) else source.choose(PEOPLE) for _ in contents]
    results: dict[int, ev.Delivered] = {}
    wanted: list[int] = []
    to_client, rounds = shell.take(), 0
    while to_client and rounds < 500:
        rounds += 1
        for piece in source.cut(to_client, 4):
            for event in client.receive_data(piece):
                match event:
                    case ev.ServerReady(offered):
                        if "STARTTLS" in offered and source.chance(2):
                            client.start_tls()
                            continue
                        for sender, some in zip(senders, people, strict=True):
                            client.deliver(Outgoing(sender, tuple((one, NO_DSN) for one in some)))
                        client.quit()
                    case ev.TlsReady():
                        client.tls_started()
                    case ev.ContentWanted(number):
                        wanted.append(number - 1)
                        for part in source.cut(contents[number - 1], 3):
                            client.send_content(part)
                        client.end_content()
                    case ev.Delivered(number):
                        results[number - 1] = event
        to_client = b""
        for piece in source.cut(client.bytes_to_send(), 4):
            to_client += shell.feed(piece)
        before = len(shell.out)
        shell.settle()
        to_client += shell.out[before:]
    must(
        client.is_over and len(results) == len(contents),
        "the talk came to no end",
        rounds,
        shell.reason,
    )
    if shell.reason != "quit":
        return
    _compare(contents, wanted, results, shell, settings.max_message_size)


def _compare(
    contents: list[bytes],
    wanted: list[int],
    results: dict[int, ev.Delivered],
    shell: Shell,
    limit: int,
) -> None:
    """Each mail that the server asked for arrived as it was meant, or was refused by a rule."""
    mails = iter(shell.mails)
    for number in wanted:
        data = mail_data(contents[number])
        plain = expected_content(data[:-3], shell.settings)
        codes = {one.code for one, stage in zip(results[number].results, results[number].stages,
        strict=True)
                 if stage == "content"}  # fmt: skip
        if plain is None:
            must(min(codes) >= 500, "forbidden content was taken", contents[number], codes)
            continue
        mail = next(mails)
        must(mail.content == plain, "content changed on its way", contents[number], mail.content)
        lines = re.split(rb"\r\n|\r|\n", contents[number].removesuffix(b"\n").removesuffix(b"\r"))
        must(plain == b"" or plain.split(b"\r\n")[:-1] == lines, "lines changed", lines, plain)
        must(len(codes) == 1, "one answer, several verdicts", results[number])
    must(next(mails, None) is None, "a mail from nowhere")
