"""Everything that recognition works with, opened once and kept up to date: models, gallery, unknowns, thresholds."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.access.policy import AccessPolicy, strangers
from edgeface.core.clock import synchronised
from edgeface.core.errors import GalleryError, ModelError, VaultError
from edgeface.core.text import counted
from edgeface.core.types import unmeasured
from edgeface.daemon.snapshot_reader import SnapshotReader
from edgeface.faces import covered
from edgeface.faces.calibration import table_of
from edgeface.faces.tflite import EMBEDDER, SHIPPED
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import day
from edgeface.gallery.thumbnails import Thumbnail, thumbnail
from edgeface.gallery.unknowns import UnknownChanges, Unknowns
from edgeface.people import retention
from edgeface.recognition.decision import Thresholds, same_unknown, thresholds
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.scene import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Thread

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Detector, Event, FrameResult, Image, Probe
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.timings import Timings

log = logging.getLogger(__name__)

# Seconds to finish an erasure at the end; the next start does the rest.
_ERASURE = 5.0

# Refreshes between two attempts to open a read-only gallery for writing.
_REOPEN = 20
# Thumbnails and probes that may wait for the disk.
_MAX_THUMBNAILS, _MAX_PROBES = 20, 200


def rules(configuration: Configuration, boot: str) -> PipelineRules:
    """What the pipeline decides by, from the configuration."""
    return PipelineRules(
        device=configuration.device,
        boot=boot,
        recognition=configuration.recognition,
        unknown=configuration.unknown,
        regions={name: camera.region or WHOLE for name, camera in configuration.cameras.items()},
        doors=configuration.access_policy.strictest(),
    )


def door_problems(policy: AccessPolicy, view: GallerySnapshot, accept: Thresholds) -> tuple[str, ...]:
    """The doors that require a level that cannot be guaranteed, or allow a person who is not enrolled, one a line."""
    known = {level for level, _ in accept.levels}
    people = counted(view.enrolled, "person", "people")
    lines = [
        f"door {name}: level {door.level!r} cannot be guaranteed with {people} enrolled"
        for name, door in policy.doors.items()
        if door.level not in known
    ]
    return (*lines, *strangers(policy, view.matchable))


class RecognitionSession:
    """One pipeline with its gallery; it belongs to the thread that opened it."""

    def __init__(
        self,
        configuration: Configuration,
        boot: str,
        wall: float,
        synced: Callable[[], bool] = synchronised,
        timings: Timings | None = None,
    ) -> None:
        """Open everything. Raises ModelError, GalleryError or VaultError.

        `synced` is whether the wall clock is right; `timings` measures the stages.
        """
        self.problems: tuple[str, ...] = ()
        """Why no one can be matched, if so, and the problems of doors."""
        self.people: frozenset[str] = frozenset()
        """Ids of the people who can be matched now."""
        self._boot = boot
        self._unsaved = UnknownChanges((), ())
        self._configuration = configuration
        self._table = table_of(configuration.embedder.model)
        self._timings = timings
        self.analyzer = replace(configuration.open_analyzer(), measure=timings.measure if timings else unmeasured)
        self._synced = synced
        self._retained = -math.inf
        self._retention: Thread | None = None
        self._attempts = 0
        self._thumbnails: list[Thumbnail] = []
        self._probes: list[Probe] = []
        self._gallery = Gallery.open(configuration.data, self.analyzer.embedder.name)
        self._reader = SnapshotReader(configuration.data, self._gallery.model, day(wall))
        try:
            self.pipeline = self._open_pipeline(wall)
        except BaseException:
            self._gallery.close()
            raise

    @property
    def unknowns(self) -> frozenset[str]:
        """Ids of the unknowns that are remembered now."""
        return self._unknowns.ids

    @property
    def has_news(self) -> bool:
        """Whether a refresh would take up people who have been read meanwhile; takes a microsecond."""
        return self._reader.ready

    @property
    def models(self) -> dict[str, str]:
        """SHA-256 of the models in use, by file; only the first 8 digits of the embedder's."""
        used = {shipped.file: shipped.sha256 for shipped in SHIPPED if shipped is not EMBEDDER}
        name, _, digits = self.analyzer.embedder.name.rpartition(":")
        return {**used, covered.FILE: covered.SHA256, name: digits}

    def refresh(self, configuration: Configuration, wall: float) -> None:
        """Apply what has changed in the configuration and the gallery, expire what is due, and store what is new.

        Raises GalleryError if something cannot be read or stored; the people in memory can still be matched.
        """
        try:
            self._reopen()
            self._update(configuration, wall)
            self._store(wall)
        except VaultError as error:
            raise GalleryError(str(error)) from error

    def keep_thumbnail(self, event: Event, image: Image) -> None:
        """Keep the face of an event where `privacy.pictures` allows it; the next refresh stores it."""
        allowed = self._configuration.privacy.pictures
        owner = {"match": event.person, "unknown": event.unknown}.get(event.type)
        if owner is not None and (allowed == "all" or (allowed == "unknown" and event.type == "unknown")):
            new = Thumbnail(owner, event.captured_at, thumbnail(image, event.box))
            self._thumbnails = [*self._thumbnails, new][-_MAX_THUMBNAILS:]

    def keep_probes(self, probes: Iterable[Probe]) -> None:
        """Keep the probes of announced visits, if corrections are possible; the next refresh stores them."""
        if self._configuration.privacy.correction_days:
            self._probes = [*self._probes, *probes][-_MAX_PROBES:]

    def correctable(self, result: FrameResult) -> FrameResult:
        """The result without the events that cannot be corrected, or not yet, because their probes are not stored."""
        days, waiting = self._configuration.privacy.correction_days, {probe.event for probe in self._probes}
        if days and not waiting:
            return result
        faces = (face if days and face.event not in waiting else replace(face, event=None) for face in result.faces)
        return replace(result, faces=tuple(faces))

    def close(self) -> None:
        """Close the gallery, after an erasure that is under way; what is new is stored by `refresh` only."""
        if self._retention is not None:
            self._retention.join(_ERASURE)
        self._reader.close()
        self._gallery.close()

    def _open_pipeline(self, wall: float) -> Pipeline:
        view = self._gallery.snapshot(wall)
        self._unknowns = Unknowns(self._boot, same_unknown(self._table, 1), self._configuration.unknown.days)
        self._read_unknowns()
        accept, applied = self._thresholds(view), rules(self._configuration, self._boot)
        return Pipeline(applied, self.analyzer, self._unknowns, view, accept)

    def _reopen(self) -> None:
        """Open a gallery that could only be read again from time to time."""
        if self._gallery.problem is None:
            return
        self._attempts += 1
        if self._attempts % _REOPEN == 0:
            reopened = Gallery.open(self._configuration.data, self.analyzer.embedder.name)
            reopened.base = self._gallery.base
            worse, self._gallery = (reopened, self._gallery) if reopened.problem else (self._gallery, reopened)
            worse.close()

    def _update(self, configuration: Configuration, wall: float) -> None:
        applied = configuration is self._configuration
        if not applied:
            detector = self._reload_detector(configuration)
            self._configuration = configuration
            # What must no longer be kept goes now.
            self._retained = -math.inf
            self.pipeline.apply(rules(configuration, self._boot), configuration.quality, detector)
        view = self._reader.newest(self._gallery, wall)
        if view is not None:
            self._read_unknowns()
        elif applied:
            return
        view = view or self.pipeline.gallery
        self.pipeline.use(view, self._thresholds(view))

    def _reload_detector(self, configuration: Configuration) -> Detector | None:
        """The detector for settings that have changed; None when they have not, or it cannot be loaded."""
        if self._configuration.detector == configuration.detector:
            return None
        try:
            return configuration.detector.open()
        except ModelError as error:
            log.error("the detector stays as it is: %s", error)
            return None

    def _store(self, wall: float) -> None:
        if self._gallery.problem is not None:
            raise GalleryError(self._gallery.problem)
        self._store_unknowns(wall)
        if self._thumbnails:
            self._gallery.store_pictures(self._thumbnails)
            self._thumbnails = []
        if self._probes:
            self._gallery.store_probes(self._probes)
            self._probes = []
        busy = self._retention is not None and self._retention.is_alive()
        # A clock that jumps back counts as well.
        if abs(wall - self._retained) >= retention.EVERY and not busy:
            self._retained = wall
            synced, alike = self._synced(), same_unknown(self._table, 1)
            model = self._gallery.model
            self._retention = retention.start(self._configuration, model, wall, synced=synced, alike=alike)

    def _store_unknowns(self, wall: float) -> None:
        """Store what has changed; what a full disk refuses waits for the next refresh."""
        new = self._unknowns.take_changes(wall if self._synced() else None)
        kept = {unknown.id: unknown for unknown in (*self._unsaved.kept, *new.kept)}
        self._unsaved = UnknownChanges(tuple(kept.values()), (*self._unsaved.expired, *new.expired))
        if self._unsaved.kept or self._unsaved.expired:
            self._gallery.store_unknowns(*self._unsaved)
            self._unsaved = UnknownChanges((), ())

    def _thresholds(self, view: GallerySnapshot) -> Thresholds:
        """The thresholds for this gallery; those that match no one when the level cannot be guaranteed."""
        unmatchable: tuple[str, ...] = ()
        self.people = frozenset(view.rows)
        if self._timings is not None:
            self._timings.people = view.enrolled
        try:
            accept = thresholds(self._table, self._configuration.recognition.level, view)
        except GalleryError as error:
            log.error("no one can be matched: %s", error)
            unmatchable = (f"no one can be matched: {error}",)
            # No one can be matched; every face is unknown.
            accept = Thresholds(math.inf, math.inf, same_unknown(self._table, 1))
        self.problems = (*unmatchable, *door_problems(self._configuration.access_policy, view, accept))
        return accept

    def _read_unknowns(self) -> None:
        records = self._gallery.unknowns()
        self._unknowns.use(same_unknown(self._table, max(1, len(records))), records, self._gallery.retired_ids())
