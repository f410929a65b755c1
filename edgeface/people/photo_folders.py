"""Enrollment of everyone in a folder: FOLDER/PERSON/PHOTO."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError, system_reason
from edgeface.core.text import cleaned, folder_id, printable, printable_path
from edgeface.gallery.snapshot import unit_mean
from edgeface.imaging import photo_files
from edgeface.people.enrollment import Plan, from_photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.people.enrollment import KnownFaces


def from_folder(
    analyzer: FaceAnalyzer,
    known: KnownFaces,
    folder: Path,
    progress: Callable[[Sequence[Path]], Iterable[Path]],
    withheld: Callable[[str], bool] = lambda _: False,
) -> Plan:
    """Plan everyone in FOLDER/PERSON/PHOTO; the folder's name is the display name, and the id is made from it.

    `progress` gets all photos and yields them one by one. `withheld` tells which ids are made from no name, unless
    someone has them. A person in two folders is rejected, and so is each photo that is not in the folder of a person.
    """
    people, misplaced = _folders(folder)
    ids = _ids(people, lambda one: one not in known.means and withheld(one))
    tick = iter(progress([path for paths in people.values() for path in paths]))
    plans = [Plan(known.limits, (), tuple(misplaced))]
    means = dict(known.means)
    for name, paths in people.items():
        if not paths:
            plans.append(Plan(known.limits, (), (f"{printable_path(folder / name)}: no photos in it",)))
            continue
        some = islice(tick, len(paths))
        plan = from_photos(analyzer, replace(known, means=means), ids[name], cleaned(name.replace("_", " ")), some)
        means.update({c.person: unit_mean(c.embeddings) for c in plan.candidates})
        plans.append(plan)
    # A progress bar ends when it is asked once more.
    next(tick, None)
    return Plan(
        known.limits,
        tuple(c for plan in plans for c in plan.candidates),
        tuple(line for plan in plans for line in plan.rejected),
        (),
        tuple(line for plan in plans for line in plan.notes),
        tuple(other for plan in plans for other in plan.others),
    )


def _folders(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The photos by folder name, and a line for each that is elsewhere; raises GalleryError if the folder is unusable.

    Empty folders, and what systems put into folders, are passed over.
    """
    people: dict[str, list[Path]] = {}
    misplaced = []
    try:
        for path in photo_files.entries(folder):
            if path.is_dir():
                if photo_files.entries(path):
                    people[path.name] = photo_files.photos_in(path)
                misplaced += [
                    f"{printable_path(deep)}: its photos are not read; move them into {printable_path(path)}"
                    for deep in photo_files.folders_with_photos(path)
                ]
            elif photo_files.looks_like_photo(path):
                misplaced.append(f"{printable_path(path)}: not read; move it into the folder of a person")
    except OSError as error:
        raise GalleryError(f"{printable_path(folder)}: {system_reason(error)}") from error
    if not people:
        raise GalleryError(f"{printable_path(folder)}: no folders of people in it (FOLDER/PERSON/PHOTO)")
    return people, misplaced


def _ids(names: Iterable[str], withheld: Callable[[str], bool]) -> dict[str, str]:
    """The id by folder name; raises GalleryError if two folders give the same id, or one gives none."""
    names_of: dict[str, str] = {}
    for name in names:
        made = folder_id(name, withheld)
        other = names_of.setdefault(made, name)
        if other != name:
            both = f"{printable(other)} and {printable(name)}"
            raise GalleryError(
                f"{both}: both folders give the id {made}; rename one (to {made}-2, if they are two people)"
            )
    return {name: made for made, name in names_of.items()}
