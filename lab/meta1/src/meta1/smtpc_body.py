"""What goes out behind DATA: prologue, content from the CDB, epilogue, piece by piece."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from meta1.messages import Deliver
from meta1.queue.content_file import HEADER, ContentFile
from meta1.queue.envelope import Content

PIECE: Final = 128 * 1024


class ContentLost(Exception):
    """The content is not in the CDB, or not as it was written."""


class Body:
    """Reads one message; opened for each attempt and checked before the first command."""

    def __init__(self, directory: Path, delivery: Deliver) -> None:
        """Open and check the content; raises ContentLost, or OSError if it cannot be read now."""
        self._before = delivery.prologue.encode("utf-8")
        self._after = delivery.epilogue.encode("utf-8")
        self._content = delivery.content
        self._file = _open_checked(directory, delivery.content, is_part=bool(self._before))
        self._position = 0

    @property
    def size(self) -> int:
        """All octets, for SIZE."""
        return len(self._before) + self._content.length + len(self._after)

    def next_piece(self) -> bytes:
        """The next piece; empty at the end."""
        if self._before:
            piece, self._before = self._before, b""
            return piece
        if self._file is not None:
            piece = self._file.read(self._position, PIECE)
            self._position += len(piece)
            if piece:
                return piece
            if self._position != self._content.length:
                raise ContentLost("content ends too early")
            self.close()
        piece, self._after = self._after, b""
        return piece

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _open_checked(directory: Path, content: Content, is_part: bool) -> ContentFile | None:
    """Open the record; a report may want only its beginning, which the check must not mind."""
    if content.length == 0:
        return None
    try:
        whole = content
        if is_part:
            whole = replace(content, length=_recorded_length(directory, content))
        file = ContentFile(directory, whole)
    except FileNotFoundError as error:
        raise ContentLost(f"{content.path}: {error.strerror}") from error
    try:
        is_intact = whole.length >= content.length and file.is_intact()
    except OSError:
        file.close()
        raise
    if not is_intact:
        file.close()
        raise ContentLost(f"{content.path}: record at {content.offset} is damaged")
    if whole.length == content.length:
        return file
    file.close()
    return ContentFile(directory, content)


def _recorded_length(directory: Path, content: Content) -> int:
    """The length that stands before the record."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(directory / content.path, flags)
    try:
        place = content.offset - HEADER.size
        header = os.pread(descriptor, HEADER.size, place) if place >= 0 else b""
    finally:
        os.close(descriptor)
    return int(HEADER.unpack(header)[1]) if len(header) == HEADER.size else 0
