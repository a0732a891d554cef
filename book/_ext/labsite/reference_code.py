"""What the source of MeTA1 says in literal form: SMTP replies and facts of the log.

The source is read as a syntax tree and never run, so that no library of MeTA1 need be installed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})?\Z")
TO_CLIENTS = ("smtp/reply.py", "smtp/server.py", "smtp/parameters.py", "smtp/engine.py")
"""The modules of the protocol that speak to those who connect."""
PROCESSES = {
    "mcp": ("mcp", "control"),
    "smtps": ("smtps", *TO_CLIENTS),
    "smtpc": ("smtpc", "smtp/"),
    "qmgr": ("qmgr", "queue/"),
    "smar": ("smar", "maps/", "access", "mx", "routing"),
    "smar, qmgr": ("route_log",),
    "every program": ("",),
}
"""Which process speaks, by how the path of a module begins; the first that fits."""


@dataclass(frozen=True, slots=True, order=True)
class Reply:
    """A reply: its code, its enhanced status code and its text, in which *words* stand for values."""

    code: int
    status: str
    text: str
    path: str


@dataclass(slots=True)
class Fact:
    """A kind of log line and the fields it may have."""

    name: str
    severity: str
    level: str
    meaning: str
    fields: dict[str, None] = field(default_factory=dict)
    processes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Saying:
    """A trouble or a note: what it is called, who logs it, with which fields."""

    kind: str
    what: str
    process: str
    fields: tuple[str, ...]


def sources(package: Path) -> Iterator[tuple[str, ast.Module]]:
    """All modules, by their path in the package."""
    for path in sorted(package.rglob("*.py")):
        yield path.relative_to(package).as_posix(), ast.parse(path.read_text())


def process_of(path: str) -> str:
    """The process in which a module runs."""
    return next(name for name, starts in PROCESSES.items() if path.startswith(starts))


# -- replies --------------------------------------------------------------------------------------


def replies(package: Path) -> list[Reply]:
    """Every reply in the source: wherever a code and an enhanced status code stand side by side."""
    found = set()
    for path, tree in sources(package):
        constants = _tuples(tree)
        for node in ast.walk(tree):
            for code, status, texts in _triples(_sequence(node)):
                lines = (_text(each, constants).strip() for each in texts)
                text = " / ".join(filter(None, lines))
                if text:
                    found.add(Reply(code, status, text, path))
    return sorted(found)


def _sequence(node: ast.AST) -> list[ast.expr]:
    """Values that stand in a row: arguments, elements, defaults of the fields of a class."""
    if isinstance(node, ast.Call):
        return node.args
    if isinstance(node, ast.Tuple):
        return node.elts
    if isinstance(node, ast.ClassDef):
        return [each.value for each in node.body if isinstance(each, ast.AnnAssign) and each.value]
    return []


def _triples(values: list[ast.expr]) -> Iterator[tuple[int, str, list[ast.expr]]]:
    for place, (first, second) in enumerate(pairwise(values)):
        match first, second:
            case ast.Constant(int(code)), ast.Constant(str(status)):
                if 200 <= code < 600 and STATUS.match(status):
                    yield code, status, _texts(values[place + 2 :])


def _texts(rest: list[ast.expr]) -> list[ast.expr]:
    """The lines of a reply: the first may be anything that makes text, more are literal."""
    return [each for at, each in enumerate(rest) if at == 0 or isinstance(each, ast.Constant)]


def _tuples(tree: ast.Module) -> dict[str, ast.Tuple]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Tuple):
            found[ast.unparse(node.target)] = node.value
    return found


def _text(node: ast.expr, constants: dict[str, ast.Tuple]) -> str:
    """A text as literal as it can be; the name of what is filled in stands between asterisks."""
    match node:
        case ast.Constant(value):
            return re.sub(r"\s+", " ", value) if isinstance(value, str) else ""
        case ast.JoinedStr(values):
            return "".join(_text(each, constants) for each in values)
        case ast.FormattedValue(value):
            return _text(value, constants)
        case ast.Subscript(ast.Name(name), ast.Constant(int(place))) if name in constants:
            return _text(constants[name].elts[place], constants)
        case ast.BoolOp(values=values):
            return " or ".join(_text(each, constants) for each in values)
        case ast.Call(ast.Name("str" | "_plain"), [argument]):
            return _text(argument, constants)
    words = re.findall(r"[A-Za-z][A-Za-z_]*", ast.unparse(node))
    plain = [word for word in words if word != "self"]
    return f"*{plain[-1].strip('_').replace('_', ' ')}*" if plain else ""


# -- the log --------------------------------------------------------------------------------------


def facts(package: Path) -> tuple[list[Fact], list[Saying]]:
    """Every fact with its fields, in the order of maillog.py; and every trouble and note."""
    known = {
        node.name: fact
        for node in ast.parse((package / "maillog.py").read_text()).body
        if isinstance(node, ast.FunctionDef) and (fact := _fact(node))
    }
    sayings: dict[tuple[str, str, str], dict[str, None]] = {}
    for path, tree in sources(package):
        process = process_of(path)
        for call, name in _calls(tree):
            extra = dict.fromkeys(_renamed(name, [each.arg for each in call.keywords if each.arg]))
            if saying := _saying(call, name):
                sayings.setdefault((*saying, process), {}).update(extra)
            elif name in known:
                known[name].fields.update(extra)
            if name in known:
                known[name].processes[process] = None
    table = [Saying(kind, what, process, tuple(f)) for (kind, what, process), f in sayings.items()]
    return [each for name, each in known.items() if name != "note"], sorted(table)


def _saying(call: ast.Call, name: str) -> tuple[str, str] | None:
    """The kind and the name of what is logged under a name of its own."""
    if name == "fact":
        return "note", _text(call.args[2], {})
    return (name, _text(call.args[0], {})) if name in ("trouble", "note", "broken") else None


def _renamed(name: str, fields: list[str]) -> list[str]:
    """Arguments of a fact's function become fields; some have another name in the line."""
    names = {"subject": "cert_subject", "issuer": "cert_issuer"} if name == "tls_started" else {}
    return [names.get(each, each) for each in fields if each not in ("expected", "session_id")]


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name("maillog"), name)):
                yield node, name


def _fact(function: ast.FunctionDef) -> Fact | None:
    """The fact that a function of maillog.py writes, with the fields it names itself."""
    choices: dict[str, list[str]] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(
                [ast.Tuple(targets)], ast.IfExp(body=ast.Tuple(yes), orelse=ast.Tuple(no))
            ):
                for target, first, second in zip(targets, yes, no, strict=True):
                    choices[ast.unparse(target)] = [ast.unparse(first), ast.unparse(second)]
    for node in ast.walk(function):
        match node:
            case ast.Call(ast.Name("fact"), [severity, level, what, *_], keywords):
                shown = [
                    " or ".join(choices.get(ast.unparse(each), [ast.unparse(each)]))
                    for each in (severity, level)
                ]
                name = what.value if isinstance(what, ast.Constant) else "(its name)"
                meaning = (ast.get_docstring(function) or "").split("\n")[0]
                fields = dict.fromkeys(each.arg for each in keywords if each.arg)
                return Fact(str(name), shown[0].lower(), shown[1], meaning, fields)
    return None
