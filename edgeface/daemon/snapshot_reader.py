"""Takes up changes of the gallery without keeping the vision thread from its frames."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import EdgefaceError
from edgeface.daemon.storage import open_writable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import GallerySnapshot, Moment

LARGE = 1000
"""People from which changes are read in a thread of their own; with fewer it takes 2 ms."""


class _Question(NamedTuple):
    base: GallerySnapshot | None
    generation: int
    wall: float
    moment: Moment
    leases: Callable[[float], frozenset[str]]


class _Answer(NamedTuple):
    snapshot: GallerySnapshot
    generation: int
    moment: Moment


class SnapshotReader:
    """Notices changes of a gallery: one thread asks; another, with its own connection, reads a large gallery.

    The thread that asks then does not touch the file, which another program may have locked.
    """

    def __init__(self, folder: Path, model: str, moment: Moment, large: int = LARGE) -> None:
        """`moment` is that of the first snapshot; `large` is the number of people from which the other thread reads."""
        self.ready = False
        """Whether `newest` would return a snapshot."""
        self._moment = moment
        self._folder, self._model, self._large = folder, model, large
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answer | EdgefaceError | None] = queue.SimpleQueue()
        self._asked = False
        self._thread: threading.Thread | None = None

    def newest(self, gallery: Gallery, wall: float) -> GallerySnapshot | None:
        """The snapshot of `gallery` at `wall`; None if nothing has changed, or while it is being read.

        It is `base` of the gallery, with a new `generation`, if only unknowns have changed.

        Raises GalleryError or VaultError if it cannot be read.
        """
        if self._asked:
            return self._answer(gallery)
        # A copy in memory cannot be read by another connection.
        small = gallery.problem is not None or gallery.base is None or len(gallery.base.people) < self._large
        moment = gallery.moment(wall)
        if small and moment == self._moment and not gallery.changed():
            return None
        if small and (gallery.problem is not None or gallery.census().enrolled < self._large):
            found = gallery.snapshot(wall)
            self._moment = moment
            return found
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="gallery reader", daemon=True)
            self._thread.start()
        self._questions.put(_Question(gallery.base, gallery.generation, wall, self._moment, gallery.leases))
        self._asked = True
        return None

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._questions.put(None)
            self._thread.join()

    def _answer(self, gallery: Gallery) -> GallerySnapshot | None:
        if self._answers.empty():
            if self._thread is None or not self._thread.is_alive():
                raise RuntimeError("the thread that reads gallery.db has ended")
            return None
        self._asked = self.ready = False
        answer = self._answers.get()
        if answer is None:
            return None
        if isinstance(answer, EdgefaceError):
            raise answer
        gallery.adopt(answer.snapshot, answer.generation)
        self._moment = answer.moment
        return answer.snapshot

    def _run(self) -> None:
        gallery: Gallery | None = None
        try:
            while (question := self._questions.get()) is not None:
                try:
                    # A copy in memory would never change.
                    gallery = gallery or open_writable(self._folder, self._model)
                    answer: _Answer | EdgefaceError | None = _read(gallery, question)
                except EdgefaceError as error:
                    answer = error
                self.ready = isinstance(answer, _Answer)
                self._answers.put(answer)
        finally:
            if gallery is not None:
                gallery.close()


def _read(gallery: Gallery, question: _Question) -> _Answer | None:
    """The snapshot as of now; None if it is the one that the question has."""
    gallery.leases = question.leases
    moment = gallery.moment(question.wall)
    if moment == question.moment and gallery.generation == question.generation and not gallery.changed():
        return None
    gallery.base = question.base
    made = gallery.snapshot(question.wall)
    answer = _Answer(made, gallery.generation, moment)
    return None if answer == (question.base, question.generation, question.moment) else answer
