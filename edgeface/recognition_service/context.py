"""What a worker needs to recognise faces: its models, and the people as the supervisor sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeface.faces.photo_face import faces
from edgeface.recognition_service.shared_people import mapped
from edgeface.web.context import Models
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.workers.shared_counts import SharedCounts

STALE_SECONDS = 10.0
"""Seconds since the supervisor's last confirmation after which no one is recognised: someone may have been erased."""

_BLANK = (480, 640, 3)


class ServiceContext:
    """The context of every request; any thread may use it."""

    def __init__(self, configuration: Configuration, clock: Clock, counts: SharedCounts) -> None:
        self.clock, self.counts = clock, counts
        self.stopping = False
        """No new requests are accepted."""
        self._configuration = configuration
        self._models = Models()
        self._warm = False
        self._people: GallerySnapshot | None = None
        self._confirmed = 0.0

    @property
    def problem(self) -> str | None:
        """Why no picture can be judged now, in one line."""
        if self.stopping:
            return "the service is stopping"
        if not self._warm:
            return "the models are being loaded"
        if self._people is None:
            return "the gallery is being read"
        if self.clock.monotonic() - self._confirmed > STALE_SECONDS:
            return "the gallery cannot be read: see the log of the service"
        return None

    def use(self, handle: int) -> None:
        """Compare with the people that `share` of shared_people.py has put there."""
        self._people = mapped(handle)

    def confirm(self) -> None:
        """The people are still those of the gallery."""
        self._confirmed = self.clock.monotonic()

    def warm(self) -> None:
        """Load the models and use them once; takes a second. Raises ModelError."""
        with self.analyzer() as analyzer:
            faces(analyzer, np.zeros(_BLANK, np.uint8))
        self._warm = True

    def configuration(self) -> Configuration:
        """The configuration that the service was started with."""
        return self._configuration

    def snapshot(self) -> GallerySnapshot:
        """The people; raises Problem 503 if they may have changed meanwhile."""
        problem, people = self.problem, self._people
        # Requests in progress are finished while the service stops.
        if people is None or (problem is not None and not self.stopping):
            raise Problem(503, detail=problem or "", headers={"Retry-After": "1"})
        return people

    def unknowns(self) -> tuple[()]:
        """None: only people who are enrolled are compared with."""
        return ()

    def analyzer(self) -> AbstractContextManager[FaceAnalyzer]:
        """Wait for exclusive use of the models. Raises ModelError."""
        return self._models.analyzer(self._configuration)
