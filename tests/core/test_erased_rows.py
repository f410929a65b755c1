"""What SQLite deletes is overwritten to the last byte; the whole file is written again only where that is needed."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO

import pytest

from edgeface.core import sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = "CREATE TABLE rows (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID"


class Rows:
    """Random rows, of which some come and go at a time."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.random, self.tags = path, random.Random(seed), list[bytes]()
        self.db = sqlite3.connect(path, isolation_level=None)
        for pragma in (*sqlite.PRAGMAS, "PRAGMA synchronous = OFF", ROWS):
            self.db.execute(pragma)
        self.vacuums = 0
        self.db.set_trace_callback(self._count)

    def _count(self, statement: str) -> None:
        self.vacuums += statement == "VACUUM"

    def put(self, count: int) -> None:
        with sqlite.transaction(self.db):
            for _ in range(count):
                self.tags.append(tag := self.random.randbytes(16))
                sealed = tag + self.random.randbytes(self.random.choice((20, 200)))
                self.db.execute("INSERT INTO rows VALUES (?, ?)", (tag, sealed))

    def delete(self, count: int) -> list[bytes]:
        gone = [self.tags.pop(self.random.randrange(len(self.tags))) for _ in range(count)]
        with sqlite.transaction(self.db):
            self.db.executemany("DELETE FROM rows WHERE tag = ?", [(tag,) for tag in gone])
        return gone

    def left(self, gone: list[bytes]) -> int:
        """How many of these are still in the file."""
        sqlite.empty_log(self.db, self.path)
        data = self.path.read_bytes()
        return sum(tag in data for tag in gone)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with closing((made := Rows(tmp_path / "rows.db", 0)).db):
        yield made


def test_nothing_is_left_of_what_was_deleted(tmp_path: Path) -> None:
    left, erasures, vacuums = 0, 0, 0
    for seed in range(12):
        rows = Rows(tmp_path / f"{seed}.db", seed)
        with closing(rows.db):
            for _ in range(12):
                rows.put(rows.random.choice((0, 20, 100)))
                gone = rows.delete(len(rows.tags) // rows.random.choice((3, 30)))
                left += rows.left(gone)
                sqlite.erase(rows.db, rows.path)
                assert rows.left(gone) == 0
                erasures += 1
            vacuums += rows.vacuums
    # SQLite alone leaves some of them.
    assert left > 0
    assert vacuums < erasures / 2


def test_where_nothing_is_left_the_file_is_not_written_again(rows: Rows) -> None:
    rows.put(500)
    sqlite.erase(rows.db, rows.path)
    rows.vacuums = 0
    rows.delete(1)
    sqlite.erase(rows.db, rows.path)
    assert rows.vacuums == 0


def drop(rows: Rows, size: int) -> bytes:
    """Make a table with one large row, and drop it; returns the bytes of the row."""
    row = rows.random.randbytes(size)
    rows.db.execute("CREATE TABLE large (row BLOB)")
    rows.db.execute("INSERT INTO large VALUES (?)", (row,))
    rows.db.execute("DROP TABLE large")
    return row[size // 2 : size // 2 + 16]


@pytest.mark.parametrize("trunk", [True, False])
def test_bytes_in_a_free_page_are_overwritten(rows: Rows, *, trunk: bool) -> None:
    rows.put(2_000)
    sqlite.erase(rows.db, rows.path)
    assert rows.left([drop(rows, 20_000)]) == 0
    with rows.path.open("r+b") as file:
        # As a program leaves it that does not overwrite what it deletes.
        page = number(file, 32)
        page = page if trunk else number(file, 4096 * (page - 1) + 8)
        file.seek(4096 * page - 16)
        file.write(left := rows.random.randbytes(16))
    assert rows.left([left]) == 1
    sqlite.erase(rows.db, rows.path)
    assert rows.left([left]) == 0


def number(file: BinaryIO, at: int) -> int:
    file.seek(at)
    return int.from_bytes(file.read(4), "big")


def test_a_file_that_is_mostly_empty_becomes_smaller(rows: Rows) -> None:
    rows.put(50)
    gone = drop(rows, 200_000)
    assert rows.left([gone]) == 0
    size = rows.path.stat().st_size
    sqlite.erase(rows.db, rows.path)
    assert rows.path.stat().st_size < size / 4
