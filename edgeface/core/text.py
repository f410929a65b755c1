"""Ids and display names: what is accepted, and how hostile text is displayed."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError
from edgeface.core.settings import ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAX_NAME = 100
"""Characters of a display name."""
NO_ONE, STRANGER = "nobody", "stranger"
"""What the `people` topic has for an empty picture, and of each person without a name."""
RESERVED_NAMES = frozenset({NO_ONE, STRANGER, "unknown", "unavailable", "none", "everyone"})
"""No names and no ids: whoever is called so could not be told from a stranger, from a state of Home Assistant or from
the group of everyone."""
_MAX_SHOWN = 80
_MAX_ID = 64
_NO_LETTERS = "person"
_APOSTROPHES = re.compile("['`\u2019\u02bc]")
_WORDS = "LMN"
"""Categories of Unicode: letters, marks and numbers."""
_MAX_PATH = 1000

# Direction marks make a line of a log or a table read as another one (Unicode TR 36, 2.1). Joiners are spelling.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = frozenset("\u200c\u200d")
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})


UNKNOWN_ID = r"^u-[0-9a-f]{4,64}$"
"""The id of an unknown, as a regular expression."""


def is_unknown_id(text: str) -> bool:
    """Whether `text` is the id of an unknown, such as u-7f3a."""
    return re.fullmatch(UNKNOWN_ID, text) is not None


def is_id(text: str) -> bool:
    """Whether `text` is the id of a person: settings.ID_PATTERN, and not the id of an unknown."""
    return re.fullmatch(ID_PATTERN, text) is not None and not is_unknown_id(text)


def check_id(text: str) -> None:
    """Raise GalleryError unless `text` is an id."""
    if is_unknown_id(text):
        raise GalleryError(f"{text}: ids of this form are reserved for unknowns; choose another")
    if not is_id(text):
        raise GalleryError(
            f"{printable(text)}: not an id; use up to 64 of a-z, 0-9, - and _, a letter or digit first (anna-b)"
        )


def check_new_id(text: str) -> None:
    """Raise GalleryError unless `text` is an id that a new person may have; RESERVED_NAMES are none."""
    check_id(text)
    if is_reserved(text):
        raise GalleryError(f"{text}: reserved, as it has another meaning where ids are published; choose another id")


def cleaned(text: str) -> str:
    """`text` on one line: control and direction characters become spaces, runs of spaces one."""
    kept = (" " if unicodedata.category(c) in _CONTROL or c in _DIRECTION else c for c in text)
    return " ".join("".join(kept).split())


def is_one_line(text: str) -> bool:
    """Whether people can read a text as it is: one line, printable, no blanks at its ends or in a row."""
    shown = "".join(c for c in text if c not in _JOINERS)
    return bool(shown) and shown.isprintable() and cleaned(text) == text


def folded(text: str) -> str:
    """What two names have in common that people would take for the same: case, joiners and compatible forms aside."""
    return unicodedata.normalize("NFKC", "".join(c for c in text if c not in _JOINERS)).casefold()


def display_name(text: str | None, person: str) -> str:
    """Clean a name and cut it to MAX_NAME characters; the id if nothing is left."""
    return cleaned(text or "")[:MAX_NAME].strip() or person


def is_cut(text: str | None) -> bool:
    """Whether `display_name` cuts a name."""
    return len(cleaned(text or "")) > MAX_NAME


def given_name(text: str | None, person: str) -> str:
    """As `display_name`; raises GalleryError for a word that has another meaning where names are published."""
    name = display_name(text, person)
    if is_reserved(name):
        raise GalleryError(f"{name}: reserved for people without a name; choose another display name")
    return name


def is_reserved(name: str) -> bool:
    """Whether a name is one of RESERVED_NAMES, in whatever case."""
    return name.casefold() in RESERVED_NAMES


def printable(text: str, longest: int = _MAX_SHOWN) -> str:
    """Hostile text for a message: one line of at most `longest` characters, escaped if it is not printable."""
    shown = cleaned(text)
    return shown if 0 < len(shown) <= longest and shown.isprintable() else ascii(shown[:longest])


def printable_path(path: Path) -> str:
    """A path for a message, as `printable`."""
    return printable(str(path), _MAX_PATH)


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: 1 photo, 2 photos, 0 people."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def closest(word: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """The known word that a misspelled one was probably meant to be; None if none is close.

    `alike` is from 0, anything, to 1, the same word (difflib).
    """
    words, word = list(known), word[:_MAX_SHOWN]
    # Swapped letters are the commonest slip, and difflib finds short words with them far apart.
    swapped = [one for one in words if sorted(one) == sorted(word)]
    return next(iter([*swapped, *difflib.get_close_matches(word, words, n=1, cutoff=alike)]), None)


def id_from(name: str) -> str:
    """An id made from a name: joe-biden from Joe Biden, aleksandr from its Cyrillic form; empty if it has no letters.

    Other scripts are written in Latin letters, one character at a time (the package anyascii), Chinese characters as in
    Mandarin.
    """
    from anyascii import anyascii

    plain = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", name))
    # Symbols would become words: a smiling face is ":smile:".
    words = "".join(char if unicodedata.category(char)[0] in _WORDS else " " for char in plain)
    made = re.sub(r"[^a-z0-9]+", "-", _APOSTROPHES.sub("", anyascii(words)).lower()).strip("-")[:_MAX_ID].strip("-")
    return made if re.search("[a-z]", made) else ""


def new_id(name: str, taken: Callable[[str], bool]) -> str:
    """An id for a new person, from the display name: `id_from`, or joe-biden-2 if joe-biden is `taken` or reserved.

    A name without letters gives person, person-2 and so on.
    """
    made = id_from(name) or _NO_LETTERS
    number, found = 1, made
    while is_unknown_id(found) or is_reserved(found) or taken(found):
        number += 1
        ending = f"-{number}"
        found = made[: _MAX_ID - len(ending)].rstrip("-") + ending
    return found


def folder_id(name: str, taken: Callable[[str], bool]) -> str:
    """The id of the person whose photos are in a folder: its name if that is an id but for capitals, else as `new_id`.

    Raises GalleryError if the name is reserved or has no letters.
    """
    plain = name.lower()
    if is_id(plain) or is_reserved(plain):
        check_new_id(plain)
        return plain
    if not id_from(name):
        raise GalleryError(f"{printable(name)}: no id can be made from this name; rename the folder (anna-b)")
    return new_id(name, taken)


def is_typed_as_name(text: str) -> bool:
    """Whether text in the place of an id is a display name: it has a letter that no id has, or a space."""
    return (
        not is_id(text)
        and re.search(r"[^\W\d_]", text) is not None
        and re.search(r"[A-Z ]|[^\x00-\x7f]", text) is not None
    )
