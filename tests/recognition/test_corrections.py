"""What corrections need of the pipeline: a probe for each announced face, and who a face is announced as."""

from collections.abc import Sequence

import numpy as np
import pytest

from edgeface.core.types import Embedding, FrameResult
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.decision import thresholds
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support.scripted import BOX, FPS, Look, ScriptedFaces, analyzer, play
from tests.support.unknowns import fixed

AXES = np.eye(8, dtype=np.float32)


def face(*values: float) -> Embedding:
    """A unit vector; what is missing to a length of one lies along an axis of its own."""
    vector = np.zeros(8, np.float32)
    vector[: len(values)] = values
    vector[-1] = np.sqrt(max(0.0, 1.0 - float(vector @ vector)))
    return vector


STRANGER = face(0.6, 0.0, 0.75)
"""Taken for Alice, at 0.60."""
NEXT = face(0.58, 0.6, 0.5)
"""Taken for Alice, and for Bob without her."""


class Stage:
    """A pipeline with Alice, and Bob if `others` names him; time goes on from one call to the next."""

    def __init__(self, others: Sequence[str] = (), frames: int = 2) -> None:
        self.faces, self.now = ScriptedFaces(), 0.0
        self.people = [Person(one, one.title(), False, 0.0, 1, 0) for one in ("alice", *others)]
        view = self.view()
        self.accept = thresholds(CalibrationTable.shipped(), "normal", view)
        rules = PipelineRules("front", "boot", Recognition(frames=frames), UnknownSettings())
        self.made = Pipeline(
            rules, analyzer(self.faces), Unknowns("boot", fixed(self.accept.accept)), view, self.accept
        )

    def view(self, *negatives: Embedding) -> GallerySnapshot:
        own = {"alice": AXES[:1], "bob": AXES[1:2]}
        return make_snapshot(self.people, own, None, [("alice", one) for one in negatives])

    def show(self, look: Look | None, seconds: float = 2.0) -> list[FrameResult]:
        results = list(play(self.made, self.faces, [look] * round(seconds * FPS), self.now))
        self.now += seconds
        return results


def kinds(results: list[FrameResult]) -> list[tuple[str, str | None]]:
    return [(event.type, event.person) for result in results for event in result.events]


def test_a_probe_of_a_covered_face_is_marked() -> None:
    for covered in (False, True):
        results = Stage().show(Look(AXES[0], covered=covered))
        assert [probe.covered for result in results for probe in result.probes] == [covered]


def test_each_announced_face_gives_one_probe_the_mean_at_that_moment() -> None:
    stage = Stage()
    results = [*stage.show(Look(STRANGER)), *stage.show(None)]
    assert kinds(results) == [("match", "alice"), ("left", "alice")]
    (result,) = (one for one in results if one.probes)
    (probe,), (event,) = result.probes, result.events
    assert (probe.event, probe.camera, probe.wall) == (event.id, "porch", event.captured_at)
    assert (probe.person, probe.unknown) == ("alice", None)
    assert np.allclose(probe.embedding, STRANGER, atol=1e-6)


def test_an_unknown_gives_one_too_and_who_is_ignored_none() -> None:
    stage = Stage()
    results = stage.show(Look(face(0.0, 0.0, 0.9)))
    ((event, probe),) = ((result.events[0], result.probes[0]) for result in results if result.probes)
    assert (event.type, probe.person, probe.unknown) == ("unknown", None, event.unknown)
    ignoring = Stage()
    ignoring.people = [Person("alice", "Alice", True, 0.0, 1, 0)]
    ignoring.made.use(ignoring.view(), ignoring.accept)
    assert not any(result.probes for result in ignoring.show(Look(face(0.9))))


def test_a_correction_holds_from_the_next_frame_for_the_mean_and_the_newest_alone() -> None:
    stage = Stage()
    stage.show(Look(STRANGER), 1.0)
    stage.made.use(stage.view(STRANGER), stage.accept)
    results = stage.show(Look(STRANGER))
    assert not any(result.claims or any(one.person for one in result.faces) for result in results)
    assert kinds(results) == [("unknown", None)]


def test_a_newest_frame_that_is_denied_withdraws_the_name_although_the_mean_is_alices() -> None:
    stage = Stage()
    stage.made.use(stage.view(STRANGER), stage.accept)
    own = face(0.8, 0.3)
    assert kinds(stage.show(Look(own), 1.0)) == [("match", "alice")]
    results = stage.show(Look(STRANGER), Recognition().verify + 1.0)
    # The first frame that is judged: all others in the evidence are Alice's.
    assert [result.claims for result in results if result.claims] == []
    named = sum(face.person == "alice" for result in results for face in result.faces)
    assert named / FPS <= Recognition().verify


def test_the_next_person_is_matched_instead() -> None:
    stage = Stage(["bob"])
    stage.made.use(stage.view(face(0.58, 0.6, 0.5)), stage.accept)
    assert kinds(stage.show(Look(NEXT))) == [("match", "bob")]


def test_a_face_that_jumped_refers_to_no_event_before_a_good_frame() -> None:
    stage = Stage()
    first = stage.show(Look(STRANGER))
    (result,) = stage.show(Look(STRANGER, BOX.moved(0.7 * BOX.height, 0), "dark"), 1 / FPS)
    assert [one.track for one in result.faces] == [one.track for one in first[-1].faces]
    assert [one.event for one in result.faces] == [None]


@pytest.mark.parametrize("change", ["restart", "another face"])
def test_a_face_that_may_be_another_refers_to_no_event(change: str) -> None:
    stage = Stage()
    first = stage.show(Look(STRANGER))
    (event,) = (event for result in first for event in result.events)
    assert [one.event for one in first[-1].faces] == [event.id]
    # Alice comes into the same place: the name stays, and what was announced was another face.
    own = face(0.6, 0.8) if change == "another face" else face(0.9, 0.0, 0.4)
    box = BOX if change == "another face" else BOX.moved(0.7 * BOX.height, 0)
    later = stage.show(Look(own, box), 2.0)
    assert kinds(later) == []
    assert [one.person for one in later[-1].faces] == ["alice"]
    assert [one.event for one in later[-1].faces] == [None]
