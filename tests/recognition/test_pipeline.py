"""The pipeline on real faces with the real models: what is said, once, and what is not."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from edgeface.config.configuration import Configuration
from edgeface.core.settings import Level
from edgeface.core.types import Claim, Detection, Embedding, Event, Frame, Image
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.agreement import Limits
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.people import enrollment
from edgeface.recognition.decision import WINDOW, thresholds
from edgeface.recognition.limits import CameraLimits, DoorNeeds
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import MIN_FPS, Recognition, UnknownSettings
from tests.support.film import DATA, FPS, Actor, film
from tests.support.unknowns import fixed

LEFT: Actor = ("astronaut", 20, 40)
RIGHT: Actor = ("obama", 380, 60)
EMPTY: tuple[float, tuple[Actor, ...]] = (3.5, ())


@cache
def analyzer() -> FaceAnalyzer:
    return Configuration.model_validate({"cameras": {"porch": {"type": "opencv", "source": 0}}}).open_analyzer()


@cache
def gallery(*, ignored: str = "", people: tuple[str, ...] = ("obama", "biden")) -> GallerySnapshot:
    """Obama from two other photos than the films show, Biden from his only one."""
    photos = {"obama": ("obama2", "obama3"), "biden": ("biden",), "astronaut": ("astronaut",)}
    known = enrollment.KnownFaces(Limits(0.45, 0.40, 0.57, 0.60, 0.99))
    rows, persons = {}, []
    for person in sorted(people):
        plan = enrollment.from_photos(analyzer(), known, person, None, [DATA / f"{p}.jpg" for p in photos[person]])
        assert plan.rejected == ()
        rows[person] = [e for c in plan.candidates for e in c.embeddings]
        persons.append(Person(person, person.title(), person == ignored, 0.0, len(rows[person]), 0))
    return make_snapshot(persons, rows)


def pipeline(
    view: GallerySnapshot,
    rules: Recognition | None = None,
    per_minute: int = 6,
    door: Level | None = None,
    needs: DoorNeeds | None = None,
) -> Pipeline:
    """With a door for one person, or one that needs other cosines."""
    rules = rules or Recognition()
    accept = thresholds(CalibrationTable.shipped(), "normal", view)
    unknowns = Unknowns("boot", fixed(accept.accept))
    if door is not None:
        needs = DoorNeeds(*[CalibrationTable.shipped().threshold(door, 1)] * 2)
    return Pipeline(
        PipelineRules("front", "boot", rules, UnknownSettings(per_minute=per_minute)),
        analyzer(),
        unknowns,
        view,
        accept,
        {"porch": CameraLimits(accept, doors=needs)},
    )


def run(frames: Iterable[Frame], view: GallerySnapshot | None = None) -> list[Event]:
    made = pipeline(view or gallery())
    return [event for frame in frames for event in made.process(frame).events]


def told(events: Iterable[Event]) -> list[tuple[str, str | None]]:
    return [(event.type, event.person or event.unknown) for event in events]


def test_an_enrolled_person_is_matched_once_and_leaves_once() -> None:
    events = run(film((1.0, ()), (3.0, (RIGHT,)), EMPTY))
    assert told(events) == [("match", "obama"), ("left", "obama")]
    match, left = events
    assert match.name == "Obama"
    assert match.score is not None
    assert match.threshold is not None
    assert match.score >= match.threshold
    assert match.captured_at - 1_000.0 < 2.0, "from the first frame to the event within a second"
    assert left.track == match.track
    assert left.seconds == pytest.approx(3.0, abs=0.4)


def test_a_stranger_is_unknown_and_never_named() -> None:
    events = run(film((3.0, (LEFT,)), EMPTY))
    assert [event.type for event in events] == ["unknown", "left"]
    assert {event.person for event in events} == {None}
    assert {event.name for event in events} == {None}
    assert events[0].unknown is not None


def test_two_at_a_time_are_two_tracks_with_their_own_events() -> None:
    events = run(film((3.0, (LEFT, RIGHT)), EMPTY))
    assert Counter(event.type for event in events) == {"match": 1, "unknown": 1, "left": 2}
    assert next(e for e in events if e.type == "match").faces_in_view == 2
    assert len({event.track for event in events}) == 2


def test_a_stranger_keeps_the_id_on_a_later_visit() -> None:
    events = run(film((2.5, (LEFT,)), EMPTY, (2.5, (LEFT,)), EMPTY))
    assert [event.type for event in events] == ["unknown", "left", "unknown", "left"]
    assert len({event.unknown for event in events}) == 1


def test_somebody_away_for_a_moment_has_not_left() -> None:
    events = run(film((2.0, (RIGHT,)), (1.3, ()), (2.0, (RIGHT,)), EMPTY))
    assert told(events) == [("match", "obama"), ("left", "obama")]


def test_an_ignored_face_is_silent() -> None:
    view = gallery(ignored="astronaut", people=("astronaut", "biden"))
    assert run(film((3.0, (LEFT,)), EMPTY), view) == []


def test_unknown_events_beyond_the_rate_are_counted_and_not_said() -> None:
    made = pipeline(gallery(), per_minute=1)
    frames = film((2.0, (LEFT,)), EMPTY, (2.0, (LEFT,)), EMPTY)
    events = [event for frame in frames for event in made.process(frame).events]
    assert [event.type for event in events] == ["unknown", "left"]
    assert made.counts("porch")[1] == 1


def test_a_face_too_small_to_judge_is_counted_with_its_reason() -> None:
    made = pipeline(gallery())
    frames = film((2.5, (("obama3", 300, 200),)), EMPTY, face=27)
    assert [event for frame in frames for event in made.process(frame).events] == []
    assert made.counts("porch")[0] == {"small": 1}


def test_a_person_enrolled_while_in_view_is_matched_without_a_restart() -> None:
    made = pipeline(gallery(people=("biden",)))
    events: list[Event] = []
    for frame in film((4.0, (RIGHT,)), EMPTY):
        if frame.seq == 30:
            view = gallery()
            made.use(view, thresholds(CalibrationTable.shipped(), "normal", view))
        events += made.process(frame).events
    assert [event.type for event in events] == ["unknown", "match", "left"]


def test_a_camera_that_goes_away_takes_everybody_with_it() -> None:
    made = pipeline(gallery())
    events = [event for frame in film((2.0, (RIGHT,))) for event in made.process(frame).events]
    events += made.leave("porch", 2.0, 1_002.0)
    assert told(events) == [("match", "obama"), ("left", "obama")]
    assert made.people("porch") == ()
    assert made.leave("porch", 3.0, 1_003.0) == ()


def test_the_same_frames_give_the_same_events() -> None:
    scenes = ((0.5, ()), (2.0, (LEFT, RIGHT)), EMPTY)
    assert run(film(*scenes)) == run(film(*scenes))


def test_a_region_hides_what_is_outside_and_boxes_stay_in_the_pictures_pixels() -> None:
    view = gallery()
    accept = thresholds(CalibrationTable.shipped(), "normal", view)
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings(), {"porch": (0.5, 0.0, 1.0, 1.0)})
    made = Pipeline(rules, analyzer(), Unknowns("boot", fixed(accept.accept)), view, accept)
    events = [e for frame in film((2.5, (LEFT, RIGHT)), EMPTY) for e in made.process(frame).events]
    assert told(events) == [("match", "obama"), ("left", "obama")]
    assert events[0].box.left > 320
    assert events[0].frame_size == (640, 480)


def test_somebody_forgotten_while_in_view_leaves_without_a_name() -> None:
    made = pipeline(gallery())
    events = [event for frame in film((2.0, (RIGHT,))) for event in made.process(frame).events]
    view = gallery(people=("biden",))
    made.use(view, thresholds(CalibrationTable.shipped(), "normal", view))
    (left,) = made.leave("porch", 2.0, 1_002.0)
    assert told(events) == [("match", "obama")]
    assert (left.type, left.person, left.name) == ("left", None, None)


def claims(frames: Iterable[Frame], asked: Level | None, view: GallerySnapshot | None = None) -> list[Claim]:
    """What a camera claims whose door requires a level."""
    made = pipeline(view or gallery(), door=asked)
    return [claim for frame in frames for claim in made.process(frame).claims]


def test_a_match_is_claimed_with_the_frame_that_confirms_it() -> None:
    frames = list(film((1.0, ()), (2.0, (RIGHT,))))
    results = list(map(pipeline(gallery(), door="normal").process, frames))
    first = next(result for result in results if result.claims)
    (claim,), (event,) = first.claims, first.events
    assert (claim.camera, claim.person, claim.faces_in_view) == ("porch", "obama", 1)
    assert (claim.visit, claim.score, claim.frames) == (event.track, event.score, event.frames)
    assert claim.monotonic == first.frame.monotonic
    assert (claim.level, claim.look_alike) == (None, False)
    assert claim.newest != claim.score


def test_no_one_else_is_claimed() -> None:
    assert claims(film((3.0, (LEFT,))), "high") == []
    ignored = gallery(ignored="astronaut", people=("astronaut", "biden"))
    assert claims(film((3.0, (LEFT,))), "high", ignored) == []


def test_without_a_door_nothing_is_claimed() -> None:
    assert claims(film((2.0, (RIGHT,))), None) == []


def test_two_in_view_are_said_to_be_two() -> None:
    (claim, *_) = claims(film((2.0, (LEFT, RIGHT))), "low")
    assert claim.faces_in_view == 2


def test_the_same_frames_give_the_same_claims() -> None:
    scenes = ((0.5, ()), (2.0, (LEFT, RIGHT)))
    assert claims(film(*scenes), "high") == claims(film(*scenes), "high") != []


def test_a_face_is_judged_with_each_frame_until_it_reaches_what_a_door_requires() -> None:
    # A cosine that no face reaches: the frames are judged until the window is full, and then as without a door.
    made = pipeline(gallery(), needs=DoorNeeds(2.0, 2.0))
    frames = [claim.frames for frame in film((2.5, (RIGHT,))) for claim in made.process(frame).claims]
    assert frames == list(range(frames[0], WINDOW + 1))
    reached = claims(film((2.5, (RIGHT,))), "low")
    assert len(reached) == 1, "judged again after `verify` only"


def test_a_level_that_cannot_be_guaranteed_is_not_waited_for() -> None:
    made = pipeline(gallery(), needs=DoorNeeds(math.inf, -math.inf))
    assert len([claim for frame in film((2.0, (RIGHT,))) for claim in made.process(frame).claims]) == 1


# Biden with his face where that of RIGHT is.
IN_PLACE: Actor = ("biden", 329, 35)


def after_swap(frames: Iterable[Frame], seconds: float) -> tuple[list[Event], list[Claim], float]:
    """The events and claims after so many seconds, and how long Obama's name stays in `people` from then on."""
    made, events, made_claims, stays = pipeline(gallery(people=("obama",))), list[Event](), list[Claim](), 0.0
    for frame in frames:
        result = made.process(frame)
        named = "Obama" in made.people("porch")
        assert named == any(face.name == "Obama" for face in result.faces)
        if frame.monotonic < seconds:
            assert named or frame.monotonic < 1.0
            continue
        events += result.events
        made_claims += result.claims
        stays = frame.monotonic - seconds if named else stays
    return events, made_claims, stays


def test_whoever_steps_into_the_place_of_a_matched_person_gets_neither_claim_nor_name() -> None:
    events, made_claims, stays = after_swap(film((3.0, (RIGHT,)), (5.0, (IN_PLACE,))), 3.0)
    assert made_claims == []
    assert [event.type for event in events if event.person is not None] == []
    assert stays <= 1.0


@pytest.mark.parametrize("fps", [MIN_FPS, 1.0, 2.0])
def test_before_a_slow_camera_too_whoever_steps_into_a_persons_place_inherits_nothing(fps: float) -> None:
    made, seconds = pipeline(gallery(people=("obama",))), 6 / fps
    results = [made.process(frame) for frame in film((seconds, (RIGHT,)), (8 / fps, (IN_PLACE,)), fps=fps)]
    before, after = results[:6], results[6:]
    assert told(event for result in before for event in result.events) == [("match", "obama")]
    assert before[-1].faces[0].person == "obama"
    assert [claim for result in after for claim in result.claims] == []
    assert {event.type for result in after for event in result.events if event.person is not None} <= {"left"}
    assert [face.person for result in after for face in result.faces if face.person is not None] == []


def test_a_dark_face_in_the_place_of_a_matched_person_loses_the_name() -> None:
    def darkened(frame: Frame) -> Frame:
        image = frame.image.copy()
        image[:320, 300:] //= 7
        return replace(frame, image=image)

    frames = (darkened(f) if f.monotonic >= 3.0 else f for f in film((3.0, (RIGHT,)), (7.0, (IN_PLACE,))))
    events, made_claims, stays = after_swap(frames, 3.0)
    assert made_claims == []
    assert {event.type for event in events if event.person is not None} <= {"left"}
    assert stays <= 5.0


@dataclass
class Counted:
    """The analyzer's landmarker and embedder, and how often each was called."""

    inner: FaceAnalyzer
    name: str = ""
    located: int = 0
    embedded: int = 0

    def locate(self, image: Image, face: Detection) -> Detection | None:
        self.located += 1
        return self.inner.landmarker.locate(image, face)

    def embed(self, crop: Image) -> Embedding:
        self.embedded += 1
        return self.inner.embedder.embed(crop)


def counts(frames: Iterable[Frame], view: GallerySnapshot) -> list[tuple[int, int]]:
    """Faces inspected and faces embedded, frame by frame."""
    counted = Counted(analyzer(), analyzer().embedder.name)
    accept = thresholds(CalibrationTable.shipped(), "normal", view)
    made = Pipeline(
        PipelineRules("front", "boot", Recognition(), UnknownSettings()),
        replace(analyzer(), landmarker=counted, embedder=counted),
        Unknowns("boot", fixed(accept.accept)),
        view,
        accept,
    )
    told_so_far = [(0, 0)]
    for frame in frames:
        made.process(frame)
        told_so_far.append((counted.located, counted.embedded))
    return [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(told_so_far)]


def seconds_with_one(frames: Sequence[tuple[int, int]]) -> list[float]:
    return [n / FPS for n, (_, embedded) in enumerate(frames) if embedded]


def test_whoever_is_known_is_embedded_every_few_seconds_and_one_face_a_frame_at_most() -> None:
    made = counts(film((12.0, (LEFT, RIGHT))), gallery())
    assert max(embedded for _, embedded in made) == 2
    steady = made[3 * 15 :]
    assert max(embedded for _, embedded in steady) == 1
    assert sum(embedded for _, embedded in steady) == pytest.approx(2 * 9 / Recognition().verify, abs=2)


def test_a_face_that_jumps_is_verified_at_once() -> None:
    far = (RIGHT[0], RIGHT[1] + 70, RIGHT[2])
    jump = 2.5
    made = seconds_with_one(counts(film((jump, (RIGHT,)), (1.0, (far,))), gallery()))
    before = [at for at in made if at < jump]
    after = [at for at in made if at >= jump]
    assert before[-1] < 1.5
    assert after[0] < jump + 0.25


def test_a_face_that_is_never_good_is_studied_less_often() -> None:
    made = counts(film((4.0, (("obama3", 300, 200),)), face=27), gallery())
    located = [n for n, (studied, _) in enumerate(made) if studied]
    assert len(located) >= 20
    assert set(np.diff(located[:9])) == {1}
    assert np.diff(located[12:]).min() >= 2
