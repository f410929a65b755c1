"""What the pipeline needs around it, opened once: models, gallery, unknowns, thresholds."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from edgeface.access.policy import AccessPolicy, strangers
from edgeface.core.clock import synchronised
from edgeface.core.errors import GalleryError, ModelError, VaultError
from edgeface.faces.calibration import table_of
from edgeface.faces.tflite import EMBEDDER, SHIPPED
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import day
from edgeface.gallery.thumbnails import Thumbnail, thumbnail
from edgeface.gallery.unknowns import UnknownChanges, Unknowns
from edgeface.people import retention
from edgeface.recognition.evidence import Thresholds, decide
from edgeface.recognition.pipeline import WHOLE, Pipeline, Rules
from edgeface.recognition.thresholds import same_unknown, thresholds

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Detector, Event, Image
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.timings import Timings

log = logging.getLogger(__name__)

# Seconds for what was begun; what is not done then is done at the next start.
_ERASURE = 5.0

# Refreshes between two tries to open a gallery that cannot be written.
_TRY_AGAIN = 20
# Pictures that wait for a disk.
_WAITING = 20


def rules(configuration: Configuration, boot: str) -> Rules:
    """What the pipeline goes by, from the configuration."""
    regions = {name: camera.region or WHOLE for name, camera in configuration.cameras.items()}
    asked = configuration.access_policy.strictest()
    per_minute = configuration.unknown.per_minute
    return Rules(configuration.device, boot, configuration.recognition, per_minute, regions, asked)


def door_problems(policy: AccessPolicy, view: GallerySnapshot, accept: Thresholds) -> tuple[str, ...]:
    """Which doors ask for a level that cannot be shown, or let in somebody who is not enrolled, one line each."""
    known = {level for level, _ in accept.levels}
    lines = [
        f"door {name}: level {door.level} cannot be shown with {view.enrolled} people enrolled"
        for name, door in policy.doors.items()
        if door.level not in known
    ]
    return (*lines, *strangers(policy, {person.id for person in view.people if not person.ignored}))


class RecognitionSession:
    """One pipeline with its gallery; it belongs to the thread that made it."""

    def __init__(
        self,
        configuration: Configuration,
        boot: str,
        wall: float,
        synced: Callable[[], bool] = synchronised,
        timings: Timings | None = None,
    ) -> None:
        """Open everything; ModelError, GalleryError or VaultError says what cannot be.

        `synced` says whether wall time is known to be right; `timings` measures the stages.
        """
        self.problems: tuple[str, ...] = ()
        """Why nobody can be matched, if so, and what is wrong with doors."""
        self._boot = boot
        self._unsaved = UnknownChanges((), ())
        self._configuration = configuration
        self._table = table_of(configuration.embedder.model)
        self._timings = timings
        analyzer = configuration.open_analyzer()
        self.analyzer: FaceAnalyzer = analyzer if timings is None else timings.analyzer(analyzer)
        self._synced = synced
        self._today = day(wall)
        self._kept = -math.inf
        self._keeper: Thread | None = None
        self._tries = 0
        self._pictures: list[Thumbnail] = []
        self._gallery = Gallery.open(configuration.data, self.analyzer.embedder.name)
        try:
            self.pipeline = self._made(wall)
        except BaseException:
            self._gallery.close()
            raise

    @property
    def people(self) -> frozenset[str]:
        """Ids of those who can be matched now."""
        return self._people

    @property
    def unknowns(self) -> frozenset[str]:
        """Ids of the unknowns that are remembered now."""
        return self._unknowns.ids

    @property
    def models(self) -> dict[str, str]:
        """SHA-256 of the models that are used, by file; of the embedder only the first 8 digits."""
        used = {shipped.file: shipped.sha256 for shipped in SHIPPED if shipped is not EMBEDDER}
        name, _, digits = self.analyzer.embedder.name.rpartition(":")
        return {**used, name: digits}

    def refresh(self, configuration: Configuration, wall: float) -> None:
        """Take in what has changed in the gallery, in the rules by a reload, or in who has expired; store what is new.

        GalleryError when something cannot be read or stored; people are matched as far as they are known.
        """
        try:
            self._try_again()
            self._take_in(configuration, wall)
            self._store(wall)
        except VaultError as error:
            raise GalleryError(str(error)) from error

    def picture(self, event: Event, image: Image) -> None:
        """Keep the face of an event where `privacy.pictures` says so; the next refresh stores it."""
        wanted = self._configuration.privacy.pictures
        owner = {"match": event.person, "unknown": event.unknown}.get(event.type)
        if owner is not None and (wanted == "all" or (wanted == "unknown" and event.type == "unknown")):
            self._pictures = [*self._pictures, Thumbnail(owner, event.captured_at, thumbnail(image, event.box))][
                -_WAITING:
            ]

    def close(self) -> None:
        """Close the gallery; `refresh` stores what is new. An erasure that is under way is waited for."""
        if self._keeper is not None:
            self._keeper.join(_ERASURE)
        self._gallery.close()

    def _made(self, wall: float) -> Pipeline:
        """Make the pipeline of the people who are in the gallery now."""
        view = self._gallery.snapshot(wall)
        self._people = frozenset(person.id for person in view.people)
        self._unknowns = Unknowns(self._boot, same_unknown(self._table, 1), self._configuration.unknown.days)
        self._read_unknowns()
        accept = self._thresholds(view)
        judge = decide if self._timings is None else self._timings.around("match", decide)
        by = rules(self._configuration, self._boot)
        return Pipeline(by, self.analyzer, self._unknowns, view, accept, judge)

    def _try_again(self) -> None:
        """Open the gallery anew once in a while if it could only be read."""
        if self._gallery.problem is None:
            return
        self._tries += 1
        if self._tries % _TRY_AGAIN == 0:
            fresh = Gallery.open(self._configuration.data, self.analyzer.embedder.name)
            old, self._gallery = (fresh, self._gallery) if fresh.problem else (self._gallery, fresh)
            old.close()

    def _take_in(self, configuration: Configuration, wall: float) -> None:
        today, before = day(wall), self._today
        if configuration is not self._configuration:
            was, self._configuration = self._configuration, configuration
            by, detector = rules(configuration, self._boot), self._detector(was, configuration)
            self.pipeline.apply(by, configuration.quality, detector)
        elif today == before and not self._gallery.changed():
            return
        view = self._gallery.snapshot(wall)
        self._people = frozenset(person.id for person in view.people)
        self.pipeline.use(view, self._thresholds(view))
        self._today = today
        self._read_unknowns()

    def _detector(self, before: Configuration, now: Configuration) -> Detector | None:
        """The detector for settings that have changed; None when they have not, or it cannot be loaded any more."""
        if before.detector == now.detector:
            return None
        try:
            detector = now.detector.open()
        except ModelError as error:
            log.error("the detector stays as it is: %s", error)
            return None
        return detector if self._timings is None else self._timings.detector(detector)

    def _store(self, wall: float) -> None:
        if self._gallery.problem is not None:
            raise GalleryError(self._gallery.problem)
        self._store_unknowns(wall)
        if self._pictures:
            self._gallery.store_pictures(self._pictures)
            self._pictures = []
        busy = self._keeper is not None and self._keeper.is_alive()
        # A clock that jumps back counts as well.
        if abs(wall - self._kept) >= retention.EVERY and not busy:
            self._kept = wall
            synced, alike = self._synced(), same_unknown(self._table, 1)
            self._keeper = retention.start(self._configuration, self._gallery.model, wall, synced=synced, alike=alike)

    def _store_unknowns(self, wall: float) -> None:
        """Store what has changed; what a full disk does not take waits for the next time."""
        fresh = self._unknowns.take_changes(wall if self._synced() else None)
        kept = {unknown.id: unknown for unknown in (*self._unsaved.kept, *fresh.kept)}
        self._unsaved = UnknownChanges(tuple(kept.values()), (*self._unsaved.expired, *fresh.expired))
        if self._unsaved.kept or self._unsaved.expired:
            self._gallery.store_unknowns(*self._unsaved)
            self._unsaved = UnknownChanges((), ())

    def _thresholds(self, view: GallerySnapshot) -> Thresholds:
        nobody: tuple[str, ...] = ()
        if self._timings is not None:
            self._timings.people = view.enrolled
        try:
            accept = thresholds(self._table, self._configuration.recognition.level, view)
        except GalleryError as error:
            log.error("nobody will be matched: %s", error)
            nobody = (f"nobody is matched: {error}",)
            # Nobody is matched, and everybody is unknown.
            accept = Thresholds(math.inf, math.inf, same_unknown(self._table, 1))
        self.problems = (*nobody, *door_problems(self._configuration.access_policy, view, accept))
        return accept

    def _read_unknowns(self) -> None:
        records = self._gallery.unknowns()
        self._unknowns.use(same_unknown(self._table, max(1, len(records))), records, self._gallery.retired_ids())
