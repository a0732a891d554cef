"""What the tests of the server core use."""

from receiver import SETTINGS

from meta1.smtp.server import ServerConnection
from meta1.smtp.settings import ServerSettings

ENVELOPE = ("EHLO c", "MAIL FROM:<a@lab.example>", "RCPT TO:<b@lab.example>")


def codes(data: bytes) -> list[int]:
    """Give the codes of last lines of replies."""
    return [int(line[:3]) for line in data.decode().splitlines() if line[3:4] == " "]


def greeted(config: ServerSettings = SETTINGS) -> ServerConnection:
    """Give a core that has said its banner and heard EHLO."""
    core = ServerConnection(config)
    core.greet()
    core.receive_data(b"EHLO c\r\n")
    core.bytes_to_send()
    return core
