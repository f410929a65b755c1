from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from edgeface.cameras.mailbox import Mailbox
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.errors import GalleryError
from edgeface.core.types import Claim, Event, ExpectedPerson, Frame, FrameResult, Probe
from edgeface.daemon.vision import HANG_SECONDS, MATCH_SECONDS, Health, Vision
from edgeface.gallery.snapshot import Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.mqtt import topics
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.recognition.test_evidence import ALICE, TEMPLATE
from tests.recognition.test_pipeline import LEFT, RIGHT, run
from tests.support.clock import FixedClock
from tests.support.doors import limits_for, policy_for
from tests.support.film import film
from tests.support.scripted import FPS, GREY, Look, ScriptedFaces, analyzer
from tests.support.unknowns import fixed

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.daemon.session import RecognitionSession
    from edgeface.mqtt.publisher import Publisher
    from edgeface.mqtt.topics import Topic


def frame(monotonic: float, camera: str = "porch") -> Frame:
    return Frame(camera, 0, monotonic, 0.0, np.zeros((2, 2, 3), np.uint8))


def test_age_is_that_of_the_newest_processed_frame_of_a_camera() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    assert health.age("porch") is None
    health.processed(frame(99.5))
    health.processed(frame(99.9, "yard"))
    clock.now = 102.0
    assert health.age("porch") == pytest.approx(2.5)
    assert health.age("yard") == pytest.approx(2.1)
    assert health.age("cellar") is None


def test_the_watchdog_is_fed_while_processing_advances_and_not_when_it_hangs() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    for _ in range(20):
        clock.now += 1
        health.processed(frame(clock.now))
        assert health.alive(online=True)
    clock.now += HANG_SECONDS + 0.1
    assert not health.alive(online=True)


def test_an_inference_that_hangs_from_the_first_frame_on_is_noticed() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    clock.now += HANG_SECONDS - 0.1
    assert health.alive(online=True)
    clock.now += 0.2
    assert not health.alive(online=True)


def test_an_unplugged_camera_makes_no_restart_storm() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    health.processed(frame(100.0))
    for _ in range(1000):
        clock.now += 5
        assert health.alive(online=False)
    clock.now += 1
    assert health.alive(online=True), "the first frames after an hour have their time to be processed"
    clock.now += HANG_SECONDS
    assert not health.alive(online=True)


def test_working_off_stale_frames_is_no_progress() -> None:
    clock = FixedClock(100.0)
    health = Health(clock)
    clock.now += HANG_SECONDS + 1
    health.processed(frame(100.0))
    assert not health.alive(online=True)


@pytest.mark.parametrize(("age", "allowed"), [(0.0, True), (0.99, True), (1.01, False), (60.0, False), (-0.5, False)])
def test_only_a_decision_on_a_fresh_frame_may_be_a_match(age: float, allowed: bool) -> None:  # noqa: FBT001 - a parameter
    assert Health(FixedClock(100.0)).may_match(frame(100.0 - age)) is allowed


def test_a_jump_of_the_wall_clock_changes_nothing() -> None:
    clock = FixedClock(100.0, epoch=1e9)
    health = Health(clock)
    for epoch in (1e9 - 31_536_000, 1e9 + 31_536_000):
        clock.epoch = epoch
        assert health.may_match(frame(99.5))
        assert not health.may_match(frame(98.5))


@cache
def visits() -> tuple[Frame, ...]:
    """Someone who is enrolled and someone who is not come and go."""
    return tuple(film((0.4, ()), (1.4, (RIGHT, LEFT)), (3.0, ())))


@cache
def undisturbed() -> list[Event]:
    return run(visits())


@settings(max_examples=3, phases=[Phase.generate])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 70), st.sampled_from([3600.0, -3600.0, 31_536_000.0, -31_536_000.0]) | st.floats(-1e9, 1e9)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_jumps_of_the_wall_clock_change_no_decision(jumps: list[tuple[int, float]]) -> None:
    walls = np.full(len(visits()), 2e9)
    for at, by in jumps:
        walls[min(at, len(walls) - 1) :] += by
    events = run(replace(frame, wall=float(wall)) for frame, wall in zip(visits(), walls, strict=True))
    assert sorted(event.type for event in events) == ["left", "left", "match", "unknown"]
    assert [replace(event, captured_at=0.0, id="") for event in events] == [
        replace(event, captured_at=0.0, id="") for event in undisturbed()
    ]


@dataclass
class Heard:
    """Takes the place of the publisher."""

    events: list[tuple[str, bool]] = field(default_factory=list)
    """Type, and whether it is late."""
    claims: list[Claim] = field(default_factory=list)
    people: list[str] = field(default_factory=list)

    def publish(self, event: Event, _: bytes | None = None, *, late: bool = False) -> None:
        self.events.append((event.type, late))

    def claim(self, claim: Claim) -> None:
        self.claims.append(claim)

    def set(self, topic: Topic, payload: str) -> None:
        assert topic == topics.PEOPLE.at(camera="porch")
        self.people.append(payload)


def session(refresh: Exception | None = None) -> RecognitionSession:
    """Alice is enrolled, and each frame shows her; `refresh` is what a refresh raises."""

    def refreshed(*_: object) -> None:
        if refresh is not None:
            raise refresh

    view = make_snapshot([Person("alice", "Alice", False, 0.0, 1, 0)], {"alice": [TEMPLATE]})
    (accept, cameras), faces = limits_for(view, "normal", "normal"), analyzer(ScriptedFaces(Look(ALICE)))
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings())
    pipeline = Pipeline(rules, faces, Unknowns("boot", fixed(accept.accept)), view, accept, cameras)
    made = SimpleNamespace(analyzer=faces, pipeline=pipeline, keep_thumbnail=lambda *_: None, refresh=refreshed)
    made.kept = list[Probe]()
    made.keep_probes, made.correctable = made.kept.extend, lambda result: result
    made.problems, made.people, made.unknowns = (), frozenset({"alice"}), frozenset()
    made.policy, made.thresholds = policy_for(view), {"porch": accept}
    return cast("RecognitionSession", made)


def seen(
    opened: RecognitionSession, behind: float, *observers: Callable[[FrameResult], None], doubtful: bool = False
) -> tuple[Vision, Heard]:
    """Half a second of a camera whose frames are decided `behind` seconds after their capture."""
    configuration = Configuration.model_construct(cameras={}, privacy=Privacy())
    clock, heard = FixedClock(), Heard()
    publisher = cast("Publisher", heard)
    vision = Vision(lambda *_: opened, configuration, Mailbox(), publisher, Health(clock), clock, observers=observers)
    for number in range(round(FPS / 2)):
        clock.now = number / FPS + behind
        vision._handle(opened, Frame("porch", number, number / FPS, 1e9, GREY, doubtful))
    return vision, heard


def test_a_match_on_an_old_frame_is_late_and_asks_no_door_to_open() -> None:
    _, heard = seen(session(), MATCH_SECONDS - 0.1)
    assert heard.events == [("match", False)]
    assert heard.claims
    _, heard = seen(session(), MATCH_SECONDS + 0.1)
    assert heard.events == [("match", True)]
    assert heard.claims == []


def test_a_match_on_a_picture_that_may_be_old_is_late_and_asks_no_door_to_open() -> None:
    _, heard = seen(session(), 0.1, doubtful=True)
    assert heard.events == [("match", True)]
    assert heard.claims == []


def test_the_people_who_are_matched_are_shown_to_the_other_threads() -> None:
    opened = session()
    vision, _ = seen(opened, 0.1)
    vision._housekeep(opened)
    assert vision.gallery is opened.pipeline.gallery
    view, pipeline = make_snapshot([], {}), opened.pipeline
    pipeline.use(view, *limits_for(view, "normal", "normal"))
    vision._housekeep(opened)
    assert vision.gallery is view


def test_no_one_is_in_view_of_a_camera_that_is_away() -> None:
    opened = session()
    vision, heard = seen(opened, 0.1)
    vision.away = frozenset({"porch"})
    vision._housekeep(opened)
    assert heard.events == [("match", False), ("left", False)]
    assert heard.people == ["Alice", "nobody"]


def test_a_probe_is_kept_and_a_face_whose_event_cannot_be_corrected_refers_to_none() -> None:
    opened, shown = session(), list[FrameResult]()
    made = cast("SimpleNamespace", opened)
    made.correctable = lambda result: replace(result, faces=())
    seen(opened, 0.1, shown.append)
    assert [probe.person for probe in made.kept] == ["alice"]
    assert {result.faces for result in shown} == {()}


def test_what_the_gallery_cannot_do_is_a_problem_and_no_end() -> None:
    opened = session(GalleryError("gallery: cannot be written"))
    vision, _ = seen(opened, 0.1)
    vision._housekeep(opened)
    assert vision.problems == ("gallery: cannot be written",)
    assert vision.people == {"alice"}


def test_who_is_expected_is_compared_with_the_next_frame_and_an_old_frame_claims_nothing() -> None:
    opened = session()
    vision, heard = seen(opened, 0.1)
    expected = ExpectedPerson(1, "front", "porch", "alice", "pin", 9.0)
    for behind, claimed in ((0.1, [expected]), (MATCH_SECONDS + 0.1, [])):
        heard.claims.clear()
        vision.expect(expected)
        vision._clock.sleep(0.1)
        now = vision._clock.monotonic()
        vision._handle(opened, Frame("porch", 9, now - behind, 1e9, GREY))
        assert [claim.expected for claim in heard.claims if claim.expected is not None] == claimed
