"""What is reported about one frame: events, claims, faces and probes, filled in from the state of a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.events import event_id
from edgeface.core.types import Claim, Event, Face, Probe

if TYPE_CHECKING:
    from edgeface.core.types import EventType, ExpectedPerson, FaceLabel
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.confirmation import Confirmation
    from edgeface.recognition.decision import Evidence, Thresholds
    from edgeface.recognition.scene import Scene
    from edgeface.recognition.visit import Visit


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where something was decided."""

    camera: str
    monotonic: float
    wall: float
    faces: int = 0
    """In view."""


class Origin(NamedTuple):
    """Where an event comes from."""

    device: str
    boot: str
    seq: int
    model: str
    """The embedder's name."""


def event_of(
    kind: EventType,
    scene: Scene,
    visit: Visit,
    moment: Moment,
    origin: Origin,
    gallery: GallerySnapshot,
    accept: Thresholds,
) -> Event:
    """The event of a visit; only a match has a person and a name."""
    # A person who was erased while in view has no name any more.
    person = visit.concluded("match")
    name = gallery.name(person) if person is not None else None
    match = visit.decision.match if visit.decision is not None and kind != "left" else None
    verdict = visit.liveness.verdict
    return Event(
        type=kind,
        id=event_id(moment.wall, origin.boot, origin.seq),
        boot=origin.boot,
        seq=origin.seq,
        device=origin.device,
        camera=moment.camera,
        track=visit.number,
        monotonic=moment.monotonic,
        captured_at=moment.wall,
        box=visit.box.moved(*scene.origin),
        frame_size=scene.size,
        faces_in_view=moment.faces,
        model=origin.model,
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
        liveness=visit.liveness.status(visit.evidence, moment.monotonic),
        living=verdict.living if verdict is not None else None,
    )


def claim_of(
    visit: Visit,
    moment: Moment,
    person: str,
    score: Confirmation,
    expected: ExpectedPerson | None = None,
    *,
    spoof: bool = False,
) -> Claim:
    """The claim that the face of a visit is a person's; `expected` if a second factor names them."""
    return Claim(
        camera=moment.camera,
        visit=visit.number,
        monotonic=moment.monotonic,
        person=person,
        score=score.score,
        newest=score.newest,
        look_alike=score.look_alike,
        frames=visit.evidence.frames,
        faces_in_view=moment.faces,
        factor="none" if expected is None else expected.kind,
        expected=expected,
        passed=visit.liveness.checks(visit.evidence, person, moment.monotonic),
        spoof=spoof,
    )


def face_of(scene: Scene, visit: Visit, gallery: GallerySnapshot, monotonic: float, *, prompts: bool) -> Face:
    """The face of a visit after one frame; `prompts` is whether someone may be waiting there, at a door."""
    decision, active = visit.decision, scene.challenge
    person = decision.person if decision else None
    label: FaceLabel = decision.kind if decision else "new"
    prompt = active.prompt if active is not None and active.visit is visit else visit.prompt
    return Face(
        track=visit.number,
        box=visit.box.moved(*scene.origin),
        label="spoof" if visit.liveness.spoof is not None else label,
        person=person,
        name=gallery.name(person) if person is not None else None,
        unknown=visit.unknown,
        score=decision.match.score if decision and decision.match else None,
        reason=visit.last_reason,
        event=visit.event if visit.evidence.frames else None,
        liveness=visit.liveness.status(visit.evidence, monotonic),
        prompt=prompt if prompts else None,
    )


def probe_of(event: Event, evidence: Evidence) -> Probe:
    """The probe of an event that announces the face in the evidence."""
    mean, covered = evidence.mean(), len(evidence.uncovered) < evidence.frames
    return Probe(event.id, event.camera, event.captured_at, event.person, event.unknown, mean, covered)
