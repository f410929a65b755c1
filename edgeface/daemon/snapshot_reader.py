"""Takes up changes of the gallery without keeping the vision thread from its frames."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import EdgefaceError
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import day

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.gallery.snapshot import GallerySnapshot

LARGE = 1000
"""People from which changes are read in a thread of their own; with fewer it takes 2 ms."""


class _Answer(NamedTuple):
    snapshot: GallerySnapshot
    generation: int
    today: str


class SnapshotReader:
    """The newest snapshot of a gallery: one thread asks; another, with its own connection, reads a large gallery."""

    def __init__(self, folder: Path, model: str) -> None:
        self.today = ""
        """The day by which people have expired in the snapshot that was returned last."""
        self._folder, self._model = folder, model
        self._requests: queue.SimpleQueue[tuple[GallerySnapshot | None, float] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answer | EdgefaceError] = queue.SimpleQueue()
        self._asked = False
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        """Whether `newest` would return what was asked for."""
        return not self._answers.empty()

    def newest(self, gallery: Gallery, wall: float) -> GallerySnapshot | None:
        """The snapshot of `gallery` by the day of `wall`; None while it is being read: ask again.

        Raises GalleryError or VaultError if it cannot be read.
        """
        if self._asked:
            return self._answer(gallery)
        # A copy in memory cannot be read by another connection.
        if gallery.problem is not None or gallery.census().enrolled < LARGE:
            self.today = day(wall)
            return gallery.snapshot(wall)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gallery reader", daemon=True)
            self._thread.start()
        self._requests.put((gallery.base, wall))
        self._asked = True
        return None

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._requests.put(None)
            self._thread.join()

    def _answer(self, gallery: Gallery) -> GallerySnapshot | None:
        if self._answers.empty():
            return None
        self._asked = False
        answer = self._answers.get()
        if isinstance(answer, EdgefaceError):
            raise answer
        gallery.adopt(answer.snapshot, answer.generation)
        self.today = answer.today
        return answer.snapshot

    def _run(self) -> None:
        gallery: Gallery | None = None
        while (asked := self._requests.get()) is not None:
            base, wall = asked
            try:
                gallery = gallery or Gallery.open(self._folder, self._model)
                gallery.base = base
                answer = _Answer(gallery.snapshot(wall), gallery.generation, day(wall))
            except EdgefaceError as error:
                self._answers.put(error)
            else:
                self._answers.put(answer)
        if gallery is not None:
            gallery.close()
