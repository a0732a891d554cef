"""Send mail through SESSIONS connections at once, MESSAGES in all; print how long it took, as JSON.

Each session has an address of its own below 127.0.3.0, since a server limits sessions per client.
"""

import json
import smtplib
import sys
import threading
import time

LETTER = "Subject: load\r\n\r\nOne of many.\r\n"


def session(number: int, count: int, took: list[float]) -> None:
    """Be one client that sends some mails one after the other; note the seconds of each."""
    address = (f"127.0.3.{number}", 0)
    with smtplib.SMTP("127.0.0.1", 25, "load.lab.example", 120, address) as smtp:
        for _ in range(count):
            began = time.monotonic()
            smtp.sendmail("load@partner.example", ["alice@lab.example"], LETTER)
            took.append(time.monotonic() - began)


def main() -> None:
    """Read the two numbers, run the sessions, print the figures."""
    sessions, messages = int(sys.argv[1]), int(sys.argv[2])
    took: list[float] = []
    each = max(1, messages // sessions)
    clients = [
        threading.Thread(target=session, args=(number, each, took))
        for number in range(1, sessions + 1)
    ]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    seconds = time.monotonic() - began
    print(json.dumps({"sessions": sessions, "seconds": seconds, "took": took}))


if __name__ == "__main__":
    main()
