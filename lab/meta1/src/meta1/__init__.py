"""MeTA1: a mail transfer agent in five small processes.

An independent implementation written from public documentation; it shares no code with the
MeTA1 of Claus Aßmann, whose names and behaviour it follows.
"""

VERSION = "0.1.0"
PRODUCT = f"MeTA1.{VERSION}"
"""What the SMTP banner and the Received: header call this server."""
