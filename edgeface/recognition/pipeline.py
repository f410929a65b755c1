"""One frame in, events out: the middle of the daemon, which reads no clock, no file and no socket."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from edgeface.core.text import STRANGER, is_reserved
from edgeface.core.types import Claim, Event, FrameResult, Probe
from edgeface.recognition.active_challenge import ActiveChallenge
from edgeface.recognition.challenge import REST_YAW, HeadTurns
from edgeface.recognition.confirmation import NO_ONE, Confirmation, confirm
from edgeface.recognition.decision import WINDOW, compare, judge, ready
from edgeface.recognition.limits import CameraLimits
from edgeface.recognition.liveness import PassedChallenge
from edgeface.recognition.results import Moment, Origin, claim_of, event_of, face_of, probe_of
from edgeface.recognition.scene import WHOLE, Region, Scene
from edgeface.recognition.visit import DOUBT, HOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from edgeface.core.types import (
        ChallengeReport,
        ChallengeRequest,
        Embedding,
        EventType,
        ExpectedPerson,
        Frame,
        Image,
        Look,
        RejectReason,
        SpoofReason,
    )
    from edgeface.faces.analyzer import FaceAnalyzer, InspectedFace
    from edgeface.faces.liveness.base import LivenessBase
    from edgeface.faces.protocols import Detector
    from edgeface.faces.settings import QualityLimits
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.gallery.unknowns import Unknowns
    from edgeface.recognition.decision import Comparison, Decision, Thresholds
    from edgeface.recognition.liveness import LivenessCounts
    from edgeface.recognition.settings import Recognition, UnknownSettings
    from edgeface.recognition.visit import Conclusion, Visit


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
    liveness: LivenessBase | None = None
    """The rules of its verdict; None: nothing is judged."""

    def region(self, camera: str) -> Region:
        """The part of a camera's picture that is searched."""
        return self.regions.get(camera, WHOLE)

    def looks(self, camera: str) -> LivenessBase | None:
        """The rules of the verdict at a camera; None: nothing is judged there."""
        return self.liveness if self.liveness is not None and self.liveness.judges(camera) else None


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
            if face is None:
                continue
            embed = cache(partial(self._faces.embed, image, face.detection))
            turned = not frame.doubtful and self._follow_turn(scene, visit, face, embed, moment)
            if turned or not visit.accept(face.quality, now):
                continue
            covered = not self._may_keep(visit, image, face)
            embedding = embed()  # 4 embed
            look = self._look(scene, visit, frame, face)  # 5 look: whether this very face is alive
            seen, decision = self._match(visit, embedding, look, moment, covered=covered)  # 6 match
            if visit.liveness.exposed and self._faces.liveness is not None:
                person = self._resembles(visit, moment)
                events.append(self._expose(scene, visit, moment, self._faces.liveness.reason, person))
                claims += self._warn(visit, person, moment)
                continue
            if decision is not None:
                announced = self._announce(scene, visit, decision, seen, moment)  # 7 announce, once
                events += announced
                probes += [probe_of(event, visit.evidence) for event in announced]
            claims += self._claim(visit, seen, moment)  # 8 claim: ask the doors to open
            claims += self._confirm(visit, moment)  # 9 confirm: compare with a person that a second factor names
        scene.withdraw(now)
        reports, failed = self._report_challenge(scene, moment)
        events += [*failed, *self._left(scene, moment, self._rules.recognition.gap)]
        prompts = self._at(frame.camera).doors is not None
        faces = tuple(face_of(scene, visit, self._gallery, now, prompts=prompts) for visit in visits)
        return FrameResult(frame, faces, tuple(events), tuple(claims), tuple(probes), reports)

    def _may_keep(self, visit: Visit, image: Image, face: InspectedFace) -> bool:
        """Whether an unknown may be made of this frame: the check takes a millisecond, so only where one is sought."""
        return visit.seeks_id and self._faces.template_quality(image, face).reason is None

    def _at(self, camera: str) -> CameraLimits:
        """What is accepted at a camera."""
        return self._cameras.get(camera, self._limits)

    def _look(self, scene: Scene, visit: Visit, frame: Frame, face: InspectedFace) -> Look | None:
        """The look at a good face, in the whole picture: the room around it counts, whatever region is searched."""
        if self._rules.looks(frame.camera) is None:
            return None
        placed = face._replace(detection=face.detection.placed(1.0, *scene.origin))
        return visit.liveness.take(self._faces.look_at(frame, placed), scene.liveness_counts)

    def _match(
        self, visit: Visit, embedding: Embedding, look: Look | None, moment: Moment, *, covered: bool
    ) -> tuple[Comparison | None, Decision | None]:
        """Who is nearest to a visit with one more embedding, and the decision; None while it is too early."""
        now, at = moment.monotonic, self._at(moment.camera)
        with self._faces.measure("match"):
            visit.add(embedding, now, at.thresholds.same, covered=covered, look=look)
            if (rules := self._rules.looks(moment.camera)) is not None:
                visit.liveness.judge(visit.evidence, rules, self._scenes[moment.camera].liveness_counts)
            seen, decision = None, None
            if self._ready(visit):
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

    def _ready(self, visit: Visit) -> bool:
        """Whether there is enough evidence for a first decision, which waits for the verdict of the looks as well."""
        waits = visit.liveness.undecided and visit.decision is None and visit.evidence.frames < WINDOW
        return ready(visit.evidence, self._rules.recognition) and not waits

    def _expose(self, scene: Scene, visit: Visit, moment: Moment, reason: SpoofReason, looks_like: str | None) -> Event:
        """Make a visit a spoof, which it stays; gives its event, which names no one. The journal keeps `looks_like`."""
        frames = visit.evidence.frames
        visit.expose(reason)
        visit.announced = True
        scene.liveness_counts.verdicts[reason] += 1
        return replace(self._event("spoof", scene, visit, moment), reason=reason, frames=frames, looks_like=looks_like)

    def _resembles(self, visit: Visit, moment: Moment) -> str | None:
        """The person that a face resembles enough for anything that is decided at its camera."""
        match = self._gallery.match(visit.evidence.mean())
        return match.person if match is not None and match.score >= self._at(moment.camera).least else None

    def _warn(self, visit: Visit, person: str | None, moment: Moment) -> Iterable[Claim]:
        """A claim that opens no door: it tells the doors that someone shows the face of a person."""
        if person is not None and self._at(moment.camera).doors is not None:
            yield claim_of(visit, moment, person, NO_ONE, spoof=True)

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
        short = seen.score < at.doors.sought and visit.evidence.frames < WINDOW
        if short or visit.liveness.undecided:
            # More frames may lift the score to what a door requires, or decide on liveness, and someone is waiting.
            visit.due = moment.monotonic
        score = Confirmation(seen.match.score, seen.newest.score, seen.match.look_alike)
        return (claim_of(visit, moment, seen.match.person, score),)

    def _confirm(self, visit: Visit, moment: Moment) -> Iterable[Claim]:
        """The comparisons of a face with each person that is expected at the camera, whatever the decision is."""
        expected = [
            one for one in self._expected.values() if one.camera == moment.camera and moment.monotonic <= one.until
        ]
        if not expected:
            return
        # Someone is waiting.
        visit.due = moment.monotonic
        if not self._ready(visit):
            return
        for one in expected:
            found = confirm(visit.evidence, self._gallery, one.person)
            yield claim_of(visit, moment, one.person, found, one)

    def challenge(self, request: ChallengeRequest) -> None:
        """Ask a visit for head turns, from its next frame; a visit that is not in view, or asked already, is not."""
        scene = self._scenes.get(request.camera)
        visits = scene.visits.values() if scene is not None else ()
        visit = next((visit for visit in visits if visit.number == request.visit), None)
        if scene is not None and visit is not None and scene.challenge is None and visit.liveness.spoof is None:
            scene.challenge = ActiveChallenge(request, visit, HeadTurns(request.turns, visit.seen))
            scene.liveness_counts.challenges["asked"] += 1

    def _follow_turn(
        self, scene: Scene, visit: Visit, face: InspectedFace, embed: Callable[[], Embedding], moment: Moment
    ) -> bool:
        """Follow the head of a visit that is asked to turn it; True if the frame shows it turned, and serves no more.

        A turned face resembles its person less: among the evidence it would pass for another face.
        """
        active = scene.challenge
        if active is None or active.visit is not visit:
            return False
        near = self._at(moment.camera).thresholds.near

        def same() -> bool:
            score = self._gallery.score(active.request.person, embed())
            return score is not None and score >= near

        active.see(face, same, moment.monotonic, scene.tracker.interval, alone=moment.faces == 1)
        return abs(face.quality.yaw) > REST_YAW

    def _report_challenge(self, scene: Scene, moment: Moment) -> tuple[tuple[ChallengeReport, ...], Iterable[Event]]:
        """What a challenge asks for next or how it has ended, and the event of a last failure."""
        active = scene.challenge
        report = None if active is None else active.report(moment.monotonic, scene.tracker.interval)
        if active is None or report is None:
            return (), ()
        visit, events = active.visit, list[Event]()
        if report.result is not None:
            scene.challenge, visit.due = None, moment.monotonic
            scene.liveness_counts.challenges[report.result] += 1
        if report.result == "passed":
            visit.liveness.passed = PassedChallenge(report.request.person, visit.evidence.since, moment.monotonic)
        elif report.result == "failed" and report.request.final and visit.liveness.spoof is None:
            events.append(self._expose(scene, visit, moment, "challenge", report.request.person))
        return (report,), events

    def expect(self, expected: ExpectedPerson) -> None:
        """Compare the faces at a camera with one person, too, instead of the one last expected at the same door."""
        self._expected[expected.door] = expected
        scene = self._scenes.get(expected.camera)
        for visit in scene.visits.values() if scene is not None else ():
            visit.due = 0.0

    def _event(self, kind: EventType, scene: Scene, visit: Visit, moment: Moment) -> Event:
        """Number and fill in one event."""
        self._seq += 1
        origin = Origin(self._rules.device, self._rules.boot, self._seq, self._faces.embedder.name)
        return event_of(kind, scene, visit, moment, origin, self._gallery, self._at(moment.camera).thresholds)

    def _left(self, scene: Scene, moment: Moment, gap: float) -> list[Event]:
        return [self._event("left", scene, visit, moment) for visit in scene.left(moment.monotonic, gap)]

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
        """Who is in view, in order of arrival: each display name once, and STRANGER for each person without one."""
        scene = self._scenes.get(camera)
        decisions = [visit.decision for visit in scene.visits.values()] if scene else []
        shown = [self._display_name(one) for one in decisions if one and one.kind != "ignored"]
        return tuple(name for place, name in enumerate(shown) if name == STRANGER or name not in shown[:place])

    def _display_name(self, decision: Decision) -> str:
        name = None if decision.person is None else self._gallery.name(decision.person)
        # A name that was given before it was reserved.
        return STRANGER if name is None or is_reserved(name) else name

    def counts(self, camera: str) -> tuple[Counter[RejectReason], int, float, LivenessCounts]:
        """Of a camera: tracks without a decision by reason, unknown events held back, the usual frame interval, looks.

        All of it is a copy.
        """
        scene = self._scenes[camera]
        return Counter(scene.undecided), scene.held_back, scene.tracker.interval, scene.liveness_counts.copy()
