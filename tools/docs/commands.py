"""The shell commands of a Markdown file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^ *```(\w*) *$")
_HEADING = re.compile(r"^#+ (.+)$")
_MARK = re.compile(r"^ *<!-- needs (.+?) -->$")
_FIRST = re.compile(r"^(?:\$ |sudo |\.venv/bin/)?(?:edgeface|make|pip|apt|apt-get|mosquitto_\w+|systemctl)\b")
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
    needs: str
    """Why it cannot be run here, as the mark above its block says; empty without one."""


def commands(text: str, file: str) -> Iterator[Command]:
    """The commands of the fenced shell blocks, in order.

    A mark above a block, `<!-- needs a device: REASON -->`, is for all of its commands.
    """
    heading, needs = "", ""
    lines = iter(enumerate(text.splitlines(), 1))
    for _, line in lines:
        if found := _HEADING.match(line):
            heading = found[1]
        if mark := _MARK.match(line):
            needs = mark[1]
        elif fence := _FENCE.match(line):
            block = _block(lines)
            if _is_shell(fence[1], block):
                yield from (Command(file, at, heading, typed, needs) for at, typed in _typed(block))
            needs = ""
        elif line.strip():
            needs = ""


def _block(lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    """The lines up to the end of the fence."""
    block = []
    for number, line in lines:
        if line.strip() == "```":
            break
        block.append((number, line.strip()))
    return block


def _is_shell(language: str, block: list[tuple[int, str]]) -> bool:
    if language:
        return language in {"sh", "bash", "console"}
    return bool(block) and _FIRST.match(block[0][1]) is not None


def _typed(block: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """What is typed: of a dialogue the lines after `$ `, otherwise every line that is more than a comment."""
    dialogue = any(line.startswith("$ ") for _, line in block)
    for number, line in block:
        if dialogue and not line.startswith("$ "):
            continue
        if typed := _COMMENT.sub("", line.removeprefix("$ ")).strip():
            yield number, typed
