"""Pygments lexers for what a terminal shows: commands behind a prompt, and talks of two sides."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import ClassVar

from pygments.lexer import Lexer, RegexLexer, bygroups, do_insertions
from pygments.lexers.shell import BashLexer
from pygments.token import Comment, Generic, Keyword, Name, Text, _TokenType
from sphinx.application import Sphinx

HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
GOES_ON = re.compile(r"(\||&&|\\)\s*$")
INSIDE = re.compile(r"\s|#|(done|fi|esac|do|then|else|elif)\b|[})]")


def _is_open(text: str) -> bool:
    """Say whether the shell would wait for more lines after this text."""
    if GOES_ON.search(text.rstrip("\n")):
        return True
    try:
        shlex.split(text, comments=True)
    except ValueError:  # a quote is not closed yet
        return True
    return False


def command_starts(script: str) -> Iterator[int]:
    """Give the offset of every line that starts a command, as opposed to one that continues it."""
    offset, open_text, heredoc_end = 0, "", None
    for line in script.splitlines(keepends=True):
        if heredoc_end is not None:
            heredoc_end = None if line.strip() == heredoc_end else heredoc_end
        else:
            if not open_text and line.strip() and not INSIDE.match(line):
                yield offset
            open_text = open_text + line if _is_open(open_text + line) else ""
            heredoc = HEREDOC.search(line)
            heredoc_end = heredoc[2] if heredoc else None
            open_text = "" if heredoc else open_text
        offset += len(line)


class UserShellLexer(Lexer):  # type: ignore[misc]  # pygments has no types
    """Bash with a `$` before every command; a prompt is a token of its own, so no one copies it."""

    name = "Shell of the lab user"
    aliases: ClassVar = ["vm-user"]
    prompt = "$ "

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """Lex as bash and put prompts between the tokens."""
        prompts = [(start, [(0, Generic.Prompt, self.prompt)]) for start in command_starts(text)]
        yield from do_insertions(iter(prompts), BashLexer().get_tokens_unprocessed(text))


class RootShellLexer(UserShellLexer):
    """The same for the superuser, whose prompt is `#`."""

    name = "Shell of root"
    aliases: ClassVar = ["vm-root"]
    prompt = "# "


class DialogLexer(RegexLexer):  # type: ignore[misc]
    """A talk between client and server, one line each: `C: NOOP`, `S: 250 OK`."""

    name = "Dialog"
    aliases: ClassVar = ["dialog"]
    tokens: ClassVar = {
        "root": [
            (r"^(S:)(.*\n)", bygroups(Name.Tag, Text)),
            (r"^(C:)(.*\n)", bygroups(Keyword, Generic.Strong)),
            (r"^#.*\n", Comment.Single),
            (r".*\n", Text),
        ]
    }


def setup(app: Sphinx) -> None:
    """Make the lexers known to Sphinx by their first alias."""
    for lexer in (UserShellLexer, RootShellLexer, DialogLexer):
        app.add_lexer(lexer.aliases[0], lexer)
