"""What maps say: servers that answer anything, and values that nobody meant."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fuzz.dns_lies import Table
from fuzz.source import Source
from fuzz.target import Run, must
from meta1 import aliases, maillog
from meta1.access import decide
from meta1.codec import decode_payload, encode_frame
from meta1.maps.base import NO_MORE, NOT_FOUND, Answer, MapFailure, MapRefusal, Status
from meta1.maps.netstring import BadNetstring, answer_of, encode, take
from meta1.maps.socketmap import MAX_CONNECTIONS, Place, SocketMap
from meta1.messages import CheckAccess, Client, Message, Stage, Transport, Verdict
from meta1.mx import Exchangers
from meta1.queue.envelope import Outcome
from meta1.routing import Lookup, Routing, Rules
from meta1.smtp.reply import reply
from meta1.smtp.syntax import parse_mailbox

WORDS = (
    b"OK",
    b"OK",
    b"OK",
    b"NOTFOUND",
    b"NOMORE",
    b"TEMP",
    b"TIMEOUT",
    b"PERM",
    b"ok",
    b"WHAT",
    b"",
    b"OK\0",
    b"\xff",
)
MARKS = (b":", b",", b"0", b"9", b"99999", b"-1", b" ", b"\0", b"+1", b"1_0", b"\xd9\xa1:")
VALUES = (
    "relay", "reject", "ok", "discard", "cont", "error:550 5.7.1 no", "error:450", "error:999 x",
    "quick:reject",
    "error:451 5.7.1 x", "error:4\u0663\u0663 4.\u0663.\u0663 x", "error:550 5.1.1 a\r\n250 b",
    "error:550 ${helo}",
    "quick:quick:ok", "quick:", "subject", "from:x", "from:", "RELAY ", "\u212a",
    "error:550 5.\u0661.1 x", "a@lab.example",
    "a, b,c", "a b@x.example", "|/bin/sh", '"|x"', "/etc/passwd", ":include:/x",
    '"a\r\nb"@x.example', "a\0b@x.example",
    "root", "\\root", "<a@b.example>", "a@b@c", "x" * 70 + "@lab.example", "\u00fc@lab.example",
    "a@" + "b." * 200, ",,,",
    "a" * 65000, '"a', "@", "@x", "x@", "smtp:[127.0.0.1]:2525", "lmtp:/x", "lmtp:",
    "smtp:host.example:99999",
    "host.example:0", "[::1]:25", "[IPv6:::1]", "smtp:", "error:", "error:550 5.1.2 gone",
    "error:5\u0661\u0661 5.1.1 x",
    "host.example:\u0661\u0662", "[x", "]", "local:\r\n", "lmtp:a\nb", "host.example\r\n",
    "[127.0.0.1]\0", "..", "-",
    "a.example:65535", "error:450 4.1.1 later", "[fe80::1%eth0]", "lmtp:" + "p" * 65000, "\x85",
    "\u2028a@b.example",
)  # fmt: skip


# ---- the protocol alone --------------------------------------------------------------------


def run_netstring(source: Source) -> None:
    """Whole and byte by byte a stream gives the same payloads, or is refused."""
    stream = b"".join(
        [encode(source.choose(WORDS) + b" " + source.noise(source.below(6))) for _ in range(3)]
    )
    if source.chance(2):
        stream = source.damaged(stream, MARKS)
    one, two = (
        _payloads([stream]),
        _payloads([stream[place : place + 1] for place in range(len(stream))]),
    )
    must(one == two, "payloads depend on the cutting", stream, one, two)
    position = 0
    for payload in one[0]:
        must(stream.startswith(encode(payload), position), "no netstring", stream, payload)
        position += len(encode(payload))
        _same_as_reference(payload)


def _payloads(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """All payloads of a stream, and whether it ended in something that is none."""
    buffer, found = bytearray(), []
    try:
        for piece in pieces:
            buffer += piece
            while (payload := take(buffer)) is not None:
                found.append(payload)
    except BadNetstring:
        return found, True
    return found, False


def _same_as_reference(payload: bytes) -> Answer | None:
    """Read a reply; a status word counts only if it is one exactly."""
    word, _, rest = payload.partition(b" ")
    try:
        answer = answer_of(payload)
    except (MapFailure, MapRefusal, BadNetstring) as error:
        kind = {b"TEMP": MapFailure, b"TIMEOUT": MapFailure, b"PERM": MapRefusal}.get(
            word, BadNetstring
        )
        must(type(error) is kind, "another failure", payload, error)
        return None
    wanted = {
        b"OK": Answer(Status.OK, rest.decode("utf-8", "backslashreplace")), b"NOTFOUND": NOT_FOUND,
        b"NOMORE": NO_MORE,
    }  # fmt: skip
    must(answer == wanted.get(word), "another answer", payload, answer)
    return answer


# ---- a server ------------------------------------------------------------------------------


class _Server:
    """Answers each request with what was prepared; None hangs up, no bytes are silence."""

    def __init__(self) -> None:
        """Be polite at first."""
        self.said: bytes | None = encode(b"OK x")
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.open += 1
        try:
            while await reader.read(4096):
                if self.said is None:
                    break
                writer.write(self.said)
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.close()


@contextmanager
def open_socket_map(box: Path) -> Iterator[Run]:
    """A real socket map, and a server that lies."""
    maillog._log.level = -1
    with asyncio.Runner() as runner:
        server = _Server()
        listener = runner.run(asyncio.start_unix_server(server.serve, box / "s"))
        table = SocketMap("users", Place(path=str(box / "s")), "userdb", 0.4)

        async def talk(source: Source) -> None:
            payload = source.choose(WORDS) + source.choose(
                (b"", b" ", b" v", b" " + source.noise(9), b" " + b"x" * 70000)
            )
            good = encode(payload)
            server.said = source.choose(
                (good, good, good, good + good, source.damaged(good, MARKS), None)
            )
            if source.chance(200):
                server.said = source.choose((b"", b"5", b"5:OK x", b"x" * 200_000))
            keys = [
                source.choose(("k", "\udc80", "a b", "x" * 5000, "\0", "ü"))
                for _ in range(source.choose((1, 1, 3, 20)))
            ]
            results = await asyncio.gather(*map(table.lookup, keys), return_exceptions=True)
            for result in results:
                must(
                    isinstance(result, Answer | MapFailure | MapRefusal),
                    "another end of a lookup",
                    result,
                )
                if isinstance(result, Answer) and server.said == good:
                    must(result == _same_as_reference(payload), "another answer", payload, result)
            if server.said == good + good:
                # The second one would be the answer to the next question.
                must(
                    all(isinstance(one, MapFailure) for one in results), "two replies pass", results
                )
            must(server.open <= MAX_CONNECTIONS + 1, "too many connections", server.open)
            server.said = encode(b"OK fine")
            table.close()
            for _ in range(5):  # a busy machine may be too slow for our short patience
                with suppress(MapFailure):
                    must((await table.lookup("k")).value == "fine", "a lie is remembered")
                    return
            must(False, "the map fails for good")

        yield lambda source: runner.run(talk(source))
        table.close()
        listener.close()


# ---- values --------------------------------------------------------------------------------


class _Liar:
    """A map that knows every key, or none, or fails."""

    name = "liar"

    def __init__(self, source: Source, values: tuple[str, ...]) -> None:
        """Say some of these."""
        self._source = source
        self._values = values
        self._said: dict[str, Answer | Exception] = {}

    async def lookup(self, key: str) -> Answer:
        """The same for the same key."""
        if key not in self._said:
            self._said[key] = self._make()
        found = self._said[key]
        if isinstance(found, Exception):
            raise found
        return found

    def _make(self) -> Answer | Exception:
        source = self._source
        match source.below(12):
            case 0:
                return MapFailure("x\r\ny\0")
            case 1:
                return MapRefusal("\u00fc\r\n")
            case 2:
                return NO_MORE
            case 3 | 4 | 5:
                return NOT_FOUND
        text = source.choose(self._values)
        if source.chance(6):
            text = source.damaged(
                text.encode()[:2000], (b":", b",", b'"', b"\r\n", b"\0", b"@", b"\xc2\xb2")
            ).decode("utf-8", "backslashreplace")
        return Answer(Status.OK, text)

    def close(self) -> None:
        """Nothing to close."""


ADDRESSES = (
    "a@lab.example", "postmaster", '"a b"@lab.example', "owner-a@lab.example", "x+y@x.example",
    "u@[127.0.0.1]",
    "u@sub.x.example", "a@[IPv6:::1]", '"a@b"@lab.example', "+@lab.example", "a%b@x.example",
)  # fmt: skip


def _crosses(message: Message) -> None:
    """The peer takes a message as it was; otherwise it would cut the connection."""
    must(decode_payload(encode_frame([message])[4:]) == [message], "the peer would refuse", message)


async def _values(source: Source) -> None:
    """Routes and access by a map that lies."""
    liar = _Liar(source, VALUES)
    everything = frozenset({"localpart", "full_address", "domain", "subdomains"})
    rules = Rules(
        "mail.lab.example", frozenset({"lab.example"}), "/lmtp", 25, "+", aliases.Limits(4, 50),
        Lookup(liar, everything), Lookup(liar, everything) if source.chance(2) else None,
        Lookup(liar, everything),
    )  # fmt: skip
    routing = Routing(rules, Exchangers(Table(), frozenset({"mail.lab.example"})))
    route = await routing.resolve(1, source.choose(ADDRESSES))
    _crosses(route)
    must((route.outcome is Outcome.DELIVERED) == bool(route.targets), "a route and no route", route)
    must(route.targets or 400 <= route.code < 600, "a failure without a code", route)
    must(route.enhanced_code.isascii(), "a status that is none", route)
    for target in route.targets:
        must(
            parse_mailbox(target.forward_path) is not None,
            "an address that SMTP does not know",
            target,
        )
        must(
            not target.reverse_path or parse_mailbox(target.reverse_path) is not None,
            "an owner that is none",
            target,
        )
        for host in target.next_hop.hosts:
            is_port = 0 < host.port < 65536 or target.next_hop.transport is Transport.LMTP
            must(is_port, "a port that is none", host)
    facts = _Facts(liar, routing)
    client = Client(
        "192.0.2.1", "c.example", "OK", "helo\u00fc", cert_issuer="/C=x", tls_verify="OK"
    )
    check = CheckAccess(
        1,
        source.choose(tuple(Stage)),
        client,
        source.choose(("<>", "a@b.example")),
        "a@lab.example",
    )
    answer = await decide(facts, check)
    _crosses(answer)
    reply(answer.code, answer.enhanced_code, answer.text).encode()
    if answer.verdict in (Verdict.REFUSE, Verdict.TRY_LATER):
        must(
            answer.code // 100 == (5 if answer.verdict is Verdict.REFUSE else 4),
            "verdict and code differ",
            answer,
        )
        must(str(answer.code)[0] == answer.enhanced_code[0], "code and status differ", answer)


class _Facts:
    """As smar has them."""

    def __init__(self, liar: _Liar, routing: Routing) -> None:
        """Ask these."""
        self.lookup = liar.lookup
        self.is_local = routing.is_local
        self.user_exists = routing.user_exists


@contextmanager
def open_values(box: Path) -> Iterator[Run]:
    """One loop for all."""
    with asyncio.Runner() as runner:
        yield lambda source: runner.run(_values(source))
