import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from edgeface.journal.writer import JournalWriter
from tests.support.broker import until
from tests.support.journals import counts

MOUNT = shutil.which("mount") or ""
UMOUNT = shutil.which("umount") or ""


def a_row(number: int) -> JournalRow:
    return JournalRow(f"id-{number}", "match", float(number), '{"person":"alice"}')


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or not (MOUNT and UMOUNT):
        pytest.skip("there is no mount")
    mounted = subprocess.run([MOUNT, "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("a disk of 4 MB cannot be mounted here; it takes root")
    yield folder
    subprocess.run([UMOUNT, "-l", folder], check=True)


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
    subprocess.run([MOUNT, "-o", "remount,ro", small_disk], check=False)
    journal.close()
    subprocess.run([MOUNT, "-o", "remount,ro", small_disk], check=True)
    later = Journal(small_disk / "journal.db")
    assert not later.append(a_row(2))
    assert later.problem is not None
    subprocess.run([MOUNT, "-o", "remount,rw", small_disk], check=True)
    assert later.append(a_row(2))
    assert counts(later) == (2, 2)
    assert later.verify().fault is None
    later.close()
