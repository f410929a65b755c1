"""The vision thread takes frames from the mailbox, runs the pipeline, and publishes its events; Health watches it."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.access.policy import AccessPolicy
from edgeface.core.errors import OUT_OF_MEMORY, EdgefaceError, GalleryError, is_out_of_memory
from edgeface.daemon.last_strangers import RECENT, LastStrangers
from edgeface.imaging.drawing import cut_out, jpeg
from edgeface.mqtt import topics
from edgeface.mqtt.publisher import names_in_view, sentence
from edgeface.recognition.liveness import LivenessCounts
from edgeface.recognition.settings import MIN_FPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgeface.cameras.mailbox import Mailbox
    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.core.types import ChallengeRequest, Event, ExpectedPerson, Frame, FrameResult, RejectReason
    from edgeface.daemon.session import RecognitionSession
    from edgeface.faces.settings import EmbedderSettings
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.mqtt.publisher import Publisher
    from edgeface.recognition.decision import Thresholds

log = logging.getLogger(__name__)

FRAME_TIMEOUT = 0.2
"""Seconds without a frame after which housekeeping runs all the same."""

HOUSEKEEPING = 0.5
"""Seconds between two refreshes of the gallery, so that a change takes effect within a second."""

MATCH_SECONDS = 1.0
"""A frame older than this when the decision is made may not cause a match: its person may have gone."""

HANG_SECONDS = 5.0
"""Processing that makes no progress for this long while a camera delivers images is hung."""


_MAX_EXPECTED = 64
"""People that second factors name, or who are asked to turn, between two frames: more than 16 doors take at a time."""

_SETTLED = 5
"""Frames after which a first long interval no longer counts."""


class Health:
    """Judges freshness on the monotonic clock.

    The vision thread calls `processed`, and the main thread `alive`; any thread may call the rest.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._progress = self._idle = clock.monotonic()

    def processed(self, frame: Frame) -> None:
        """Record that the pipeline has processed a frame."""
        now = self._clock.monotonic()
        self._last[frame.camera] = max(frame.monotonic, self._last.get(frame.camera, frame.monotonic))
        # A backlog of stale frames is no sign of health: only a fresh one counts as progress.
        if now - frame.monotonic <= HANG_SECONDS:
            self._progress = now

    def age(self, camera: str) -> float | None:
        """Seconds since the last processed frame of the camera was captured; None before one."""
        last = self._last.get(camera)
        return None if last is None else self._clock.monotonic() - last

    def alive(self, *, online: bool) -> bool:
        """Whether the watchdog may be fed; `online` means that some camera delivers images now.

        Without one there is nothing to process, and a restart would not help: that is not a hang.
        """
        now = self._clock.monotonic()
        if not online:
            self._idle = now
        return now - max(self._progress, self._idle) <= HANG_SECONDS

    def may_match(self, frame: Frame) -> bool:
        """Whether a decision made now on this frame may be published as a match."""
        return not frame.doubtful and 0 <= self._clock.monotonic() - frame.monotonic <= MATCH_SECONDS


@dataclass(frozen=True, slots=True)
class Tally:
    """What the pipeline has counted for one camera since the start."""

    processed: int = 0
    undecided: Mapping[RejectReason, int] = field(default_factory=dict)
    """Tracks that ended without a decision, by reason."""
    held_back: int = 0
    """Unknown events beyond the rate limit."""
    interval: float = 0.0
    """Usual seconds between two processed frames; 0 before the second."""
    liveness: LivenessCounts = field(default_factory=LivenessCounts)

    @property
    def slow(self) -> float | None:
        """Frames per second, if there are too few to recognise people in time; None otherwise."""
        fps = round(1 / self.interval, 1) if self.interval and self.processed >= _SETTLED else MIN_FPS
        return fps if fps < MIN_FPS else None


class Vision:
    """One thread; it opens its session itself, so that no other thread can touch it."""

    def __init__(
        self,
        open_session: Callable[[Configuration, float], RecognitionSession],
        configuration: Configuration,
        mailbox: Mailbox,
        publisher: Publisher,
        health: Health,
        clock: Clock,
        observers: Sequence[Callable[[FrameResult], None]] = (),
        notify: Callable[[Event, bytes | None], None] = lambda _, __: None,
    ) -> None:
        """`open_session` gets the wall time; `observers` get the result of every frame, in this thread.

        `notify` gets each event with its snapshot, in this thread.
        """
        self._notify = notify
        self.configuration = configuration
        """May be replaced by another thread; the next housekeeping applies it."""
        self.away: frozenset[str] = frozenset()
        """Cameras that give no pictures now, set by the main thread: everyone in view there has left."""
        self.tally: Mapping[str, Tally] = {}
        """By camera; replaced as a whole, so that any thread may read it."""
        self.people: frozenset[str] = frozenset()
        """Ids of the people who can be matched now."""
        self.unknowns: frozenset[str] = frozenset()
        """Ids of the unknowns that are remembered."""
        self.gallery: GallerySnapshot | None = None
        """The people as they are matched now; frozen, so that any thread may use it."""
        self.problems: tuple[str, ...] = ()
        """The problems of the gallery, the level and the doors, one line each."""
        self.thresholds: Mapping[str, Thresholds] = {}
        """What is accepted by camera; replaced as a whole."""
        self.policy = AccessPolicy()
        """The doors, with what each accepts for the people who may pass it now; frozen, and replaced as a whole."""
        self.models: Mapping[str, str] = {}
        """SHA-256 by model file."""
        self.error: Exception | None = None
        """What ended the thread, if something did."""
        self._open_session = open_session
        self._mailbox = mailbox
        self._publisher = publisher
        self._health = health
        self._clock = clock
        self._observers = observers
        self._processed: Counter[str] = Counter()
        self._names: dict[str, tuple[str, ...]] = {}
        self._expected: deque[ExpectedPerson] = deque(maxlen=_MAX_EXPECTED)
        self._challenges: deque[ChallengeRequest] = deque(maxlen=_MAX_EXPECTED)
        self._strangers = LastStrangers()
        self._to_ignore: deque[str] = deque(maxlen=_MAX_EXPECTED)
        self._refused: EmbedderSettings | None = None
        """An embedder that could not be opened."""
        self._stays: tuple[str, ...] = ()
        self._refreshed = -HOUSEKEEPING
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="vision")

    def start(self) -> None:
        """Start, and wait until the models and the gallery are open. Raises what kept them from opening."""
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

    def expect(self, expected: ExpectedPerson) -> None:
        """Have the faces at a camera compared with one person, from the next frame; any thread may call it."""
        self._expected.append(expected)

    def challenge(self, request: ChallengeRequest) -> None:
        """Have a visit asked for head turns, from the next frame; any thread may call it."""
        self._challenges.append(request)

    def ignore(self, camera: str) -> None:
        """Have the last stranger at a camera ignored, if that was just now; any thread may call it."""
        self._to_ignore.append(camera)

    def _main(self) -> None:
        try:
            session = self._open_session(self.configuration, self._clock.wall())
            self.models = session.models
            self._show(session)
            try:
                self._ready.set()
                while (following := self._run(session)) is not None:
                    session, old = following, session
                    old.close()
            finally:
                session.close()
        except Exception as error:
            self.error = error
            if self._ready.is_set():
                memory = is_out_of_memory(error)
                log.critical("the vision thread failed%s", f": {OUT_OF_MEMORY}" if memory else "", exc_info=not memory)
        finally:
            self._ready.set()

    def _run(self, session: RecognitionSession) -> RecognitionSession | None:
        """Process frames until the end; returns the session to continue with if another embedder is to be used."""
        while not self._mailbox.closed:
            frame = self._mailbox.take(FRAME_TIMEOUT)
            if frame is not None:
                self._handle(session, frame)
            if session.has_news or self._clock.monotonic() - self._refreshed >= HOUSEKEEPING:
                self._housekeep(session)
                following = self._reopened(session)
                if following is not None:
                    return following
        for camera in session.pipeline.cameras:
            self._leave(session, camera)
        self._housekeep(session)
        return None

    def _reopened(self, session: RecognitionSession) -> RecognitionSession | None:
        """A session with the embedder of the configuration, if it is another one and can be opened."""
        wanted = self.configuration.embedder
        if wanted in (session.embedder, self._refused):
            return None
        for camera in session.pipeline.cameras:
            self._leave(session, camera)
        session.stored()
        try:
            following = self._open_session(self.configuration, self._clock.wall())
        except EdgefaceError as error:
            log.error("the embedder stays as it is: %s", error)
            self._refused, self._stays = wanted, (f"the embedder stays as it is: {error}",)
            return None
        self._refused, self._stays, self.models = None, (), following.models
        self._show(following)
        return following

    def _handle(self, session: RecognitionSession, frame: Frame) -> None:
        while self._expected:
            session.pipeline.expect(self._expected.popleft())
        while self._challenges:
            session.pipeline.challenge(self._challenges.popleft())
        with session.analyzer.measure("frame"):
            result = session.pipeline.process(frame)
        self._processed[frame.camera] += 1
        for event in result.events:
            log.info("%s", sentence(event))
            late = event.type == "match" and not self._health.may_match(frame)
            snapshot = self._snapshot(event, frame)
            self._publisher.publish(event, snapshot, late=late)
            self._notify(event, snapshot)
            session.keep_thumbnail(event, frame.image)
        self._strangers.observe(result)
        session.keep_probes(result.probes)
        for claim in result.claims:
            if self._health.may_match(frame):
                self._publisher.claim(claim)
        for report in result.challenges:
            self._publisher.challenge(report)
        self._health.processed(frame)
        self._publish_people(session, frame.camera)
        shown = session.correctable(result)
        for observe in self._observers:
            observe(shown)

    def _snapshot(self, event: Event, frame: Frame) -> bytes | None:
        allowed = self.configuration.privacy.snapshots
        if event.type == "left" or allowed == "none" or (allowed == "unknown" and event.type != "unknown"):
            return None
        return jpeg(cut_out(frame.image, event.box))

    def _publish_people(self, session: RecognitionSession, camera: str) -> None:
        names = session.pipeline.people(camera)
        if names != self._names.get(camera, ()):
            self._names[camera] = names
            self._publisher.set(topics.PEOPLE.at(camera=camera), names_in_view(names))

    def _ignore(self, session: RecognitionSession) -> None:
        while self._to_ignore:
            camera = self._to_ignore.popleft()
            unknown = self._strangers.take(camera, self._clock.monotonic())
            if unknown is not None:
                session.ignore(unknown)
            else:
                log.info("camera %s: no stranger in the last %d minutes who could be ignored", camera, RECENT / 60)

    def _show(self, session: RecognitionSession) -> None:
        """Let the other threads see who can be matched, and what is accepted."""
        self.people, self.unknowns, self.gallery = session.people, session.unknowns, session.pipeline.gallery
        self.thresholds, self.policy = session.thresholds, session.policy

    def _leave(self, session: RecognitionSession, camera: str) -> None:
        for event in session.pipeline.leave(camera, self._clock.monotonic(), self._clock.wall()):
            log.info("%s", sentence(event))
            self._publisher.publish(event)
        self._publish_people(session, camera)

    def _housekeep(self, session: RecognitionSession) -> None:
        """Apply changes of the configuration and the gallery, store what is new, and update the counts."""
        self._refreshed = self._clock.monotonic()
        pipeline = session.pipeline
        for camera in self.away.intersection(pipeline.cameras):
            self._leave(session, camera)
        self._ignore(session)
        try:
            session.refresh(self.configuration, self._clock.wall())
            self.problems = (*session.problems, *self._stays)
        except GalleryError as error:
            # The disk may be full or unplugged: matching continues with the people in memory.
            log.warning("gallery: %s", error)
            self.problems = (*session.problems, str(error))
        self._show(session)
        self.tally = {camera: Tally(self._processed[camera], *pipeline.counts(camera)) for camera in pipeline.cameras}
