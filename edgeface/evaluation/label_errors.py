"""A list of wrong labels in a folder of PERSON/PHOTO, and the photos without them.

The list is a CSV of kind,a,b,reason. `photo,PERSON/PHOTO,,why` leaves a photo out. `person,A,B,why` says that A and B
are one person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError
from edgeface.core.text import printable, printable_path
from edgeface.evaluation.csv_rows import read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.evaluation.photo_set import PhotoSet

_COLUMNS = ("kind", "a", "b", "reason")


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """What is wrong about the labels."""

    photos: frozenset[str]
    """PERSON/PHOTO to leave out."""
    same: dict[str, str]
    """A person's second name, and the name to use instead."""


def read(file: Path) -> LabelErrors:
    """Read the list; raises GalleryError, which names the wrong line."""
    photos, same = set(), dict[str, str]()
    for row, where in read_rows(file, _COLUMNS):
        if row["kind"] == "photo" and row["a"] and not row["b"]:
            photos.add(row["a"])
        elif row["kind"] == "person" and row["a"] and row["b"]:
            same[row["b"]] = row["a"]
        else:
            raise GalleryError(f"{where}: not photo,PERSON/PHOTO,,reason or person,A,B,reason")
    return LabelErrors(frozenset(photos), same)


def without(photo_set: PhotoSet, errors: LabelErrors, file: Path) -> PhotoSet:
    """The photos without the wrong ones, each under one name of its person.

    Raises GalleryError if the list names a photo or person that the folder does not have.
    """
    people = {name.split("/")[0] for name in photo_set.names}
    named = errors.photos - set(photo_set.names) | ({*errors.same, *errors.same.values()} - people)
    if named:
        raise GalleryError(f"{printable_path(file)}: not in the folder: {printable(min(named))}")
    kept = [i for i, name in enumerate(photo_set.names) if name not in errors.photos]
    return replace(
        photo_set,
        names=tuple(_renamed(photo_set.names[i], errors.same) for i in kept),
        embeddings=photo_set.embeddings[kept],
        outcomes=tuple(photo_set.outcomes[i] for i in kept),
    )


def _renamed(name: str, same: dict[str, str]) -> str:
    person, _, photo = name.partition("/")
    return f"{same.get(person, person)}/{photo}"
