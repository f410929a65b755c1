import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration
from edgeface.core.errors import VaultError
from edgeface.daemon.daemon import Daemon
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from tests.support.connections import Connections


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
