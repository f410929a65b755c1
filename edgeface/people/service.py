"""What is done with people, for the command line and the page alike."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.core.clock import SystemClock
from edgeface.core.console import complain
from edgeface.core.errors import GalleryError
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import FILE, Gallery
from edgeface.journal.journal import Journal
from edgeface.people.enrollment import EnrollOptions, KnownFaces, Plan, carry_out, from_folder
from edgeface.people.rules import level_threshold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import GallerySnapshot


def enroll_folder(configuration: Configuration, folder: Path, *, skip_bad: bool = False) -> int:
    """Enroll everybody of FOLDER/PERSON/PHOTO into the configuration's gallery; gives the number of people."""
    with open_gallery(configuration) as gallery:
        known = known_faces(configuration, gallery.snapshot())
        plan = from_folder(configuration.open_analyzer(), known, folder, progress_bar)
        return len(carry(configuration, gallery, plan, EnrollOptions(skip_bad=skip_bad)))


def carry(configuration: Configuration, gallery: Gallery, plan: Plan, how: EnrollOptions) -> list[Change]:
    """Say what was refused, carry out the plan as the configuration lets it, and write it to the audit trail."""
    for line in plan.refused:
        complain(line)
    how = replace(how, pictures=configuration.privacy.pictures == "all")
    changes = carry_out(gallery, plan, SystemClock().wall(), how)
    record(configuration, changes)
    return changes


@contextmanager
def open_gallery(configuration: Configuration) -> Iterator[Gallery]:
    """The gallery of the data folder, made if there is none; closed afterwards."""
    with closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model))) as gallery:
        yield gallery


@contextmanager
def existing(configuration: Configuration) -> Iterator[Gallery]:
    """The gallery of the data folder; GalleryError when there is none yet."""
    if not (configuration.data / FILE).exists():
        raise GalleryError(f"{configuration.data}: no gallery here yet (edgeface enroll makes one)")
    with open_gallery(configuration) as gallery:
        yield gallery


def known_faces(configuration: Configuration, view: GallerySnapshot) -> KnownFaces:
    """The enrolled faces, and the cosine from which a new one counts as one of them."""
    return KnownFaces.of(view, level_threshold(configuration, view)[0])


def journal_path(configuration: Configuration) -> Path:
    """Where the journal is kept."""
    return configuration.data / "journal.db"


def record(configuration: Configuration, changes: Iterable[Change]) -> None:
    """Write the audit rows; one of a deletion says that it was, and not of whom."""
    with closing(Journal(journal_path(configuration))) as journal:
        for change in changes:
            if not journal.record(change.kind, change.wall, change.facts):
                complain(f"done, but not in the audit trail: {journal.problem}")


def progress_bar(paths: Sequence[Path]) -> Iterable[Path]:
    """The photos, with a progress bar on a terminal."""
    from tqdm import tqdm

    # None: shown on a terminal only.
    bar: Iterable[Path] = tqdm(paths, desc="enrolling", unit="photo", disable=None)
    return bar
