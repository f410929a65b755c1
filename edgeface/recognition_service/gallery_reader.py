"""Reads a gallery and its changes, and writes nothing: the folder may be read-only, and a daemon may use it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgeface.core import sqlite
from edgeface.gallery.gallery import FILE, Gallery

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.gallery.snapshot import GallerySnapshot, Moment


class GalleryReader:
    """One connection, opened again when the file was replaced."""

    def __init__(self, folder: Path, model: str) -> None:
        """Open the gallery; raises GalleryError or VaultError."""
        self._folder, self._model = folder, model
        self._seen = self._file()
        self._gallery = Gallery.open_unchanged(folder, model)
        self._moment: Moment | None = None

    def newest(self, wall: float) -> GallerySnapshot | None:
        """The people who may be matched at `wall`; None if it is the snapshot that this gave last.

        Raises GalleryError or VaultError if the gallery cannot be read.
        """
        before, seen, moment = self._gallery.base, self._file(), self._gallery.moment(wall)
        if seen != self._seen:
            opened = Gallery.open_unchanged(self._folder, self._model)
            opened.base = before
            self._gallery.close()
            self._gallery, self._seen = opened, seen
        elif moment == self._moment and not self._gallery.changed():
            return None
        found = self._gallery.snapshot(wall)
        self._moment = moment
        return None if found is before else found

    def close(self) -> None:
        """Close the connection."""
        self._gallery.close()

    def _file(self) -> object:
        """What changes when another file is in its place, or, where SQLite cannot notice it, with each write."""
        path = self._folder / FILE
        if not os.access(self._folder, os.W_OK):
            return sqlite.stamps(path)
        with sqlite.translated(path):
            return path.stat().st_ino if path.exists() else None
