"""One presentation of a liveness trial: frames through the pipeline that a door uses, until it has a verdict.

No one is looked up: the head turns are compared with the face as it was before them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from edgeface.access.challenges import ATTEMPTS, CHALLENGE_SECONDS, Challenges
from edgeface.access.liveness import PASSED
from edgeface.cameras.capture import Capture
from edgeface.cameras.mailbox import Mailbox
from edgeface.core.errors import CameraError
from edgeface.core.types import Look
from edgeface.gallery.snapshot import Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.decision import likeness, thresholds
from edgeface.recognition.limits import CameraLimits, DoorNeeds
from edgeface.recognition.liveness import means
from edgeface.recognition.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from edgeface.access.liveness import Check
    from edgeface.cameras.base import CameraBase
    from edgeface.core.clock import Clock
    from edgeface.core.types import Detection, Embedding, Frame, FrameResult, LookReason, Prompt, SpoofReason
    from edgeface.evaluation.liveness_table import Verdict
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.faces.calibration import CalibrationTable
    from edgeface.faces.protocols import LivenessDetector
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.pipeline import PipelineRules

    Notice = Prompt | int
    """What the person in front of the camera is asked to do, or the number of faces in view, if there are several."""

VERDICT_SECONDS = 15.0
"""From the first picture; a presentation without a verdict by then is undecided."""

SILENT_SECONDS = 10.0
"""Without a picture, after which a camera counts as failed."""

_SUBJECT = "subject"
# How often a camera that gives no picture is asked for its state.
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class TrialRules:
    """What every presentation of a trial is judged by."""

    camera: str
    pipeline: PipelineRules
    analyzer: FaceAnalyzer
    table: CalibrationTable
    required: frozenset[Check]
    """The checks that a face must pass to be found living."""

    @property
    def seconds(self) -> float:
        """The longest that a presentation takes."""
        return VERDICT_SECONDS + (ATTEMPTS * CHALLENGE_SECONDS if "challenge" in self.required else 0.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one presentation."""

    verdict: Verdict
    looks: int
    means: tuple[float, ...]
    """Of the looks, for each model."""
    reasons: Mapping[str, int]
    """Frames that gave no look, or no embedding, by reason; and what gave a spoof away."""
    seconds: float


@dataclass(slots=True, eq=False)
class RecordedLooks:
    """A liveness detector that keeps what it has found."""

    detector: LivenessDetector
    looks: list[Look] = field(default_factory=list)
    withheld: Counter[LookReason] = field(default_factory=Counter)

    @property
    def names(self) -> Mapping[str, str]:
        """Those of the detector."""
        return self.detector.names

    @property
    def reason(self) -> SpoofReason:
        """That of the detector."""
        return self.detector.reason

    def look(self, frame: Frame, face: Detection, sharpness: float) -> Look | LookReason:
        """Look, and keep the result."""
        found = self.detector.look(frame, face, sharpness)
        if isinstance(found, Look):
            self.looks.append(found)
        else:
            self.withheld[found] += 1
        return found


class Presentation:
    """The state of one presentation."""

    def __init__(self, rules: TrialRules, clock: Clock, notice: Callable[[Notice], None]) -> None:
        """`notice` gets what the person is asked to do, once for each change."""
        self._rules, self._clock, self._notice = rules, clock, notice
        self._noticed: Notice | None = None
        self._reasons: Counter[str] = Counter()
        self._faces = False
        self._asked = False
        self._begin()

    def _begin(self) -> None:
        """Begin with no evidence: what a presentation shows says nothing of the one before it."""
        analyzer = self._rules.analyzer
        self._looks = None if analyzer.liveness is None else RecordedLooks(analyzer.liveness)
        self._pipeline = _pipeline(self._rules, self._looks)
        self._challenges = Challenges(self._clock, self._pipeline.challenge)

    def add(self, frame: Frame) -> Verdict | None:
        """Process one frame; gives the verdict once there is one."""
        result = self._pipeline.process(frame)
        self._faces = self._faces or bool(result.faces)
        self._reasons.update(face.reason for face in result.faces if face.reason is not None)
        if len(result.faces) > 1 and not self._asked:
            # The face of whoever holds a picture must not be judged in its place.
            self._tell(len(result.faces))
            self._reasons["several_faces"] += 1
            self._begin()
            return None
        verdict = self._verdict(result)
        if verdict is None:
            self._advise(result)
        return verdict

    def outcome(self, verdict: Verdict | None, seconds: float) -> Outcome:
        """What became of it; without a verdict it is undecided, or had no response."""
        looks = [] if self._looks is None else self._looks.looks
        reasons = self._reasons + Counter({} if self._looks is None else dict(self._looks.withheld))
        if not self._faces:
            reasons["no_face"] = 1
        judged = looks or self._asked
        return Outcome(
            verdict or ("undecided" if judged else "no_response"), len(looks), means(looks), reasons, seconds
        )

    def _verdict(self, result: FrameResult) -> Verdict | None:
        spoof = next((event for event in result.events if event.type == "spoof"), None)
        if spoof is not None:
            self._reasons[spoof.reason or "spoof"] += 1
            return "spoof"
        if "challenge" not in self._rules.required:
            return "living" if any(face.liveness == "living" for face in result.faces) else None
        for report in result.challenges:
            self._challenges.on_report(report)
        for probe in result.probes[:1]:
            if not self._pipeline.gallery.people:
                _know(self._pipeline, self._rules, probe.embedding)
        return self._challenged(result)

    def _challenged(self, result: FrameResult) -> Verdict | None:
        """As a door: asks for the head turns once they alone are missing."""
        for claim in result.claims:
            lacking = self._rules.required - PASSED[claim.passed]
            if not lacking:
                return "living"
            if lacking == PASSED["challenge"] and self._challenges.ask(claim):
                self._asked = True
        return None

    def _advise(self, result: FrameResult) -> None:
        for prompt in (face.prompt for face in result.faces if face.prompt is not None):
            self._tell(prompt)

    def _tell(self, notice: Notice) -> None:
        if notice != self._noticed:
            self._noticed = notice
            self._notice(notice)


def present(
    rules: TrialRules, frames: Iterable[Frame], clock: Clock, notice: Callable[[Notice], None] = lambda _: None
) -> Outcome:
    """Judge one presentation; raises CameraError if there is no frame, or what `frames` raises."""
    presentation = Presentation(rules, clock, notice)
    start, seconds, verdict = None, 0.0, None
    for frame in frames:
        start = frame.monotonic if start is None else start
        seconds = frame.monotonic - start
        verdict = presentation.add(frame)
        if verdict is not None or seconds >= rules.seconds:
            break
    if start is None:
        raise CameraError(f"camera {rules.camera} ended without a picture")
    return presentation.outcome(verdict, seconds)


def frames_of(
    name: str,
    cameras: Mapping[str, CameraBase],
    clock: Clock,
    companions: Mapping[str, str],
    silent_seconds: float = SILENT_SECONDS,
) -> Generator[Frame, None, None]:
    """The newest frames of a camera, as the daemon captures them, until a clip ends; raises CameraError if it fails.

    A camera without a picture for `silent_seconds` has failed, too. Each frame has the picture of the camera's
    companion, if `companions` names one.
    """
    mailbox = Mailbox(companions)
    used = {one: cameras[one] for one in (name, companions.get(name)) if one is not None}
    captures = {one: Capture(one, camera, mailbox, clock, recorded=camera.recorded) for one, camera in used.items()}
    for capture in captures.values():
        capture.start()
    try:
        yield from _frames(name, captures, mailbox, clock, silent_seconds)
    finally:
        for capture in captures.values():
            capture.stop()
        for capture in captures.values():
            capture.join(1.0)


def _frames(
    name: str, captures: Mapping[str, Capture], mailbox: Mailbox, clock: Clock, silent_seconds: float
) -> Generator[Frame, None, None]:
    seen = clock.monotonic()
    while True:
        states, frame = {one: capture.state() for one, capture in captures.items()}, mailbox.take(_POLL_SECONDS)
        if frame is not None:
            seen = clock.monotonic()
            yield frame
        elif states[name].status == "ended":
            return
        for one, state in states.items():
            if state.error is not None:
                raise CameraError(f"camera {one}: {state.error}")
        if clock.monotonic() - seen > silent_seconds:
            raise CameraError(f"camera {name}: no picture for {silent_seconds:.0f} s")


def _pipeline(rules: TrialRules, looks: RecordedLooks | None) -> Pipeline:
    analyzer = rules.analyzer if looks is None else replace(rules.analyzer, liveness=looks)
    unknowns = Unknowns(rules.pipeline.boot, partial(likeness, rules.table))
    no_one = make_snapshot([], {})
    accept = thresholds(rules.table, rules.pipeline.recognition.level, no_one)
    return Pipeline(rules.pipeline, analyzer, unknowns, no_one, accept, _door(rules, no_one))


def _know(pipeline: Pipeline, rules: TrialRules, face: Embedding) -> None:
    """Let the pipeline know the face in front of the camera, so that it can ask this face for head turns."""
    subject = make_snapshot([Person(_SUBJECT, _SUBJECT, False, 0.0, 1, 0)], {_SUBJECT: [face]})
    accept = thresholds(rules.table, rules.pipeline.recognition.level, subject)
    pipeline.use(subject, accept, _door(rules, subject))


def _door(rules: TrialRules, people: GallerySnapshot) -> Mapping[str, CameraLimits]:
    """The camera as that of a door, for its claims and prompts."""
    accept = thresholds(rules.table, rules.pipeline.recognition.level, people)
    return {rules.camera: CameraLimits(accept, doors=DoorNeeds(accept.accept, accept.accept))}
