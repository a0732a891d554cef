"""Ask the mail server about each recipient, as each kind of client; print the codes of its replies as JSON.

Reads {"clients": [...], "certificates": [...], "recipients": [...]} from standard input. Prints a list of
[client, certificate, recipient, code].
"""

import itertools
import json
import smtplib
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


# [context]
def context(certificate: str) -> ssl.SSLContext:
    """The client's side of TLS: it trusts our authority, and shows a certificate or none."""
    made = ssl.create_default_context(cafile="/etc/meta1/CA/cacert.pem")
    if certificate != "none":
        folder = Path.home() / certificate
        made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return made


# [/context]
# [ask]
def ask(client: str, certificate: str, recipients: list[str]) -> list[int]:
    """One session; the code of the reply to each RCPT, or of the greeting if that refuses."""
    try:
        server = smtplib.SMTP("mail.lab.example", timeout=60, source_address=(client, 0))
    except smtplib.SMTPConnectError as refused:
        return [refused.smtp_code] * len(recipients)
    with server:
        if certificate != "clear":
            server.starttls(context=context(certificate))
        server.ehlo("client.example")
        server.mail("someone@elsewhere.example")
        return [server.rcpt(each)[0] for each in recipients]


# [/ask]
def main() -> None:
    """Several sessions side by side, since most of the time is waiting."""
    wanted = json.load(sys.stdin)
    kinds = list(itertools.product(wanted["clients"], wanted["certificates"]))
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda kind: ask(kind[0], kind[1], wanted["recipients"]), kinds))
    rows = [
        [*kind, to, code]
        for kind, found in zip(kinds, codes, strict=True)
        for to, code in zip(wanted["recipients"], found, strict=True)
    ]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
