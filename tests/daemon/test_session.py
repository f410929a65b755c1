import math
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.types import Embedding
from edgeface.daemon.daemon import Daemon
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknown
from edgeface.recognition.settings import Recognition
from tests.support.connections import Connections

NOON = 1_800_000_000.0


@pytest.fixture(name="altered")
def _altered(tmp_path: Path) -> Configuration:
    """A configuration whose gallery opens, with a row that does not."""
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        gallery.enroll(
            "alice", "Alice", [Template(np.eye(192, dtype=np.float32)[0], gallery.model, "photo", 5.0)], 100.0
        )
    with closing(sqlite3.connect(tmp_path / "gallery.db")) as intruder, intruder:
        intruder.execute("UPDATE templates SET sealed = zeroblob(length(sealed))")
    return Configuration(data=tmp_path, cameras={"porch": ReplayCamera(type="replay", path=Path("clip.mp4"))})


def test_a_session_that_cannot_be_opened_closes_the_gallery(altered: Configuration, connections: Connections) -> None:
    with connections.all_closed(), pytest.raises(VaultError, match="altered"):
        RecognitionSession(altered, "boot", 1e9)


def test_a_daemon_that_cannot_start_closes_the_journal_and_the_gallery(
    altered: Configuration, connections: Connections
) -> None:
    with connections.all_closed(), pytest.raises(VaultError, match="altered"):
        Daemon(altered).run()


def face(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(192).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_no_one_is_matched_while_the_level_cannot_be_guaranteed(tmp_path: Path) -> None:
    most = CalibrationTable.shipped().most("high")
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, recognition=Recognition(level="high"))
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        for seed in range(most):
            gallery.enroll(f"person-{seed}", None, [Template(face(seed), gallery.model, "photo", NOON)], NOON)
        with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
            assert not session.problems
            assert session.pipeline._thresholds.accept < 1.0
            gallery.enroll("one-more", None, [Template(face(most), gallery.model, "photo", NOON)], NOON)
            session.refresh(configuration, NOON)
            assert session.problems[0].startswith("no one can be matched: level 'high' cannot be guaranteed")
            assert session.pipeline._thresholds.accept == math.inf


def test_unknowns_stay_while_the_clock_may_be_wrong(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    old = NOON - (configuration.unknown.days + 1) * 86_400
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        gallery.store_unknowns([Unknown("u-7f3a", face(1), (face(1),), 2, 1, old, old, "porch")])
    right = [False]
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: right[0])) as session:
        session.refresh(configuration, NOON)
        assert session.unknowns == {"u-7f3a"}
        right[0] = True
        session.refresh(configuration, NOON)
        assert session.unknowns == frozenset()


def seen_by(session: RecognitionSession, seed: int, wall: float = NOON) -> str:
    given = session._unknowns.see([face(seed)] * 2, wall, "porch")
    assert given is not None
    return given


def test_a_merge_and_an_enrollment_by_another_program_are_taken_up(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
        one, other, third = (seen_by(session, seed, NOON + seed) for seed in (1, 2, 3))
        session.refresh(configuration, NOON + 5)
        assert session.stored()
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
            gallery.merge_unknowns(one, other, NOON + 6)
            gallery.enroll(
                "carol", "Carol", [Template(face(3), gallery.model, "unknown", NOON)], NOON + 7, unknown=third
            )
        session.refresh(configuration, NOON + 8)
        assert session.unknowns == {one}
        assert session._unknowns._facts[one].merged == (other,)
        session.refresh(configuration, NOON + 9)
        assert session.stored()
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
            assert [(kept.id, kept.sightings) for kept in gallery.unknowns()] == [(one, 2)]


def test_who_is_not_stored_yet_is_not_taken_for_removed(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery, gallery.transaction():
            waiting = seen_by(session, 1)
            session.refresh(configuration, NOON + 1)
            # The other program has the lock until it has enrolled someone, so nothing is stored yet.
            assert not session.stored(0.1)
            gallery.enroll("dave", "Dave", [Template(face(4), gallery.model, "photo", NOON)], NOON)
            later = seen_by(session, 2)
        session.refresh(configuration, NOON + 2)
        assert session.unknowns == {waiting, later}
        assert session.stored()
        session.refresh(configuration, NOON + 3)
        assert session.stored()
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
            assert {one.id for one in gallery.unknowns()} == {waiting, later}


def test_a_disk_that_refuses_is_a_problem_until_it_accepts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
        with monkeypatch.context() as patched:

            def full(*_: object, **__: object) -> None:
                raise GalleryError("gallery.db: cannot be written: is the disk full?")

            patched.setattr(Gallery, "store_unknowns", full)
            kept = seen_by(session, 1)
            session.refresh(configuration, NOON)
            assert not session.stored()
            for _ in range(3):
                with pytest.raises(GalleryError, match="is the disk full"):
                    session.refresh(configuration, NOON)
                assert not session.stored()
        with pytest.raises(GalleryError, match="is the disk full"):
            session.refresh(configuration, NOON)
        assert session.stored()
        session.refresh(configuration, NOON)
        assert session.unknowns == {kept}
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        assert [one.id for one in gallery.unknowns()] == [kept]
