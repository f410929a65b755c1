"""Everything that recognition works with, opened once and kept up to date: models, gallery, unknowns, thresholds."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from edgeface.access.policy import AccessPolicy, strangers, unguaranteed
from edgeface.core.clock import synchronised
from edgeface.core.errors import GalleryError, ModelError, VaultError
from edgeface.core.types import unmeasured
from edgeface.daemon.snapshot_reader import SnapshotReader
from edgeface.daemon.storage import GalleryWriter, Unsaved
from edgeface.faces import covered
from edgeface.faces.calibration import table_of
from edgeface.faces.tflite import EMBEDDER, SHIPPED
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.thumbnails import Thumbnail, thumbnail
from edgeface.gallery.unknowns import Unknowns
from edgeface.people import retention
from edgeface.recognition.decision import likeness, same_unknown
from edgeface.recognition.limits import camera_limits, shortfall, with_limits
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.scene import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from threading import Thread

    from edgeface.access.site_policy import SitePolicy
    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Event, FrameResult, Image, Probe
    from edgeface.faces.protocols import Detector
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknown
    from edgeface.recognition.decision import Thresholds
    from edgeface.recognition.limits import CameraLimits
    from edgeface.recognition.timings import Timings

log = logging.getLogger(__name__)

# Seconds to finish an erasure at the end; the next start does the rest.
_ERASURE = 5.0
# Seconds to store what is new at the end.
_STORE = 5.0

# Refreshes between two attempts to open a read-only gallery for writing.
_REOPEN = 20


def rules(configuration: Configuration, boot: str) -> PipelineRules:
    """What the pipeline decides by, from the configuration."""
    return PipelineRules(
        device=configuration.device,
        boot=boot,
        recognition=configuration.recognition,
        unknown=configuration.unknown,
        regions={name: camera.region or WHOLE for name, camera in configuration.cameras.items()},
        liveness=configuration.liveness,
    )


class FleetFacts(Protocol):
    """What a fleet says about its people; any thread may call it."""

    def leases(self, wall: float) -> frozenset[str]:
        """The sites whose lease is not over."""

    def policies(self) -> Mapping[str, SitePolicy | None]:
        """The policies of the sites."""


class RecognitionSession:
    """One pipeline with its gallery; it belongs to the thread that opened it."""

    def __init__(
        self,
        configuration: Configuration,
        boot: str,
        wall: float,
        synced: Callable[[], bool] = synchronised,
        timings: Timings | None = None,
        ignore: Callable[[str], None] = lambda _: None,
        fleet: FleetFacts | None = None,
    ) -> None:
        """Open everything. Raises ModelError, GalleryError or VaultError.

        `synced` is whether the wall clock is right; `timings` measures the stages; `ignore` puts an unknown on the
        ignore list, in the thread that writes the gallery; without `fleet`, the leases are those that the data folder
        has, and the people of a site pass no door.
        """
        self._policies: Callable[[], Mapping[str, SitePolicy | None]] = dict if fleet is None else fleet.policies
        self._sites = self._policies()
        self.problems: tuple[str, ...] = ()
        """Where no one can be matched, or only at a laxer level, and people of doors who are not enrolled."""
        self.thresholds: Mapping[str, Thresholds] = {}
        """What is accepted by camera."""
        self.policy = AccessPolicy()
        """The doors, with what each accepts for the people who may pass it now."""
        self.people: frozenset[str] = frozenset()
        """Ids of the people who can be matched now."""
        self._logged: set[str] = set()
        self._boot = boot
        self._configuration = configuration
        self.embedder = configuration.embedder
        """The embedder that was opened; another one needs another session."""
        self._table = table_of(configuration.embedder.model)
        self._timings = timings
        self.analyzer = replace(configuration.open_analyzer(), measure=timings.measure if timings else unmeasured)
        self._synced = synced
        self._retained = -math.inf
        self._retention: Thread | None = None
        self._attempts = 0
        self._unsaved = Unsaved()
        self._tags: dict[bytes, str] = {}
        self._gallery = Gallery.open(configuration.data, self.analyzer.embedder.name)
        if fleet is not None:
            self._gallery.leases = fleet.leases
        self._reader = SnapshotReader(configuration.data, self._gallery.model, self._gallery.moment(wall))
        try:
            self.pipeline = self._open_pipeline(wall)
            self._writer = GalleryWriter(configuration.data, self._gallery.model, ignore)
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
        looks = self.analyzer.liveness.names if self.analyzer.liveness is not None else {}
        return {**used, covered.FILE: covered.SHA256, name: digits, **looks}

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
            self._unsaved = self._unsaved.then(Unsaved(thumbnails=(new,)))

    def keep_probes(self, probes: Iterable[Probe]) -> None:
        """Keep the probes of announced visits, if corrections are possible; the next refresh stores them."""
        kept = tuple(probes)
        if kept and self._configuration.privacy.correction_days:
            self._unsaved = self._unsaved.then(Unsaved(probes=kept))

    def ignore(self, unknown: str) -> None:
        """Have an unknown put on the ignore list, after the next refresh has stored what was seen of them."""
        self._unsaved = self._unsaved.then(Unsaved(ignored=(unknown,)))

    def correctable(self, result: FrameResult) -> FrameResult:
        """The result without the events that cannot be corrected, or not yet, because their probes are not stored."""
        days = self._configuration.privacy.correction_days
        waiting = {probe.event for probe in (*self._unsaved.probes, *self._writer.waiting_probes)}
        if days and not waiting:
            return result
        faces = (face if days and face.event not in waiting else replace(face, event=None) for face in result.faces)
        return replace(result, faces=tuple(faces))

    def stored(self, timeout: float = _STORE) -> bool:
        """Wait until what was refreshed is on the disk; False if the disk refuses it, or after `timeout` seconds."""
        return self._writer.wait(timeout)

    def close(self) -> None:
        """Close the gallery, after an erasure that is under way; what is new is stored by `refresh` only."""
        if self._retention is not None:
            self._retention.join(_ERASURE)
        self._writer.close(_STORE)
        self._reader.close()
        self._gallery.close()

    def _open_pipeline(self, wall: float) -> Pipeline:
        view = self._gallery.snapshot(wall)
        self._generation = self._gallery.generation
        kept, among, retired = self._configuration.unknown, partial(likeness, self._table), self._gallery.retired_ids()
        self._unknowns = Unknowns(self._boot, among, kept.days, self._each_unknown(), retired, kept.most)
        applied = rules(self._configuration, self._boot)
        return Pipeline(applied, self.analyzer, self._unknowns, view, *self._use(view))

    def _reopen(self) -> None:
        """Open a gallery that could only be read again from time to time."""
        if self._gallery.problem is None:
            return
        self._attempts += 1
        if self._attempts % _REOPEN == 0:
            reopened = Gallery.open(self._configuration.data, self.analyzer.embedder.name)
            reopened.base, reopened.leases = self._gallery.base, self._gallery.leases
            worse, self._gallery = (reopened, self._gallery) if reopened.problem else (self._gallery, reopened)
            worse.close()

    def _update(self, configuration: Configuration, wall: float) -> None:
        if configuration is not self._configuration:
            detector = self._reload_detector(configuration)
            self._configuration = configuration
            # What must no longer be kept goes now.
            self._retained = -math.inf
            self._unknowns.limit(configuration.unknown.days, configuration.unknown.most)
            self.pipeline.apply(rules(configuration, self._boot), configuration.quality, detector)
            # What is accepted no more is refused even if the gallery cannot be read now.
            self.pipeline.use(self._view, *self._use(self._view))
        elif self._policies() != self._sites:
            self.pipeline.use(self._view, *self._use(self._view))
        try:
            view = self._reader.newest(self._gallery, wall) or self._view
        except VaultError:
            # Unknowns who were removed must go even if the row of a person was altered.
            self._read_unknowns()
            raise
        if view is not self._view:
            self.pipeline.use(view, *self._use(view))
        if self._generation != self._gallery.generation:
            self._read_unknowns()

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
        # Unknowns may be removed by age only when the clock is right.
        unknowns = self._unknowns.take_changes(wall if self._synced() else None)
        for one in unknowns.expired:
            self._tags.pop(self._gallery.tag(one), None)
        self._tags |= {self._gallery.tag(one.id): one.id for one in unknowns.seen}
        self._writer.offer(self._unsaved.then(Unsaved(unknowns)))
        self._unsaved = Unsaved()
        if not self._writer.alive:
            raise RuntimeError("the thread that writes gallery.db has ended")
        if self._writer.problem is not None:
            raise GalleryError(self._writer.problem)
        busy = self._retention is not None and self._retention.is_alive()
        # A clock that jumps back counts as well.
        if abs(wall - self._retained) >= retention.EVERY and not busy:
            self._retained = wall
            synced, alike = self._synced(), same_unknown(self._table, 1)
            model = self._gallery.model
            self._retention = retention.start(self._configuration, model, wall, synced=synced, alike=alike)

    def _use(self, view: GallerySnapshot) -> tuple[Thresholds, Mapping[str, CameraLimits]]:
        """What is accepted with this gallery: the thresholds for everyone, and the limits by camera."""
        settings = self._configuration
        self._view, self.people = view, frozenset(view.rows)
        if self._timings is not None:
            self._timings.people = view.enrolled
        self._sites = self._policies()
        self.policy = with_limits(settings.access_policy, self._table, view, self._sites)
        groups = settings.camera_groups(self.policy.groups)
        everyone, cameras = camera_limits(self.policy, groups, settings.recognition.level, self._table, view)
        self._report(view, everyone, cameras)
        return everyone, cameras

    def _report(self, view: GallerySnapshot, everyone: Thresholds, cameras: Mapping[str, CameraLimits]) -> None:
        """Keep the problems, and log those that are new."""
        settings, level = self._configuration, self._configuration.recognition.level
        self.thresholds = {name: cameras[name].thresholds if name in cameras else everyone for name in settings.cameras}
        accepts = {f"camera {name}: ": self.thresholds[name] for name in settings.camera_groups()}
        if not settings.cameras or len(accepts) < len(settings.cameras):
            accepts[""] = everyone
        short = {where: shortfall(accept, level, self._table) for where, accept in accepts.items()}
        lines = [f"{where}{why}" for where, why in short.items() if why is not None]
        # The issuer reports the doors.
        doors = [f"door {name}: {why}" for name, why in unguaranteed(self.policy).items()]
        for line in {*lines, *doors} - self._logged:
            log.error("%s", line)
        self._logged = {*lines, *doors}
        self.problems = (*lines, *self.policy.conflicts, *strangers(self.policy, view.enrolled_of(self.people)))

    def _each_unknown(self) -> Iterator[Unknown]:
        for tag, unknown in self._gallery.each_unknown():
            self._tags[tag] = unknown.id
            yield unknown

    def _read_unknowns(self) -> None:
        """Take over what others have changed: who is gone, and who was merged."""
        # Read before the news: what is written in between is then not mistaken for removed.
        unwritten = self._writer.waiting.unknowns
        news = self._gallery.unknown_news(self._generation)
        retired = self._gallery.retired_ids()
        kept = {one.id for one in unwritten.seen} | self._unknowns.waiting
        missing = [(tag, self._tags[tag]) for tag in self._tags.keys() - news.tags]
        gone = {tag: one for tag, one in missing if one not in kept or one in retired}
        self._unknowns.update(news.changed, gone.values(), retired)
        self._tags |= {self._gallery.tag(one.id): one.id for one in news.changed}
        for tag in gone:
            del self._tags[tag]
        self._generation = news.generation
