"""One frame in, events out: the middle of the daemon, which reads no clock, no file and no socket."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgeface.core.events import event_id
from edgeface.core.types import Claim, Event, Face, FrameResult, Probe
from edgeface.recognition.confirmation import confirm
from edgeface.recognition.decision import WINDOW, compare, judge, ready
from edgeface.recognition.limits import CameraLimits
from edgeface.recognition.scene import DOUBT, HOLD, WHOLE, Region, Scene

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edgeface.core.types import Detector, Embedding, EventType, ExpectedPerson, Frame, Image, RejectReason
    from edgeface.faces.analyzer import FaceAnalyzer, InspectedFace
    from edgeface.faces.settings import QualityLimits
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknowns
    from edgeface.recognition.decision import Comparison, Decision, Evidence, Thresholds
    from edgeface.recognition.scene import Conclusion, Visit
    from edgeface.recognition.settings import Recognition, UnknownSettings


@dataclass(frozen=True, slots=True)
class PipelineRules:
    """What the pipeline decides by."""

    device: str
    boot: str
    """Names this run; events are numbered within it."""
    recognition: Recognition
    unknown: UnknownSettings
    regions: Mapping[str, Region] = field(default_factory=dict)
    """By camera; a camera that is missing is searched as a whole."""

    def region(self, camera: str) -> Region:
        """The part of a camera's picture that is searched."""
        return self.regions.get(camera, WHOLE)


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
        rules: PipelineRules,
        analyzer: FaceAnalyzer,
        unknowns: Unknowns,
        gallery: GallerySnapshot,
        thresholds: Thresholds,
        cameras: Mapping[str, CameraLimits] | None = None,
    ) -> None:
        """`cameras` has the limits of those with a group or a door; `thresholds` serve all others."""
        self._rules = rules
        self._faces = analyzer
        self._unknowns = unknowns
        self._gallery = gallery
        self._limits = CameraLimits(thresholds)
        self._cameras = cameras or {}
        self._scenes: defaultdict[str, Scene] = defaultdict(Scene)
        self._expected: dict[str, ExpectedPerson] = {}
        self._seq = 0

    def process(self, frame: Frame) -> FrameResult:
        """Decide about one frame: gives the events that it causes, and a claim for each person that it confirms."""
        scene, now = self._scenes[frame.camera], frame.monotonic
        image = scene.crop(frame.image, self._rules.region(frame.camera))

        request, asked = scene.plan(image, self._faces.grid(image), now)
        detections = self._faces.detect(image, request)  # 1 detect
        visits = scene.track(detections, asked, now)  # 2 track

        moment = Moment(frame.camera, now, frame.wall, len(visits))
        events, claims, probes = list[Event](), list[Claim](), list[Probe]()
        for visit, detection in scene.to_judge(visits, now):
            face = self._faces.inspect(image, detection)  # 3 inspect: landmarks and quality
            if face is None or not visit.accept(face.quality, now):
                continue
            covered = not self._may_keep(visit, image, face)
            embedding = self._faces.embed(image, face.detection)  # 4 embed
            seen, decision = self._match(visit, embedding, moment, covered=covered)  # 5 match
            if decision is not None:
                announced = self._announce(scene, visit, decision, seen, moment)  # 6 announce, once
                events += announced
                probes += [_probe(event, visit.evidence) for event in announced]
            claims += self._claim(visit, seen, moment)  # 7 claim: ask the doors to open
            claims += self._confirm(visit, moment)  # 8 confirm: compare with a person that a second factor names
        scene.withdraw(now)
        events += self._left(scene, moment, self._rules.recognition.gap)
        faces = tuple(self._face(scene, visit) for visit in visits)
        return FrameResult(frame, faces, tuple(events), tuple(claims), tuple(probes))

    def _may_keep(self, visit: Visit, image: Image, face: InspectedFace) -> bool:
        """Whether an unknown may be made of this frame: the check takes a millisecond, so only where one is sought."""
        return visit.seeks_id and self._faces.template_quality(image, face).reason is None

    def _at(self, camera: str) -> CameraLimits:
        """What is accepted at a camera."""
        return self._cameras.get(camera, self._limits)

    def _match(
        self, visit: Visit, embedding: Embedding, moment: Moment, *, covered: bool
    ) -> tuple[Comparison | None, Decision | None]:
        """Who is nearest to a visit with one more embedding, and the decision; None while it is too early."""
        now, at = moment.monotonic, self._at(moment.camera)
        with self._faces.measure("match"):
            visit.add(embedding, now, at.thresholds.same, covered=covered)
            seen, decision = None, None
            if ready(visit.evidence, self._rules.recognition):
                seen = compare(visit.evidence, self._gallery, at.least)
                among = seen if at.group is None else at.group.among(seen, visit.evidence.mean())
                decision = judge(visit.evidence.frames, among, at.thresholds, self._rules.recognition)
            if self._remains(visit, decision, at):
                visit.doubt(now)
                return seen, None
        visit.decision = decision
        if decision is not None and decision.kind == "match":
            visit.named_until = now + HOLD
        return seen, decision

    def _remains(self, visit: Visit, decision: Decision | None, at: CameraLimits) -> bool:
        """Whether the last decision stays for now, although this frame does not decide: it may be a poor one."""
        before, same_face = visit.decision, visit.evidence.frames > 1
        if before is None or before.person is None:
            return decision is None and same_face
        if decision is not None and not decision.near(before.person):
            return False
        alone = self._gallery.score(before.person, visit.evidence.newest)
        return alone is not None and (same_face or alone >= at.thresholds.accept)

    def _announce(
        self, scene: Scene, visit: Visit, decision: Decision, seen: Comparison | None, moment: Moment
    ) -> Sequence[Event]:
        """The event of a decision, unless it was announced before."""
        verify = self._rules.recognition.verify
        # A name is confirmed before it would be withdrawn.
        verify = min(verify, HOLD - DOUBT) if decision.kind == "match" else verify
        visit.due = moment.monotonic + (verify / 4 if decision.kind == "uncertain" else verify)
        if visit.conclusion is None:
            scene.resume(visit, self._at(moment.camera).thresholds.same)
        before, conclusion = visit.conclusion, self._conclude(visit, decision, seen, moment)
        # Uncertainty about an announced face takes the name from the display, and is not an event.
        if conclusion == before or (decision.kind == "uncertain" and before is not None):
            return ()
        visit.conclusion = conclusion
        # An unknown that was announced without an id has one now.
        if decision.kind == "ignored" or (before == ("unknown", "") and decision.kind == "unknown"):
            return ()
        if decision.kind == "unknown" and not scene.may_announce_unknown(moment.monotonic, self._rules.unknown):
            return ()
        event = self._event(decision.kind, scene, visit, moment)
        visit.announced, visit.event = True, event.id
        return (event,)

    def _conclude(self, visit: Visit, decision: Decision, seen: Comparison | None, moment: Moment) -> Conclusion:
        if decision.kind == "unknown":
            group, shown = self._at(moment.camera).group, visit.evidence.uncovered
            # No unknown is made of someone who is enrolled, but not for this camera.
            enrolled = group is not None and group.is_of_another(seen)
            if visit.unknown is None and shown and not enrolled:
                visit.unknown = self._unknowns.see(shown, moment.wall, moment.camera, self._unknowns_in_view())
            return "unknown", visit.unknown or ""
        visit.unknown = None
        person = decision.match.person if decision.match is not None else ""
        return decision.kind, decision.reason or person

    def _unknowns_in_view(self) -> list[str]:
        """Ids of the unknowns who are in view of any camera, or whose leaving is not announced yet."""
        visits = (visit for scene in self._scenes.values() for visit in (*scene.visits.values(), *scene.gone))
        return [visit.unknown for visit in visits if visit.unknown is not None]

    def _claim(self, visit: Visit, seen: Comparison | None, moment: Moment) -> Iterable[Claim]:
        """The claim of the nearest person, if this very frame confirms them and a door may accept that.

        It does not depend on the decision: a door for few people may accept what cannot be guaranteed among all.
        """
        at = self._at(moment.camera)
        if at.doors is None or seen is None or seen.newest is None or not seen.confirms(at.least):
            return ()
        if seen.score < at.doors.sought and visit.evidence.frames < WINDOW:
            # More frames may lift the score to what a door requires, and someone is waiting.
            visit.due = moment.monotonic
        return (
            Claim(
                camera=moment.camera,
                visit=visit.number,
                monotonic=moment.monotonic,
                person=seen.match.person,
                score=seen.match.score,
                newest=seen.newest.score,
                look_alike=seen.match.look_alike,
                frames=visit.evidence.frames,
                faces_in_view=moment.faces,
            ),
        )

    def _confirm(self, visit: Visit, moment: Moment) -> Iterable[Claim]:
        """The comparisons of a face with each person that is expected at the camera, whatever the decision is."""
        expected = [
            one for one in self._expected.values() if one.camera == moment.camera and moment.monotonic <= one.until
        ]
        if not expected:
            return
        # Someone is waiting.
        visit.due = moment.monotonic
        if not ready(visit.evidence, self._rules.recognition):
            return
        for one in expected:
            found = confirm(visit.evidence, self._gallery, one.person)
            yield Claim(
                camera=moment.camera,
                visit=visit.number,
                monotonic=moment.monotonic,
                person=one.person,
                score=found.score,
                newest=found.newest,
                look_alike=found.look_alike,
                frames=visit.evidence.frames,
                faces_in_view=moment.faces,
                factor=one.kind,
                expected=one,
            )

    def expect(self, expected: ExpectedPerson) -> None:
        """Compare the faces at a camera with one person, too, instead of the one last expected at the same door."""
        self._expected[expected.door] = expected
        scene = self._scenes.get(expected.camera)
        for visit in scene.visits.values() if scene is not None else ():
            visit.due = 0.0

    def _left(self, scene: Scene, moment: Moment, gap: float) -> list[Event]:
        return [self._event("left", scene, visit, moment) for visit in scene.left(moment.monotonic, gap)]

    def _event(self, kind: EventType, scene: Scene, visit: Visit, moment: Moment) -> Event:
        """Number and fill in one event; only a match has a person and a name."""
        self._seq += 1
        # A person who was erased while in view has no name any more.
        person = visit.concluded("match")
        name = self._gallery.name(person) if person is not None else None
        match = visit.decision.match if visit.decision is not None and kind != "left" else None
        accept = self._at(moment.camera).thresholds
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
            model=self._faces.embedder.name,
            person=person if name is not None else None,
            name=name,
            score=match.score if match else None,
            threshold=accept.accept if match else None,
            margin=match.margin if match else None,
            level=accept.level,
            level_basis=accept.basis,
            frames=visit.decision.frames if visit.decision else 0,
            quality=visit.quality,
            reason=visit.decision.reason if visit.decision and kind == "uncertain" else None,
            unknown=visit.concluded("unknown") or None,
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
            event=visit.event if visit.evidence.frames else None,
        )

    def leave(self, camera: str, monotonic: float, wall: float) -> tuple[Event, ...]:
        """End all visits of a camera that is away, or of a daemon that stops: `left` for each that was announced."""
        scene = self._scenes.get(camera)
        if scene is None:
            return ()
        scene.end_all()
        return tuple(self._left(scene, Moment(camera, monotonic, wall), gap=0.0))

    @property
    def gallery(self) -> GallerySnapshot:
        """The snapshot in use."""
        return self._gallery

    def use(
        self, gallery: GallerySnapshot, thresholds: Thresholds, cameras: Mapping[str, CameraLimits] | None = None
    ) -> None:
        """Continue with another snapshot of the gallery; every track is judged again with its next good frame."""
        self._gallery, self._limits, self._cameras = gallery, CameraLimits(thresholds), cameras or {}
        for scene in self._scenes.values():
            for visit in scene.visits.values():
                visit.due = 0.0

    def apply(self, rules: PipelineRules, limits: QualityLimits, detector: Detector | None = None) -> None:
        """Apply other rules, and another detector if there is one, from the next frame.

        Where the region changes, every track ends, because its place in the picture is not comparable.
        """
        for camera, scene in self._scenes.items():
            if rules.region(camera) != self._rules.region(camera):
                scene.end_all()
        self._rules = rules
        self._faces = replace(self._faces, limits=limits, detector=detector or self._faces.detector)

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras that have given a frame."""
        return tuple(self._scenes)

    def people(self, camera: str) -> tuple[str, ...]:
        """Who is in view, in order of arrival: display names, and `unknown` for those without one."""
        scene = self._scenes.get(camera)
        decisions = [visit.decision for visit in scene.visits.values()] if scene else []
        return tuple(dict.fromkeys(self._display_name(one) for one in decisions if one and one.kind != "ignored"))

    def _display_name(self, decision: Decision) -> str:
        return (self._gallery.name(decision.person) if decision.person is not None else None) or "unknown"

    def counts(self, camera: str) -> tuple[Counter[RejectReason], int, float]:
        """Of a camera: tracks without a decision by reason, unknown events held back, and the usual frame interval."""
        scene = self._scenes[camera]
        return Counter(scene.undecided), scene.held_back, scene.tracker.interval


def _probe(event: Event, evidence: Evidence) -> Probe:
    mean, covered = evidence.mean(), len(evidence.uncovered) < evidence.frames
    return Probe(event.id, event.camera, event.captured_at, event.person, event.unknown, mean, covered)
