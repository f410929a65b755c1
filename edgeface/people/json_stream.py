"""Reads a JSON object with one long list, entry by entry, in constant memory."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 18
_LONGEST = 1 << 24
"""Characters of one entry."""
_AFTER = frozenset(" \t\r\n,:]}")
START = object()
"""Stands for the start of the list."""


def members(file: BinaryIO, listed: str) -> Iterator[tuple[str, object]]:
    """Yield each key of the object in a file with its value; of the list with the key `listed`, START and each entry.

    Raises ValueError (or a subclass) or RecursionError where the file is not such an object.
    """
    text = _Text(file)
    text.take("{")
    while text.peek() != "}":
        key = text.value()
        text.take(":")
        if not isinstance(key, str):
            raise ValueError("a key is not text")  # noqa: TRY004 - it is the file that is wrong
        if key == listed and text.peek() == "[":
            yield key, START
            yield from ((key, entry) for entry in _entries(text))
        else:
            yield key, text.value()
        if text.peek() != "}":
            text.take(",")
    text.take("}")
    if text.peek():
        raise ValueError("more than one object")


def _entries(text: _Text) -> Iterator[object]:
    text.take("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() != "]":
            text.take(",")
    text.take("]")


class _Text:
    """The text of a file, of which only the part in use is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")()
        self._parser = json.JSONDecoder()
        self._text, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._read()

    def take(self, expected: str) -> None:
        """Go past this character; raises ValueError if another one is next."""
        if self.peek() != expected:
            raise ValueError(f"{expected} is missing")
        self._at += 1

    def value(self) -> object:
        """Go past the value that is next."""
        self.peek()
        while True:
            try:
                found, end = self._parser.raw_decode(self._text, self._at)
            except ValueError:
                if self._ended or len(self._text) - self._at > _LONGEST:
                    raise
            else:
                # A number may continue: 1 of 1.5 is a number, too.
                if self._ended or self._text[end : end + 1] in _AFTER:
                    self._at = end
                    return found
            self._read()

    def _read(self) -> None:
        data = self._file.read(_CHUNK)
        self._ended = not data
        self._text, self._at = self._text[self._at :] + self._bytes.decode(data, final=self._ended), 0
