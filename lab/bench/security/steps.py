"""What a talk with the server is made of: the steps that proofs have in common."""

from __future__ import annotations

from collections.abc import Sequence

Step = Sequence[str | int | float]
"""A word of `programs/talk.py`, and what it is about."""

REPLY: Step = ("reply",)
EHLO: Step = ("say", "EHLO m.example\r\n")
INSIDE: tuple[Step, ...] = (
    REPLY,
    EHLO,
    REPLY,
    ("say", "STARTTLS\r\n"),
    REPLY,
    ("tls",),
    EHLO,
    REPLY,
)
"""Up to a session inside TLS that knows who speaks."""


def talked(*lines: str) -> list[Step]:
    """Say lines one after the other, each when the one before is answered."""
    return [step for line in lines for step in (("say", f"{line}\r\n"), REPLY)]
