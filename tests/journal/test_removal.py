from contextlib import closing
from pathlib import Path

import pytest

from edgeface.core.errors import GalleryError, VaultError
from edgeface.journal.journal import Journal
from edgeface.journal.removal import redact
from edgeface.journal.rows import JournalRow
from tests.support.clock import FixedClock
from tests.support.journals import counts


def a_row(number: int) -> JournalRow:
    return JournalRow(f"id-{number}", "match", float(number), "{}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


DAY = 86_400.0


def test_rows_grow_old_and_the_chain_holds(path: Path) -> None:
    clock = FixedClock(epoch=1000 * DAY)
    journal = Journal(path, days=90, clock=clock, right=lambda: True)
    for day in range(5):
        journal.write([JournalRow(f"{day}-{n}", "match", clock.wall(), "{}") for n in range(10)], [f"{day}-0"])
        clock.sleep(DAY)
    journal.expire()
    assert counts(journal) == (50, 45)
    clock.sleep(88 * DAY)
    journal.expire()
    assert counts(journal) == (20, 18)
    assert journal.dropped == 27
    assert (journal.verify().rows, journal.verify().fault) == (20, None)
    clock.sleep(1000 * DAY)
    head = journal.head()
    journal.days = 0
    journal.expire()
    assert counts(journal) == (20, 18)
    journal.days = 1
    journal.expire()
    assert counts(journal) == (0, 0)
    assert journal.head() == head
    journal.append(a_row(1))
    assert journal.head()[0] == head[0] + 1
    assert (journal.verify().rows, journal.verify().fault) == (1, None)
    journal.close()


def test_a_clock_that_jumps_does_not_empty_the_journal(path: Path) -> None:
    clock, right = FixedClock(epoch=1000 * DAY), [False]
    journal = Journal(path, days=90, clock=clock, right=lambda: right[0])
    journal.write([JournalRow(f"a-{n}", "match", clock.wall(), "{}") for n in range(10)], [])
    clock.epoch += 365 * DAY
    clock.sleep(7200)
    journal.expire()
    assert counts(journal) == (10, 10)
    # Now it is right, and the rows that were written before only look old.
    right[0] = True
    journal.append(JournalRow("b", "match", clock.wall(), "{}"))
    journal.expire()
    assert counts(journal) == (11, 11)
    clock.sleep(91 * DAY)
    journal.append(JournalRow("c", "match", clock.wall(), "{}"))
    journal.expire()
    assert [entry.row.id for entry in journal.rows()] == ["c"]
    journal.close()


def test_rows_stay_while_the_clock_may_be_wrong(path: Path) -> None:
    clock, right = FixedClock(epoch=1000 * DAY), [True]
    with closing(Journal(path, days=90, clock=clock, right=lambda: right[0])) as journal:
        journal.append(JournalRow("a", "match", clock.wall(), "{}"))
        right[0] = False
        clock.epoch += 365 * DAY
        clock.sleep(7200)
        journal.expire()
        assert [entry.row.id for entry in journal.rows()] == ["a"]
        right[0] = True
        journal.expire()
        assert journal.rows() == []


def test_a_row_from_a_wrong_clock_goes_with_its_neighbours(path: Path) -> None:
    clock = FixedClock(epoch=1000 * DAY)
    journal = Journal(path, days=90, clock=clock, right=lambda: True)
    for number, day in enumerate([100, 5000, 100, 950, 0, 990, 5000]):
        journal.append(JournalRow(f"id-{number}", "match", day * DAY, "{}"))
    journal.expire()
    assert [entry.row.id for entry in journal.rows()] == ["id-3", "id-4", "id-5", "id-6"]
    assert journal.verify().fault is None
    journal.close()


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
    sealed = journal._open()[0].execute("SELECT payload, person FROM rows WHERE seq = 3").fetchone()
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
    # They are no longer to be published.
    assert [row.at for row in journal.unpublished(10)] == [2.0, 4.0]
    assert journal.redact("u-7f3a") == 1
    found = journal.verify()
    assert (found.rows, found.redacted, found.fault) == (4, 3, None)
    journal.close()


def test_erasure_that_cannot_be_done_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"rubbish " * 1000)
    with pytest.raises(GalleryError, match="not a database"):
        redact(path, "alice")
    assert path.read_bytes() == b"rubbish " * 1000
    (tmp_path / "key").unlink()
    with pytest.raises(VaultError):
        redact(path, "alice")
