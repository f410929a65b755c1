"""The same visit before and after a correction, with the real models: one correction ends the false match."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeface.access.policy import Door
from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.types import Embedding, Event, FrameResult
from edgeface.daemon.session import RecognitionSession
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.people import retention
from edgeface.people.service import PeopleService
from tests.support.clock import FixedClock
from tests.support.film import film

BOOT, WALL = "0123456789abcdef", 1_000.0
SCORE = 0.58
"""The cosine of the stranger in the false match; 0.502 is asked."""


def seen(results: list[FrameResult]) -> list[Event]:
    return [event for result in results for event in result.events]


def visit(session: RecognitionSession, photo: str, start: float = 0.0) -> list[FrameResult]:
    """Someone stands in front of the camera for two seconds, from `start` on, and leaves."""
    frames = [*film((2.0, ((photo, 200, 60),)), (2.0, ()))]
    later = [replace(one, monotonic=one.monotonic + start, wall=one.wall + start) for one in frames]
    results = [session.pipeline.process(frame) for frame in later]
    session.keep_probes([probe for result in results for probe in result.probes])
    session.refresh(session._configuration, WALL)
    assert session.stored()
    return results


@pytest.fixture(name="configuration")
def _configuration(tmp_path: Path) -> Configuration:
    door = Door.model_validate({"camera": "porch", "allow": [{"person": "alice"}], "level": "normal"})
    camera = ReplayCamera(type="replay", path=Path("clip.mp4"))
    return Configuration(data=tmp_path, cameras={"porch": camera}, doors={"front-door": door})


@pytest.fixture(name="probes", scope="module")
def _probes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Embedding]:
    """The probes of two visits, each of another person, with an empty gallery."""
    configuration = Configuration(
        data=tmp_path_factory.mktemp("empty"), cameras={"porch": ReplayCamera(type="replay", path=Path("clip.mp4"))}
    )
    found = {}
    for photo in ("biden", "obama"):
        with closing(RecognitionSession(configuration, BOOT, WALL)) as session:
            (probe,) = (probe for result in visit(session, photo) for probe in result.probes)
            found[photo] = probe.embedding
    return found


@pytest.fixture(name="session")
def _session(configuration: Configuration, probes: dict[str, Embedding]) -> Iterator[RecognitionSession]:
    """With Alice, who looks like the man in obama.jpg, and a little like the one in biden.jpg: a false match."""
    stranger, own = probes["biden"], probes["obama"]
    across = own - float(own @ stranger) * stranger
    template = SCORE * stranger + np.sqrt(1 - SCORE**2) * across / np.linalg.norm(across)
    with closing(RecognitionSession(configuration, BOOT, WALL)) as opened:
        with closing(Gallery.open(configuration.data, opened.analyzer.embedder.name)) as gallery:
            made = Template(np.asarray(template, np.float32), gallery.model, "photo", 1.0)
            gallery.enroll("alice", "Alice", [made], 1.0)
        opened.refresh(configuration, WALL)
        yield opened


def test_one_correction_ends_the_false_match_when_the_same_visit_is_replayed(
    session: RecognitionSession, configuration: Configuration
) -> None:
    results = visit(session, "biden")
    (match,) = (event for event in seen(results) if event.type == "match")
    assert (match.person, any(result.claims for result in results)) == ("alice", True)
    before = visit(session, "obama", 10.0)
    assert [event.person for event in seen(before) if event.type == "match"] == ["alice"]

    PeopleService(configuration, clock=FixedClock(epoch=WALL)).deny(match.id, "alice")
    session.refresh(configuration, WALL)
    replayed = visit(session, "biden", 20.0)
    assert [event.type for event in seen(replayed)] == ["unknown", "left"]
    assert not any(result.claims or any(face.person for face in result.faces) for result in replayed)
    after = visit(session, "obama", 30.0)
    assert [event.person for event in seen(after) if event.type == "match"] == ["alice"]
    assert any(result.claims for result in after)


def test_it_holds_from_the_next_frame_of_the_visit_that_it_corrects(
    session: RecognitionSession, configuration: Configuration
) -> None:
    frames = list(film((2.0, (("biden", 200, 60),))))
    first = [session.pipeline.process(frame) for frame in frames[:15]]
    (match,) = seen(first)
    assert match.type == "match"
    assert [face.event for face in first[-1].faces] == [match.id]
    session.keep_probes([probe for result in first for probe in result.probes])
    session.refresh(configuration, WALL)
    assert session.stored()

    PeopleService(configuration, clock=FixedClock(epoch=WALL)).deny(match.id, "alice")
    session.refresh(configuration, WALL)
    rest = [session.pipeline.process(frame) for frame in frames[15:]]
    assert not any(result.claims or any(face.person for face in result.faces) for result in rest)
    (unknown,) = seen(rest)
    assert (unknown.type, unknown.person, unknown.name) == ("unknown", None, None)
    assert [face.event for face in rest[-1].faces] == [unknown.id]


def test_an_announced_visit_has_one_probe_with_its_event(
    session: RecognitionSession, configuration: Configuration
) -> None:
    results = visit(session, "biden")
    announced = [event for event in seen(results) if event.type != "left"]
    probes = [probe for result in results for probe in result.probes]
    assert [(one.event, one.camera, one.person) for one in probes] == [
        (event.id, "porch", event.person) for event in announced
    ]
    with closing(Gallery.open(configuration.data, session.analyzer.embedder.name)) as gallery:
        kept = gallery.probe(announced[0].id)
    assert kept is not None
    assert np.array_equal(kept.embedding, probes[0].embedding)


def test_with_correction_days_0_nothing_is_kept_and_what_there_is_goes(
    session: RecognitionSession, configuration: Configuration
) -> None:
    (match,) = (event for event in seen(visit(session, "biden")) if event.type == "match")
    off = configuration.model_copy(update={"privacy": Privacy(correction_days=0)})
    session.refresh(off, WALL)
    assert session._retention is not None
    session._retention.join(10)
    later = visit(session, "biden", 10.0)
    session.refresh(off, WALL)
    with closing(Gallery.open(configuration.data, session.analyzer.embedder.name)) as gallery:
        assert gallery.probe(match.id) is None
        assert {gallery.probe(event.id) for event in seen(later)} == {None}
        # No clock is needed for that.
        gallery.store_probes([probe for result in later for probe in result.probes])
        retention.expire(gallery, off, WALL, synced=False, alike=0.5)
        assert {gallery.probe(event.id) for event in seen(later)} == {None}


def test_a_face_refers_to_its_event_once_it_can_be_corrected(
    session: RecognitionSession, configuration: Configuration
) -> None:
    results = [session.pipeline.process(frame) for frame in film((1.0, (("biden", 200, 60),)))]
    result, (probe,) = results[-1], [probe for each in results for probe in each.probes]
    (face,) = result.faces
    assert face.event == probe.event
    session.keep_probes([probe])
    assert session.correctable(result).faces == (replace(face, event=None),)
    session.refresh(configuration, WALL)
    assert session.stored()
    assert session.correctable(result) == result
    off = configuration.model_copy(update={"privacy": Privacy(correction_days=0)})
    session.refresh(off, WALL)
    assert session.correctable(result).faces == (replace(face, event=None),)
