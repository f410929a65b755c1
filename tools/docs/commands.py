"""The shell commands of a Markdown file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Numbered = tuple[int, str]
    """A line with its number."""

_FENCE = re.compile(r"^ *```(\w*) *$")
_HEADING = re.compile(r"^#+ (.+)$")
_MARK = re.compile(r"^ *<!-- (needs a device|run by make [a-z-]+): (.+?) -->$")
_INDENTED = re.compile(r"^(?: {4,}|\t)\S")
_LIST = re.compile(r"^ *(?:[-*]|\d+\.) ")
_FIRST = re.compile(
    r"^(?:\$ |sudo |\.venv/bin/)?(?:edgeface|make|pip|python3?|apt|apt-get|mosquitto_\w+|systemctl|curl|cp|git|npm) "
)
"""How a block without a language begins if it is a shell's."""

_COMMENT = re.compile(r"\s+# .*$|^# .*$")


class Command(NamedTuple):
    """A line that a reader is to type."""

    file: str
    line: int
    """Counted from 1."""
    heading: str
    text: str
    """Without its comment."""
    mark: str
    """How it is tried if not by `make docs-check`: `needs a device`, `run by make ...`; empty without a mark."""
    reason: str
    """Why."""


def commands(text: str, file: str) -> Iterator[Command]:
    """The commands of fenced and of indented shell blocks, in order.

    A mark above a block, such as `<!-- needs a device: REASON -->`, is for all of its commands.
    """
    heading, mark = "", ("", "")
    before = ""
    lines = list(enumerate(text.splitlines(), 1))
    while lines:
        number, line = lines.pop(0)
        block: list[Numbered] = []
        if found := _HEADING.match(line):
            heading = found[1]
        if marked := _MARK.match(line):
            mark = marked[1], marked[2]
        elif fence := _FENCE.match(line):
            block = _fenced(lines)
            block = block if _is_shell(fence[1], block) else []
            mark, used = ("", ""), mark
        elif _INDENTED.match(line) and not before.strip() and not _LIST.match(line):
            block = [(number, line.strip()), *_indented(lines)]
            block = block if _is_shell("", block) else []
            mark, used = ("", ""), mark
        elif line.strip():
            mark = "", ""
        if block:
            yield from (Command(file, at, heading, typed, *used) for at, typed in _typed(block))
        # An indented block follows an empty line, or a mark.
        before = "" if marked else line


def _fenced(lines: list[Numbered]) -> list[Numbered]:
    """Take the lines up to the end of the fence."""
    block = []
    while lines:
        number, line = lines.pop(0)
        if line.strip() == "```":
            break
        block.append((number, line.strip()))
    return block


def _indented(lines: list[Numbered]) -> list[Numbered]:
    """Take the lines that are indented as well."""
    block = []
    while lines and _INDENTED.match(lines[0][1]):
        number, line = lines.pop(0)
        block.append((number, line.strip()))
    return block


def _is_shell(language: str, block: list[tuple[int, str]]) -> bool:
    if language:
        return language in {"sh", "bash", "console"}
    return bool(block) and _FIRST.match(block[0][1]) is not None


def _typed(block: list[Numbered]) -> Iterator[Numbered]:
    """What is typed: of a dialogue the lines after `$ `, otherwise every line, joined where a backslash ends one."""
    dialogue = any(line.startswith("$ ") for _, line in block)
    start, whole = 0, ""
    for number, line in block:
        if dialogue and not line.startswith("$ "):
            continue
        start = start if whole else number
        whole += _COMMENT.sub("", line.removeprefix("$ ")).strip()
        if whole.endswith("\\"):
            whole = whole[:-1]
        elif whole:
            yield start, whole
            whole = ""
