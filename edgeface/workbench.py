"""What the pipeline needs around it, opened once: models, gallery, unknowns, thresholds."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from edgeface.chain import open_chain
from edgeface.errors import GalleryError
from edgeface.evidence import Thresholds
from edgeface.gallery import Gallery
from edgeface.levels import table_of
from edgeface.model import EMBEDDER, SHIPPED
from edgeface.pipeline import WHOLE, Pipeline, Rules
from edgeface.unknowns import Drained, Unknowns

if TYPE_CHECKING:
    from edgeface.chain import Chain
    from edgeface.levels import Table
    from edgeface.settings import Configuration, Level
    from edgeface.view import View

log = logging.getLogger(__name__)


def thresholds(table: Table, level: Level, view: View) -> Thresholds:
    """The cosines for a gallery of this size; GalleryError when the table cannot show the level for it."""
    people = view.enrolled
    return Thresholds(table.threshold(level, people), table.near(level, people), table.threshold("low", 1))


def same_unknown(table: Table, count: int) -> float:
    """The cosine from which on two visits of unknowns are one person: level low among as many as there are."""
    try:
        return table.threshold("low", count)
    except GalleryError:
        return math.inf


def rules(configuration: Configuration, boot: str) -> Rules:
    """What the pipeline goes by, from the configuration."""
    regions = {name: camera.region or WHOLE for name, camera in configuration.cameras.items()}
    return Rules(configuration.device, boot, configuration.recognition, configuration.unknown.per_minute, regions)


class Workbench:
    """One pipeline with its gallery; it belongs to the thread that made it."""

    def __init__(self, configuration: Configuration, boot: str) -> None:
        """Open everything; ModelError or GalleryError says what cannot be."""
        self.problems: tuple[str, ...] = ()
        """Why nobody can be matched, if so."""
        self._boot = boot
        self._unsaved = Drained((), ())
        self._configuration = configuration
        self._table = table_of(configuration.embedder.model)
        self.chain: Chain = open_chain(configuration)
        self._gallery = Gallery.open(configuration.data, self.chain.embedder.name)
        view = self._gallery.snapshot()
        self._unknowns = Unknowns(boot, same_unknown(self._table, 1), configuration.unknown.days)
        self._read_unknowns()
        accept = self._thresholds(view)
        self.pipeline = Pipeline(rules(configuration, boot), self.chain, self._unknowns, view, accept)

    @property
    def models(self) -> dict[str, str]:
        """SHA-256 of the models that are used, by file; of the embedder only the first 8 digits."""
        used = {shipped.file: shipped.sha256 for shipped in SHIPPED if shipped is not EMBEDDER}
        name, _, digits = self.chain.embedder.name.rpartition(":")
        return {**used, name: digits}

    def refresh(self, configuration: Configuration, wall: float) -> None:
        """Store new unknowns, and take in what other processes changed in the gallery, or a reload in the rules."""
        self._store_unknowns(wall)
        if configuration is not self._configuration:
            self._configuration = configuration
            self.pipeline.go_by(rules(configuration, self._boot), configuration.quality)
        elif not self._gallery.changed():
            return
        view = self._gallery.snapshot()
        self.pipeline.use(view, self._thresholds(view))
        self._read_unknowns()

    def close(self) -> None:
        """Close the gallery; `refresh` stores what is new."""
        self._gallery.close()

    def _store_unknowns(self, wall: float) -> None:
        """Store what has changed; what a full disk does not take waits for the next time."""
        fresh = self._unknowns.drain(wall)
        kept = {unknown.id: unknown for unknown in (*self._unsaved.kept, *fresh.kept)}
        self._unsaved = Drained(tuple(kept.values()), (*self._unsaved.expired, *fresh.expired))
        if self._unsaved.kept or self._unsaved.expired:
            self._gallery.keep_unknowns(*self._unsaved)
            self._unsaved = Drained((), ())

    def _thresholds(self, view: View) -> Thresholds:
        try:
            self.problems = ()
            return thresholds(self._table, self._configuration.recognition.level, view)
        except GalleryError as error:
            log.error("nobody will be matched: %s", error)
            self.problems = (f"nobody is matched: {error}",)
            # Nobody is matched, and everybody is unknown.
            return Thresholds(math.inf, math.inf, same_unknown(self._table, 1))

    def _read_unknowns(self) -> None:
        records = self._gallery.unknowns()
        self._unknowns.use(same_unknown(self._table, max(1, len(records))), records, self._gallery.gone())
