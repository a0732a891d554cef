"""Write meta1.access(5), or its tables for the book, from the tables of the access map."""

from __future__ import annotations

from collections.abc import Iterator

from meta1 import VERSION
from meta1.access_table import TAGS, VALUES
from meta1.roff import escape

_INTRODUCTION = """\
The access map says who may connect, who may send to whom, and who may relay. smtps asks it through
smar if it has the flag access. Without an entry nobody may relay, and everybody may send to
recipients of this server.
---
An entry is a tag, a colon and a key, blanks, and a value. Only the tags cltresolve and
smtpc_rcpt_conf are known from public documents on MeTA1; the others are ours.
---
The map is made by createmap(8), and its place is said in section access of meta1.conf(5);
access.db beside meta1.conf if nothing is said."""


def roff() -> Iterator[str]:
    """The manual page."""
    yield f'.TH META1.ACCESS 5 "" "MeTA1 {VERSION}" "MeTA1"'
    yield ".SH NAME\nmeta1.access \\- access map of MeTA1"
    yield ".SH DESCRIPTION"
    for paragraph in _INTRODUCTION.split("---\n"):
        yield ".PP\n" + escape(paragraph.strip())
    yield ".SH TAGS\nIn the order in which they are asked."
    for tag in TAGS.values():
        yield f".TP\n.BI {tag.name}: KEY"
        yield escape(f"{tag.meaning}. Key: {tag.keys}. Asked at {tag.stage.name}.")
        yield escape(f"Values: {', '.join(sorted(tag.values))}.")
    yield ".SH VALUES"
    for word, meaning in VALUES.items():
        yield f".TP\n.B {word}"
        yield escape(f"{meaning}.")
    yield ".SH EXAMPLE\n.nf"
    yield escape("cltaddr:10.1.2.3\trelay\ncltaddr:192.0.2\terror:550 5.7.1 not from there")
    yield escape("to:partner.example\trelay\ncertissuer:/C=DE/O=Lab+20CA/CN=ca\trelay")
    yield ".fi\n.SH SEE ALSO\n.BR createmap (8),\n.BR meta1.conf (5)"


def markdown() -> Iterator[str]:
    """The same as tables."""
    yield "## Tags of the access map\n"
    yield "| tag | key | values | stage | meaning |\n| --- | --- | --- | --- | --- |"
    for tag in TAGS.values():
        values = ", ".join(sorted(tag.values))
        yield f"| `{tag.name}:` | {tag.keys} | {values} | {tag.stage.name} | {tag.meaning} |"
    yield "\n## Values of the access map\n\n| value | meaning |\n| --- | --- |"
    for word, meaning in VALUES.items():
        yield f"| `{word}` | {meaning} |"
