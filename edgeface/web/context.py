"""The context that every handler of the web works with."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edgeface.faces.embedder import embedder_name
from edgeface.gallery.alike import AlikePairs
from edgeface.gallery.gallery import Gallery
from edgeface.journal.visit_reader import VisitReader
from edgeface.people.self_enrollment import SelfEnrollments
from edgeface.people.service import PeopleService
from edgeface.web.hub import LiveHub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.settings import EmbedderSettings
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknown
    from edgeface.journal.journal import Journal
    from edgeface.notify.notifier import Notifier
    from edgeface.recognition.timings import Timings


class Models:
    """The web's own models: loaded at the first use, for one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._analyzer: FaceAnalyzer | None = None
        self._embedder: EmbedderSettings | None = None

    @contextmanager
    def analyzer(self, configuration: Configuration) -> Iterator[FaceAnalyzer]:
        """Wait for exclusive use of the models. Raises ModelError if they cannot be loaded."""
        with self._lock:
            if self._analyzer is None or self._embedder != configuration.embedder:
                self._analyzer, self._embedder = configuration.open_analyzer(), configuration.embedder
            yield replace(self._analyzer, limits=configuration.quality)


@dataclass(frozen=True, slots=True, eq=False)
class WebContext:
    """The daemon as the web sees it: `request.app.state.context`; any thread may use it."""

    configuration: Callable[[], Configuration]
    """The running configuration."""
    source: Path | None
    """config.yaml; None if the daemon runs without a file."""
    clock: Clock
    journal: Journal
    """The daemon's own."""
    record: Callable[[str, Mapping[str, Any]], None]
    """Writes a row to the journal, of this kind and with these facts; returns at once."""
    reload: Callable[[], None]
    """Requests a reload of the configuration, as SIGHUP does."""
    timings: Timings | None = None
    """What the daemon's threads measure."""
    latest: Callable[[], GallerySnapshot | None] = lambda: None
    """The people as the daemon matches them now; None if it does not run."""
    switch: Callable[[str, bool], None] | None = None
    """Requests that a camera is switched on or off, as over MQTT; None if no cameras run."""
    notifier: Callable[[], Notifier | None] = lambda: None
    """What sends notifications; None without the section notify."""
    hub: LiveHub = field(default_factory=LiveHub)
    models: Models = field(default_factory=Models)
    alike: AlikePairs = field(default_factory=AlikePairs)
    visits: VisitReader = field(default_factory=VisitReader)

    @contextmanager
    def gallery(self) -> Iterator[Gallery]:
        """Open the gallery for one thread, and close it; waits for the disk. Raises GalleryError or VaultError."""
        configuration = self.configuration()
        with closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model))) as gallery:
            gallery.base = self.latest()
            yield gallery

    def snapshot(self) -> GallerySnapshot:
        """The people as they are matched now; waits for the disk if no daemon runs."""
        latest = self.latest()
        if latest is not None:
            return latest
        with self.gallery() as gallery:
            return gallery.snapshot(self.clock.wall())

    def unknowns(self) -> list[Unknown]:
        """Those who were seen and are not enrolled; waits for the disk."""
        with self.gallery() as gallery:
            return gallery.unknowns()

    @property
    def people(self) -> PeopleService:
        """The workflows about people, with the configuration as it is now."""
        # One configuration for gallery and models: their embedder may change at any time.
        settings = self.configuration()
        analyzer = partial(self.models.analyzer, settings)
        return PeopleService(settings, self._record_changes, self.clock, analyzer, self.hub.forget, self.latest)

    @property
    def self_enrollments(self) -> SelfEnrollments:
        """The links for self-enrollment, and what has come by them."""
        return SelfEnrollments(self.people, self.record)

    def _record_changes(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.record(change.kind, change.facts)

    def analyzer(self) -> AbstractContextManager[FaceAnalyzer]:
        """Wait for exclusive use of the web's models, which may have to be loaded. Raises ModelError."""
        return self.models.analyzer(self.configuration())
