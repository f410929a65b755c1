from contextlib import suppress
from pathlib import Path

from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from edgeface.journal.writer import JournalWriter
from tests.support.broker import until
from tests.support.disks import _small_disk, mount  # noqa: F401 - a fixture
from tests.support.journals import counts


def a_row(number: int) -> JournalRow:
    return JournalRow(f"id-{number}", "match", float(number), '{"person":"alice"}')


def test_a_full_disk_stops_no_event_and_corrupts_nothing(small_disk: Path) -> None:
    journal = Journal(small_disk / "journal.db")
    writer = JournalWriter(journal)
    writer.start()
    for seq in range(50):
        writer.record_row(a_row(seq))
    until(lambda: counts(journal) == (50, 50))
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1024)):
            pass
    for seq in range(50, 3000):
        writer.record_row(a_row(seq))
    until(lambda: journal.failures > 1)
    assert "full" in str(journal.problem)
    assert writer.waiting > 1000
    # A start on the full disk is no error either.
    second = Journal(small_disk / "journal.db")
    second.close()
    ballast.unlink()
    until(lambda: writer.waiting == 0, 15)
    writer.close()
    assert writer.lost == 0
    assert counts(journal) == (3000, 3000)
    assert journal.facts()["problem"] is None
    assert journal.set_aside is None
    assert (journal.verify().rows, journal.verify().fault) == (3000, None)
    journal.close()


def test_a_fresh_start_on_a_full_or_read_only_disk_is_a_state(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    journal = Journal(small_disk / "journal.db")
    assert not journal.append(a_row(1))
    assert "the disk is full" in (journal.problem or "")
    ballast.unlink()
    assert journal.append(a_row(1))
    mount("-o", "remount,ro", small_disk)
    journal.close()
    assert mount("-o", "remount,ro", small_disk)
    later = Journal(small_disk / "journal.db")
    assert not later.append(a_row(2))
    assert later.problem is not None
    assert mount("-o", "remount,rw", small_disk)
    assert later.append(a_row(2))
    assert counts(later) == (2, 2)
    assert later.verify().fault is None
    later.close()
