"""What every handler of the web gets to work with."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.people.service import PeopleService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.gallery.rows import Change
    from edgeface.journal.journal import Journal
    from edgeface.recognition.timings import Timings
    from edgeface.web.hub import LiveHub


@dataclass(frozen=True, slots=True, eq=False)
class Insight:
    """What a daemon lets the page have of itself."""

    configuration: Callable[[], Configuration]
    """As it runs now."""
    source: Path | None
    clock: Clock
    journal: Journal
    boot: str
    record: Callable[[str, Mapping[str, Any]], None]
    reload: Callable[[], None]
    timings: Timings | None = None
    """What the daemon's threads measure."""
    switch: Callable[[str, bool], None] | None = None
    """Has a camera switched on or off soon."""


class Models:
    """The web's own models: opened when somebody first needs them, for one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._analyzer: FaceAnalyzer | None = None

    @contextmanager
    def analyzer(self, configuration: Configuration) -> Iterator[FaceAnalyzer]:
        """Wait for the models, and have them alone; ModelError when they cannot be loaded."""
        with self._lock:
            if self._analyzer is None:
                self._analyzer = configuration.open_analyzer()
            yield replace(self._analyzer, limits=configuration.quality)


@dataclass(frozen=True, slots=True, eq=False)
class WebContext:
    """The daemon as the web sees it: `request.app.state.site`; any thread may use it."""

    configuration: Callable[[], Configuration]
    """As it runs now."""
    source: Path | None
    """config.yaml, when there is one."""
    clock: Clock
    hub: LiveHub
    journal: Journal
    """The daemon's own."""
    boot: str
    record: Callable[[str, Mapping[str, Any]], None]
    """Has a row written to the journal: kind and facts; returns at once."""
    reload: Callable[[], None]
    """Has the configuration read again soon, as SIGHUP does."""
    models: Models = field(default_factory=Models)
    timings: Timings | None = None
    """What the daemon's threads measure."""
    switch: Callable[[str, bool], None] | None = None
    """Has a camera switched on or off soon, as by MQTT; None where no cameras run."""

    @contextmanager
    def gallery(self) -> Iterator[Gallery]:
        """Open the gallery for one thread, and close it; GalleryError, VaultError. It waits for the disk."""
        configuration = self.configuration()
        with closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model))) as gallery:
            yield gallery

    @property
    def people(self) -> PeopleService:
        """The workflows about people, with the configuration as it is now."""
        return PeopleService(self.configuration(), self._record_changes, self.clock, self.analyzer, self.hub.forget)

    def _record_changes(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.record(change.kind, change.facts)

    @contextmanager
    def analyzer(self) -> Iterator[FaceAnalyzer]:
        """Have the web's models alone; ModelError. It waits for whoever has them, and for their loading."""
        with self.models.analyzer(self.configuration()) as analyzer:
            yield analyzer
