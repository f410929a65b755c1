"""The links of the Markdown files: to files, to headings, and the form of those to the web, which are not fetched."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


def documents() -> list[Path]:
    """The Markdown files that a reader is sent to."""
    folders = ("docs", "models", "tools", "benchmarks", "tests/data")
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*.md"))])


def broken_links() -> Iterator[str]:
    """A line for each link that leads nowhere: FILE:LINE: LINK: why."""
    for document in documents():
        yield from broken_in(document)


def broken_in(document: Path) -> Iterator[str]:
    """The broken links of one file."""
    text = document.read_text(encoding="utf-8")
    prose = _FENCED.sub(lambda fence: re.sub(r"[^\n]", " ", fence[0]), text)
    prose = _CODE.sub(lambda code: " " * len(code[0]), prose)
    for link in _LINK.finditer(prose):
        problem = _problem(document, link[1])
        if problem is not None:
            line = prose.count("\n", 0, link.start()) + 1
            yield f"{document.name}:{line}: {link[1]}: {problem}"


def _problem(document: Path, target: str) -> str | None:
    """What is wrong with a link; None if it leads somewhere, or to the web in a form that can."""
    try:
        parts = urlsplit(target)
    except ValueError as error:
        return f"no address ({error})"
    if parts.scheme in {"http", "https"}:
        return None if parts.hostname and "." in parts.hostname else "no host"
    if parts.scheme:
        return None if parts.scheme == "mailto" else f"{parts.scheme}: is no address of a page"
    return _missing(document if not parts.path else document.parent / parts.path, parts.fragment)


def _missing(path: Path, heading: str) -> str | None:
    if not path.exists():
        return "no such file"
    known = not heading or path.suffix != ".md" or heading in anchors(path)
    return None if known else "no such heading"


@cache
def anchors(document: Path) -> frozenset[str]:
    """The anchors of a file, as GitHub makes them from its headings."""
    text = _FENCED.sub("", document.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    names = []
    for heading in _HEADING.findall(text):
        slug = _slug(heading)
        names.append(slug if slug not in found else f"{slug}-{found[slug]}")
        found[slug] = found.get(slug, 0) + 1
    return frozenset([*names, *_ANCHOR.findall(text)])


def _slug(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
