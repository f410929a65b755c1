import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.errors import VaultError
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


def test_people_are_matched_at_a_laxer_level_while_theirs_cannot_be_guaranteed(tmp_path: Path) -> None:
    table = CalibrationTable.shipped()
    most = table.most("high")
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, recognition=Recognition(level="high"))
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        for seed in range(most):
            gallery.enroll(f"person-{seed}", None, [Template(face(seed), gallery.model, "photo", NOON)], NOON)
        with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
            assert not session.problems
            assert session.pipeline._limits.thresholds.level == "high"
            gallery.enroll("one-more", None, [Template(face(most), gallery.model, "photo", NOON)], NOON)
            session.refresh(configuration, NOON)
            why = f"level 'high' cannot be guaranteed for {most + 1} people, only for {most}"
            assert session.problems == (f"{why}: people are matched at level 'normal'",)
            accept = session.pipeline._limits.thresholds
            assert (accept.level, accept.accept) == ("normal", table.threshold("normal", most + 1))


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
