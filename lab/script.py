"""Shell text: arguments put into it safely, and the number of the line at which a script failed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from shlex import quote

from lab.errors import LabError

# At a script's end bash names the line that failed, between two bytes that no text has. ERR sets
# it and EXIT prints it, since only then a redirection around the failing line is undone. No line
# end, so that bash counts as the reader does. A script with traps of its own loses only this.
TRAPS = (
    r"""trap 'LAB_LINE=$LINENO' ERR; """
    r"""trap '[ $? = 0 ] || printf "\036%s\036" $LAB_LINE' EXIT; """
)
NOTE = re.compile("\x1e([0-9]*)\x1e")
BEGUN = re.compile("\x1e[0-9]*")


def fill(command: str, args: tuple[object, ...]) -> str:
    """Put a shell-quoted argument in the place of each ``%s``; without any the text is literal."""
    if not args:
        return command
    values = iter(args)

    def value(found: re.Match[str]) -> str:
        match found[1]:
            case "s":
                return quote(str(next(values)))
            case "%":
                return "%"
        raise LabError(
            f"{found[0]!r} in {command!r}", "write %s for an argument and %% for a percent sign"
        )

    places = len(re.findall("%s", command.replace("%%", "")))
    if places != len(args):
        raise LabError(
            f"{command!r} has {places} %s for {len(args)} arguments", "give each %s one argument"
        )
    return re.sub("%(.?)", value, command, flags=re.DOTALL)


def guarded(text: str) -> str:
    """Command that runs the text, stops at the first failing line and tells `FailedLine`."""
    return f"bash -e -c {quote(TRAPS + text)}"


class FailedLine:
    """Takes bash's note out of a script's output; `number` is the line it names, 0 if none."""

    def __init__(self) -> None:
        self.number = 0

    def removed_from(self, pieces: Iterator[str]) -> Iterator[str]:
        """The same text without the note, which may come in pieces."""
        held = ""
        for piece in pieces:
            text = NOTE.sub(self._read, held + piece)
            begun = text.rfind("\x1e")
            held = text[begun:] if begun >= 0 and BEGUN.fullmatch(text, begun) else ""
            if text := text.removesuffix(held):
                yield text
        if held:
            yield held

    def _read(self, note: re.Match[str]) -> str:
        self.number = int(note[1] or 0)
        return ""
