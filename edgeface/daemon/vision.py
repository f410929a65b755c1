"""The vision thread: takes frames from the mailbox, runs the pipeline, and hands on what it says."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError
from edgeface.imaging.drawing import cut_out, jpeg
from edgeface.mqtt import topics
from edgeface.mqtt.publisher import names_in_view, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edgeface.cameras.mailbox import Mailbox
    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.core.types import Event, Frame, FrameResult, RejectReason
    from edgeface.daemon.health import Health
    from edgeface.daemon.session import RecognitionSession
    from edgeface.mqtt.publisher import Publisher
    from edgeface.recognition.timings import Timings

log = logging.getLogger(__name__)

WAIT = 0.2
"""Seconds without a frame after which the house is kept all the same."""

HOUSEKEEPING = 0.5
"""Seconds between two looks at the gallery, so that a change is seen within a second."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What the pipeline has counted for one camera since the start."""

    processed: int = 0
    silent: Mapping[RejectReason, int] = field(default_factory=dict)
    """Tracks that ended with nothing decided, by reason."""
    held_back: int = 0
    """Unknown events beyond the rate limit."""


class Vision:
    """One thread; it opens what it works with by itself, so that nobody else can touch it."""

    def __init__(
        self,
        open_workbench: Callable[[Configuration], RecognitionSession],
        configuration: Configuration,
        mailbox: Mailbox,
        publisher: Publisher,
        health: Health,
        clock: Clock,
        observers: Sequence[Callable[[FrameResult], None]] = (),
        timings: Timings | None = None,
    ) -> None:
        self.configuration = configuration
        """May be replaced by another thread; it is gone by from the next housekeeping on."""
        self.tally: Mapping[str, Tally] = {}
        """By camera; replaced as a whole, so that anybody may read it."""
        self.people: frozenset[str] = frozenset()
        """Ids of those who can be matched now."""
        self.unknowns: frozenset[str] = frozenset()
        """Ids of the unknowns that are remembered."""
        self.problems: tuple[str, ...] = ()
        """What is wrong with the gallery or the level, one line each."""
        self.models: Mapping[str, str] = {}
        """SHA-256 by model file."""
        self.error: Exception | None = None
        """What ended the thread, if something did."""
        self._open_workbench = open_workbench
        self._mailbox = mailbox
        self._publisher = publisher
        self._health = health
        self._clock = clock
        self._observers = observers
        self._process = _process if timings is None else timings.around("frame", _process)
        self._away: frozenset[str] = frozenset()
        self._processed: Counter[str] = Counter()
        self._names: dict[str, tuple[str, ...]] = {}
        self._kept_house = -HOUSEKEEPING
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="vision")

    def start(self) -> None:
        """Start, and wait until the models and the gallery are open; what failed there is raised here."""
        self._thread.start()
        self._ready.wait()
        if self.error is not None:
            self._thread.join()
            raise self.error

    def join(self) -> None:
        """Wait for the thread to end, which it does when the mailbox is closed."""
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def set_away(self, cameras: Iterable[str]) -> None:
        """Say which cameras give no pictures now: whoever was in view there has left."""
        self._away = frozenset(cameras)

    def _main(self) -> None:
        try:
            bench = self._open_workbench(self.configuration)
            self.models = bench.models
            try:
                self._ready.set()
                self._work(bench)
            finally:
                bench.close()
        except Exception as error:
            self.error = error
            if self._ready.is_set():
                log.critical("the vision thread failed", exc_info=error)
        finally:
            self._ready.set()

    def _work(self, bench: RecognitionSession) -> None:
        while not self._mailbox.closed:
            frame = self._mailbox.take(WAIT)
            if frame is not None:
                self._look(bench, frame)
            if self._clock.monotonic() - self._kept_house >= HOUSEKEEPING:
                self._keep_house(bench)
        for camera in bench.pipeline.cameras:
            self._leave(bench, camera)
        self._keep_house(bench)

    def _look(self, bench: RecognitionSession, frame: Frame) -> None:
        outcome = self._process(bench, frame)
        self._processed[frame.camera] += 1
        for event in outcome.events:
            log.info("%s", sentence(event))
            late = event.type == "match" and not self._health.may_match(frame)
            self._publisher.publish(event, self._snapshot(event, frame), late=late)
            bench.picture(event, frame.image)
        for claim in outcome.claims:
            if self._health.may_match(frame):
                self._publisher.claim(claim)
        self._health.processed(frame)
        self._tell_people(bench, frame.camera)
        for observe in self._observers:
            observe(outcome)

    def _snapshot(self, event: Event, frame: Frame) -> bytes | None:
        allowed = self.configuration.privacy.snapshots
        if event.type == "left" or allowed == "none" or (allowed == "unknown" and event.type != "unknown"):
            return None
        return jpeg(cut_out(frame.image, event.box))

    def _tell_people(self, bench: RecognitionSession, camera: str) -> None:
        names = bench.pipeline.people(camera)
        if names != self._names.get(camera, ()):
            self._names[camera] = names
            self._publisher.set(topics.PEOPLE.at(camera=camera), names_in_view(names))

    def _leave(self, bench: RecognitionSession, camera: str) -> None:
        for event in bench.pipeline.leave(camera, self._clock.monotonic(), self._clock.wall()):
            log.info("%s", sentence(event))
            self._publisher.publish(event)
        self._tell_people(bench, camera)

    def _keep_house(self, bench: RecognitionSession) -> None:
        self._kept_house = self._clock.monotonic()
        for camera in self._away.intersection(bench.pipeline.cameras):
            self._leave(bench, camera)
        try:
            bench.refresh(self.configuration, self._clock.wall())
            self.problems = bench.problems
        except GalleryError as error:
            # The disk may be full or away: matching goes on with the people in memory.
            log.warning("gallery: %s", error)
            self.problems = (*bench.problems, str(error))
        self.people, self.unknowns = bench.people, bench.unknowns
        self.tally = {
            camera: Tally(self._processed[camera], bench.pipeline.silent(camera), bench.pipeline.held_back(camera))
            for camera in bench.pipeline.cameras
        }


def _process(bench: RecognitionSession, frame: Frame) -> FrameResult:
    return bench.pipeline.process(frame)
