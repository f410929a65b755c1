from pathlib import Path

import pytest

from edgeface.core.errors import GalleryError, VaultError
from edgeface.journal.journal import Journal
from edgeface.journal.removal import redact


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_who_is_forgotten_leaves_kind_and_time_and_the_chain_holds(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    assert redact(path, "alice") == 0
    assert not path.exists()
    journal = Journal(path)
    journal.record("enrolled", 1.0, {"person": "alice"})
    journal.record("match", 2.0, {"person": "bob"})
    journal.record("granted", 3.0, {"person": "alice", "door": "front"})
    journal.record("match", 4.0, {"person": None, "unknown": "u-7f3a"})
    links = [entry.link for entry in journal.rows()]
    sealed = journal._file._open()[0].execute("SELECT payload, person FROM rows WHERE seq = 3").fetchone()
    assert sealed[0] in contents(tmp_path)
    assert redact(path, "alice") == 2
    assert redact(path, "alice") == 0
    # Neither the sealed row nor the tag by which it was found.
    assert not any(part in contents(tmp_path) for part in sealed)
    rows = journal.rows()
    assert [(entry.row.kind, entry.redacted, entry.row.payload == "{}") for entry in rows] == [
        ("enrolled", True, True),
        ("match", False, False),
        ("granted", True, True),
        ("match", False, False),
    ]
    assert [entry.link for entry in rows] == links
    # Nobody is told of them any more.
    assert [row.at for row in journal.unpublished(10)] == [2.0, 4.0]
    assert journal.redact("u-7f3a") == 1
    found = journal.verify()
    assert (found.rows, found.redacted, found.fault) == (4, 3, None)
    journal.close()


def test_erasure_that_cannot_be_done_is_said(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"rubbish " * 1000)
    with pytest.raises(GalleryError, match="not a database"):
        redact(path, "alice")
    assert path.read_bytes() == b"rubbish " * 1000
    (tmp_path / "key").unlink()
    with pytest.raises(VaultError):
        redact(path, "alice")
