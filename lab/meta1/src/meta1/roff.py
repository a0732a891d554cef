"""Text for manual pages."""

from __future__ import annotations


def escape(text: str) -> str:
    """Text in which roff takes nothing for its own."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))
