"""One frame in, events out: the middle of the daemon, which reads no clock, no file and no socket."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgeface.core.events import event_id
from edgeface.core.types import Claim, Event, Face, FrameResult
from edgeface.recognition.evidence import WINDOW, Thresholds, decide
from edgeface.recognition.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edgeface.core.settings import Level
    from edgeface.core.types import Detection, Detector, EventType, Frame, Image, RejectReason
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.settings import QualityLimits
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknowns
    from edgeface.recognition.evidence import Decision, Evidence
    from edgeface.recognition.scene import Told, Visit
    from edgeface.recognition.settings import Recognition
    from edgeface.recognition.tracker import Track


if TYPE_CHECKING:
    Decide = Callable[[Evidence, GallerySnapshot, Thresholds, Recognition], Decision | None]

PATIENT, RETRY = 10, 0.12
"""After so many looks in a row at a face that was not worth embedding, it is judged every so many seconds only."""

Region = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the picture."""

WHOLE: Region = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the pipeline goes by."""

    device: str
    boot: str
    """Names this run; events are numbered within it."""
    recognition: Recognition
    unknown_per_minute: int
    regions: Mapping[str, Region] = field(default_factory=dict)
    """By camera; a camera that is not named is seen whole."""
    doors: Mapping[str, Level] = field(default_factory=dict)
    """The strictest level that the doors of a camera ask for, by camera."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where something was decided."""

    camera: str
    monotonic: float
    wall: float
    faces: int = 0
    """In view."""


class Pipeline:
    """Turns the frames of all cameras into events; its state is kept by camera, and one thread calls it."""

    def __init__(
        self,
        rules: Rules,
        analyzer: FaceAnalyzer,
        unknowns: Unknowns,
        gallery: GallerySnapshot,
        thresholds: Thresholds,
        decide: Decide = decide,
    ) -> None:
        """`decide` is evidence.decide, or does the same and measures it."""
        self._rules = rules
        self._decide = decide
        self._analyzer = analyzer
        self._unknowns = unknowns
        self._gallery = gallery
        self._thresholds = thresholds
        self._scenes: dict[str, Scene] = {}
        self._seq = 0

    def use(self, gallery: GallerySnapshot, thresholds: Thresholds) -> None:
        """Go on with another state of the gallery; every track is judged again with its next good frame."""
        self._gallery, self._thresholds = gallery, thresholds
        for scene in self._scenes.values():
            for visit in scene.visits.values():
                visit.due = 0.0

    def apply(self, rules: Rules, limits: QualityLimits, detector: Detector | None = None) -> None:
        """Go by other rules from the next frame on, and look with another detector if there is one.

        Where another part of the picture is looked at, every track ends: its place would be another one.
        """
        for camera, scene in self._scenes.items():
            if rules.regions.get(camera, WHOLE) != self._rules.regions.get(camera, WHOLE):
                scene.end_all()
        self._rules = rules
        self._analyzer = replace(self._analyzer, limits=limits, detector=detector or self._analyzer.detector)

    def process(self, frame: Frame) -> FrameResult:
        """Look at one frame; the events are those that it decided, the claims those whom it has confirmed."""
        scene = self._scenes.setdefault(frame.camera, Scene())
        image, scene.origin = _region(frame.image, self._rules.regions.get(frame.camera, WHOLE))
        scene.size = (frame.image.shape[1], frame.image.shape[0])
        now, detector = frame.monotonic, self._analyzer.detector
        parts, tracks = detector.parts(image.shape[1], image.shape[0]), scene.tracker.expected(now)
        look, asked = scene.schedule.plan(image, parts, tracks, scene.due(now), now)
        update = scene.tracker.update(detector.detect(image, look), now, asked)
        # Those who were seen when they were last looked for.
        seen = [track for track in update.live if not track.misses]
        scene.follow(seen, now)
        scene.end(track.id for track in update.ended)
        moment = Moment(frame.camera, frame.monotonic, frame.wall, len(seen))
        events, claims = list[Event](), list[Claim]()
        for track in scene.chosen(seen, now):
            events += self._look(scene, track, image, moment)
            claims += self._claims(scene.visits[track.id], moment)
        events += self._left(scene, moment)
        faces = tuple(self._face(scene, scene.visits[track.id]) for track in seen)
        return FrameResult(frame, faces, tuple(events), tuple(claims))

    def leave(self, camera: str, monotonic: float, wall: float) -> tuple[Event, ...]:
        """The camera is away or the daemon stops: everybody who was announced there has left."""
        scene = self._scenes.get(camera)
        if scene is None:
            return ()
        scene.end_all()
        return tuple(self._left(scene, Moment(camera, monotonic, wall), gap=0.0))

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras that have given a frame."""
        return tuple(self._scenes)

    def silent(self, camera: str) -> Counter[RejectReason]:
        """Tracks of the camera that ended with nothing decided, by reason."""
        return Counter(self._scenes[camera].silent) if camera in self._scenes else Counter()

    def held_back(self, camera: str) -> int:
        """Unknown events of the camera that the rate limit did not let through."""
        return self._scenes[camera].held_back if camera in self._scenes else 0

    def people(self, camera: str) -> tuple[str, ...]:
        """Who is in view, in order of arrival: display names, and `unknown` for those without one."""
        scene = self._scenes.get(camera)
        decisions = [visit.decision for visit in scene.visits.values()] if scene else []
        return tuple(dict.fromkeys(self._called(one) for one in decisions if one and one.kind != "ignored"))

    def _called(self, decision: Decision) -> str:
        return (self._gallery.name(decision.person) if decision.person is not None else None) or "unknown"

    def _look(self, scene: Scene, track: Track, image: Image, moment: Moment) -> Iterable[Event]:
        visit = scene.visits[track.id]
        if track.detection is None or not self._gather(visit, track.detection, image, moment.monotonic):
            return ()
        visit.decision = self._decide(visit.evidence, self._gallery, self._thresholds, self._rules.recognition)
        return () if visit.decision is None else self._judge(scene, visit, visit.decision, moment)

    def _gather(self, visit: Visit, detection: Detection, image: Image, monotonic: float) -> bool:
        """Add one good frame to the evidence; False when the face is not worth it, with the reason counted."""
        studied = self._analyzer.study(image, detection)
        if studied is None:
            return False
        close, quality = studied
        visit.last_reason = quality.reason
        if quality.reason is not None:
            visit.refused[quality.reason] += 1
            visit.wasted += 1
            visit.due = monotonic + (RETRY if visit.wasted >= PATIENT else 0.0)
            return False
        visit.quality, visit.wasted = quality, 0
        visit.evidence = visit.evidence.add(self._analyzer.embed(image, close), monotonic, self._thresholds.same)
        if visit.evidence.frames == 1:
            visit.decision, visit.unknown = None, None
        return True

    def _judge(self, scene: Scene, visit: Visit, decision: Decision, moment: Moment) -> Iterable[Event]:
        """Say what was decided, unless it has been said."""
        verify = self._rules.recognition.verify
        visit.due = moment.monotonic + (verify / 4 if decision.kind == "uncertain" else verify)
        if visit.told is None:
            scene.recover(visit, self._thresholds.same)
        told = self._told(visit, decision, moment)
        # Doubt about somebody who has been announced takes the name from the display, and is not an event.
        if told == visit.told or (decision.kind == "uncertain" and visit.told is not None):
            return ()
        before, visit.told = visit.told, told
        # An unknown who was said without an id has one now.
        if before == ("unknown", "") and decision.kind == "unknown":
            return ()
        if decision.kind == "ignored":
            return ()
        if decision.kind == "unknown" and not scene.may_say_unknown(moment.monotonic, self._rules.unknown_per_minute):
            return ()
        visit.announced = True
        return (self._event(decision.kind, scene, visit, moment),)

    def _claims(self, visit: Visit, moment: Moment) -> Iterable[Claim]:
        """The claim of a face that this frame has confirmed, if it has."""
        decision = visit.decision
        if visit.evidence.until != moment.monotonic or decision is None or decision.match is None:
            return ()
        score, level = decision.match.score, self._thresholds.level(decision.match.score)
        if decision.kind != "match" or level is None:
            return ()
        asked = self._rules.doors.get(moment.camera)
        if asked is not None and self._thresholds.falls_short(score, asked) and visit.evidence.frames < WINDOW:
            # More frames may lift it to what a door asks for, and somebody waits before it.
            visit.due = moment.monotonic
        person, frames, faces = decision.match.person, decision.frames, moment.faces
        return (Claim(moment.camera, visit.number, moment.monotonic, person, score, level, frames, faces),)

    def _told(self, visit: Visit, decision: Decision, moment: Moment) -> Told:
        if decision.kind == "unknown":
            visit.unknown = visit.unknown or self._unknowns.see(visit.evidence.embeddings, moment.wall, moment.camera)
            return "unknown", visit.unknown or ""
        visit.unknown = None
        who = decision.match.person if decision.match is not None else ""
        return decision.kind, decision.reason or who

    def _left(self, scene: Scene, moment: Moment, gap: float | None = None) -> list[Event]:
        gap = self._rules.recognition.gap if gap is None else gap
        return [self._event("left", scene, visit, moment) for visit in scene.left(moment.monotonic, gap)]

    def _event(self, kind: EventType, scene: Scene, visit: Visit, moment: Moment) -> Event:
        """Number and fill in one event; names and scores of others than a match are not said."""
        self._seq += 1
        # Somebody who was forgotten while in view is named no more.
        person = visit.about("match")
        name = self._gallery.name(person) if person is not None else None
        match = visit.decision.match if visit.decision is not None and kind != "left" else None
        return Event(
            type=kind,
            id=event_id(moment.wall, self._rules.boot, self._seq),
            boot=self._rules.boot,
            seq=self._seq,
            device=self._rules.device,
            camera=moment.camera,
            track=visit.number,
            monotonic=moment.monotonic,
            captured_at=moment.wall,
            box=visit.box.moved(*scene.origin),
            frame_size=scene.size,
            faces_in_view=moment.faces,
            model=self._analyzer.embedder.name,
            person=person if name is not None else None,
            name=name,
            score=match.score if match else None,
            threshold=self._thresholds.accept if match else None,
            margin=match.margin if match else None,
            level=self._rules.recognition.level,
            frames=visit.decision.frames if visit.decision else 0,
            quality=visit.quality,
            reason=visit.decision.reason if visit.decision and kind == "uncertain" else None,
            unknown=visit.about("unknown") or None,
            seconds=visit.seen - visit.since if kind == "left" else None,
        )

    def _face(self, scene: Scene, visit: Visit) -> Face:
        decision = visit.decision
        person = decision.person if decision else None
        return Face(
            track=visit.number,
            box=visit.box.moved(*scene.origin),
            label=decision.kind if decision else "new",
            person=person,
            name=self._gallery.name(person) if person is not None else None,
            unknown=visit.unknown,
            score=decision.match.score if decision and decision.match else None,
            reason=visit.last_reason,
        )


def _region(image: Image, region: Region) -> tuple[Image, tuple[int, int]]:
    """The part of the picture that is looked at, and its left upper corner."""
    height, width = image.shape[:2]
    left, top = int(region[0] * width), int(region[1] * height)
    # A region that is thinner than a pixel is one.
    right, bottom = max(left + 1, round(region[2] * width)), max(top + 1, round(region[3] * height))
    return image[top:bottom, left:right], (left, top)
