"""Erases what may be kept no longer: people who have expired, old unknowns and old pictures."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import day
from edgeface.journal.journal import Journal
from edgeface.journal.removal import redact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgeface.config.configuration import Configuration

_log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two runs."""
_DAY = 86_400.0


def keep(gallery: Gallery, configuration: Configuration, wall: float, *, synced: bool, alike: float) -> int:
    """Erase what is too old at `wall`; gives how many people were.

    Nothing is erased unless the clock is `synced`: one that jumps ahead must not cost anybody their enrollment, and
    who has expired is not matched in any case. Unknowns from a cosine of `alike` on go with the people.
    GalleryError when the disk does not let it; the next run goes on.
    """
    if not synced:
        return 0
    gallery.expire(wall - configuration.unknown.days * _DAY, wall - configuration.privacy.picture_days * _DAY)
    expired = [person.id for person in gallery.people() if person.expired(day(wall))]
    for person in expired:
        forget(gallery, configuration.data / "journal.db", person, wall, alike=alike, why="expired")
    return len(expired)


def start(configuration: Configuration, model: str, wall: float, *, synced: bool, alike: float) -> threading.Thread:
    """Run `keep` in a thread of its own, with a gallery of its own: emptying large files takes seconds."""

    def run() -> None:
        try:
            with closing(Gallery.open(configuration.data, model)) as gallery:
                keep(gallery, configuration, wall, synced=synced, alike=alike)
        except EdgefaceError as error:
            _log.warning("retention: %s; the next run goes on", error)

    thread = threading.Thread(target=run, name="retention", daemon=True)
    thread.start()
    return thread


def forget(gallery: Gallery, journal: Path, person: str, wall: float, *, alike: float, why: str | None = None) -> None:
    """Erase a person from the journal and the gallery, with the unknowns who look like them, and write that down.

    The journal comes first: once the gallery knows nobody by an id, nothing leads to its rows. GalleryError when
    either cannot be written; it can be tried again.
    """
    gallery.person(person)
    redact(journal, *(unknown.id for unknown in gallery.alike(person, alike)), person)
    try:
        gallery.forget(person, wall, alike)
    finally:
        # They are gone also when bytes stay for now because another program reads the file.
        if all(known.id != person for known in gallery.people()):
            _note(journal, wall, {} if why is None else {"why": why})
    # And again: a camera may have seen them meanwhile.
    redact(journal, person)


def _note(journal: Path, wall: float, facts: Mapping[str, str]) -> None:
    with closing(Journal(journal)) as rows:
        if not rows.record("deleted", wall, facts):
            raise GalleryError(f"somebody was erased, but it is not in the audit trail: {rows.problem}")
