"""The path of one message, drawn from the log: who said what about it, in the order of cause and effect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.pictures import svg

LINE = re.compile(r"^\S+ \S+ (?P<program>[\w/]+)\[\d+\]: (?P<text>.*)$")
FIELD = re.compile(r'(?P<name>\w+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>\S*))')
DELIVERED = re.compile(r"Delivered: (?P<message_id><[^>]*>) to mailbox: (?P<mailbox>\S+)")
CLIENT, LMTP = "client", "cyrus/lmtpunix"
# Who does not wait for another may be heard before or after it: so the order is that of the facts,
# and the same fact about several recipients goes by name.
ORDER = ("starttls", "received", "routed", "Delivered", "handed_over", "attempted", "finished")
DOT_STYLE = f"""\
  bgcolor="transparent"; rankdir="LR"; nodesep=0.5; ranksep=1.1;
{svg.NODES}  edge [color="#767676", fontcolor="#767676", fontname="sans-serif", fontsize=11];
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A fact from the log: `program` said it, and it passed from `source` to `target`."""

    program: str
    fact: str
    source: str
    target: str
    detail: str = ""


def steps(log: str, ident: str, message_id: str = "") -> list[Step]:
    """Find what the log says about a message: by its id, that of its session, and its Message-ID."""
    lines = [match for line in log.splitlines() if (match := LINE.match(line))]
    mine = [one for one in lines if one["text"].startswith(f"{ident} ")]
    sessions = [_fields(one["text"]).get("session", "") for one in mine]
    session = next(filter(None, sessions), "")
    found = [_ours(one["program"], one["text"]) for one in mine]
    found += [_session(one["program"], one["text"], session) for one in lines]
    found += [_cyrus(one["text"], message_id) for one in lines]
    known = dict.fromkeys(step for step in found if step)
    return sorted(known, key=lambda step: (ORDER.index(step.fact), step.source, step.detail))


def picture(path: Sequence[Step]) -> str:
    """Draw the steps as SVG, by Graphviz."""
    return svg.drawn(dot(path), f"Path of a message through {', '.join(_nodes(path))}")


def dot(path: Sequence[Step]) -> str:
    """Write the picture in Graphviz's language: programs are boxes, steps are numbered arrows."""
    lines = [f'  "{_escaped(name)}";' for name in _nodes(path)]
    for number, step in enumerate(path, 1):
        words = f"{number} {step.fact}" + (f"\\n{_escaped(step.detail)}" if step.detail else "")
        lines.append(f'  "{_escaped(step.source)}" -> "{_escaped(step.target)}" [label="{words}"];')
    return "digraph path {\n" + DOT_STYLE + "\n".join(lines) + "\n}\n"


def _ours(program: str, text: str) -> Step | None:
    """A line of a program of MeTA1 about the message itself."""
    _, fact, *_ = f"{text} ".split(" ", 2)
    said = _fields(text)
    host = LMTP if said.get("host", "").startswith("lmtp") else said.get("host", "")
    match fact:
        case "received":
            return Step(program, fact, "smtps", "qmgr", f"recipients={said.get('recipients')}")
        case "routed":
            return Step(program, fact, "smar", "qmgr", f"to {host or 'nowhere'}")
        case "handed_over":
            return Step(program, fact, host, "smtpc", f"code {said.get('code')}")
        case "attempted":
            source = "smtpc" if host else "smar"
            return Step(program, fact, source, "qmgr", f"{said.get('to')}\n{said.get('outcome')}")
        case "finished":
            return Step(program, fact, "qmgr", "qmgr")
    return None


def _session(program: str, text: str, session: str) -> Step | None:
    """The line that tells of TLS, under the id of the session."""
    if not session or not text.startswith(f"{session} starttls "):
        return None
    return Step(program, "starttls", CLIENT, "smtps", _fields(text).get("version", ""))


def _cyrus(text: str, message_id: str) -> Step | None:
    """A line of Cyrus, which knows no id of ours."""
    found = DELIVERED.search(text)
    if not found or not message_id or found["message_id"] != message_id:
        return None
    return Step(LMTP, "Delivered", "smtpc", LMTP, found["mailbox"])


def _fields(text: str) -> dict[str, str]:
    return {f["name"]: f["quoted"] or f["plain"] or "" for f in FIELD.finditer(text)}


def _nodes(path: Iterable[Step]) -> list[str]:
    """All that take part, in the order in which they do."""
    return list(dict.fromkeys(name for step in path for name in (step.source, step.target)))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
