"""What every handler of the web gets to work with."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from edgeface.chain import open_chain
from edgeface.embedder import embedder_name
from edgeface.gallery import Gallery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from edgeface.chain import Chain
    from edgeface.clock import Clock
    from edgeface.journal import Journal
    from edgeface.settings import Configuration
    from edgeface.timings import Timings
    from edgeface.web.glass import Glass


class Models:
    """The web's own models: opened when somebody first needs them, for one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chain: Chain | None = None

    @contextmanager
    def chain(self, configuration: Configuration) -> Iterator[Chain]:
        """Wait for the models, and have them alone; ModelError when they cannot be loaded."""
        with self._lock:
            if self._chain is None:
                self._chain = open_chain(configuration)
            yield replace(self._chain, limits=configuration.quality)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """The daemon as the web sees it: `request.app.state.site`; any thread may use it."""

    configuration: Callable[[], Configuration]
    """As it runs now."""
    source: Path | None
    """config.yaml, when there is one."""
    clock: Clock
    glass: Glass
    journal: Journal
    """The daemon's own."""
    boot: str
    note: Callable[[str, Mapping[str, Any]], None]
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

    @contextmanager
    def chain(self) -> Iterator[Chain]:
        """Have the web's models alone; ModelError. It waits for whoever has them, and for their loading."""
        with self.models.chain(self.configuration()) as chain:
            yield chain
