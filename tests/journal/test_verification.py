import json
import random
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeface.core.clock import thread_cpu
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from tests.support.clock import FixedClock
from tests.support.journals import counts

ROWS = 12


def a_row(number: int) -> JournalRow:
    person = ("alice", "bob")[number % 2]
    return JournalRow(f"id-{number}", "match", float(number), json.dumps({"person": person, "n": number}))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    journal.write([a_row(number) for number in range(1, ROWS + 1)], [])
    yield journal
    journal.close()


@pytest.fixture
def tamper(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Write into the file behind edgeface's back; it holds the file's rows, but not the key."""
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as intruder, intruder:

        def write(statements: str) -> None:
            intruder.executescript(f"BEGIN;{statements};COMMIT")

        yield write
    intruder.close()


SWAP = """
UPDATE rows SET seq = -1 WHERE seq = {0};
UPDATE rows SET seq = {0} WHERE seq = {1};
UPDATE rows SET seq = {1} WHERE seq = -1
"""

SHIFT = "UPDATE rows SET seq = -seq WHERE seq >= 5; UPDATE rows SET seq = 1 - seq WHERE seq < 0"

INSERT = """
INSERT INTO rows (seq, id, kind, at, payload, person, unknown, said, link, digest, proof)
SELECT {0}, 'new', kind, at, payload, person, unknown, said, link, digest, proof FROM rows WHERE seq = {0} - 1
"""


@pytest.mark.parametrize(
    ("statements", "fault", "before"),
    [
        ("UPDATE rows SET payload = randomblob(length(payload)) WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET payload = (SELECT payload FROM rows WHERE seq = 6) WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET payload = 'text' WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET kind = 'left' WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET kind = CAST(x'ff00' AS TEXT) WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET at = at + 1 WHERE seq = 1", "row 1 is altered", 0),
        ("UPDATE rows SET at = 'never' WHERE seq = 12", "row 12 is altered", 11),
        ("UPDATE rows SET id = 'other' WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET person = NULL WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET unknown = person, person = NULL WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET link = zeroblob(32) WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET link = 'text' WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET digest = zeroblob(32) WHERE seq = 5", "row 5 is altered", 4),
        ("UPDATE rows SET payload = NULL, digest = zeroblob(32) WHERE seq = 5", "row 5 is altered", 4),
        ("DELETE FROM rows WHERE seq = 5", "row 5 is missing", 4),
        ("DELETE FROM rows WHERE seq BETWEEN 5 AND 7", "row 5 is missing", 4),
        ("DELETE FROM rows WHERE seq < 5", "rows before row 5 are missing", 0),
        ("DELETE FROM rows WHERE seq < 5; DELETE FROM anchors", "rows before row 5 are missing", 0),
        (SWAP.format(5, 6), "row 5 is now row 6", 4),
        (SWAP.format(1, 12), "row 1 is now row 12", 0),
        ("UPDATE rows SET seq = 20 WHERE seq = 5", "row 5 is now row 20", 4),
        (INSERT.format(13), "row 13 is altered, or was not written by edgeface", 12),
        (f"{SHIFT}; {INSERT.format(5)}", "row 5 is now row 6", 4),
    ],
)
def test_every_kind_of_tampering_is_found(
    journal: Journal, tamper: Callable[[str], None], statements: str, fault: str, before: int
) -> None:
    assert journal.verify().fault is None
    tamper(statements)
    found = journal.verify()
    assert fault in (found.fault or "")
    assert found.rows == before
    # And it stays found when edgeface goes on writing.
    journal.append(a_row(50))
    assert fault in (journal.verify().fault or "")


def test_only_edgeface_may_empty_a_row(journal: Journal, tamper: Callable[[str], None]) -> None:
    assert journal.redact("alice") == ROWS // 2
    assert (journal.verify().redacted, journal.verify().fault) == (ROWS // 2, None)
    tamper("UPDATE rows SET proof = (SELECT proof FROM rows WHERE seq = 4) WHERE seq = 2")
    assert journal.verify().fault == "row 2 was emptied, but not by edgeface"


def test_an_anchor_replaces_the_rows_that_were_pruned_and_no_others(
    tmp_path: Path, tamper: Callable[[str], None]
) -> None:
    journal = Journal(tmp_path / "journal.db", cap=10)
    journal.write([a_row(number) for number in range(1, 11)], ["id-5", "id-6"])
    journal.write([a_row(11), a_row(12)], [])
    assert [entry.seq for entry in journal.rows()] == [1, 2, 3, 4, 7, 8, 9, 10, 11, 12]
    assert (journal.verify().rows, journal.verify().fault) == (10, None)
    tamper("DELETE FROM rows WHERE seq = 4")
    assert journal.verify().fault == "row 4 is missing"
    tamper("UPDATE anchors SET first = 4 WHERE seq = 6")
    assert journal.verify().fault == "row 4 is missing"
    journal.close()


def test_pruning_does_not_hide_what_was_removed(tmp_path: Path, tamper: Callable[[str], None]) -> None:
    journal = Journal(tmp_path / "journal.db", cap=20)
    journal.write([a_row(number) for number in range(20)], [f"id-{number}" for number in range(20)])
    tamper("DELETE FROM rows WHERE seq = 5; UPDATE anchors SET seq = 5, link = zeroblob(32)")
    journal.write([a_row(number) for number in range(20, 36)], [f"id-{number}" for number in range(20, 36)])
    assert min(entry.seq for entry in journal.rows()) > 5
    assert "are missing, but were not pruned by edgeface" in (journal.verify().fault or "")
    journal.close()


WRITER = """
import sys
from pathlib import Path
from edgeface.journal.journal import Journal; from edgeface.journal.rows import JournalRow as Row
journal = Journal(Path(sys.argv[1]))
for number in range(40):
    assert journal.append(Row(f"{sys.argv[2]}-{number}", "match", 0.0, "{}")), journal.problem
"""


def test_several_processes_make_one_chain(tmp_path: Path, python: str) -> None:
    path = tmp_path / "journal.db"
    writers = [subprocess.Popen([python, "-c", WRITER, str(path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    journal = Journal(path)
    assert (journal.verify().rows, journal.verify().fault) == (120, None)
    journal.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 12)),
        st.tuples(st.just("said"), st.integers(0, 60)),
        st.tuples(st.just("redact"), st.sampled_from(["alice", "bob"])),
        st.tuples(st.just("sleep"), st.integers(1, 40)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, seed=st.integers(0, 2**32))
def test_whatever_edgeface_does_the_chain_holds(tmp_path: Path, steps: list[tuple[str, int | str]], seed: int) -> None:
    folder = tmp_path / f"{random.Random(repr((steps, seed))).getrandbits(64):x}"
    clock, day, written = FixedClock(epoch=1e9), 86_400.0, 0
    journals = [Journal(folder / "journal.db", cap=15, days=30, clock=clock, right=lambda: True) for _ in range(2)]
    heads = []
    for number, (step, value) in enumerate(steps):
        journal = journals[number % 2]
        if step == "write":
            rows = [
                JournalRow(f"id-{n}", "match", clock.wall(), a_row(n).payload)
                for n in range(written, written + int(value))
            ]
            assert journal.write(rows, [])
            written += int(value)
        elif step == "said":
            assert journal.write([], [f"id-{value}"])
        elif step == "redact":
            journal.redact(str(value))
        elif step == "sleep":
            clock.sleep(int(value) * day)
            journal.expire()
        else:
            journal.close()
            journals[number % 2] = Journal(folder / "journal.db", cap=15, days=30, clock=clock, right=lambda: True)
        found = journals[0].verify()
        assert (found.fault, found.head) == (None, journals[1].head()[1])
        assert found.rows == counts(journals[1])[0] <= 15
        heads.append(journals[0].head()[0])
    assert heads == sorted(heads)
    for journal in journals:
        assert journal.problem is None
        journal.close()


def test_many_rows_are_verified_by_a_few_steps_each(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    payload = json.dumps({"person": "alice", "what": "x" * 500})
    assert journal.write([JournalRow(f"id-{n}", "match", float(n), payload) for n in range(10_000)], [])
    start = thread_cpu()
    assert journal.verify().rows == 10_000
    # CPU, not time: 0.3 s on a busy machine of two cores; a second pass for each row would be minutes.
    assert thread_cpu() - start < 5
    journal.close()
