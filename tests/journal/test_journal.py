import json
import logging
import os
import signal
import sqlite3
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.errors import GalleryError, VaultError
from edgeface.journal import rows
from edgeface.journal.database import noted
from edgeface.journal.journal import Journal, audit
from edgeface.journal.rows import VERSION, JournalRow
from edgeface.journal.writer import MAX_QUEUED_ROWS, JournalWriter
from edgeface.mqtt import topics
from edgeface.mqtt.publisher import LogPublisher
from edgeface.security.vault import VaultKey
from tests.support.broker import until
from tests.support.journals import counts
from tests.support.sayings import an_event


def a_row(number: int) -> JournalRow:
    return JournalRow(f"id-{number}", "match", float(number), json.dumps({"event_type": "match", "seq": number}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def test_rows_come_back_in_order_until_they_are_published(journal: Journal) -> None:
    for number in (3, 1, 2):
        assert journal.append(a_row(number))
    assert [row.id for row in journal.unpublished(10)] == ["id-3", "id-1", "id-2"]
    assert journal.unpublished(1) == [a_row(3)]
    assert journal.write([], published=["id-3", "id-2", "nobody"])
    assert journal.unpublished(10) == [a_row(1)]
    assert journal.write([a_row(4)], ["id-4"])
    assert counts(journal) == (4, 1)
    assert journal.unpublished_count() == 1


def test_a_row_is_written_once(journal: Journal) -> None:
    assert journal.write([a_row(1)], ["id-1"])
    assert journal.append(a_row(1))
    assert counts(journal) == (1, 0)


def test_rows_outlive_the_journal(journal: Journal, path: Path) -> None:
    journal.append(a_row(1))
    other = Journal(path)
    assert other.unpublished(10) == [a_row(1)]
    other.close()


def test_the_file_is_ours_alone_and_durable(journal: Journal, path: Path) -> None:
    journal.append(a_row(1))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    connection = journal._open()[0]
    pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
    assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION


def test_the_oldest_published_rows_go_first(path: Path) -> None:
    journal = Journal(path, cap=100)
    journal.write([a_row(number) for number in range(50)], [])
    journal.write([a_row(number) for number in range(50, 100)], [f"id-{number}" for number in range(50, 100)])
    journal.write([a_row(number) for number in range(100, 120)], [])
    total, unpublished = counts(journal)
    assert (total <= 100, unpublished, journal.dropped) == (True, 70, 0)
    assert journal.unpublished(1) == [a_row(0)]
    journal.write([a_row(number) for number in range(120, 200)], [])
    assert counts(journal) == (100, 100)
    assert journal.dropped == 50
    assert journal.unpublished(200)[-1] == a_row(199)
    journal.close()


def test_a_full_disk_is_a_state_that_passes(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    assert journal.append(a_row(0))
    journal._open()[0].execute("PRAGMA max_page_count = 8")
    big = JournalRow("big", "match", 0.0, json.dumps({"x": "y" * 100_000}))
    for _ in range(3):
        journal._open()[0].execute("PRAGMA max_page_count = 8")
        assert not journal.append(big)
    assert "full" in (journal.problem or "")
    assert journal.failures == 3
    assert sum("full" in record.message for record in caplog.records) == 1
    assert journal.append(big)
    assert journal.problem is None
    assert counts(journal) == (2, 2)


def test_a_missing_folder_is_a_state_that_passes(tmp_path: Path) -> None:
    (tmp_path / "later").touch()
    journal = Journal(tmp_path / "later" / "journal.db")
    assert not journal.append(a_row(1))
    assert "cannot be used" in (journal.problem or "")
    assert journal.facts()["problem"] == journal.problem
    assert journal.unpublished(10) == []
    assert journal.head() == (0, "")
    assert journal.facts()["head"] is None
    assert (journal.verify().fault or "").startswith("the journal cannot be read")
    (tmp_path / "later").unlink()
    assert journal.append(a_row(1))
    assert journal.problem is None
    journal.close()


@pytest.mark.parametrize("damage", ["header", "middle"])
def test_a_corrupt_file_is_set_aside(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(path)
    journal.write([a_row(number) for number in range(2000)], [])
    journal.close()
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[:16] = b"not a database!!"
    else:
        content[8192:40960] = os.urandom(32768)
    path.write_bytes(content)
    again = Journal(path)
    assert again.set_aside == "journal.db.corrupt-1"
    assert (path.parent / again.set_aside).read_bytes() == content
    assert again.append(a_row(1))
    began, _ = again.unpublished(10)
    assert (began.kind, json.loads(began.payload)) == ("started", {"set_aside": again.set_aside})
    assert again.verify().fault is None
    assert "set aside as journal.db.corrupt-1" in caplog.text
    again.close()


@pytest.mark.parametrize(("version", "writer"), [(VERSION + 1, "newer edgeface"), (1, "version before 0.1")])
def test_a_file_of_another_version_is_left_alone(path: Path, version: int, writer: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE rows (seq INTEGER PRIMARY KEY)")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    before = path.read_bytes()
    journal = Journal(path)
    assert not journal.append(a_row(1))
    assert f"it was written by a {writer} (version {version}; this edgeface reads {VERSION})" in (journal.problem or "")
    assert path.read_bytes() == before
    journal.close()
    with pytest.raises(GalleryError, match=writer), rows.opened(path):
        pass
    assert path.read_bytes() == before


def test_many_threads_may_write(journal: Journal) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 25):
            journal.append(a_row(number))

    threads = [threading.Thread(target=write, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(journal) == (100, 100)


def test_a_note_is_a_row_for_the_audit_topic(journal: Journal) -> None:
    assert journal.record("deleted", 1_800_000_000.0, {"person": "alice"})
    [row] = journal.unpublished(10)
    said = json.loads(audit(row, "front", 1_800_000_001.0))
    assert said == {
        "v": 1,
        "event_type": "deleted",
        "id": row.id,
        "device": "front",
        "at": "2027-01-15T08:00:00.000Z",
        "person": "alice",
        "sent_at": "2027-01-15T08:00:01.000Z",
        "late": False,
    }


def test_what_a_row_says_cannot_pass_for_what_it_is() -> None:
    facts = {"door": "front", "device": "other", "id": "x", "v": 9, "event_type": "match", "late": True, "at": "never"}
    said = json.loads(audit(JournalRow("an-id", "rejected", 0.0, json.dumps(facts)), "front", 1.0))
    assert said["event_type"] == "rejected"
    assert (said["id"], said["device"], said["v"], said["late"]) == ("an-id", "front", 1, False)
    assert (said["door"], said["at"]) == ("front", "1970-01-01T00:00:00.000Z")


CHILD = """
import sys
from pathlib import Path
from edgeface.journal.journal import Journal; from edgeface.journal.rows import JournalRow as Row
journal = Journal(Path(sys.argv[1]))
for number in range(1000000):
    if journal.append(Row(f"id-{number}", "match", 0.0, "{}")):
        print(number, flush=True)
"""


@pytest.mark.parametrize("written", [1, 20, 50])
def test_nothing_that_was_written_is_lost_by_a_kill_and_the_chain_holds(path: Path, python: str, written: int) -> None:
    last = -1
    with subprocess.Popen([python, "-c", CHILD, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(written):
            last = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        last = max([last, *(int(line) for line in child.stdout.read().split())])
    journal = Journal(path)
    rows = journal.unpublished(1_000_000)
    assert [row.id for row in rows[: last + 1]] == [f"id-{number}" for number in range(last + 1)]
    assert len(rows) <= last + 2
    assert (journal.verify().rows, journal.verify().fault) == (len(rows), None)
    journal.close()


def test_the_outbox_gives_a_row_to_one_holder_at_a_time(journal: Journal) -> None:
    writer = JournalWriter(journal)
    writer.start()
    for seq in range(3):
        writer.record(an_event(seq))
    ids = [an_event(seq).id for seq in range(3)]
    until(lambda: counts(journal) == (3, 3))
    assert writer.take(10) == []
    writer.release(ids)
    taken: list[JournalRow] = []

    def took(count: int) -> bool:
        taken.extend(writer.take(10))
        return len(taken) == count

    until(lambda: took(3))
    assert [row.id for row in taken] == ids
    for id_ in ids[:2]:
        writer.mark_published(id_)
    until(lambda: counts(journal) == (3, 1))
    writer.release(ids[2:])
    until(lambda: took(4))
    assert taken[3].id == ids[2]
    writer.close()
    assert writer.waiting == 0


def test_a_note_goes_out_by_itself(journal: Journal) -> None:
    writer = JournalWriter(journal)
    writer.start()
    writer.take(1)
    row = noted("granted", 1.0, {"door": "front", "person": "alice"})
    writer.record_row(row)
    taken: list[JournalRow] = []

    def took() -> bool:
        taken.extend(writer.take(10))
        return bool(taken)

    until(took)
    assert taken == [row]
    writer.mark_published(row.id)
    until(lambda: counts(journal) == (1, 0))
    writer.close()


def test_the_outbox_waits_for_a_disk_that_comes_back(tmp_path: Path) -> None:
    (tmp_path / "later").touch()
    journal = Journal(tmp_path / "later" / "journal.db")
    writer = JournalWriter(journal)
    writer.start()
    for seq in range(MAX_QUEUED_ROWS + 300):
        writer.record(an_event(seq))
    until(lambda: journal.failures > 1)
    assert 0 < writer.lost <= 300
    kept = MAX_QUEUED_ROWS + 300 - writer.lost
    assert writer.waiting == kept
    (tmp_path / "later").unlink()
    until(lambda: counts(journal) == (kept, kept))
    writer.close()
    journal.close()


def test_an_outbox_without_a_disk_ends_and_says_what_is_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "never").touch()
    journal = Journal(tmp_path / "never" / "journal.db")
    writer = JournalWriter(journal)
    writer.start()
    writer.record(an_event(1))
    writer.close()
    assert "1 event could not be written" in caplog.text
    journal.close()


def test_without_a_broker_events_go_to_the_journal(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    publisher = LogPublisher(journal, SystemClock())
    publisher.start()
    publisher.publish(an_event(1), b"jpeg")
    publisher.set(topics.PEOPLE.at(camera="porch"), "Alice")
    publisher.set(topics.CAMERA_STATUS.at(camera="porch"), "stalled")
    publisher.set(topics.ENABLED_STATE.at(camera="porch"), "OFF")
    publisher.set(topics.STATE, {"fps": 1})
    publisher.close()
    assert caplog.messages == []
    writer = publisher._writer
    assert (writer.lost, writer.waiting, writer.unpublished) == (0, 0, 0)
    assert counts(journal) == (1, 0)


def test_say_costs_microseconds(journal: Journal) -> None:
    clock = SystemClock()
    writer = JournalWriter(journal)
    writer.start()
    events = [an_event(seq) for seq in range(200)]
    times = []
    for event in events:
        start = clock.monotonic()
        writer.record(event)
        times.append(clock.monotonic() - start)
        clock.sleep(0.001)
    writer.close()
    assert sorted(times)[189] < 0.005


def test_strangers_are_counted_a_day(journal: Journal) -> None:
    assert journal.strangers_a_day(0.0) is None
    day = 86_400.0
    for n in range(20):
        journal.append(JournalRow(f"u{n}", "unknown" if n % 2 else "match", n * day / 2, "{}"))
    assert journal.strangers_a_day(10 * day) == pytest.approx(1.0)
    assert journal.strangers_a_day(100 * day) == 0


def test_rows_are_chosen_by_what_they_are(journal: Journal) -> None:
    who = ["alice", "bob", "alice", None]
    for number, person in enumerate(who):
        kind = "match" if person else "unknown"
        facts = {"person": person, "unknown": None if person else "u-7f3a"}
        journal.append(JournalRow(f"id-{number}", kind, float(number), json.dumps(facts)))
    journal.write([], ["id-0"])

    def chosen(**by: Any) -> list[int]:
        return [entry.seq for entry in journal.rows(**by)]

    assert chosen() == [1, 2, 3, 4]
    assert chosen(after=1, before=4) == [2, 3]
    assert chosen(last=2) == [3, 4]
    assert chosen(kinds=("unknown", "left")) == [4]
    assert chosen(who="alice") == [1, 3]
    assert chosen(who="u-7f3a") == [4]
    assert chosen(who="alice' OR 1=1 --") == []
    assert chosen(since=2.0) == [3, 4]
    assert chosen(who="alice", since=1.0, last=5) == [3]
    first = journal.rows()[0]
    assert (first.published, first.redacted, first.altered, first.row.id) == (True, False, False, "id-0")
    assert journal.rows()[-1].link == journal.head()[1]
    assert [row.id for row in journal.about("alice")] == ["id-0", "id-2"]
    assert journal.facts() == {
        "problem": None,
        "failures": 0,
        "set_aside": None,
        "seq": 4,
        "head": journal.head()[1][:16],
    }


def test_nothing_of_a_row_is_in_plain_text(journal: Journal, path: Path) -> None:
    journal.record("match", 1.0, {"person": "zuleika", "name": "Zuleika Dobson", "unknown": "u-7f3a"})
    with closing(sqlite3.connect(path)) as reader, reader:
        reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    reader.close()
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"match" in content
    assert not any(word in content for word in (b"uleika", b"Dobson", b"u-7f3a", b'person"'))


@pytest.mark.parametrize("harm", ["missing", "another", "rubbish"])
def test_without_its_key_a_journal_refuses_to_start(path: Path, harm: str) -> None:
    journal = Journal(path)
    journal.append(a_row(1))
    journal.close()
    before, key = path.read_bytes(), path.parent / "key"
    if harm == "missing":
        key.unlink()
    else:
        key.write_bytes(b"rubbish" if harm == "rubbish" else VaultKey("file", bytes(32)).text())
    with pytest.raises(VaultError):
        Journal(path)
    assert path.read_bytes() == before


def test_a_row_that_was_altered_is_marked_as_altered(journal: Journal) -> None:
    journal.append(a_row(1))
    journal._open()[0].execute("UPDATE rows SET payload = ?, at = 1e300", (b"x" * 40,))
    [row] = journal.unpublished(10)
    assert json.loads(audit(row, "front", 1.0))["altered"] is True
    assert journal.rows()[0].altered


def test_a_time_in_whole_seconds_holds_in_the_chain(journal: Journal) -> None:
    assert journal.append(JournalRow("1", "match", 5, "{}"))
    assert journal.verify().fault is None
