"""On the machine: name server and mail servers that say whatever they are told to say, and note what they hear.

liar.py FOLDER reads FOLDER/script.json:

    {"names": {"name type": [record, ...]}, "servers": {"port": {"greeting": text, "EHLO": text, ...}}}

Records are presentation text of DNS. A server answers a verb by its text (latin-1, sent as it stands; "" is
silence), any other by `250 ok`; `STARTTLS` may have more behind the 220 than a server ever says; inside TLS
`tls EHLO` counts before `EHLO`; `late` is sent between the 220 and the handshake. What is heard is added to
FOLDER/heard as it comes, lines of JSON: [port, line].
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

HOST = "127.0.0.7"
DNS_PORT = 5300
SILENCE = 2.0
"""Seconds after which a client that waits for an answer is left."""
LOCK = threading.Lock()


class Server:
    """One port and what is said there."""

    def __init__(self, folder: Path, port: int, says: dict[str, str]) -> None:
        self.folder, self.port, self.says = folder, port, says
        self.listener = socket.create_server((HOST, port), backlog=50)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Take connections."""
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client: socket.socket) -> None:
        """One connection."""
        with client, contextlib.suppress(OSError, TimeoutError):
            client.settimeout(60)
            self.dialog(client)

    def hear(self, line: str) -> None:
        """Note a line."""
        with LOCK, (self.folder / "heard").open("a") as notes:
            notes.write(json.dumps([self.port, line]) + "\n")

    def dialog(self, client: socket.socket) -> None:
        """Answer line by line; content is one line, up to the dot."""
        client.sendall(self.says.get("greeting", "220 liar ESMTP\r\n").encode("latin-1"))
        data, ends, mode = b"", b"\r\n", ""
        while True:
            while ends not in data:
                piece = client.recv(65536)
                if not piece:
                    return
                data += piece
            line, _, data = data.partition(ends)
            self.hear(mode + line.decode("latin-1"))
            verb = "." if ends != b"\r\n" else line[:8].split(b" ")[0].decode("latin-1").upper()
            ends = b"\r\n"
            said = self.says.get(
                f"{mode}{verb}", self.says.get(verb, DEFAULTS.get(verb, "250 ok\r\n"))
            )
            if not said:
                client.settimeout(SILENCE)
            client.sendall(said.encode("latin-1"))
            if verb == "DATA" and said.startswith("354"):
                ends = b"\r\n.\r\n"
            elif verb == "STARTTLS" and said.startswith("220"):
                if late := self.says.get("late"):
                    time.sleep(0.3)
                    client.sendall(late.encode("latin-1"))
                client, data, mode = self.secure(client), b"", "tls "
                client.settimeout(SILENCE)
                self.hear("(TLS)")
            elif verb == "QUIT":
                return

    def secure(self, client: socket.socket) -> socket.socket:
        """The server's side of a handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        return context.wrap_socket(client, server_side=True)


DEFAULTS = {
    "EHLO": "250-liar\r\n250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n",
    "STARTTLS": "220 go\r\n",
    "DATA": "354 go\r\n",
    "QUIT": "221 bye\r\n",
}


Names = dict[tuple[dns.name.Name, str], list[str]]


def answer(asked: bytes, names: Names) -> bytes:
    """One question of DNS: the records of the script, or no such name."""
    query = dns.message.from_wire(asked)
    question = query.question[0]
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA | dns.flags.RA
    kind = dns.rdatatype.to_text(question.rdtype)
    if records := names.get((question.name, kind)):
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
    else:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return bytes(reply.to_wire())


def main(folder: Path) -> None:
    """Serve until killed."""
    script = json.loads((folder / "script.json").read_text())
    for port, says in script["servers"].items():
        Server(folder, int(port), says)
    keys = {key: key.rpartition(" ") for key in script["names"]}
    names = {
        (dns.name.from_text(keys[key][0]), keys[key][2]): each
        for key, each in script["names"].items()
    }
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, DNS_PORT))
        (folder / "ready").write_text(str(time.time()))
        while True:
            asked, client = server.recvfrom(4096)
            with contextlib.suppress(Exception):
                server.sendto(answer(asked, names), client)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
