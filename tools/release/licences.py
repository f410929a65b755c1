"""The licences of everything in a package: Python packages, the shared libraries in their wheels, and models.

packages/release/licences.json has the accepted licences, and those of what does not name its own. What is in neither is
a fault: a new library or a changed licence stops the release.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.release.build import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FFMPEG = "libavcodec"
_FORBIDDEN = (b"--enable-gpl", b"--enable-nonfree")
"""How FFmpeg was configured is in its libraries."""
_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.+-]+)?")
_LIBRARY = re.compile(r"[^/]+\.libs/(lib[^/]*?)(?:-r0)?(?:-[0-9a-f]{8}[^/]*|[-.][\d.]+)?\.so[\d.]*$")


class Item(NamedTuple):
    """One thing that the package has, with its licence."""

    kind: str
    name: str
    version: str
    licence: str | None
    """An SPDX expression; None if none is known."""


class Settings(NamedTuple):
    """packages/release/licences.json: the second word of each pair is where the first one is from."""

    accepted: list[str]
    packages: dict[str, list[str]]
    libraries: dict[str, list[str]]
    models: dict[str, list[str]]


def settings() -> Settings:
    """Read the file."""
    return Settings(**json.loads((SETTINGS / "licences.json").read_text(encoding="utf-8")))


def items(bom: Mapping[str, Any], files: Iterable[str], known: Settings) -> Iterator[Item]:
    """What a package has: the components of its list, and the shared libraries among the names of its files."""
    for one in bom["components"]:
        if one["type"] == "machine-learning-model":
            yield Item("model", one["name"], "", known.models.get(one["name"], [None])[0])
        else:
            yield Item("package", one["name"], one["version"], _of_package(one, known))
    for name in sorted({library(file) for file in files} - {None}, key=str):
        yield Item("library", str(name), "", known.libraries.get(str(name), [None])[0])


def library(file: str) -> str | None:
    """The name of a shared library that a wheel brings, without hash and version; None for other files."""
    found = _LIBRARY.search(file)
    return found and found.group(1)


def fault(item: Item, accepted: Iterable[str]) -> str | None:
    """Why an item may not be in the package; None if it may."""
    if item.licence is None:
        return f"{item.kind} {item.name} {item.version}: no licence is known; add it to packages/release/licences.json"
    if not is_accepted(item.licence, accepted):
        return f"{item.kind} {item.name} {item.version}: {item.licence} is not accepted"
    return None


def is_accepted(expression: str, accepted: Iterable[str]) -> bool:
    """Whether an SPDX expression offers a choice of accepted licences; with brackets, all in it must be accepted."""
    allowed = set(accepted)
    if "(" in expression:
        words = re.sub(r"[()]|\b(?:AND|OR)\b", ",", expression).split(",")
        return {word.strip() for word in words} - {""} <= allowed
    return any({part.strip() for part in choice.split(" AND ")} <= allowed for choice in expression.split(" OR "))


def ffmpeg_fault(data: bytes) -> str | None:
    """Why this build of FFmpeg is not under the LGPL; None if it is."""
    found = [word.decode() for word in _FORBIDDEN if word in data]
    if b"--enable-" not in data:
        return "FFmpeg does not say how it was configured"
    return f"FFmpeg was built with {' '.join(found)}" if found else None


def table(found: Iterable[Item]) -> str:
    """One row for each."""
    rows = ["| what | name | version | licence |", "|---|---|---|---|"]
    rows += [f"| {one.kind} | {one.name} | {one.version} | {one.licence or '?'} |" for one in found]
    return "\n".join(rows) + "\n"


def _of_package(component: Mapping[str, Any], known: Settings) -> str | None:
    named = [_declared(one) for one in component.get("licenses", [])]
    # Some name a classifier as well, which says less.
    clear = [one for one in named if one is not None]
    if clear:
        return " AND ".join(dict.fromkeys(clear))
    return known.packages.get(component["name"], [None])[0]


def _declared(entry: Mapping[str, Any]) -> str | None:
    if "expression" in entry:
        return str(entry["expression"])
    licence = entry["license"]
    name = str(licence.get("id") or licence.get("name"))
    return name if "id" in licence or _SPDX.fullmatch(name) else None
