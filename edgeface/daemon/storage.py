"""The data folder, and the thread that writes gallery.db: no frame waits for the disk.

It stores unknowns, pictures and probes, and who is to be ignored.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import ConfigError, EdgefaceError, GalleryError, system_reason
from edgeface.core.files import LOCK, only_one
from edgeface.core.installed.owner import of_another
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.unknowns import UnknownChanges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.core.types import Probe
    from edgeface.gallery.thumbnails import Thumbnail

log = logging.getLogger(__name__)

MAX_THUMBNAILS, MAX_PROBES = 20, 200
"""Thumbnails and probes that may wait for the disk, the newest."""


class Unsaved(NamedTuple):
    """What is to be stored."""

    unknowns: UnknownChanges = UnknownChanges()
    thumbnails: tuple[Thumbnail, ...] = ()
    probes: tuple[Probe, ...] = ()
    ignored: tuple[str, ...] = ()
    """Unknowns who are to be put on the ignore list."""

    def then(self, later: Unsaved) -> Unsaved:
        """This and later ones as one."""
        thumbnails = (*self.thumbnails, *later.thumbnails)[-MAX_THUMBNAILS:]
        probes = (*self.probes, *later.probes)[-MAX_PROBES:]
        ignored = tuple(dict.fromkeys((*self.ignored, *later.ignored)))
        return Unsaved(self.unknowns.then(later.unknowns), thumbnails, probes, ignored)

    def __bool__(self) -> bool:
        """Whether there is anything to store."""
        return any((*self.unknowns, self.thumbnails, self.probes, self.ignored))


def open_writable(folder: Path, model: str) -> Gallery:
    """The gallery of a folder, never a copy in memory; raises GalleryError if it cannot be written."""
    gallery = Gallery.open(folder, model)
    if gallery.problem is not None:
        with closing(gallery):
            raise GalleryError(gallery.problem)
    return gallery


class GalleryWriter:
    """A thread with its own connection that stores one piece at a time; `offer` and `waiting` return at once.

    A piece that the disk refuses stays, and is stored with the next one; no one is ignored later than asked for.
    """

    def __init__(self, folder: Path, model: str, ignore: Callable[[str], None] = lambda _: None) -> None:
        """`ignore` puts an unknown who is stored on the ignore list; the thread calls it."""
        self._folder, self._model, self._ignore = folder, model, ignore
        self._changed = threading.Condition()
        self._new = Unsaved()
        self._writing = Unsaved()
        self._closing = False
        self._failed = False
        self.problem: str | None = None
        """Why the last attempt failed, in one line."""
        self._thread = threading.Thread(target=self._run, name="gallery", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def offer(self, unsaved: Unsaved) -> None:
        """Have this stored, and try again to store what was refused."""
        with self._changed:
            self._new = self._new.then(unsaved)
            self._failed = False
            if self._new:
                self._changed.notify_all()

    @property
    def waiting_probes(self) -> tuple[Probe, ...]:
        """The probes that are not on the disk yet."""
        with self._changed:
            return (*self._writing.probes, *self._new.probes)

    @property
    def waiting(self) -> Unsaved:
        """What is not on the disk yet."""
        with self._changed:
            return self._writing.then(self._new) if self._writing else self._new

    def wait(self, timeout: float) -> bool:
        """Wait until everything is on the disk; False if the disk refuses it, or after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._failed or not (self._new or self._writing), timeout)
            return not (self._new or self._writing)

    def close(self, timeout: float) -> None:
        """Store what waits and end the thread, within `timeout` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _run(self) -> None:
        gallery: Gallery | None = None
        try:
            while self._next():
                try:
                    gallery = gallery or open_writable(self._folder, self._model)
                    self._store(gallery)
                except EdgefaceError as error:
                    self._done(error)
                else:
                    for unknown in self._writing.ignored:
                        self._ignore(unknown)
                    self._done(None)
        finally:
            if gallery is not None:
                gallery.close()

    def _next(self) -> bool:
        """Wait for something to store; False when there is nothing more to come."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or (self._new and not self._failed))
            self._writing, self._new = self._new, Unsaved()
            return bool(self._writing) and not (self._closing and self._failed)

    def _store(self, gallery: Gallery) -> None:
        """All of it in one transaction: one wait for the disk."""
        with gallery.transaction(visible=False):
            gallery.store_unknowns(*self._writing.unknowns)
            gallery.store_pictures(self._writing.thumbnails)
            gallery.store_probes(self._writing.probes)

    def _done(self, error: EdgefaceError | None) -> None:
        if error is not None and self._writing.ignored:
            log.warning("%s could not be ignored: %s", ", ".join(self._writing.ignored), error)
            self._writing = self._writing._replace(ignored=())
        with self._changed:
            self.problem, self._failed = (None, False) if error is None else (str(error), True)
            self._new = self._new if error is None else self._writing.then(self._new)
            self._writing = Unsaved()
            self._changed.notify_all()


def make_folder(folder: Path) -> None:
    """Create the data folder if needed; raises EdgefaceError if it cannot be used, ConfigError if it is another's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EdgefaceError(f"{folder}: cannot be used for data ({system_reason(error)})") from error
    if (problem := of_another(folder, os.R_OK | os.W_OK | os.X_OK)) is not None:
        raise ConfigError(f"{folder} {problem}")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other daemon from the data folder; raises EdgefaceError if one has it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(only_one(folder / LOCK))
        except BlockingIOError as error:
            raise EdgefaceError(f"{folder}: another edgeface runs with this data folder") from error
        except OSError as error:
            # A disk that cannot be written must not keep the daemon from running.
            log.warning("%s: no lock against a second daemon (%s)", folder, error.strerror)
        yield
