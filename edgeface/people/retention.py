"""Erases what must not be kept longer: expired people, and old unknowns, pictures, probes and negative templates."""

from __future__ import annotations

import logging
import math
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.core.clock import DAY
from edgeface.core.errors import EdgefaceError
from edgeface.core.installed import releases
from edgeface.gallery import proposal_file
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import day
from edgeface.people.erasure import erase_all, finish

if TYPE_CHECKING:
    from edgeface.config.configuration import Configuration

_log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two runs."""


def expire(gallery: Gallery, configuration: Configuration, wall: float, *, synced: bool, alike: float) -> int:
    """Erase what is too old at `wall`, with the unknowns that match at `alike`; returns the number of people.

    Nothing is erased unless the clock is `synced`: a clock that jumps ahead must not delete enrollments, and expired
    people are not matched in any case. Raises GalleryError if the disk fails, and the next run continues; VaultError at
    the end if a row was altered.
    """
    finish(gallery, configuration.journal_path)
    count = _erase_old(gallery, configuration, wall, synced=synced, alike=alike)
    # The daemon reads only people who change: a row that was altered behind SQLite's back is found here.
    gallery.verify()
    return count


def _erase_old(gallery: Gallery, configuration: Configuration, wall: float, *, synced: bool, alike: float) -> int:
    privacy = configuration.privacy
    if not privacy.correction_days:
        # Switched off: this needs no clock.
        gallery.expire(-math.inf, -math.inf, math.inf)
    if not synced:
        return 0
    days = (configuration.unknown.days, privacy.picture_days, privacy.correction_days, privacy.negative_days)
    gallery.expire(*(wall - each * DAY for each in days))
    proposal_file.expire(configuration.data, wall, privacy.proposal_days)
    releases.expire(configuration.data, wall)
    expired = [person.id for person in gallery.people() if person.expired(day(wall))]
    if expired:
        erase_all(gallery, configuration.journal_path, expired, wall, alike=alike, why="expired")
    return len(expired)


def start(configuration: Configuration, model: str, wall: float, *, synced: bool, alike: float) -> threading.Thread:
    """Run `expire` in its own thread with its own gallery: erasing from large files takes seconds."""

    def run() -> None:
        try:
            with closing(Gallery.open(configuration.data, model)) as gallery:
                expire(gallery, configuration, wall, synced=synced, alike=alike)
        except EdgefaceError as error:
            _log.warning("retention: %s; the next run continues", error)

    thread = threading.Thread(target=run, name="retention", daemon=True)
    thread.start()
    return thread
