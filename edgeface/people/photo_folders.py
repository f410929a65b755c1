"""Enrollment of everyone in a folder: FOLDER/PERSON/PHOTO."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError
from edgeface.core.text import printable, printable_path, slug
from edgeface.gallery.snapshot import unit_mean
from edgeface.imaging import photos
from edgeface.people.enrollment import Plan, from_photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.people.enrollment import KnownFaces


def from_folder(
    analyzer: FaceAnalyzer, known: KnownFaces, folder: Path, progress: Callable[[Sequence[Path]], Iterable[Path]]
) -> Plan:
    """Plan everyone in FOLDER/PERSON/PHOTO; the folder's name is the display name, and the id is made from it.

    `progress` gets all photos and yields them one by one. A person in two folders is rejected.
    """
    people = _folders(folder)
    tick = iter(progress([path for paths in people.values() for path in paths]))
    plans = []
    means = dict(known.means)
    for name, paths in people.items():
        if not paths:
            plans.append(Plan(known.limits, (), (f"{printable_path(folder / name)}: no photos in it",)))
            continue
        some = islice(tick, len(paths))
        plan = from_photos(analyzer, replace(known, means=means), slug(name), name.replace("_", " "), some)
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


def _folders(folder: Path) -> dict[str, list[Path]]:
    """The photos by folder name; raises GalleryError if a folder cannot be used."""
    try:
        folders = sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
        people = {f.name: sorted(p for p in f.iterdir() if p.suffix.lower() in photos.SUFFIXES) for f in folders}
    except OSError as error:
        raise GalleryError(f"{printable_path(folder)}: {error.strerror}") from error
    ids: dict[str, str] = {}
    for name in people:
        other = ids.setdefault(slug(name), name)
        if other != name:
            raise GalleryError(f"{printable(other)} and {printable(name)}: both folders give the id {slug(name)}")
    if not people:
        raise GalleryError(f"{printable_path(folder)}: no folders of people in it (FOLDER/PERSON/PHOTO)")
    return people
