import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


V1 = """
CREATE TABLE rows (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    payload TEXT NOT NULL,
    said INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS unsaid ON rows (seq) WHERE said = 0;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""


def an_old_journal(path: Path) -> list[JournalRow]:
    rows = [
        JournalRow(f"id-{n}", "match", float(n), json.dumps({"person": "zuleika", "name": f"Zuleika {n}"}))
        for n in range(500)
    ]
    with closing(sqlite3.connect(path)) as old, old:
        old.executescript(V1)
        values = [(row.id, row.kind, row.at, row.payload, row.at < 400) for row in rows]
        old.executemany("INSERT INTO rows (id, kind, at, payload, said) VALUES (?, ?, ?, ?, ?)", values)
        old.execute("DELETE FROM rows WHERE seq = 300")
    old.close()
    return [row for row in rows if row.id != "id-299"]


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_an_old_journal_is_sealed_and_no_plain_text_of_it_stays(path: Path) -> None:
    rows = an_old_journal(path)
    assert b"uleika" in contents(path.parent)
    journal = Journal(path)
    assert b"uleika" not in contents(path.parent)
    assert [entry.row for entry in journal.rows()] == rows
    assert journal.unsaid(1000) == rows[399:]
    assert len(journal.about("zuleika")) == 499
    assert (journal.verify().rows, journal.verify().fault) == (499, None)
    journal.close()
    again = Journal(path)
    assert again.counts() == (499, 100)
    again.close()


def test_plain_text_that_somebody_holds_open_goes_at_the_next_start(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    an_old_journal(path)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM rows").fetchone()
    journal = Journal(path)
    assert journal.counts() == (499, 100)
    assert "plain text may still be in the journal" in caplog.text
    journal.close()
    reader.close()
    Journal(path).close()
    assert b"uleika" not in contents(path.parent)
